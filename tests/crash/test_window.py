"""The window: how many pages may be between request and commit, which is what a kill makes a crawl repeat."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from crawler.engine.feeder import Feeder, window_of
from crawler.engine.flight import Flight
from crawler.engine.run import Disk
from crawler.frontier.store import Frontier
from tests.engine.toy import ToyClient, World, crawl, settings


class SlowFrontier(Frontier):
    """A database whose commits take so long that everything else that can happen meanwhile happens."""

    async def _write(self, statements: Iterable[tuple[str, list[Any]]]) -> None:
        for _ in range(500):
            await asyncio.sleep(0)
        await super()._write(statements)


@pytest.mark.parametrize("workers", [1, 4])
async def test_a_slow_commit_lets_no_pages_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """However slow a commit is, at most the window and one page are asked for and not yet committed."""
    most = 0
    dispatch = Feeder.dispatch

    def watched(feeder: Feeder, flight: Flight) -> None:
        nonlocal most
        dispatch(feeder, flight)
        most = max(most, feeder.outstanding)

    monkeypatch.setattr(Feeder, "dispatch", watched)
    ending = await crawl(
        tmp_path / "run", ToyClient(World(1, 25, 10), 1), [3], settings(workers=workers), Disk(frontier=SlowFrontier)
    )
    assert ending.finished
    assert window_of(workers) <= most <= window_of(workers) + 1
