"""Toy crawls on virtual time, for what takes minutes or hours: retries, set-asides, storms."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crawler.engine.run import Disk, Run
from crawler.engine.supervisor import Ending
from crawler.engine.worker import Source
from crawler.frontier.store import Frontier
from crawler.model import Item
from crawler.transport.gate import Gate
from tests.engine.toy import ToyClient, ToyProvider, settings
from tests.simulation.loop import VirtualClock, VirtualLoop


class Inline:
    """The part of an aiosqlite connection that the frontier uses, without its thread, which knows no virtual time."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self.real = real

    async def execute(self, sql: str, values: Any = ()) -> None:  # noqa: ANN401 - as SQLite takes them
        self.real.execute(sql, values)

    async def executemany(self, sql: str, rows: Any) -> None:  # noqa: ANN401 - as SQLite takes them
        self.real.executemany(sql, rows)

    async def executescript(self, sql: str) -> None:
        self.real.executescript(sql)

    async def execute_fetchall(self, sql: str, values: Any = ()) -> list[Any]:  # noqa: ANN401 - as SQLite takes them
        return self.real.execute(sql, values).fetchall()

    async def close(self) -> None:
        self.real.close()


async def _connect(place: object, **options: Any) -> Inline:  # noqa: ANN401 - as SQLite takes them
    return Inline(sqlite3.connect(str(place), **options))


def crawl_virtually(
    folder: Path, client: ToyClient, trouble: Callable[[str, float], None], seed: int = 1
) -> tuple[Ending, float]:
    """Crawl from user 3; return the ending and the virtual seconds. `trouble` is told each url and when it is asked."""
    loop, chance = VirtualLoop(0.0, lambda: 1e-4), random.Random(seed)
    client.trouble = lambda url, _times: trouble(url, loop.time())
    folder.mkdir(exist_ok=True)

    async def crawl() -> Ending:
        source = Source(ToyProvider(), client, Gate(20.0))
        disk = Disk(frontier=lambda path: Frontier(path, _connect))
        chosen = settings(empty_data=b"{}")
        async with Run(folder, chosen, {"toy": source}, VirtualClock(loop), chance.random, disk) as run:
            run.seed([Item("user", 3, 3, "id", None)], "soundcloud", "toy")
            return await run.crawl()

    try:
        return loop.run_until_complete(crawl()), loop.time()
    finally:
        loop.close()
