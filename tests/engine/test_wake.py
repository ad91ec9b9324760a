from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from crawler.engine.wake import Watch


class TwoClocks:
    """A date, and a clock that stands still while the computer sleeps."""

    def __init__(self) -> None:
        self.date, self.awake = 1e9, 50.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.date, UTC)

    def epoch_seconds(self) -> float:
        return self.date

    def monotonic_seconds(self) -> float:
        return self.awake

    def live(self, seconds: float) -> None:
        self.date += seconds
        self.awake += seconds


class Waiting:
    def __init__(self) -> None:
        self.slept_seconds: list[float] = []

    def slept(self, seconds: float) -> None:
        self.slept_seconds.append(seconds)


def test_a_sleep_is_noticed_once_and_told_for_a_minute() -> None:
    """Every gate is told how long it was, the log too, and the display says it for a minute."""
    clock, gate, told = TwoClocks(), Waiting(), list[Any]()
    watch = Watch(clock, [gate], lambda event, **facts: told.append((event, facts)))
    for _ in range(3):
        clock.live(5)
        watch.look()
    assert (watch.state, gate.slept_seconds) == ("", [])
    clock.date += 7200
    clock.live(5)
    watch.look()
    assert gate.slept_seconds == [7200]
    assert told == [("the computer slept", {"seconds": 7200})]
    assert watch.state == "the computer slept for 2:00:00, going on"
    clock.live(61)
    watch.look()
    assert (watch.state, gate.slept_seconds) == ("", [7200])


def test_a_clock_that_is_set_is_no_sleep() -> None:
    """A date set back, or forth by a little, shortens no pause."""
    clock, gate = TwoClocks(), Waiting()
    watch = Watch(clock, [gate], lambda *_, **__: None)
    for jump in (-86400.0, 20.0, -5.0):
        clock.date += jump
        clock.live(5)
        watch.look()
    assert gate.slept_seconds == []
