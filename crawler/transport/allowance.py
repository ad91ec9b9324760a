"""Budgets, as a client keeps to them, and the one of the day: requests in any 24 hours, over all runs of a credential.

A day's requests are booked in the vault some at a time, before they are sent. What is booked and not sent when the
process is killed stays booked; what is left at an ordinary end is given back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Protocol

from crawler.clock import Clock, iso
from crawler.errors import Spent
from crawler.policy.budget import STALE_SECONDS
from crawler.transport.vault import Vault

_NEWS_SECONDS = 1.0
"""A day that is spent stays spent for so long: of many that ask at once, one looks."""

_USABLE_SECONDS = STALE_SECONDS / 2
"""A booking is used so long; a request that it paid for may wait as long again before it is sent."""


_WAKE_SECONDS = 60.0


async def wait_until(epoch_seconds: float, clock: Clock) -> None:
    """Return at a date; a computer that slept meanwhile is noticed within a minute, a clock that jumps back too."""
    loop = asyncio.get_running_loop()
    end = loop.time() + epoch_seconds - clock.epoch_seconds()
    while (left := min(end - loop.time(), epoch_seconds - clock.epoch_seconds())) > 0:  # noqa: ASYNC110 - a date, no event
        await asyncio.sleep(min(left, _WAKE_SECONDS))


class Budget(Protocol):
    """A number of requests that must not be passed. What is taken is sent, or given back."""

    def take(self) -> bool:
        """Take one request; False when none is reserved: `reserve`, then try again."""
        ...

    async def reserve(self) -> None:
        """Reserve some. Raises `Spent`."""
        ...

    def give_back(self) -> None:
        """Put back one that was not sent, or surely did not reach the service."""
        ...


class Ticket:
    """One request's worth of every budget; `held` until it is sent or given back."""

    def __init__(self, budgets: Sequence[Budget]) -> None:
        self.held = False
        self._budgets = budgets

    async def take(self) -> None:
        """Take a request from every budget. Raises `Spent`, and then none was taken from any."""
        while (short := self._take_now()) is not None:
            await short.reserve()
        self.held = True

    def give_back(self) -> None:
        """Give back what is held."""
        if self.held:
            self.held = False
            for budget in self._budgets:
                budget.give_back()

    def _take_now(self) -> Budget | None:
        """Take from all budgets; when one has nothing reserved, take from none, and return that one."""
        for place, budget in enumerate(self._budgets):
            if not budget.take():
                for taken in self._budgets[:place]:
                    taken.give_back()
                return budget
        return None


class DayBudget:
    """At most `allowed` requests in any 24 hours; `what` names the limit.

    As many are booked at once as wait for one, so that a kill leaves no more in doubt than were about to be sent. One
    thread books at a time (`_guard`), while others take and give back (`_counting`, held for a moment).
    """

    def __init__(self, vault: Vault, allowed: int, what: str) -> None:
        self._vault = vault
        self._allowed = allowed
        self._what = what
        self._waiting = 0
        self._booked = 0
        self._name = 0.0
        self._booked_at = self._until_epoch_seconds = 0.0
        self._refused_at = float("-inf")
        self._lock = asyncio.Lock()
        self._guard = threading.RLock()
        self._counting = threading.Lock()

    def take(self) -> bool:
        """Take one of the requests that are booked; False when none is: `reserve`, then try again."""
        with self._counting:
            if self._booked <= 0 or self._now() - self._booked_at > _USABLE_SECONDS:
                return False
            self._booked -= 1
            return True

    def give_back(self) -> None:
        """Put back one that was taken and surely did not reach the service."""
        with self._counting:
            self._booked += 1

    async def reserve(self) -> None:
        """Book more. Raises `Spent`, with the date when the day has room again."""
        self._waiting += 1
        try:
            async with self._lock:
                await self._book()
        finally:
            self._waiting -= 1

    async def _book(self) -> None:
        if self.take():
            self.give_back()
            return
        if not self._is_refused():
            # Whoever is cancelled meanwhile leaves the booking to the others, or to `close`.
            await asyncio.get_running_loop().run_in_executor(None, self._refill, self._waiting)
        if self._is_refused():
            until = self._until_epoch_seconds
            message = f"{self._what} = {self._allowed} is reached: there is room for more from {iso(until)} on"
            raise Spent(message, until_epoch_seconds=until, of_source=True)

    def _is_refused(self) -> bool:
        return self._now() - self._refused_at <= _NEWS_SECONDS

    def _refill(self, requests: int) -> None:
        with self._guard:
            self.close()
            granted = self._vault.reserve(requests, self._allowed)
            if granted.requests:  # else what others hold, and may give back, is of the booking before
                with self._counting:
                    self._name, self._booked_at = granted.name, self._now()
                    self._booked += granted.requests
            self._until_epoch_seconds = granted.until_epoch_seconds
            self._refused_at = float("-inf") if granted.requests else self._now()

    def close(self) -> None:
        """Give back what is booked and was not used."""
        with self._guard:
            with self._counting:
                unused, self._booked = self._booked, 0
            if unused:
                self._vault.give_back(unused, self._name)

    def _now(self) -> float:
        reading = self._vault.reading()
        return reading.boot_seconds if reading.boot else reading.epoch_seconds
