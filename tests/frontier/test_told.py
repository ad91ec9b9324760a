from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crawler.frontier.told import METRICS, name_of
from crawler.model import CrossReference, Point, Ranking, Record

IDS = st.integers(0, 2**63 - 1) | st.text("ab c%", min_size=1, max_size=4)
DATES = st.dates().map(str) | st.text("2026-01 x", max_size=10)
POINTS = st.builds(
    Point,
    st.sampled_from(["user", "artist"]),
    IDS,
    st.sampled_from(["soundcloud", "spotify"]),
    st.sampled_from([*METRICS[:6], "fans"]),
    st.none() | st.sampled_from(["1", "2"]),
    DATES,
    st.integers(),
)
RANKINGS = st.builds(
    Ranking, st.sampled_from(["a", "b"]), st.sampled_from(["track", "song"]), IDS, DATES, st.none(), st.integers()
)
NAMES = st.builds(
    CrossReference,
    st.sampled_from(["user", "song"]),
    IDS,
    st.sampled_from(["isrc", "upc"]),
    st.text("ab", max_size=2),
    st.just("url"),
)


def meaning(record: Record) -> tuple[object, ...]:
    """Return what makes two records the same."""
    if isinstance(record, Point):
        return "series", record.kind, str(record.id), record.platform, record.metric, record.series or "", record.date
    if isinstance(record, Ranking):
        return "charts", record.chart, record.kind, str(record.id), record.date
    return "xrefs", record.kind, str(record.id), record.scheme, record.value, record.evidence


@given(st.lists(POINTS | RANKINGS | NAMES, min_size=2, max_size=2))
def test_names_are_equal_exactly_where_the_records_are(pair: list[Record]) -> None:
    """Two records have one name exactly when they tell the same; a key that is a number fits into 63 bits."""
    first, second = pair
    assert (name_of(first, "s") == name_of(second, "s")) == (meaning(first) == meaning(second))
    key = name_of(first, "s")[1]
    assert isinstance(key, str) or 0 <= key < 2**63
    assert name_of(first, "s") != name_of(first, "t")


@given(st.integers(0, 2**40), st.dates(), st.integers(0, 2**40), st.dates())
def test_places_of_different_tracks_and_days_differ(track: int, day: object, other: int, another: object) -> None:
    """A track and a day in one integer lose neither."""
    names = {
        name_of(Ranking("c", "track", node, str(when), None, 1), "s") for node, when in ((track, day), (other, another))
    }
    assert len(names) == len({(track, day), (other, another)})


def test_days_and_metrics_do_not_run_into_each_other() -> None:
    """Neighbouring days and metrics of one node have keys of their own."""
    points = [
        Point("artist", "u", "soundcloud", metric, None, f"2026-01-{day:02}", 1)
        for metric in METRICS[:6]
        for day in range(1, 29)
    ]
    assert len({name_of(point, "s") for point in points}) == len(points)
