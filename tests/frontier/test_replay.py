"""Reading the log at a start gives what the crawl knew when it was written."""

from __future__ import annotations

import random
from itertools import groupby

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crawler.frontier import ids, poor
from crawler.frontier.ids import IdSet, StoredIds, pack
from crawler.frontier.known import Known
from crawler.frontier.replay import replay
from crawler.frontier.rows import LogRow, Run
from crawler.model import DETAILS, Item


def story(seed: int, pages: int) -> tuple[Known, list[Run]]:
    """Return what a crawl of some pages knows, and the log that it wrote."""
    chance, known, runs = random.Random(seed), Known(), []
    for _ in range(pages):
        kind = chance.choice(("user", "track", "url"))
        numbers, texts = range(60), [f"u{number}" for number in range(20)]
        of_kind = {"user": numbers, "url": texts, "track": [*numbers[:9], *texts[:3]]}[kind]
        some = [chance.choice(of_kind) for _ in range(chance.randrange(9))]
        depth, via = chance.randrange(3), chance.choice("ab")
        if chance.random() < 0.1:
            runs += known.settle("s", "user", [chance.randrange(60)])
            continue
        items = [Item(kind, value, value, chance.choice(DETAILS), None) for value in some]
        sightings = known.sight("s", items, depth, via)
        for head, group in groupby(sightings, lambda one: (one.depth, one.via, one.item.detail, one.fresh)):
            at, by, detail, fresh = head
            runs.append(Run("s", kind, at, by, detail, fresh, [one.item.id for one in group]))
    for number, run in enumerate(runs, 1):
        run.row = number
    return known, runs


def picture(known: Known) -> dict[str, object]:
    """Return all that is known, as plain sets."""
    found: dict[str, object] = {}
    for name in ("user", "track", "url"):
        kind = known.kind("s", name)
        groups = {place: set(ids) for place, ids in kind.poor.groups()}
        there = {value for value in (*range(60), *(f"u{number}" for number in range(20))) if value in kind.known}
        assert len(there) == len(kind.known)
        assert len(kind.poor) == sum(map(len, groups.values()))
        found[name] = (there, groups)
    return found


def stored(run: Run) -> LogRow:
    """Return a row as the log keeps it."""
    head = (run.row, run.network, run.kind, run.depth, run.via, run.detail, int(run.fresh))
    return LogRow(*head, len(run.ids), *pack(run.ids))


@pytest.mark.parametrize("table_from", [10, 10**6])
@given(st.integers(0, 1 << 30), st.integers(0, 80), st.integers(1, 50))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_log_rebuilds_what_was_known(
    monkeypatch: pytest.MonkeyPatch, table_from: int, seed: int, pages: int, rows_max: int
) -> None:
    """Read in chunks of any size, or row by row, with tables and without, the log gives what the crawl knew."""
    for module in (ids, poor):
        monkeypatch.setattr(module, "TABLE_FROM", table_from)
    monkeypatch.setattr(ids, "SPARSE_SHARE", 1e9)
    known, runs = story(seed, pages)
    slowly, quickly = Known(), Known()
    for run in runs:
        slowly.replay(run)
    for start in range(0, len(runs), rows_max):
        replay(quickly, [stored(run) for run in runs[start : start + rows_max]])
    assert picture(quickly) == picture(slowly) == picture(known)


def test_rows_of_numbers_and_of_texts_stay_in_order() -> None:
    """A row that describes nodes again comes after the row that made them known, whatever their ids are."""
    head = ("s", "track", 0, "a")
    rows = [
        Run(*head, "mini", fresh=True, ids=[1, 2]),
        Run(*head, "mini", fresh=True, ids=["x"]),
        Run(*head, "full", fresh=False, ids=[1, "x"]),
    ]
    known = Known()
    replay(known, [stored(row) for row in rows])
    assert list(known.undescribed("s", "track")) == [(0, [2])]


@given(st.lists(st.lists(st.integers(0, 1 << 62) | st.text(max_size=3), max_size=5), max_size=5))
def test_a_set_as_it_is_stored_is_the_set(pages: list[list[int | str]]) -> None:
    """A listing's rows, stored page by page, are the same set once somebody looks."""
    asleep, awake = StoredIds(), IdSet()
    for page in pages:
        asleep.store(*pack(page))
        awake.update(page)
    assert len(asleep) == len(awake)
    assert set(asleep) == set(awake)
    assert not asleep._packed
    asleep.add(7)
    assert 7 in asleep
