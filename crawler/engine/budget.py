"""The budget of a run: how many requests it may send, over all its starts.

Requests are reserved before they are sent, and settled by the commit that follows: the frontier holds how many were
sent (`requests`) and up to how many may have been (`reserved`). After a kill the difference counts as sent
(`unsettled`), so the service never sees more than was allowed, and at most those that were in flight fewer.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any

from crawler.errors import Spent


class RunBudget:
    """At most `allowed` requests, None for any number. `totals` are those of the last commit, of whatever start.

    `traffic` returns the requests sent since the process started, and those of them without an answer; `commit` makes a
    reservation durable. `ahead` requests more than were answered are reserved by each commit.
    """

    def __init__(
        self,
        totals: dict[str, Any],
        allowed: int | None,
        ahead: int,
        traffic: Callable[[], tuple[int, int]],
        commit: Callable[[], Awaitable[None]],
    ) -> None:
        self._totals = totals
        self._allowed: float = math.inf if allowed is None else allowed
        self._ahead = ahead
        self._traffic = traffic
        self._commit = commit
        self._settled: int = totals.get("requests", 0)
        charged = max(self._settled + totals.get("unsettled", 0), totals.get("reserved", 0))
        self._unsettled: int = charged - self._settled
        self._taken = 0
        self._durable = 0
        self._closed = False

    @property
    def left(self) -> float:
        """Return how many requests the run may still send; infinite without a budget."""
        return self._allowed - self._charged - self._taken

    def take(self) -> bool:
        """Take one of the requests that are reserved; False when none is: `reserve`, then try again."""
        if self._taken >= self._durable or self._closed:
            return False
        self._taken += 1
        return True

    def give_back(self) -> None:
        """Put back one that was taken and surely did not reach the service."""
        self._taken -= 1

    async def reserve(self) -> None:
        """Return when more are reserved. Raises `Spent` when there are none."""
        if self.left <= 0:
            raise Spent(f"max_requests = {self._allowed} is reached")
        if self._closed:
            raise Spent("the crawl is ending")
        await self._commit()

    def settle(self) -> int:
        """Enter into the totals what a commit makes durable; pass the result to `settled` once it is."""
        sent, in_flight = self._traffic()
        ahead = 0 if self._closed else self._ahead
        reserved: int = max(self._taken, int(min(sent - in_flight + ahead, self._allowed - self._charged)))
        if not self._closed:
            reserved = max(reserved, self._durable)  # somebody may take them while this commit is under way
        self._totals["requests"] = self._settled + sent
        self._totals["unsettled"] = self._unsettled
        self._totals["reserved"] = self._charged + reserved
        return reserved

    def settled(self, reserved: int) -> None:
        """Note that a commit is durable."""
        self._durable = reserved

    def close(self) -> None:
        """Let nothing more be taken: the last commit settles exactly what was sent."""
        self._closed = True

    @property
    def _charged(self) -> int:
        return self._settled + self._unsettled
