"""The vocabulary: plain data that every room speaks, without behaviour, without I/O.

A *node* is a user, track, playlist or other thing with an id. A *listing* is one relation of one node (the followers of
user 42). A *task* asks for one page of a listing; a *page* is what its answer shows; a *certificate* tells how the
listing ended.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    list showed it. `count` names the count, in an object that can be trusted, that says how long the list is.
    """

    kind: str
    name: str
    to_kind: str
    edge: str | None
    path: str
    paging: Paging = "cursor"
    inward: bool = False
    count: str | None = None


class Task(Struct, frozen=True):
    """One page of one listing to ask for: the first when `cursor` is None, else the one a page's `next` named."""

    node: NodeId
    relation: Relation
    cursor: str | None = None


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


class Body(Protocol):
    """The described part of a node, kept unencoded until somebody wants its line."""

    def encode(self) -> bytes:
        """Return the JSON object for the `data` key of a node's line, the same keys in every line."""
        ...


class Item(Struct, gc=False):
    """One row of a page.

    `key` tells rows of the same listing apart (the id of the node, or of the comment). `at` is when the edge came to
    be, ISO 8601 in UTC, None where the service does not tell. `owner` is the uploader inside a track or playlist.
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


class Page(Struct):
    """What one answer shows of a listing.

    `next` is the path and query of the following page, None only when the service ended the list. `limit` is the number
    of rows the service cut before it filtered, read back from `next` (`page_size`), None when it cannot be known.
    `unread` counts rows that were null or of an unknown kind.
    """

    items: list[Item]
    next: str | None = None
    limit: int | None = None
    unread: int = 0


class Certificate(Struct):
    """How one listing ended; one line of the `lists` shards, its keys in this order.

    `visible` counts the rows shown, `hidden` those cut away by the service on pages that were not the last,
    `distinct` the edges given, `duplicates` the rows dropped because the same listing had shown them before.
    `advertised` is the count of a trusted object, else None. Times are ISO 8601 in UTC.
    """

    kind: str
    id: Id
    relation: str
    source: str
    verdict: Verdict
    pages: int
    visible: int
    hidden: int
    distinct: int
    duplicates: int
    unread: int
    advertised: int | None
    depth: int
    retries: int
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
