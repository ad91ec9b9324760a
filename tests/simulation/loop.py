"""A loop and a clock on virtual time: nothing ever waits, and what would wait for ever is an error.

The loop never polls anything. When nothing is ready it jumps to the next timer; when there is none it is a deadlock,
and the tasks that wait are named. Work for a thread is done at once, on the spot, and its result comes a moment later,
so that a crawl has one order of events and a kill may fall between the work and its result.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""The date at which virtual time is 0."""

TURN_SECONDS = 1e-6
"""A little passes at every turn of the loop, as it does in reality: a timer that is due "now" would else spin."""

TURNS_MAX = 200_000


class Deadlock(AssertionError):  # noqa: N818 - what it is
    """Everybody waits for somebody, and no timer is left that would wake anyone."""


class Livelock(AssertionError):  # noqa: N818
    """The loop turns and turns, and no crawl needs so long."""


class _Jumping(selectors.DefaultSelector):
    """Never polls: what the loop would have slept is added to its time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.turns = 0
        self.waiting: Callable[[], str] = str

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock(f"no timer is left, and these wait: {self.waiting()}")
        self.turns += 1
        if self.turns > TURNS_MAX:
            raise Livelock(f"{self.turns} turns of the loop, and these wait: {self.waiting()}")
        self.seconds += timeout + TURN_SECONDS
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """One process's loop. `seconds` is the time at which it starts, `delay` returns how long a thread's work takes."""

    def __init__(self, seconds: float, delay: Callable[[], float]) -> None:
        self._jumping = _Jumping(seconds)
        super().__init__(self._jumping)
        self._clock_resolution = 1e-6  # that of a float is coarser than the default after a few months
        self._delay = delay
        self._jumping.waiting = self._waiting
        self.handlers: dict[int, Callable[..., object]] = {}
        self.set_exception_handler(lambda _loop, _context: None)

    @property
    def turns(self) -> int:
        """How often the loop has turned."""
        return self._jumping.turns

    def time(self) -> float:
        return self._jumping.seconds

    def run_in_executor(self, _executor: object, func: Callable[..., Any], *args: object) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self.create_future()
        try:
            result = func(*args)
        except BaseException as error:  # noqa: BLE001 - whoever waits for the work raises it
            future.set_exception(error)
        else:
            self.call_later(self._delay(), _land, future, result)
        return future

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *_args: object) -> None:
        self.handlers[sig] = callback

    def remove_signal_handler(self, sig: int) -> bool:
        return self.handlers.pop(sig, None) is not None

    def _waiting(self) -> str:
        return ", ".join(sorted(task.get_name() for task in asyncio.all_tasks(self))) or "nobody"


def _land(future: asyncio.Future[Any], result: object) -> None:
    if not future.done():
        future.set_result(result)


class VirtualClock:
    """A clock derived from a loop's time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._loop.time())

    def epoch_seconds(self) -> float:
        return EPOCH.timestamp() + self._loop.time()

    def monotonic_seconds(self) -> float:
        return self._loop.time()
