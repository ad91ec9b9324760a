from __future__ import annotations

import itertools
import random

import pytest

from crawler.policy import breaker as breakers
from crawler.policy.breaker import OPENS_AT, Breaker


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(OPENS_AT):
        breakers.failed(breaker, now, now)
    assert breaker.is_open
    return breaker


def test_half_of_the_answers_keep_it_closed() -> None:
    """A family that answers every second time is asked for ever."""
    breaker = Breaker()
    for number in range(1000):
        breakers.failed(breaker, number, number)
        breakers.answered(breaker, number, number)
    assert not breaker.is_open


@pytest.mark.parametrize("seed", range(5))
def test_nine_failures_of_ten_open_it(seed: int) -> None:
    """A storm on a family opens its breaker within a hundred requests."""
    chance, breaker = random.Random(seed), Breaker()
    for number in range(100):
        if chance.random() < 0.9:
            breakers.failed(breaker, number, number)
        else:
            breakers.answered(breaker, number, number)
    assert breaker.is_open


def test_one_trial_at_a_time_and_ever_more_rarely() -> None:
    """In a storm of an hour at most a hundred trials go out, and its end is found within a twentieth of it."""
    breaker, trials = opened(), []
    for tenth in range(36000):
        now = tenth / 10
        if not breakers.holds(breaker, now):
            trials.append(now)
            breakers.failed(breaker, now, now)
    assert len(trials) <= 100
    assert max(later - sooner for sooner, later in itertools.pairwise(trials)) <= 3600 / 20 + 0.2


def test_three_answers_close_it_and_one_does_not() -> None:
    """After an answer the next trial goes at once; three in a row close it, and a failure begins anew."""
    breaker = opened()
    now = breaker.trial_at
    for answers in (1, 2):
        for _ in range(answers):
            assert not breakers.holds(breaker, now)
            assert not breakers.answered(breaker, now, now)
        breakers.failed(breaker, now, now)
        now = breaker.trial_at
    results = []
    for _ in range(3):
        assert not breakers.holds(breaker, now)
        results.append(breakers.answered(breaker, now, now))
    assert results == [False, False, True]
    assert not breaker.is_open


def test_late_answers_do_not_close_it() -> None:
    """What was sent before the storm says nothing about its end."""
    breaker = opened(100.0)
    assert not any(breakers.answered(breaker, 50.0, 101.0) for _ in range(10))
    assert breaker.is_open


def test_sleep_counts_as_waiting() -> None:
    """A computer that slept for an hour tries at once."""
    breaker = opened()
    breakers.slept(breaker, 3600.0)
    assert not breakers.holds(breaker, 1.0)
