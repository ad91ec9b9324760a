"""Faults of paging: which rows are served instead of those asked for, and where next_href leads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from crawler.sandbox.faults.plan import Chosen
from crawler.sandbox.faults.visit import Place, Sheet, Visit

Steer = Callable[[Visit, Chosen, Place], None]
Rewrite = Callable[[Visit, Chosen, Sheet], None]

SMALL_PAGE_ROWS = 10
DEEPEST_OFFSET = 1000
LAG_SECONDS = 300.0
LAG_ROWS = 2
INTERNAL_HOST = "http://http.api.prod.api-public.srv.db.s-cloud.net"
_LOST = ("access=", "show_tracks=", "linked_partitioning=")


def _small_pages(visit: Visit, _fault: Chosen, _place: Place) -> None:
    visit.limit = min(visit.limit, SMALL_PAGE_ROWS)


def _tie(visit: Visit, _fault: Chosen, place: Place) -> None:
    if place.start > 0 and visit.limit > 1:
        visit.start -= 1


def _lost_tie(visit: Visit, _fault: Chosen, place: Place) -> None:
    if 0 < place.start < place.length:
        visit.start += 1


def _lagging(visit: Visit, _fault: Chosen, place: Place) -> None:
    if not visit.cursor and visit.seconds < LAG_SECONDS:
        visit.start = min(LAG_ROWS, place.length)


def _shifted_down(visit: Visit, _fault: Chosen, place: Place) -> None:
    if place.listing.grammar == "offset" and place.start > 0 and visit.limit > 1:
        visit.start -= 1


def _shifted_up(visit: Visit, _fault: Chosen, place: Place) -> None:
    if place.listing.grammar == "offset" and 0 < place.start < place.length:
        visit.start += 1


def _skipped_page(visit: Visit, fault: Chosen, place: Place) -> None:
    lost = visit.limit + int(fault.draw("row", visit.identity) * (place.length - visit.limit))
    if 0 < visit.start <= lost < visit.start + visit.limit:
        visit.start = min(visit.start + visit.limit, place.length)


STEERS: Mapping[str, Steer] = {
    "small-pages": _small_pages,
    "ms-ties": _tie,
    "ms-ties-lost": _lost_tie,
    "inserts": _shifted_down,
    "unfollows": _shifted_up,
    "lost-page": _skipped_page,
    "write-lag": _lagging,
}


def _early_null(visit: Visit, fault: Chosen, sheet: Sheet) -> None:
    place = visit.place
    if place is None or sheet.next_href is None:
        return
    last = int(fault.draw("row", visit.identity) * place.length)
    if visit.start <= last < visit.start + visit.limit:
        sheet.next_href = None


def _silent_cap(visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    place = visit.place
    wall = 0 if place is None else -(-place.length // 2)
    if sheet.envelope is not None and visit.start + visit.limit >= wall:
        sheet.drop(sheet.rows[: max(0, wall - visit.start)])
        sheet.next_href = None


def _endless_from(visit: Visit, sheet: Sheet, wall: int) -> None:
    """End the rows at a wall, and never the pages: beyond the end the dialect sees only the end."""
    asked = int(visit.cursor or "0")
    if asked + visit.limit >= wall:
        sheet.drop(sheet.rows[: max(0, wall - asked)])
        sheet.next_href = visit.href(asked + visit.limit - 1, 0)


def _endless(visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    place = visit.place
    if place is not None and place.listing.grammar == "offset" and place.length > DEEPEST_OFFSET:
        _endless_from(visit, sheet, DEEPEST_OFFSET)


def _endless_end(visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    place = visit.place
    if place is not None and place.listing.grammar == "offset":
        _endless_from(visit, sheet, min(place.length, DEEPEST_OFFSET))


def _empty_last(visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    place = visit.place
    if place is not None and sheet.envelope is not None and sheet.next_href is None and sheet.raw == visit.limit:
        item = sheet.rows[-1].get("id") if sheet.rows and isinstance(sheet.rows[-1], dict) else None
        sheet.next_href = visit.href(visit.start + sheet.raw - 1, item if isinstance(item, int) else 0)


def _null_collection(visit: Visit, fault: Chosen, sheet: Sheet) -> None:
    _empty_last(visit, fault, sheet)
    sheet.without_collection = not sheet.rows and sheet.envelope is not None


def _repeated(visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    if visit.start > 0 and sheet.envelope is not None:
        sheet.next_href = _own_href(visit)


def _cycle(visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    place = visit.place
    if place is not None and visit.start // visit.limit == 2 and sheet.envelope is not None:  # noqa: PLR2004 - the third
        first = visit.fetch(f"{visit.call.path}?limit={visit.limit}&linked_partitioning=true")
        sheet.next_href = first.get("next_href")


def _own_href(visit: Visit) -> str:
    query = "&".join(f"{name}={value}" for name, value in visit.call.query.items())
    return f"http://{visit.call.headers.get('host', '127.0.0.1')}{visit.call.path}?{query}"


def _wrong_host(_visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    if sheet.next_href:
        parts = urlsplit(sheet.next_href)
        sheet.next_href = f"{INTERNAL_HOST}{parts.path}?{parts.query}"


def _dropped(_visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    if sheet.next_href:
        address, _, query = sheet.next_href.partition("?")
        sheet.next_href = f"{address}?{'&'.join(part for part in query.split('&') if not part.startswith(_LOST))}"


def _swapped_end(_visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    if sheet.envelope is None or sheet.next_href is not None:
        return
    if "next_href" in sheet.envelope:
        del sheet.envelope["next_href"]
    else:
        sheet.envelope["next_href"] = None


def _bare(_visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    sheet.envelope = None


LINKS: Mapping[str, Rewrite] = {
    "early-null": _early_null,
    "silent-cap": _silent_cap,
    "endless-offsets": _endless,
    "endless-end": _endless_end,
    "empty-last-page": _empty_last,
    "null-collection": _null_collection,
    "repeated-cursor": _repeated,
    "cursor-cycle": _cycle,
    "wrong-host": _wrong_host,
    "dropped-access": _dropped,
    "swapped-end": _swapped_end,
    "bare-arrays": _bare,
}
"""In the order in which they are applied."""
