from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crawler.clock import Reading
from crawler.policy.budget import DAY_SECONDS, STALE_SECONDS, Time, Window, advance, again_at, book, left, take_back

steps = st.lists(st.tuples(st.floats(0, DAY_SECONDS / 2), st.integers(1, 20)), max_size=40)


@given(steps, st.integers(1, 50))
def test_no_day_holds_more_than_allowed(asked: list[tuple[float, int]], allowed: int) -> None:
    """Whenever requests are booked, what is booked within any 24 hours, and the slack of a booking, is allowed."""
    window, now, granted = Window(), 0.0, list[float]()
    for passed, requests in asked:
        now += passed
        some = min(requests, left(window, allowed, now))
        if some:
            book(window, some, now)
        granted += [now] * some
    for first, later in zip(granted, granted[allowed:], strict=False):
        assert later - first >= DAY_SECONDS + STALE_SECONDS


@given(steps, st.integers(1, 50))
def test_what_is_told_of_the_future_comes_true(asked: list[tuple[float, int]], allowed: int) -> None:
    """At the date that `again_at` tells there is room, and a moment before there is none."""
    window, now = Window(), 0.0
    for passed, requests in asked:
        now += passed
        if some := min(requests, left(window, allowed, now)):
            book(window, some, now)
    then = again_at(window, allowed, now)
    assert now <= then <= now + DAY_SECONDS + STALE_SECONDS
    if left(window, allowed, now) == 0:
        assert left(window, allowed, then - 1) == 0
    assert left(window, allowed, then) > 0


def test_what_is_taken_back_may_be_booked_again() -> None:
    """A booking that spans two pieces of the window is taken back from both, and never below nothing."""
    window = Window()
    book(window, 5, 0)
    name = book(window, 2, DAY_SECONDS / 2)
    take_back(window, 3, name)
    assert left(window, 10, DAY_SECONDS / 2) == 6
    take_back(window, 30, name)
    assert left(window, 10, DAY_SECONDS / 2) == 10


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e8, 1e8)), max_size=20))
def test_no_jump_of_the_date_moves_the_time(moves: list[tuple[float, float]]) -> None:
    """Within a boot the time is what passed, wherever the date was set to meanwhile."""
    time, true = Time(), 0.0
    advance(time, Reading(0.0, "boot", 0.0))
    for passed, jump in moves:
        true += passed
        advance(time, Reading(true + jump, "boot", true))
    assert abs(time.seconds - true) < 1e-3


def test_over_a_boot_the_date_tells_and_never_backwards() -> None:
    """After a boot as much passed as the date says, at least since the boot; without its name the date is alone."""
    time = Time()
    advance(time, Reading(1000.0, "first", 500.0))
    assert advance(time, Reading(4000.0, "second", 60.0)) == 3000
    assert advance(time, Reading(1000.0, "third", 70.0)) == 3070
    assert advance(time, Reading(900.0, "", 5.0)) == 3070
    assert advance(time, Reading(950.0, "", 1.0)) == 3120
