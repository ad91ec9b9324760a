"""The API behind SoundCloud's web site as a provider. It is undocumented, and its use is against SoundCloud's terms.

It is off unless the operator gives a client id of their own and says that they accept this; nothing here looks for
client ids, changes its face, or goes around a block: an answer that keeps programs out ends the source.

What differs from the official dialect: cursors travel in `offset`; `limit` keeps its name; `next_href` lacks the client
id (which the transport adds to every request; where a link has it, it is cut out) and `linked_partitioning`; likes and
reposts come in wrappers with their time; a playlist shows its first tracks whole and the others as stubs; `/resolve`
answers with the object itself; counts can be trusted in lists too. Facts: field report, part 2.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import quote

import msgspec

from crawler.errors import Gone, Refused
from crawler.model import Item, NodeId, Page, Ranking, Response, Task
from crawler.providers.charts import day_of, read_chart
from crawler.providers.dates import iso_utc
from crawler.providers.soundcloud import SoundCloud, is_batch
from crawler.providers.soundcloud_answers import RULES, Rule, failure
from crawler.providers.soundcloud_items import identity_of
from crawler.providers.soundcloud_links import read_id
from crawler.providers.soundcloud_objects import Answer, Unreadable, shape
from crawler.providers.soundcloud_v2_items import (
    Row2,
    author,
    item_of,
    read_rows,
    read_thing,
    shelved,
)
from crawler.providers.soundcloud_v2_relations import RELATIONS

_OFFSET = re.compile(r"[?&]offset=([0-9]{1,9})")
CHART_GENRE = "soundcloud:genres:"
CHART_REGION = "soundcloud:regions:"
WORLD = "GLOBAL"
_WRAPPED = frozenset({"likes", "track_likes", "playlist_likes", "reposts", "charted"})
_NO_PROGRAMS = (
    Rule(range(401, 402), None, Refused, "the client id is not accepted"),
    Rule(range(403, 404), frozenset({"edge", "json"}), Refused, "the service keeps programs out"),
)
"""A client id that is out cannot be renewed; a wall against programs is an answer: this crawler wears no disguise."""


class SoundCloudV2(SoundCloud):
    """The provider `soundcloud_v2`, of the same nodes as `soundcloud`."""

    name = "soundcloud_v2"
    relations = RELATIONS
    rules = (*_NO_PROGRAMS, *RULES)

    def _name_in_url(self, node: NodeId) -> str:
        """Return a node's id as the URL has it. Charts are named "top:techno" or "top:techno:DE", the latest ones."""
        if node.kind == "chart":
            kind, genre, region, *_ = (*str(node.id).split(":"), "", "")
            place = f"&region={quote(CHART_REGION + region, safe='')}" if region and region != WORLD else ""
            return f"kind={quote(kind)}&genre={quote(CHART_GENRE + genre, safe='')}{place}"
        if node.kind == "featured":
            return quote(str(node.id).replace(":", "/"))
        if node.kind == "tracks":
            return ",".join(str(read_id(name, "track")) for name in str(node.id).split(","))
        return super()._name_in_url(node)

    def _list(self, task: Task, body: bytes) -> Page:
        relation = task.relation
        if relation.kind == "discover":
            return self._shelves(task, body)
        if relation.name == "tracks" and relation.paging == "none":
            return self._inside(task, body)
        if relation.edge == "commented":
            return self._comments(task, body)
        if relation.name == "charted" and _is_dated(str(task.node.id)):
            raise Gone("this API shows the latest charts only")  # else the latest would pass for another week's
        rows = read_rows(body, relation.to_kind, self._keep, wrapped=relation.name in _WRAPPED)
        items = self._items(rows.read, task)
        if is_batch(relation):
            asked = {read_id(name, "track") for name in str(task.node.id).split(",")}
            items = [item for item in items if item.id in asked]
        page = Page(items, unread=rows.total - len(items), doubt=rows.doubt)
        if relation.name == "charted" and not page.unread:
            page.records = places(task, items, body)
        return self._paged(task, page, Answer([None] * rows.total, rows.next_href, None, bare=rows.bare))

    def _items(self, rows: list[Row2], task: Task) -> list[Item]:
        relation = task.relation
        dated, mixed = relation.edge == "posted", relation.to_kind == "any"
        built = (item_of(row, self._lengths, dated=dated, mixed=mixed) for row in rows)
        return [item for item in built if item is not None]

    def _inside(self, task: Task, body: bytes) -> Page:
        """Read the tracks of a playlist from the playlist: an object, and no list that goes on."""
        served = msgspec.json.decode(body)
        tracks = served.get("tracks") if isinstance(served, dict) else None
        if not isinstance(tracks, list) or read_id(served.get("id"), task.node.kind) != task.node.id:
            raise Unreadable("the object is not the playlist that was asked for, with its tracks")
        rows = [row for thing in tracks if (row := read_thing(thing, "track", self._keep)) is not None]
        items = self._items(rows, task)
        page = Page(items, unread=len(tracks) - len(items))
        told = served.get("track_count")
        if isinstance(told, int) and told > len(tracks):
            page.doubt = f"the playlist shows {len(tracks)} of its {told} tracks"
        return page

    def _comments(self, task: Task, body: bytes) -> Page:
        """Read comments, which are edges: on a track the item is the author, of a user it is the track."""
        answer = shape("comment", self._keep).read_page(body)
        served = answer.served or [None] * len(answer.rows)
        items = []
        for row, thing in zip(answer.rows, served, strict=True):
            key = identity_of(row, "comment") if row is not None else None
            item = None if key is None else _commented(row, thing, inward=task.relation.inward)
            if item is not None and key is not None:
                item.key = key
                items.append(item)
        page = Page(items, unread=len(answer.rows) - len(items), doubt=answer.doubt)
        return self._paged(task, page, answer)

    def _shelves(self, task: Task, body: bytes) -> Page:
        things = list(shelved(body))
        rows = [row for thing, _ in things if (row := read_thing(thing, "any", self._keep)) is not None]
        items = self._items(rows, task)
        answer = Answer([], msgspec.json.decode(body).get("next_href"), None)
        page = self._paged(task, Page(items, unread=len(things) - len(items)), answer)
        page.asked = page.limit = None  # a page is cut at so many shelves, not things
        return page

    def _resolved(self, response: Response, family: str) -> Page:
        """Read the object that an address stands for; it is whole, and need not be asked for again."""
        if response.status != HTTPStatus.OK:
            raise failure(response, family, self.rules)
        row = read_thing(msgspec.json.decode(response.body), "any", self._keep)
        item = None if row is None else item_of(row, self._lengths, dated=False, mixed=False)
        if item is None:
            raise Unreadable("the address resolves to something that is no user, track or playlist")
        return Page([item])

    def _profile(self, task: Task, body: bytes) -> Page:
        """Read the node itself: what is only a stub says that there is no more."""
        row = read_thing(msgspec.json.decode(body), task.node.kind, self._keep)
        item = None if row is None else item_of(row, self._lengths, dated=False, mixed=False)
        if item is None or item.id != read_id(task.node.id, task.node.kind):
            raise Unreadable(f"the object is not the {task.node.kind} that was asked for")
        if item.detail == "id":
            raise Gone(f"there is nothing left of the {task.node.kind}")
        return Page([item])


def _is_dated(chart: str) -> bool:
    try:
        return read_chart(chart).date is not None
    except ValueError:
        return False


def places(task: Task, items: list[Item], body: bytes) -> list[Ranking]:
    """Return the places of a chart's page, on the date that the service gives it; nothing without a date or a name."""
    try:
        chart = read_chart(str(task.node.id))
        date = day_of(msgspec.json.decode(body).get("last_updated"))
    except (ValueError, AttributeError):
        return []
    if date is None:
        return []
    found = _OFFSET.search(task.cursor or "")
    first = int(found[1]) + 1 if found else 1
    ranked = enumerate(items, first)
    return [Ranking(chart.series, item.kind, item.id, date, None, rank) for rank, item in ranked]


def _commented(row: object, served: dict[str, object] | None, *, inward: bool) -> Item | None:
    """Return who commented, or what was commented on."""
    if inward:
        item = author(row, served)
    else:
        track = read_id(getattr(row, "track_id", None), "track")
        item = None if track is None else Item("track", track, track, "id", None)
    moment = getattr(row, "created_at", None)
    if item is not None and moment:
        item.at = iso_utc(moment)
    return item
