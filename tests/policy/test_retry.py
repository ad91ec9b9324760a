from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import BadPage, Denied, Gone, ProviderError, Refused, Removed, Throttled, Transient
from crawler.policy.retry import SET_ASIDES_SECONDS, Again, Finish, Pause, SetAside, Stop, decide

jitters = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize("error", [Transient("x"), BadPage("x")])
def test_life_of_a_failing_page(error: ProviderError) -> None:
    """A page is asked twice more in place, then set aside for two hours in all, then it has failed."""
    assert [decide(error, tries, 0, 0.5) for tries in (0, 1)] == [Again(1.0), Again(4.0)]
    times = len(SET_ASIDES_SECONDS)
    assert [decide(error, 2, n, 0.5) for n in range(times)] == [SetAside(seconds) for seconds in SET_ASIDES_SECONDS]
    assert SET_ASIDES_SECONDS[:3] == (30, 30, 30)
    assert 7200 <= sum(SET_ASIDES_SECONDS) < 8100
    assert times < 40
    assert decide(error, 0, times, 0.5) == Finish("failed", f"{type(error).__name__}: x")


def test_no_storm_keeps_a_list_for_much_longer_than_it_lasts() -> None:
    """Whenever a storm of more than four minutes ends, what it hit comes back within 15 % of its length."""
    for times in range(9, len(SET_ASIDES_SECONDS)):
        shortest_storm = sum(SET_ASIDES_SECONDS[:times])
        assert 1.25 * SET_ASIDES_SECONDS[times] <= 0.15 * shortest_storm + 1e-9


def test_what_comes_back_is_asked_once() -> None:
    """A page that comes back from a set-aside and fails is set aside again at once."""
    assert isinstance(decide(Transient("x"), 0, 1, 0.5), SetAside)


def test_a_removed_endpoint_is_not_waited_for() -> None:
    """A list of which there is no endpoint any more costs three requests a start, not forty in two hours."""
    assert [decide(Removed("x"), tries, 0, 0.5) for tries in (0, 1)] == [Again(1.0), Again(4.0)]
    assert decide(Removed("x"), 2, 0, 0.5) == Finish("failed", "Removed: x")


def test_facts_end_a_listing() -> None:
    """What is gone or denied is asked once."""
    assert decide(Gone("no such"), 0, 0, 0.5) == Finish("gone", "no such")
    assert decide(Denied("private"), 0, 0, 0.5) == Finish("denied", "private")


def test_refused_stops_the_source() -> None:
    """A credential that is out is nothing to try again with."""
    assert decide(Refused("out"), 0, 0, 0.5) == Stop("out")


PAUSES = [
    (Throttled("x"), 0, 100.0, Pause(2.0, named=False)),
    (Throttled("x"), 3, 100.0, Pause(16.0, named=False)),
    (Throttled("x"), 9_999, 100.0, Pause(60.0, named=False)),
    (Throttled("x", wait_seconds=7), 3, 100.0, Pause(7.0, named=True)),
    (Throttled("x", until_epoch_seconds=160), 3, 100.0, Pause(61.0, named=True)),
    (Throttled("x", wait_seconds=7, until_epoch_seconds=160), 0, 100.0, Pause(61.0, named=True)),
    (Throttled("x", until_epoch_seconds=99), 0, 100.0, Pause(2.0, named=False)),
    (Throttled("x", until_epoch_seconds=160), 0, None, Pause(2.0, named=False)),
    (Throttled("x", until_epoch_seconds=1e12), 0, 100.0, Pause(86_400.0, named=True)),
]


@pytest.mark.parametrize("error,tries,now,decision", PAUSES)
def test_pauses(error: Throttled, tries: int, now: float | None, decision: Pause) -> None:
    """The service's word counts, a date in the past is no word, and without one the pause grows to a minute."""
    assert decide(error, tries, 0, 0.5, now) == decision


@given(st.integers(0, 10), st.integers(0, 10), jitters)
def test_jitter_spreads_but_keeps_the_order(tries: int, set_asides: int, jitter: float) -> None:
    """A jitter moves a delay by a quarter at most, and changes no decision."""
    nominal, spread = (decide(Transient("x"), tries, set_asides, each) for each in (0.5, jitter))
    assert type(nominal) is type(spread)
    if isinstance(nominal, Again | SetAside) and isinstance(spread, Again | SetAside):
        assert 0.75 * nominal.delay_seconds <= spread.delay_seconds <= 1.25 * nominal.delay_seconds


@given(st.integers(0, 10**6), st.integers(0, 10**6), jitters, st.floats(0, 4e9))
def test_throttling_never_finishes_a_listing(tries: int, set_asides: int, jitter: float, now: float) -> None:
    """However often a service asks for a pause, that is no fact about the page, and no pause exceeds a day."""
    decision = decide(Throttled("x", until_epoch_seconds=2e9), tries, set_asides, jitter, now)
    assert isinstance(decision, Pause)
    assert 0 < decision.delay_seconds <= 86_400
