"""The clock that everything asks for the time, so that tests can hold it still."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol


class Clock(Protocol):
    """Three readings: a date for records, a date for arithmetic, and a time that never jumps."""

    def now(self) -> datetime:
        """Return the date and time, aware, in UTC."""
        ...

    def epoch_seconds(self) -> float:
        """Return the seconds since 1970 in UTC; for dates that must outlive the process."""
        ...

    def monotonic_seconds(self) -> float:
        """Return seconds since some moment; for durations within the process."""
        ...


class Reading(NamedTuple):
    """Two clocks at one moment: the date, which may be set, and the seconds since the boot `boot` ("" unknown)."""

    epoch_seconds: float
    boot: str
    boot_seconds: float


class SystemClock:
    """The computer's own clock."""

    def now(self) -> datetime:
        """Return the date and time, aware, in UTC."""
        return datetime.now(UTC)

    def epoch_seconds(self) -> float:
        """Return the seconds since 1970 in UTC."""
        return time.time()

    def monotonic_seconds(self) -> float:
        """Return seconds since some moment, never going back."""
        return time.monotonic()

    def reading(self) -> Reading:
        """Return the date, and the seconds since the boot, asleep or awake; Linux names its boots, others do not."""
        boot = _boot()
        seconds = time.clock_gettime(time.CLOCK_BOOTTIME) if boot else time.monotonic()
        return Reading(time.time(), boot, seconds)


@cache
def _boot() -> str:
    try:
        named = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    return named if hasattr(time, "CLOCK_BOOTTIME") else ""


def iso(moment: datetime | float) -> str:
    """Return an aware datetime, or seconds since 1970, as text like "2026-11-21T11:00:00Z", whole seconds, in UTC."""
    return _second(math.floor(moment.timestamp() if isinstance(moment, datetime) else moment))


@lru_cache(4)
def _second(epoch_seconds: int) -> str:
    """Return the text of a second: thousands of pages may have the same one."""
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
