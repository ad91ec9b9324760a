"""Arithmetic of budgets over long windows, and of a time that no jump of a clock moves. Pure.

A day is *any* 24 hours: in none of them are more requests sent than allowed, whenever the process starts or stops. A
bucket that leaks as fast as it fills grants nearly two budgets in the first window (1,999 of "1000 a day", measured of
`AsyncLimiter(1000, 86400)`), and a day of the calendar two within an hour around midnight. So what was sent is
remembered, by the hour, until it is a day old.
"""

from __future__ import annotations

from msgspec import Struct, field

from crawler.clock import Reading

DAY_SECONDS = 86_400.0
BUCKETS = 24
STALE_SECONDS = 600.0
"""A reservation is good for so long after it was booked; a window remembers it for so much longer than its length."""


class Time(Struct):
    """A time that never jumps: `seconds` passed until `last`, by the best of the clocks, over all processes so far."""

    seconds: float = 0.0
    last: tuple[float, str, float] | None = None


class Sent(Struct, array_like=True):
    """Requests that were booked between two moments."""

    first: float
    last: float
    requests: int


class Window(Struct):
    """What was booked within the last `seconds`, oldest first."""

    seconds: float = DAY_SECONDS
    sent: list[Sent] = field(default_factory=list)


def advance(time: Time, reading: Reading) -> float:
    """Move the time to a reading and return it.

    Within one boot the clock that counts from it tells how much passed, asleep or awake. Over a boot only the date can
    tell; one that went back tells nothing, and then no more passed than since the boot.
    """
    if time.last is not None:
        then = Reading(*time.last)
        same = reading.boot and reading.boot == then.boot
        since_boot = reading.boot_seconds if reading.boot else 0.0
        dated = max(reading.epoch_seconds - then.epoch_seconds, since_boot)
        time.seconds += max(0.0, reading.boot_seconds - then.boot_seconds if same else dated)
    time.last = (reading.epoch_seconds, reading.boot, reading.boot_seconds)
    return time.seconds


def left(window: Window, allowed: int, now: float) -> int:
    """Return how many requests may be booked now, forgetting what is old."""
    window.sent = [each for each in window.sent if each.last + window.seconds + STALE_SECONDS > now]
    return max(0, allowed - sum(each.requests for each in window.sent))


def book(window: Window, requests: int, now: float) -> float:
    """Note requests that are to be sent within `STALE_SECONDS`; return the name under which they can be taken back."""
    newest = window.sent[-1] if window.sent else None
    if newest is None or now >= newest.first + window.seconds / BUCKETS:
        newest = Sent(now, now, 0)
        window.sent.append(newest)
    newest.requests += requests
    newest.last = now
    return newest.first


def take_back(window: Window, requests: int, name: float) -> None:
    """Forget requests that were booked under a name or shortly before, and not sent."""
    for each in reversed(window.sent):
        if each.first <= name:
            forgotten = min(each.requests, requests)
            each.requests -= forgotten
            requests -= forgotten


def again_at(window: Window, allowed: int, now: float) -> float:
    """Return when at least one request may be booked: now, or when enough of what was sent is a window old."""
    over = sum(each.requests for each in window.sent) - allowed
    for each in window.sent:
        if over < 0:
            break
        over -= each.requests
        now = max(now, each.last + window.seconds + STALE_SECONDS)
    return now
