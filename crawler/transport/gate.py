"""Where workers wait before they send: for the pace of the second, and for a pause that all of them share.

The arithmetic is in `policy.rate`. All time here is the event loop's, so a test can run it on a loop of its own time.
This file is the only importer of aiolimiter, which is good for the second and nothing longer.
"""

from __future__ import annotations

import asyncio

from aiolimiter import AsyncLimiter

from crawler.policy.rate import DEFAULT_BURST, RequestsPerSecond, smoothing


class Gate:
    """One gate for one source. A pause is one event, however many answers tell of it."""

    def __init__(self, requests_per_second: RequestsPerSecond = "auto", burst: int = DEFAULT_BURST) -> None:
        bucket = smoothing(requests_per_second, burst)
        self._limiter = AsyncLimiter(bucket.burst, bucket.seconds_per_burst) if bucket else None
        self._rate = bucket.requests_per_second if bucket else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._until = 0.0
        self._began = float("-inf")
        self.reason = ""
        self.pauses = 0

    @property
    def rate_in_force(self) -> float | None:
        """Return the ceiling in requests a second, None without one."""
        return self._rate

    @property
    def paused_until(self) -> float | None:
        """Return the end of the pause by the loop's time, None while the gate is open."""
        return self._until if self._until > self.time() else None

    @property
    def pause_left_seconds(self) -> float:
        """Return how long the gate stays shut, 0 while it is open; for display."""
        return max(0.0, self._until - self.time())

    def time(self) -> float:
        """Return the loop's time in seconds, by which `sent_at_seconds` and `paused_until` are told."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop.time()

    async def enter(self, family: str) -> None:  # noqa: ARG002 - limits of one family come with the adaptive rates
        """Return when a request may be sent. Without a ceiling and a pause this does not give up the turn.

        A slot granted while the gate was shut is dropped: all who got one meanwhile would leave together.
        """
        while True:
            if self._until > self.time():
                await self._wait()
            if self._limiter is None:
                return
            await self._limiter.acquire()
            if self._until <= self.time():
                return

    async def _wait(self) -> None:
        # A pause may grow while one waits for its end.
        while (left := self._until - self.time()) > 0:  # noqa: ASYNC110 - the end is a moment, no event
            await asyncio.sleep(left)

    def pause(
        self, seconds: float, *, reason: str = "", sent_at_seconds: float | None = None, named: bool = False
    ) -> bool:
        """Shut the gate for all, and return whether this changed anything.

        An answer to a request that was sent (`sent_at_seconds`, see `time`) before the last pause began tells of the
        event that caused it, and does not prolong it, unless the service named the date (`named`): then the latest
        date counts. Answering every 429 of a burst with a longer pause is how a crawler stalls
        (apify/crawlee-python #2125).
        """
        now = self.time()
        told_before = sent_at_seconds is not None and sent_at_seconds <= self._began
        if now + seconds <= max(self._until, now) or (told_before and not named):
            return False
        if not told_before:
            self._began = now
            self.pauses += 1
        self._until = now + seconds
        self.reason = reason
        return True
