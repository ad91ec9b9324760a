"""The vocabulary: plain data that every room speaks, without behaviour, without I/O.

A *node* is a user, track, playlist or other thing with an id. A *listing* is one relation of one node (the followers of
user 42). A *task* asks for one page of a listing; a *page* is what its answer shows; a *certificate* tells how the
listing ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

Id = int | str
Paging = Literal["cursor", "offset", "none"]
Detail = Literal["id", "mini", "full"]
Verdict = Literal["complete", "short", "capped", "looped", "denied", "gone", "failed"]

DETAILS: tuple[Detail, ...] = ("id", "mini", "full")
"""From poor to rich: only the id; a nested object, whose counts are false zeros; an object in its own right."""


class NodeId(NamedTuple):
    """The name of a node in every source: `NodeId("soundcloud", "user", 42)`.

    `id` is an integer where the service has integers (64 bits: track ids passed 2**31 in 2025) and text elsewhere.
    """

    network: str
    kind: str
    id: Id


class Relation(Struct, frozen=True):
    """One row of a provider's table: which list a node of `kind` has under `name`, and what its items mean.

    `edge` is the type of the edge that one item gives, None where items give none (a profile, a resolved URL). It runs
    from the node to the item, or, when `inward`, from the item to the node: the same follow has one direction whichever
    list showed it. `count` names the count, in an object that can be trusted, that says how long the list is; `wall` is
    the number of rows beyond which the service shows none. `rows` says what is counted: items, or the page's records,
    which are then all about the node itself, and the items only nodes that they name.
    """

    kind: str
    name: str
    to_kind: str
    edge: str | None
    path: str
    paging: Paging = "cursor"
    inward: bool = False
    count: str | None = None
    wall: int | None = None
    rows: Literal["items", "records"] = "items"


class Task(Struct, frozen=True):
    """One page of one listing to ask for: the first when `cursor` is None, else the one a page's `next` named.

    `limit` cuts the page at so many rows instead of the usual number; `counting` asks, instead of the page, for the
    node's own object, whose counts can be trusted.
    """

    node: NodeId
    relation: Relation
    cursor: str | None = None
    limit: int | None = None
    counting: bool = False


class Request(Struct, frozen=True):
    """What to send. `url` is absolute; `family` groups the endpoints that share a limit ("users/followers", "token").

    `headers` holds no credential: the transport adds it, and only for the provider's own host.
    """

    url: str
    family: str
    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: bytes | None = None


class Response(Struct, frozen=True):
    """What came back: status, headers with lower-case names, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:  # debuggers and loops print what they hold, and a token's answer is a secret
        return f"Response(status={self.status}, body=<{len(self.body)} bytes>)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("status", self.status), ("body", f"<{len(self.body)} bytes>")]


class Body(Protocol):
    """The described part of a node, kept unencoded until somebody wants its line."""

    def encode(self) -> bytes:
        """Return the JSON object for the `data` key of a node's line, the same keys in every line."""
        ...


class Point(Struct, gc=False):
    """One value of a time series: what was measured of a node on a platform, on a date (`2026-05-01`, local).

    `series` tells several series of one metric apart (a song has one for each of its ids on a platform), else null.
    """

    kind: str
    id: Id
    platform: str
    metric: str
    series: str | None
    date: str
    value: int | float


class Ranking(Struct, gc=False):
    """One place in a chart on a date: what stood there, `kind` and `id`.

    `origin` is "row" for a row of that date's chart, "history" for one of an earlier date that a later row told.
    `requested_date` is what was asked for, when that was another date. Counts and times are the service's own words.
    """

    chart: str
    kind: str
    id: Id
    date: str
    requested_date: str | None
    rank: int
    previous_rank: int | None = None
    peak_rank: int | None = None
    peak_date: str | None = None
    time_on_chart: int | None = None
    plays: int | None = None
    plays_of_week: int | None = None
    origin: Literal["row", "history"] = "row"


class CrossReference(Struct, gc=False):
    """Another name of a node: under `scheme` ("isrc", "upc", "soundcloud_user_id", ...) it is called `value`.

    Many to many: a recording has several ISRCs, an ISRC several recordings. `evidence` is how it is known:
    "row_inline", "get_ids", "identifiers", "url" or "by_identifier"; `is_default` is what the service says of several.
    """

    kind: str
    id: Id
    scheme: str
    value: str
    evidence: str
    is_default: bool | None = None


Record = Point | Ranking | CrossReference
"""What a page tells besides edges and nodes. Each is given once for each source, however often it is told."""


class Item(Struct, gc=False):
    """One row of a page.

    `key` tells rows of the same listing apart (the id of the node, or of the comment). `at` is when the edge came to
    be, ISO 8601 in UTC, None where the service does not tell. `owner` is the uploader inside a track or playlist.
    `others` are further nodes that the row shows, as its several artists, or other names to ask by.
    `counts` gives the lengths of the node's lists by relation, only from an object that can be trusted (`/users/{}`):
    nested objects of the official API carry false zeros (soundcloud/api issue 66).
    """

    kind: str
    id: Id
    key: Id
    detail: Detail
    body: Body | None
    at: str | None = None
    owner: Item | None = None
    counts: Mapping[str, int] | None = None
    others: tuple[Item, ...] = ()


class Page(Struct):
    """What one answer shows of a listing.

    `next` is the path and query of the following page, None only when the service ended the list. `limit` is the number
    of rows the service cut before it filtered, read back from `next` (`page_size`), None when it cannot be known;
    `asked` is the number that the request asked for. `unread` counts rows that were null or of an unknown kind, `own`
    those that say nothing: the node itself, which is no relative of its own, or a place that is held no longer. `mark`
    is where the following page stands, growing along a list: an offset, or a time in milliseconds, negated; None where
    a cursor tells neither. `doubt` says why the rows may not be all that the page should have shown. `records` is what
    the page tells besides, see `Relation.rows`.
    """

    items: list[Item]
    next: str | None = None
    limit: int | None = None
    unread: int = 0
    asked: int | None = None
    own: int = 0
    mark: int | None = None
    doubt: str | None = None
    records: Sequence[Record] = ()


class Certificate(Struct, kw_only=True):
    """How one reading of a listing ended; one line of the `lists` shards, its keys in this order. The last one counts.

    `reading` is 1 for the first reading, and one more for each time that the listing was queued again.
    `visible` counts the rows that this reading showed, each once: those that gave an edge, those that could not be read
    (`unread`: null, or of an unknown kind), and the node itself among its relatives. `hidden` counts the rows that the
    service cut away, `duplicates` those dropped because this reading had shown them before; the three are all rows that
    the service served. `hidden_bound` is how many more may have been cut away at the end, null when unknown: from the
    last page, whose length nobody tells, or from the pages of a trap, which may have lain beyond the end.
    `distinct` counts the edges given by all readings together, or the records where the rows are no edges.
    `advertised` is the length of the list in an object that can be trusted, asked for before, `advertised_after` after;
    null where nobody asked, or no such object tells. `missing` counts the rows that are known to be missing and that
    nothing explains, null when nobody can know.
    `withdrawn` holds, after a complete reading that is not the first, the ids of the nodes whose edges earlier readings
    gave and this one did not show (for comments "USER TIME"); null when there are none, and after any other reading.
    `cursors` is a hash over all cursors that were followed, in their order, null for a single page. Times are ISO 8601
    in UTC. The keys with a default are missing in the lines of the first version.
    """

    kind: str
    id: Id
    relation: str
    source: str
    reading: int = 1
    verdict: Verdict
    pages: int
    visible: int
    hidden: int
    hidden_bound: int | None = None
    distinct: int
    duplicates: int
    unread: int
    advertised: int | None
    advertised_after: int | None = None
    missing: int | None = None
    withdrawn: list[Id] | None = None
    depth: int
    retries: int
    cursors: str | None = None
    reason: str | None
    first_at: str
    last_at: str


class Provider(Protocol):
    """One API dialect: builds requests and reads answers; it never performs them, and it never waits."""

    name: str
    network: str
    relations: tuple[Relation, ...]

    def request(self, task: Task) -> Request:
        """Return the request for a task's page."""
        ...

    def parse(self, task: Task, response: Response) -> Page:
        """Return the page in an answer, or raise a `ProviderError`."""
        ...
