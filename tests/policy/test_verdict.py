from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.policy.verdict import (
    BARREN_DATED_PAGES_MAX,
    BARREN_PAGES_MAX,
    Advance,
    Judgement,
    Look,
    Numbers,
    ending,
    going_on,
    hidden_bound,
)

rows = st.integers(0, 10_000)


def end(visible: int, **more: Any) -> Judgement | Look:  # noqa: ANN401
    """Return the judgement of a list that ended; 58 rows were on its last page, which was cut at 200."""
    return ending(Numbers(**{"visible": visible, "hidden": 0, "unread": 0, "last_rows": 58, "limit": 200, **more}))


def test_without_a_count_the_end_is_the_end() -> None:
    """Where nobody knows how long a list is, nothing contradicts its end, and nobody knows what is missing."""
    assert end(58) == Judgement("complete", None, None)


@given(rows, rows, rows)
def test_a_count_that_is_reached_makes_complete(visible: int, hidden: int, more: int) -> None:
    """Rows shown and rows hidden that reach the count, or pass it, are a whole list."""
    advertised = max(0, visible + hidden - more)
    assert end(visible, hidden=hidden, advertised=advertised) == Judgement("complete", None, 0)


def test_rows_hidden_on_the_last_page_are_proved_by_a_look() -> None:
    """61 advertised, 58 shown, as recorded: the page cut at 60 has a link exactly when 61 rows are there."""
    assert end(58, advertised=61) == Look("rows", 60)


def test_what_no_look_explains_is_short() -> None:
    """After the rows the counts are asked for, and then as many rows are missing as the smaller count says."""
    assert end(58, advertised=61, looked_gap=3) == Look("counts")
    assert end(58, advertised=61, looked_gap=3, counted=True) == Judgement("short", "3 of 61 rows are missing", 3)
    shrunk = {"advertised": 61, "looked_gap": 3, "counted": True}
    assert end(58, **shrunk, advertised_after=60) == Look("rows", 59)
    assert end(58, **shrunk, advertised_after=58) == Judgement("complete", None, 0)


def test_a_gap_too_large_for_the_last_page_is_looked_at_in_full() -> None:
    """An end that came too early may have been a slip: the same page is asked for once more."""
    assert end(200, last_rows=200, advertised=900) == Look("rows", 200)


def test_a_gap_that_churn_explains_is_looked_at_once() -> None:
    """In a list of thousands a row or two may have gone meanwhile; hidden ones are proved all the same."""
    assert end(4998, advertised=5000) == Look("rows", 59)
    assert end(4998, advertised=5000, looked_gap=2) == Judgement("complete", None, 0)


def test_a_single_hidden_row_is_no_alarm() -> None:
    """An empty last page that should have one row cannot be looked into; one row cut away is the likelier story."""
    assert end(0, last_rows=0, advertised=1) == Judgement("complete", None, 0)


def test_an_end_on_a_full_page_of_a_list_that_shrank_is_short() -> None:
    """Rows that went after they were read may hide as many that were never shown; nobody knows how many."""
    numbers = {"last_rows": 200, "advertised": 950, "advertised_after": 780, "counted": True, "looked_gap": 150}
    found = end(800, **numbers)
    assert isinstance(found, Judgement)
    assert (found.verdict, found.missing) == ("short", None)


def test_rows_that_could_not_be_read_are_missing() -> None:
    """A null row, or one of an unknown kind, makes a list short, with or without a count."""
    for more in ({}, {"advertised": 58}):
        assert end(58, unread=2, **more) == Judgement("short", "2 rows could not be read", 2)


def test_a_null_instead_of_a_list_is_no_empty_list() -> None:
    """It may be an empty list, or a failure: it is asked for again, and only a count that is reached settles it."""
    doubt = "the service said null instead of a list"
    assert end(0, last_rows=0, doubt=doubt) == Look("rows", 200)
    assert end(0, last_rows=0, doubt=doubt, looked_gap=0) == Judgement("short", doubt)
    assert end(0, last_rows=0, doubt=doubt, advertised=0) == Judgement("complete", None, 0)


def test_the_service_s_own_wall_is_capped() -> None:
    """A list that ends at the service's limit is whole only when its count says so."""
    for more, missing in (({}, None), ({"advertised": 2300}, 300)):
        found = end(2000, wall=2000, **more)
        assert isinstance(found, Judgement)
        assert (found.verdict, found.missing) == ("capped", missing)
    assert end(2000, wall=2000, advertised=2000) == Judgement("complete", None, 0)


@given(rows, rows, st.none() | rows, st.none() | rows, st.none() | st.integers(1, 200))
def test_looking_comes_to_an_end(
    visible: int, hidden: int, advertised: int | None, after: int | None, limit: int | None
) -> None:
    """Whatever the looks bring, there are three at most, and then a judgement."""
    numbers = Numbers(visible, hidden, 0, min(visible, limit or 0), limit, advertised)
    looks = 0
    while isinstance(found := ending(numbers), Look):
        looks += 1
        if found.at == "counts":
            numbers = numbers._replace(counted=True, advertised_after=after)
        else:
            gap = min(value for value in (advertised, numbers.advertised_after) if value is not None) - visible - hidden
            numbers = numbers._replace(looked_gap=gap)
    assert looks <= 3


def onward(**more: Any) -> str | None:  # noqa: ANN401
    """Return the verdict of a list that names another page."""
    values = {"pages": 5, "found": 1000, "barren": 0, "barren_hidden": 0, "repeats": 0, "repeated": False, **more}
    judgement = going_on(Advance(**values))
    return judgement and judgement.verdict


TRAPS = [
    ({"repeated": True}, "looped"),
    ({"pages": 5, "pages_max": 5}, "capped"),
    ({"barren": 3, "mark": 1600, "mark_before": 1400}, "capped"),
    ({"barren": 2, "mark": 1600, "mark_before": 1400}, None),
    ({"barren": 3, "mark": 600, "mark_before": 400}, None),
    ({"barren": 1, "mark": 400, "mark_before": 600}, "looped"),
    ({"barren": 0, "mark": 400, "mark_before": 600}, None),
    ({"barren": 3, "repeats": 3}, "looped"),
    ({"barren": 2, "repeats": 2}, None),
    ({"barren": 3, "barren_hidden": 600, "limit": 200, "advertised": 1000, "mark": -1_500_000_000_000}, "looped"),
    ({"barren": 3, "barren_hidden": 600, "limit": 200, "advertised": 5000, "mark": -1_500_000_000_000}, None),
    ({"barren": 3, "mark": -1_000_000_000_000}, "looped"),
    ({"barren": 3, "mark": 600, "page_hidden": 5}, "looped"),
    ({"barren": 3, "mark": 600, "page_hidden": 5, "advertised": 1200}, None),
    ({"barren": 3, "mark": 600, "found": 0}, "looped"),
    ({"barren": 2, "mark": 600, "page_hidden": 5}, None),
    ({"barren": 3, "mark": -1_500_000_000_000, "page_hidden": 5}, None),
    ({"barren": BARREN_PAGES_MAX - 1}, None),
    ({"barren": BARREN_PAGES_MAX}, "looped"),
    ({"barren": BARREN_PAGES_MAX, "mark": -1_500_000_000_000}, None),
    ({"barren": BARREN_DATED_PAGES_MAX, "mark": -1_500_000_000_000}, "looped"),
]


@pytest.mark.parametrize("numbers,verdict", TRAPS)
def test_traps(numbers: dict[str, Any], verdict: str | None) -> None:
    """A list goes on while it may show something new, and stops where it is known that it will not."""
    assert onward(**numbers) == verdict


@given(st.integers(0, 300), st.none() | st.integers(0, 300), st.none() | rows)
def test_the_bound_of_the_last_page(last_rows: int, limit: int | None, gap: int | None) -> None:
    """At most what the page was cut at, less what it showed, is hidden on it, and at most what is missing."""
    bound = hidden_bound(last_rows, limit, gap)
    assert (bound is None) is (limit is None)
    if bound is not None and limit is not None:
        assert 0 <= bound <= max(0, limit - last_rows)
        assert gap is None or bound <= gap
