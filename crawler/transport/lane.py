"""What shares one limit, and the doors in its way. For `transport.gate` alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiolimiter import AsyncLimiter

from crawler.policy.pace import Pace
from crawler.policy.rate import Smoothing, learned_smoothing

NEVER = float("-inf")


class Door:
    """Shut until a moment; then one goes first, the scout, and the others follow when it came back well.

    `until` alone holds everybody for a while; `is_shut` makes the first one afterwards a scout.
    """

    def __init__(self) -> None:
        self.until = NEVER
        self.is_shut = False
        self._scout_is_out = False
        self._scout_is_back = asyncio.Event()

    def is_open(self, now: float) -> bool:
        """Tell whether one may go now."""
        return self.until <= now and not (self.is_shut and self._scout_is_out)

    async def open(self, time: Callable[[], float]) -> None:
        """Return when one may go, at least at that moment."""
        while True:
            # A pause may grow while one waits for its end.
            while (left := self.until - time()) > 0:  # noqa: ASYNC110 - the end is a moment, no event
                await asyncio.sleep(left)
            self.until = NEVER
            if not (self.is_shut and self._scout_is_out):
                return
            await self._scout_is_back.wait()

    def passed(self) -> bool:
        """Note that one went; while it is shut, that is the scout. Return whether it is."""
        if self.is_shut:
            self._scout_is_out = True
            self._scout_is_back.clear()
        return self.is_shut

    def back(self, *, is_well: bool) -> None:
        """Note that the scout came back: either all may follow, or the next one is a scout again."""
        self._scout_is_out = False
        self._scout_is_back.set()
        if is_well:
            self.is_shut = False

    def reopen(self) -> None:
        """Open for everybody, at once."""
        self.until = NEVER
        self.back(is_well=True)


class Spacing:
    """Lets requests out one after another, at a rate that may change."""

    def __init__(self) -> None:
        self._limiter: AsyncLimiter | None = None
        self._bucket: Smoothing | None = None

    async def wait(self, bucket: Smoothing) -> None:
        """Wait for one's turn. It begins, and every change begins, with an empty bucket, so that no burst gets out."""
        if self._limiter is None or self._bucket != bucket:
            is_first, self._bucket = self._limiter is None, bucket
            self._limiter = AsyncLimiter(bucket.burst, bucket.seconds_per_burst)
            await self._limiter.acquire(bucket.burst - 1 if is_first else bucket.burst)
        await self._limiter.acquire()


class Lane:
    """What shares one limit. `began` is when its last pause began."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.door = Door()
        self.turn = asyncio.Lock()
        self.began = NEVER
        self._spacing = Spacing()

    @property
    def is_free(self) -> bool:
        """Tell whether nothing at all has to be waited for: no limit is known, and nobody waits."""
        door = self.door
        return self.pace.rate is None and not door.is_shut and door.until == NEVER and not self.turn.locked()

    async def smooth(self) -> None:
        """Wait for the pace, when it is slower than the ceiling, for which the gate itself cares."""
        rate = self.pace.rate
        if rate is not None and rate != self.pace.ceiling:
            await self._spacing.wait(learned_smoothing(rate))
