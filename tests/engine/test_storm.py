from __future__ import annotations

import random
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from crawler.dataset.reader import records
from crawler.engine.run import Disk, Run
from crawler.engine.supervisor import Ending
from crawler.engine.worker import Source
from crawler.errors import Transient
from crawler.frontier.store import Frontier
from crawler.model import Item
from crawler.transport.gate import Gate
from tests.engine.toy import ToyClient, ToyProvider, World, settings
from tests.simulation.loop import VirtualClock, VirtualLoop

OUTAGE_SECONDS = 600.0


class Inline:
    """The part of an aiosqlite connection that the frontier uses, without its thread, which knows no virtual time."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self.real = real

    async def execute(self, sql: str, values: Any = ()) -> None:
        self.real.execute(sql, values)

    async def executemany(self, sql: str, rows: Any) -> None:
        self.real.executemany(sql, rows)

    async def executescript(self, sql: str) -> None:
        self.real.executescript(sql)

    async def execute_fetchall(self, sql: str, values: Any = ()) -> list[Any]:
        return self.real.execute(sql, values).fetchall()

    async def close(self) -> None:
        self.real.close()


async def connect(place: object, **options: Any) -> Inline:
    return Inline(sqlite3.connect(str(place), **options))


async def crawl_in_a_storm(folder: Path, loop: VirtualLoop, world: World, seed: int) -> tuple[Ending, float]:
    """Crawl while 90 % of the requests for followers fail, and return the ending and how long it took."""
    client, chance, began = ToyClient(world, seed), random.Random(seed), loop.time()

    def storm(url: str, _times: int) -> None:
        if "followers" in url and loop.time() - began < OUTAGE_SECONDS and chance.random() < 0.9:
            raise Transient("upstream request timeout (504)")

    client.trouble = storm
    source = Source(ToyProvider(), client, Gate(20.0))
    disk = Disk(frontier=lambda path: Frontier(path, connect))
    async with Run(folder, settings(), {"toy": source}, VirtualClock(loop), chance.random, disk) as run:
        run.seed([Item("user", 3, 3, "id", None)], "soundcloud", "toy")
        return await run.crawl(), loop.time() - began


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_storm_loses_no_list_and_little_time(tmp_path: Path, seed: int) -> None:
    """Ten minutes in which 90 % of the calls to followers fail cost no list, and a fifth of them at most on top."""
    loop, world = VirtualLoop(0.0, lambda: 1e-4), World(seed, 200, 60)
    try:
        ending, seconds = loop.run_until_complete(crawl_in_a_storm(tmp_path, loop, world, seed))
    finally:
        loop.close()
    verdicts = Counter(record["verdict"] for record in records(tmp_path, "lists"))
    assert ending.finished
    assert set(verdicts) == {"complete"}
    assert verdicts["complete"] >= 3 * 200
    assert OUTAGE_SECONDS / 2 < seconds <= 1.2 * OUTAGE_SECONDS, seconds
