"""The account of every list that was asked for: what its pages stood for, and what they showed.

For each list: rows = visible + duplicates + unread + own + hidden + hidden_at_end, where `rows` are those that its
pages stood for. A page that is asked for again counts once: as it was shown last, or when it stood for more rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from crawler.sandbox.faults.visit import Sheet, Visit


class Account(NamedTuple):
    """One list. `length` is how many rows it really has; `hidden_at_end` those hidden on the page that ended it.

    `unread` are rows that are null or of an unknown kind, `duplicates` those shown before, `own` is the thing itself
    among its related things.
    """

    length: int
    pages: int
    rows: int
    visible: int
    duplicates: int
    unread: int
    own: int
    hidden: int
    hidden_at_end: int
    ended: bool


class _Shown(NamedTuple):
    raw: int
    ids: tuple[int, ...]
    unread: int
    own: int
    final: bool


class Book:
    """All lists. Every page is kept as the ids it showed, in the order in which pages were first asked for."""

    def __init__(self) -> None:
        self._lists: dict[str, dict[str, _Shown]] = {}
        self._lengths: dict[str, int] = {}

    def enter(self, visit: Visit, sheet: Sheet) -> None:
        """Note what a page shows."""
        if visit.place is None or sheet.single:
            return
        kind = visit.place.listing.item
        read = [row["id"] for row in sheet.rows if _is_read(row, kind)]
        own_id = visit.place.node if visit.place.listing.relation == "related" else None
        ids = tuple(identity for identity in read if identity != own_id)
        unread, own = len(sheet.rows) - len(read), len(read) - len(ids)
        pages = self._lists.setdefault(visit.identity, {})
        before = pages.get(visit.cursor)
        if before is not None and before.raw > sheet.raw:
            return
        pages[visit.cursor] = _Shown(sheet.raw, ids, unread, own, sheet.next_href is None)
        self._lengths[visit.identity] = visit.place.length

    def accounts(self) -> dict[str, Account]:
        """Return the account of each list by its name, "users/12/followers"."""
        return {name: _account(self._lengths[name], list(pages.values())) for name, pages in self._lists.items()}


def _is_read(row: Any, kind: str) -> bool:  # noqa: ANN401 - JSON
    return isinstance(row, dict) and row.get("kind") == kind


def _account(length: int, pages: list[_Shown]) -> Account:
    shown = [identity for page in pages for identity in page.ids]
    visible = len(set(shown))
    hidden = {
        final: sum(page.raw - len(page.ids) - page.unread - page.own for page in pages if page.final is final)
        for final in (False, True)
    }
    return Account(
        length=length,
        pages=len(pages),
        rows=sum(page.raw for page in pages),
        visible=visible,
        duplicates=len(shown) - visible,
        unread=sum(page.unread for page in pages),
        own=sum(page.own for page in pages),
        hidden=hidden[False],
        hidden_at_end=hidden[True],
        ended=any(page.final for page in pages),
    )
