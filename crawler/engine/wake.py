"""Notices that the computer slept: the date jumped, and the clock that only counts while it is awake did not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol, Self

from crawler.clock import Clock
from crawler.engine.progress import clock_text

LOOK_SECONDS = 5.0
JUMP_SECONDS = 30.0
"""A date that jumps by less was set right, or the computer was busy."""

_TOLD_SECONDS = 60.0


class Gate(Protocol):
    """Where somebody may wait for a moment."""

    def slept(self, seconds: float) -> None:
        """Let the time for which the computer slept count as waited."""
        ...


class Watch:
    """Looks at the clock every few seconds while it is entered (`async with`), and tells the gates of a sleep.

    `report` is called with an event and facts. `state` says for a minute that the computer slept, else nothing.
    """

    def __init__(self, clock: Clock, gates: Iterable[Gate], report: Callable[..., object]) -> None:
        self._clock = clock
        self._gates = list(gates)
        self._report = report
        self._date_seconds, self._awake_seconds = clock.epoch_seconds(), clock.monotonic_seconds()
        self._told_until = float("-inf")
        self._slept_seconds = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> str:
        """Return what happened, as long as it is news."""
        if self._clock.monotonic_seconds() >= self._told_until:
            return ""
        return f"the computer slept for {clock_text(self._slept_seconds)}, going on"

    def look(self) -> None:
        """Compare the two clocks with the last look."""
        date_seconds, awake_seconds = self._clock.epoch_seconds(), self._clock.monotonic_seconds()
        jump_seconds = date_seconds - self._date_seconds - (awake_seconds - self._awake_seconds)
        self._date_seconds, self._awake_seconds = date_seconds, awake_seconds
        if jump_seconds < JUMP_SECONDS:
            return
        self._slept_seconds, self._told_until = jump_seconds, awake_seconds + _TOLD_SECONDS
        for gate in self._gates:
            gate.slept(jump_seconds)
        self._report("the computer slept", seconds=round(jump_seconds))

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_looking(), name="watch")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()
