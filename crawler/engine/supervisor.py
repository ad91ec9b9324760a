"""The supervisor: starts the coroutines of a crawl, and brings them to an end in the right order.

Two ways to stop, and a third: the first SIGINT or SIGTERM drains (what is under way is finished and committed), the
second abandons (the commit under way is finished), and kill -9 needs no code here: the next start recovers.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from crawler.engine.committer import Committer
from crawler.engine.feeder import Feeder
from crawler.engine.sequencer import Sequencer
from crawler.engine.worker import Crew

_STEP_SECONDS = 1.0
"""How exactly pauses are told from the time that counts."""

DRAIN_SECONDS = 10.0
"""How long a drain waits for answers that are under way."""


class Ending(Struct, frozen=True):
    """How a crawl ended: `reason` is None when all is done, `until_epoch_seconds` a limit's date, if known."""

    reason: str | None
    by_signal: bool = False
    until_epoch_seconds: float | None = None

    @property
    def finished(self) -> bool:
        """Tell whether nothing is left to do."""
        return self.reason is None


class Supervisor:
    """Runs one crawl to its end. `paused_seconds` returns for how long nobody may send anything."""

    def __init__(
        self,
        sequencer: Sequencer,
        feeder: Feeder,
        committer: Committer,
        crew: Crew,
        workers: int,
        paused_seconds: Callable[[], float] = float,
    ) -> None:
        self._sequencer = sequencer
        self._feeder = feeder
        self._committer = committer
        self._crew = crew
        self._workers = workers
        self._paused_seconds = paused_seconds
        self._signals = 0
        self._sequence: asyncio.Task[str | None] | None = None

    async def run(self, seconds_max: float | None) -> Ending:
        """Crawl until all is done or something stops it; on return every page that was applied is durable.

        `seconds_max` drains after so many seconds, those not counted in which all sources are paused. Raises what ended
        the crawl: a `CrawlerError`, or a bug.
        """
        loop, timer = asyncio.get_running_loop(), list[asyncio.Task[None]]()
        commits = asyncio.create_task(self._committer.run(), name="committer")
        crew = [asyncio.create_task(self._crew.work(), name=f"worker {n}") for n in range(self._workers)]
        self._sequence = asyncio.create_task(self._sequencer.run(), name="sequencer")
        if seconds_max is not None:
            timer.append(asyncio.create_task(self._time(seconds_max), name="timer"))
        try:
            with _signals(loop, self._signalled):
                await asyncio.wait({self._sequence, commits}, return_when=asyncio.FIRST_COMPLETED)
                await _cancel(crew)  # before the last commit, which settles what was sent
                return await self._finish(self._sequence, commits)
        finally:
            await _cancel([self._sequence, *crew, *timer])

    def drain(self, reason: str) -> None:
        """Ask for nothing more, finish what is under way: what waits at a gate was not sent, and is not."""
        self._feeder.drain(reason, DRAIN_SECONDS)
        self._crew.close(reason)
        self._sequencer.stir()

    async def _time(self, seconds_max: float) -> None:
        left_seconds = seconds_max
        while left_seconds > 0:
            paused_seconds = self._paused_seconds()
            step_seconds = paused_seconds or min(left_seconds, _STEP_SECONDS)
            await asyncio.sleep(step_seconds)
            left_seconds -= 0 if paused_seconds else step_seconds
        self.drain(f"max_seconds = {seconds_max:g} is reached")

    async def _finish(self, sequence: asyncio.Task[str | None], commits: asyncio.Task[None]) -> Ending:
        if commits.done():
            commits.result()
        self._committer.close()
        await commits
        if sequence.cancelled():
            return Ending("by a second signal, without waiting for answers", by_signal=True)
        return Ending(sequence.result(), bool(self._signals), self._sequencer.until_epoch_seconds)

    def _signalled(self) -> None:
        self._signals += 1
        if self._signals == 1:
            self.drain("by Ctrl-C or a signal")
        elif self._sequence is not None:
            self._committer.abandon()
            self._sequence.cancel()


@contextmanager
def _signals(loop: asyncio.AbstractEventLoop, handler: object) -> Iterator[None]:
    kinds = (signal.SIGINT, signal.SIGTERM)
    for kind in kinds:
        loop.add_signal_handler(kind, handler)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for kind in kinds:
            loop.remove_signal_handler(kind)


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
