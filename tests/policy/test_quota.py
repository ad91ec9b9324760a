from __future__ import annotations

from email.utils import formatdate

import pytest

from crawler.errors import Spent
from crawler.model import Response
from crawler.policy.quota import MonthlyQuota, SlidingQuota, Wait

SERVICE_NOW = 1_790_000_000
"""2026-09-21T14:13:20Z by the service's clock; ours is an hour wrong in all tests."""
OUR_NOW = SERVICE_NOW + 3600.0
MINUTE = b'{"errors":[{"key":"limit","code":429,"message":"You have reached the Maximum request count per minute"}]}'


def answer(status: int = 200, body: bytes = b"{}", at: float = SERVICE_NOW, **numbers: object) -> Response:
    """Return an answer with headers, `x_quota_remaining=3` for `x-quota-remaining: 3`."""
    headers = {name.replace("_", "-"): str(value) for name, value in numbers.items()}
    return Response(status, {"date": formatdate(at, usegmt=True), **headers}, body)


def test_a_full_window_is_waited_for_by_the_services_clock() -> None:
    """However wrong our clock is, the wait is the reset less the answer's own date."""
    quota = SlidingQuota()
    told = answer(x_ratelimit_limit=25, x_ratelimit_remaining=0, x_ratelimit_reset=SERVICE_NOW + 7)
    found = quota.note(told, OUR_NOW)
    assert isinstance(found, Wait)
    assert found.delay_seconds == 7
    assert (quota.limit, quota.left()) == (25, 0)


@pytest.mark.parametrize(
    "numbers, delay_seconds",
    [
        ({"x_ratelimit_remaining": 1, "x_ratelimit_reset": SERVICE_NOW + 7}, None),
        ({"x_ratelimit_remaining": 0, "x_ratelimit_reset": SERVICE_NOW}, 1),
        ({"x_ratelimit_remaining": 0, "x_ratelimit_reset": SERVICE_NOW - 500}, 1),
        ({"x_ratelimit_remaining": 0, "x_ratelimit_reset": SERVICE_NOW + 9999}, 60),
        ({"x_ratelimit_remaining": 0}, 1),
        ({"x_ratelimit_remaining": -1, "x_ratelimit_limit": -1, "x_ratelimit_reset": 0}, None),
        ({"x_ratelimit_remaining": "soon"}, None),
        ({}, None),
    ],
)
def test_waits_for_a_window_are_bounded(numbers: dict[str, object], delay_seconds: float | None) -> None:
    """A wait is between a second and a minute, and nonsense asks for none."""
    found = SlidingQuota().note(answer(**numbers), OUR_NOW)
    assert (found.delay_seconds if isinstance(found, Wait) else found) == delay_seconds


def test_a_refusal_waits_for_its_reset_too() -> None:
    """A 429 is a full window, whatever its remaining number says; without a date of the answer ours counts."""
    told = answer(429, x_ratelimit_remaining=3, x_ratelimit_reset=SERVICE_NOW + 5)
    found = SlidingQuota().note(told, OUR_NOW)
    assert isinstance(found, Wait)
    assert found.delay_seconds == 5
    undated = Response(429, {"x-ratelimit-reset": str(int(OUR_NOW) + 5)}, b"")
    again = SlidingQuota().note(undated, OUR_NOW)
    assert isinstance(again, Wait)
    assert again.delay_seconds == 5


def test_the_least_quota_that_was_seen_counts() -> None:
    """Answers overtake each other; an older, larger number gives nothing back."""
    quota = MonthlyQuota(floor=10)
    assert [quota.note(answer(x_quota_remaining=number), OUR_NOW) for number in (40, 12, 30, 11)] == [None] * 4
    assert (quota.least, quota.left()) == (11, 1)
    assert isinstance(quota.note(answer(x_quota_remaining=10), OUR_NOW), Spent)
    assert isinstance(quota.note(answer(x_quota_remaining=300), OUR_NOW), Spent)
    assert isinstance(quota.note(answer(404, x_quota_remaining=300), OUR_NOW), Spent)


def test_a_new_month_begins_anew() -> None:
    """The month is that of the answers; one that is late, from the month before, does not count any more."""
    quota = MonthlyQuota(floor=10)
    assert isinstance(quota.note(answer(x_quota_remaining=3), OUR_NOW), Spent)
    later = SERVICE_NOW + 31 * 86_400
    assert quota.note(answer(at=later, x_quota_remaining=5000), OUR_NOW) is None
    assert quota.note(answer(x_quota_remaining=3), OUR_NOW) is None
    assert quota.left() == 4990


def test_the_two_refusals_are_told_apart() -> None:
    """The minute's 429 has a wording and a reset in seconds, and one is added; every other is the month's."""
    quota = MonthlyQuota()
    found = quota.note(answer(429, MINUTE, x_ratelimit_reset=17), OUR_NOW)
    assert isinstance(found, Wait)
    assert found.delay_seconds == 18
    assert quota.note(answer(429, MINUTE), OUR_NOW) == Wait(1.0, found.reason)
    assert isinstance(quota.note(answer(429, b'{"errors":[{"message":"Quota exceeded"}]}'), OUR_NOW), Spent)
    assert isinstance(quota.note(answer(429, b"<html>"), OUR_NOW), Spent)
