from __future__ import annotations

import itertools
from typing import Literal

import msgspec
import pytest

from crawler.policy import pace as paces
from crawler.policy import refusal
from crawler.policy.pace import Learned, Pace, learned_from, new_pace, recall


def ask(pace: Pace, start: float, number: int, seconds: float = 0.1) -> float:
    """Grant so many requests, sent as fast as the pace lets them go; return the moment of the last."""
    now = start
    for _ in range(number):
        now += 1 / (pace.rate or 50.0)
        paces.granted(pace, now, now + seconds)
    return now


def event(pace: Pace, now: float, pause_seconds: float, *, misses: int = 0, is_blocked: bool = False) -> float:
    """Refuse one request, and after a pause some more, then grant the next; return when."""
    refusal.refused(pace, now, now + 0.1, is_blocked=is_blocked)
    for number in range(misses):
        refusal.refused(pace, now + number, now + pause_seconds * (number + 1) / (misses + 1))
    refusal.resumed(pace, now + pause_seconds, now + pause_seconds + 0.1)
    return now + pause_seconds


def test_a_start_is_no_burst() -> None:
    """The first second asks four times, and each second at most twice as often as the one before."""
    pace = new_pace("auto")
    assert pace.rate == paces.FIRST_RATE
    now, seconds = 0.0, []
    for _ in range(6):
        began, number = now, 0
        while now < began + 1:
            now = ask(pace, now, 1, 0.0)
            number += 1
        seconds.append(number)
    assert seconds[0] <= 6
    assert all(later <= 2.2 * sooner + 1 for sooner, later in itertools.pairwise(seconds))


def test_who_asks_less_than_the_rate_does_not_raise_it() -> None:
    """A rate that is not used up proves nothing."""
    pace = new_pace("auto")
    for second in range(100):
        paces.granted(pace, float(second), float(second))
    assert pace.rate == paces.FIRST_RATE


def test_a_ceiling_is_never_passed() -> None:
    """Neither the search nor a look upward goes beyond the ceiling, and what was learned below it holds."""
    pace = new_pace(20.0)
    now = 0.0
    for _ in range(3):
        now = event(pace, ask(pace, now, 500), 2.0)
        assert pace.rate is not None
        assert pace.rate < 20
    for _ in range(300):
        now = ask(pace, now, 100)
        assert pace.rate is not None
        assert pace.rate <= 20


def test_a_quota_is_known_after_one_window() -> None:
    """600 granted, then refused until ten minutes are over: the rate is one a second, a little less."""
    pace = new_pace("auto")
    now = ask(pace, 0.0, 600)
    event(pace, now, 600.0 - now, misses=12)
    assert pace.form == "quota"
    assert pace.rate == pytest.approx(1.0, rel=0.06)


def named_event(pace: Pace, now: float, pause_seconds: float) -> float:
    """Refuse one request, with a date that is kept to; return when."""
    refusal.refused(pace, now, now + 0.1)
    pace.named_until = now + pause_seconds
    refusal.resumed(pace, now + pause_seconds, now + pause_seconds + 0.1)
    return now + pause_seconds


@pytest.mark.parametrize("pause_seconds", [12.0, 60.0, 600.0])
def test_a_date_is_no_length_of_a_window(pause_seconds: float) -> None:
    """That a service says when to come back does not tell how long it was shut: one event makes no quota of it."""
    pace = new_pace("auto")
    now = ask(pace, 0.0, 300)
    refused_rate = pace.rate or 0.0
    named_event(pace, now, pause_seconds)
    assert pace.form == "bucket"
    assert pace.rate is not None
    assert pace.rate >= 0.6 * refused_rate


def test_a_quota_with_dates_is_known_after_some_windows() -> None:
    """The same number in the same time, asked for more slowly than before, is a quota, dates or not."""
    pace = new_pace("auto")
    now = 0.0
    for _ in range(4):
        later = ask(pace, now, 600)
        now = named_event(pace, later, 600.0 - (later - now))
        if pace.form == "quota":
            break
    assert pace.form == "quota"
    assert pace.rate == pytest.approx(1.0, rel=0.06)


def test_what_was_refuted_is_believed_only_when_slower() -> None:
    """Two runs alike and equally fast are what a bucket gives too, so they do not bring back the idea of a quota."""
    pace = new_pace(50.0)
    pace.is_quota_refuted = True
    now = 0.0
    for _ in range(2):
        pace.rate, pace.phase = 50.0, "ramp"
        now = event(pace, ask(pace, now, 300), 15.0, misses=3)
    assert pace.form != "quota"


@pytest.mark.parametrize("ceiling", [40.0, "auto"])
@pytest.mark.parametrize("known", [False, True])
def test_a_refusal_in_a_lull_tells_nothing(ceiling: float | Literal["auto"], *, known: bool) -> None:
    """An hour of one request a second, then a quarter of a minute of refusals: what was found before is kept to."""
    pace = new_pace(ceiling)
    now = ask(pace, 0.0, 400)
    if known:
        for _ in range(3):
            now = ask(pace, event(pace, now, 2.0), 200)
    for _ in range(3600):
        now += 1
        paces.granted(pace, now, now + 0.1)
    before = pace.rate or 0.0
    event(pace, now + 0.5, 15.0, misses=4)
    assert pace.rate is not None
    assert pace.rate >= 0.6 * before


def test_a_firewall_is_no_quota() -> None:
    """Blocked for a minute after a few seconds: not n in a minute, but below the speed that was punished."""
    pace = new_pace("auto")
    now = ask(pace, 0.0, 300)
    event(pace, now, 62.0, misses=5, is_blocked=True)
    assert pace.form == "penalty"
    assert pace.rate is not None
    assert 10 < pace.rate < 0.75 * pace.refused_rate + 1
    assert pace.probe_seconds >= 3600


def test_what_was_learned_is_recalled() -> None:
    """A start goes on at the rate of the one before, at once, and does not look upward soon."""
    pace = new_pace("auto")
    now = ask(pace, 0.0, 600)
    event(pace, now, 600.0 - now, misses=12)
    again = new_pace("auto")
    recall(again, learned_from(pace), 5.0)
    assert (again.rate, again.why, again.form) == (pace.rate, pace.why, "quota")
    assert again.probe_at > 600
    unlearned = new_pace("auto")
    recall(unlearned, learned_from(new_pace(3.0)), 0.0)
    assert unlearned.rate == paces.FIRST_RATE


def test_a_search_goes_on_after_a_restart() -> None:
    """After one refusal a start searches on from where the one before was: it is no slower than one never stopped."""
    pace = new_pace("auto")
    now = ask(pace, 0.0, 300)
    event(pace, now, 2.0)
    assert pace.phase == "search"
    again = new_pace("auto")
    recall(again, msgspec.convert(msgspec.to_builtins(learned_from(pace)), Learned), now + 2)
    assert again.rate == pace.rate
    ask(pace, now + 2, 3000)
    ask(again, now + 2, 3000)
    assert again.rate == pytest.approx(pace.rate, rel=0.1)
    assert (again.rate or 0.0) > again.refused_rate


def test_slow_answers_stop_the_search() -> None:
    """When answers take ten times as long as usual, asking faster is of no use."""
    pace = new_pace("auto")
    now = ask(pace, 0.0, 100, 0.1)
    reached = pace.rate or 0.0
    for _ in range(20):
        now = ask(pace, now, 10, 2.0)
    assert pace.rate is not None
    assert pace.rate <= 2.2 * reached
    assert pace.why == "answers became slower"


def test_no_limit_costs_nothing_and_remembers_nothing() -> None:
    """Where none is set and none was met, the pace keeps no moments."""
    pace = new_pace(None)
    for second in range(1000):
        paces.granted(pace, second / 1000, second / 1000)
    assert (pace.rate, pace.stamps) == (None, [])
