"""Faults of rows: which rows of a page are shown. One that is hidden was still on the page, as the service cut it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crawler.sandbox.faults.paging import Rewrite
from crawler.sandbox.faults.plan import Chosen
from crawler.sandbox.faults.visit import Sheet, Visit

SHARE_HIDDEN = 0.15
SHARE_NULL = 0.05
SHARE_UNKNOWN = 0.03
EMPTY_PAGES = 3


def _short(visit: Visit, fault: Chosen, sheet: Sheet) -> None:
    sheet.keep(lambda row: fault.draw("row", visit.identity, row["id"]) >= SHARE_HIDDEN)


def _empty(visit: Visit, fault: Chosen, sheet: Sheet) -> None:
    place = visit.place
    pages = 0 if place is None else -(-place.length // visit.limit)
    free = pages - 1 - EMPTY_PAGES  # neither the first page nor the last
    if free < 1:
        return
    first = 1 + int(fault.draw("where", visit.identity) * free)
    if first <= visit.start // visit.limit < first + EMPTY_PAGES:
        sheet.rows = []


def _unfollowed(visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    place = visit.place
    if place is not None and place.listing.grammar != "offset" and visit.start > 0 and sheet.next_href is None:
        sheet.drop(sheet.rows[:-1])


def _blocked(visit: Visit, fault: Chosen, sheet: Sheet) -> None:
    blocked = [row for row in sheet.rows if isinstance(row, dict) and fault.strikes("track", row["id"])]
    if "blocked" in visit.call.query.get("access", ""):
        for row in blocked:
            row["access"] = "blocked"
    else:
        sheet.rows = [row for row in sheet.rows if row not in blocked]


def _seed_first(visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    if visit.cursor or sheet.envelope is None:
        return
    if len(sheet.rows) == visit.limit > 1:  # the thing itself takes the place of a row, which comes on the next page
        sheet.drop(sheet.rows[:-1])
        sheet.next_href = visit.href(visit.limit - 2, 0)
    sheet.rows.insert(0, visit.fetch(f"/{visit.node}"))
    sheet.raw += 1


def _reordered(visit: Visit, fault: Chosen, sheet: Sheet) -> None:
    sheet.rows.sort(key=lambda row: fault.draw("order", visit.identity, row["id"]))


def _incomplete(visit: Visit, fault: Chosen, sheet: Sheet) -> None:
    sheet.keep(lambda row: not fault.strikes("row", visit.identity, row["id"]))


def _nulls(visit: Visit, fault: Chosen, sheet: Sheet) -> None:
    sheet.rows = [None if _drawn(visit, fault, row, SHARE_NULL) else row for row in sheet.rows]


def _unknown(visit: Visit, fault: Chosen, sheet: Sheet) -> None:
    for row in sheet.rows:
        if _drawn(visit, fault, row, SHARE_UNKNOWN):
            row["kind"] = "system-playlist"


def _drawn(visit: Visit, fault: Chosen, row: Any, share: float) -> bool:  # noqa: ANN401 - JSON
    return isinstance(row, dict) and fault.draw("row", visit.identity, row["id"]) < share


ROWS: Mapping[str, Rewrite] = {
    "unfollows": _unfollowed,
    "access-filter": _blocked,
    "short-pages": _short,
    "empty-pages": _empty,
    "related-seed-first": _seed_first,
    "reordered-batch": _reordered,
    "dropped-batch": _incomplete,
    "null-items": _nulls,
    "unknown-kinds": _unknown,
}
"""In the order in which they are applied."""
