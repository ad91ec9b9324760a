"""What a fault is told of one request, and the page that it may change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from crawler.sandbox import cursors, official
from crawler.sandbox.official import BY_PATH, KINDS, Listing, Refusal, first_row, node_number, page_limit
from crawler.sandbox.reply import Call, Reply
from crawler.sandbox.world import World

OUTAGE_SECONDS = 600.0
OUTAGE_EVERY_SECONDS = 3600.0


class Place(NamedTuple):
    """Where in a list a call is: `length` rows in all, from row `start` at most `limit`."""

    listing: Listing
    node: int
    length: int
    start: int
    limit: int

    @property
    def page(self) -> int:
        """The number of the page, from 0."""
        return self.start // self.limit

    @property
    def pages(self) -> int:
        """How many pages the list has at this limit."""
        return -(-self.length // self.limit)


@dataclass(slots=True)
class Visit:
    """One request. `identity` names the list or thing ("users/12/followers"), `node` the thing ("users/12").

    `cursor` is the page's ("" for the first), `nth` says how often this page was asked for, from 1. `seconds` count
    from the sandbox's start, `epoch_seconds` is the date. `start` and `limit` are of the page to serve, and may be
    changed; `place` is what was asked for, None where it is no list. `fetch` asks the dialect itself for a path.
    """

    call: Call
    family: str
    identity: str
    node: str
    cursor: str
    nth: int
    seconds: float
    epoch_seconds: float
    place: Place | None
    fetch: Callable[[str], Any]
    start: int = 0
    limit: int = 0

    @property
    def is_outage(self) -> bool:
        """Whether the sandbox's clock is in the first ten minutes of an hour."""
        return self.seconds % OUTAGE_EVERY_SECONDS < OUTAGE_SECONDS

    def href(self, row: int, item: int) -> str:
        """Return a next_href whose page begins after `row`, in which `item` stands."""
        place = self.place
        assert place is not None  # noqa: S101 - only lists have pages
        cursor = cursors.encode(place.listing.grammar, place.node, place.length, row, item)
        return official.next_href(self.call, place.listing, cursor, self.limit)


@dataclass(slots=True)
class Sheet:
    """A decoded answer. `envelope` has the keys beside `collection`, None for a bare array; `single` is one object.

    `raw` is how many rows the page stands for, whatever becomes of them.
    """

    rows: list[Any]
    envelope: dict[str, Any] | None
    single: bool
    raw: int
    without_collection: bool = False

    @property
    def next_href(self) -> str | None:
        """The address of the next page."""
        return None if self.envelope is None else self.envelope.get("next_href")

    @next_href.setter
    def next_href(self, href: str | None) -> None:
        if self.envelope is not None:
            self.envelope["next_href"] = href

    def keep(self, wanted: Callable[[Any], bool]) -> None:
        """Hide the rows that are not wanted: the page still stands for them."""
        self.rows = [row for row in self.rows if row is None or wanted(row)]

    def drop(self, rows: list[Any]) -> None:
        """Leave only these rows, as if the others had never been on the page."""
        self.raw -= len(self.rows) - len(rows)
        self.rows = rows

    def body(self) -> bytes:
        """Return the answer again as JSON."""
        if self.single:
            return orjson.dumps(self.rows[0])
        if self.envelope is None:
            return orjson.dumps(self.rows)
        return orjson.dumps({"collection": None if self.without_collection else self.rows, **self.envelope})


def read_sheet(reply: Reply) -> Sheet:
    """Decode an answer of the dialect."""
    value = orjson.loads(reply.body)
    if isinstance(value, list):
        return Sheet(value, None, single=False, raw=len(value))
    if "collection" in value:
        rows = value.pop("collection")
        return Sheet(rows, value, single=False, raw=len(rows))
    return Sheet([value], None, single=True, raw=1)


def located(call: Call, world: World) -> Place | None:
    """Return where in which list a call is, None when it is not for a page of a list that exists."""
    collection, *names = call.path.removeprefix("/").split("/", 2)
    listing = BY_PATH.get((collection, names[-1])) if names[1:] else None
    if listing is None:
        return None
    node = node_number(listing.kind, names[0])
    if node is None or not world.exists(listing.kind, node):
        return None
    try:
        limit = page_limit(call.query)
        count = world.count(listing.kind, node, listing.relation)
        return Place(listing, node, count, first_row(call, listing, node, count), limit)
    except Refusal:
        return None


def named(call: Call) -> tuple[str, str]:
    """Return the identity of what is asked for and of the node it belongs to, whether named by number or by URN."""
    collection, *names = call.path.removeprefix("/").split("/", 2)
    kind = KINDS.get(collection)
    if kind is None or not names:
        text = call.query.get("urns") or call.query.get("ids") or call.query.get("url") or ""
        return f"{collection}?{text}", ""
    number = node_number(kind, names[0])
    node = f"{collection}/{names[0] if number is None else number}"
    return "/".join((node, *names[1:])), node


def steered(visit: Visit, world: World) -> Call:
    """Return the call for the page that faults chose to serve instead of the one asked for."""
    place = visit.place
    if place is None or (visit.start, visit.limit) == (place.start, place.limit):
        return visit.call
    query = {key: value for key, value in visit.call.query.items() if key not in ("limit", "cursor", "offset")}
    query["page_size"] = str(visit.limit)
    if visit.start > 0:
        listing, row = place.listing, min(visit.start, place.length) - 1
        item = int(world.rows(listing.kind, place.node, listing.relation, row, row + 1)[0])
        name = "offset" if listing.grammar == "offset" else "cursor"
        query[name] = cursors.encode(listing.grammar, place.node, place.length, row, item)
    return visit.call._replace(query=query)
