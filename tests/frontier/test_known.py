"""What is known of a node: it is seen once, and again only when something fuller comes."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from crawler.frontier import ids, poor
from crawler.frontier.known import Known
from crawler.model import DETAILS, Detail, Item

SIGHT = some.tuples(some.integers(1, 4), some.sampled_from(DETAILS))


@pytest.mark.parametrize("table_from", [1, 10**6])
@given(some.lists(some.lists(SIGHT, min_size=1, max_size=4), max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_node_is_seen_when_it_is_new_and_whenever_it_is_fuller(
    monkeypatch: pytest.MonkeyPatch, table_from: int, pages: list[list[tuple[int, Detail]]]
) -> None:
    """Over any pages of mixed details, a node gets a line exactly when its detail is more than all before it."""
    for module in (ids, poor):
        monkeypatch.setattr(module, "TABLE_FROM", table_from)
    monkeypatch.setattr(ids, "SPARSE_SHARE", 1e9)
    known, best = Known(), dict[int, int]()
    for page in pages:
        items = [Item("user", identity, identity, detail, None) for identity, detail in page]
        wanted = []
        for identity, detail in page:
            rank = DETAILS.index(detail)
            if rank > best.get(identity, -1):
                wanted.append((identity, detail, identity not in best))
                best[identity] = rank
        seen = known.sight("soundcloud", items, 1, "followers")
        assert [(one.item.id, one.item.detail, one.fresh) for one in seen] == wanted


def test_each_detail_is_told_from_each_other() -> None:
    """For every pair of details the second is seen again exactly when it is the fuller one."""
    for first, second in product(DETAILS, DETAILS):
        known = Known()
        known.sight("soundcloud", [Item("user", 1, 1, first, None)], 1, "followers")
        again = known.sight("soundcloud", [Item("user", 1, 1, second, None)], 2, "followings")
        assert bool(again) == (DETAILS.index(second) > DETAILS.index(first)), (first, second)
