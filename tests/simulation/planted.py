"""Bugs that the checkers must find: each is the crawler with one thing done wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from unittest.mock import patch

from crawler.engine.committer import Committer
from crawler.engine.flight import Flight
from crawler.engine.ledger import Entry
from crawler.engine.worker import Crew
from crawler.model import Page, Response, Task
from crawler.providers.soundcloud import SoundCloud
from tests.simulation.plan import Plan, plan_of
from tests.simulation.simulate import Failed, reference, simulate


@contextmanager
def commit_before_sync() -> Iterator[None]:
    """Commit the frontier first, and sync the shards after."""
    rightly = Committer._commit

    async def wrongly(self: Committer, group: list[Entry]) -> None:
        files, late = self._writer._files, list[Path]()
        with patch.object(files, "sync", late.append):
            await rightly(self, group)
        for path in late:
            if path.exists():
                files.sync(path)

    with patch.object(Committer, "_commit", wrongly):
        yield


@contextmanager
def lost_retry() -> Iterator[None]:
    """Never ask again for a page whose second try failed."""
    rightly = Crew._again

    def wrongly(self: Crew, flight: Flight) -> None:
        if flight.tries < 2:
            rightly(self, flight)

    with patch.object(Crew, "_again", wrongly):
        yield


@contextmanager
def empty_page_ends_list() -> Iterator[None]:
    """Take a page without rows for the end of its list."""
    rightly = SoundCloud.parse

    def wrongly(self: SoundCloud, task: Task, response: Response) -> Page:
        page = rightly(self, task, response)
        if not page.items:
            page.next = None
        return page

    with patch.object(SoundCloud, "parse", wrongly):
        yield


def two_writers(plan: Plan) -> Plan:
    """Let two processes crawl into one folder: the lock that `app` takes is not there."""
    return dataclasses.replace(plan, writers=2)


def found(
    planted: Callable[[], AbstractContextManager[None]] = nullcontext,
    change: Callable[[Plan], Plan] = lambda plan: plan,
    seeds: int = 100,
) -> tuple[int, str]:
    """Return the first seed at which the checkers find a planted bug, and what they say. Raises `LookupError`."""
    for seed in range(seeds):
        plan = change(plan_of(seed))
        reference(plan.shape.number)  # before the bug is planted: what is undisturbed must be right
        try:
            with planted():
                simulate(plan)
        except Failed as error:
            return seed, str(error)
    raise LookupError(f"nothing was found in {seeds} seeds")
