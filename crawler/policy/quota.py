"""What a service tells of its own limits in headers, and what follows: a wait, or an end. Pure; the client acts.

    kind       headers                                           what follows
    sliding    X-RateLimit-Limit, -Remaining: requests in the    none left, or a 429: a wait until Reset, an epoch in
               window; -Reset: when one will be let in again     whole seconds, measured against the answer's own Date
    monthly    x-quota-remaining: requests left in the month     the least that was seen is at the floor: an end
               x-ratelimit-reset on a 429 of the minute's limit  a wait of so many seconds, and one

Sources: field report on the charts, 1.2 (Chartmetric) and 2.2 (Soundcharts). SoundCloud's headers are no such thing: a
blocked app is told limit -1, remaining 0, reset 0 (soundcloud/api #457). What is no whole number is not believed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import NamedTuple, Protocol

from crawler.errors import Spent
from crawler.model import Response

SLIDING_WAIT_SECONDS = (1.0, 60.0)
"""Shortest and longest wait for a sliding window, whose length is a second for all plans that are known."""
MINUTE_WAIT_SECONDS = (1.0, 120.0)
_NUMBER = re.compile(r"[0-9]{1,15}")


class Wait(NamedTuple):
    """Nobody asks this source before the delay is over; the answer itself is used."""

    delay_seconds: float
    reason: str


class Quota(Protocol):
    """What a source's client tells every answer to, of data and of errors alike, except those of the token endpoint."""

    def note(self, response: Response, now_epoch_seconds: float) -> Wait | Spent | None:
        """Take an answer's headers in; return what follows for the *next* request, None when nothing does."""
        ...

    def left(self) -> int | None:
        """Return how many requests may still be sent, for display; None when the service has not told."""
        ...


class SlidingQuota:
    """A sliding window. `limit` is the requests that one window lets in, None until an answer told it."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self._remaining: int | None = None

    def note(self, response: Response, now_epoch_seconds: float) -> Wait | Spent | None:
        """Return a wait when the window is full. A reset date without a remaining number counts on a 429 only."""
        self.limit = header(response, "x-ratelimit-limit") or self.limit
        self._remaining = header(response, "x-ratelimit-remaining")
        refused = response.status == HTTPStatus.TOO_MANY_REQUESTS
        if self._remaining != 0 and not refused:
            return None
        reset = header(response, "x-ratelimit-reset")
        delay_seconds = 0.0 if reset is None else reset - date_of(response, now_epoch_seconds)
        return Wait(_clamped(delay_seconds, SLIDING_WAIT_SECONDS), "the service's window is full")

    def left(self) -> int | None:
        """Return what the last answer left of the window."""
        return self._remaining


class MonthlyQuota:
    """A month's requests, of which `floor` are kept; answers arrive in any order, so the least that was seen counts.

    The month is that of the answers' own dates: in a new one the least begins anew. `is_spent` of an answer, see
    `refusal`, tells the quota's 429 from the minute's.
    """

    def __init__(self, floor: int = 0, minute_wording: bytes = b"maximum request count") -> None:
        self.floor = floor
        self.least: int | None = None
        self._minute_wording = minute_wording
        self._month = (0, 0)

    def note(self, response: Response, now_epoch_seconds: float) -> Wait | Spent | None:
        """Return an end when the quota is at its floor, a wait when the minute is full."""
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            return self.refusal(response)
        remaining = header(response, "x-quota-remaining")
        if remaining is None:
            return None
        date = datetime.fromtimestamp(date_of(response, now_epoch_seconds), UTC)
        month = (date.year, date.month)
        if month > self._month:
            self._month, self.least = month, None
        if month == self._month:
            self.least = remaining if self.least is None else min(self.least, remaining)
        if self.least is None or self.least > self.floor:
            return None
        return Spent(f"the month's quota is down to {self.least:,} requests, and {self.floor:,} are to be kept")

    def refusal(self, response: Response) -> Wait | Spent:
        """Return what a 429 means: the minute's limit has a wording and a reset in seconds, else the month is spent."""
        if self._minute_wording not in response.body.lower():
            return Spent("the month's quota is spent")
        seconds = header(response, "x-ratelimit-reset")
        delay_seconds = _clamped(0.0 if seconds is None else seconds + 1.0, MINUTE_WAIT_SECONDS)
        return Wait(delay_seconds, "the service's minute is full")

    def left(self) -> int | None:
        """Return what is left above the floor."""
        return None if self.least is None else max(0, self.least - self.floor)


def header(response: Response, name: str) -> int | None:
    """Return a header that is a whole number, not negative; None for everything else."""
    text = response.headers.get(name, "").strip()
    return int(text) if _NUMBER.fullmatch(text) else None


def date_of(response: Response, now_epoch_seconds: float) -> float:
    """Return the moment of an answer by the service's own clock, in seconds since 1970; by ours when it has no date."""
    try:
        return parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return now_epoch_seconds


def _clamped(seconds: float, bounds: tuple[float, float]) -> float:
    return min(max(seconds, bounds[0]), bounds[1])
