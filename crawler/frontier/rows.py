"""What the frontier stores, as plain data: runs of the log, positions in it, listings, and the change of one commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import Struct, field

from crawler.frontier.ids import IdSet
from crawler.model import Detail, Id, NodeId, Relation

ListingState = Literal["open", "waiting", "parked"]
GIVEN_PAGE = -1


class Position(NamedTuple):
    """The next fresh listing: the `log_index`-th node of row `log_row`, under relation `relation_index`.

    A row is read relation by relation, so that whatever a node's profile tells can spare its other listings. `step`
    counts the pages applied so far. `level_row`, 0 unless some relations are deferred, is the last row of which all
    others have been read: the position is at or before it exactly while the deferred ones are being read.
    """

    log_row: int = 1
    relation_index: int = 0
    log_index: int = 0
    step: int = 0
    level_row: int = 0


class Run(Struct):
    """Nodes of one kind that became known together, or, when not `fresh`, were described more fully."""

    network: str
    kind: str
    depth: int
    via: str
    detail: Detail
    fresh: bool
    ids: Sequence[Id]
    row: int = 0


class LogRow(NamedTuple):
    """A row of the log as it is stored, its `size` ids packed."""

    row: int
    network: str
    kind: str
    depth: int
    via: str
    detail: Detail
    fresh: int
    size: int
    form: str
    ids: bytes


class Progress(Struct):
    """How far a listing has come; stored as JSON in its row.

    `rank` is the place of its next row, `barren` the number of pages in a row that showed nothing new, `repeats`
    those of them that showed rows, `barren_hidden` the rows they hid, `page_hidden` what the page before them hid, and
    `unproved` what turned out to be hidden only perhaps. `limit` is what the last page was cut at, `last_rows` what it
    showed, `mark` the farthest place (see `Page`). `chain` is the running hash of the cursors
    followed, `doubt` what was wrong with page `doubted_page`. `look` tells what is being looked at a second time,
    `look_limit` how the page is cut then; `looks` counts the looks, and what they brought is in `advertised_after` and
    `looked_gap`. `failed`, `failed_by_bug` and `told_missing` are what a certificate says already, when the listing has
    one and is still to be read.
    """

    pages: int = 0
    visible: int = 0
    hidden: int = 0
    distinct: int = 0
    duplicates: int = 0
    unread: int = 0
    rank: int = 0
    barren: int = 0
    retries: int = 0
    set_asides: int = 0
    advertised: int | None = None
    first_at: str | None = None
    failed: bool = False
    failed_by_bug: bool = False
    told_missing: int = 0
    reading: int = 1
    repeats: int = 0
    barren_hidden: int = 0
    page_hidden: int = 0
    unproved: int | None = None
    last_rows: int = 0
    limit: int | None = None
    mark: int | None = None
    chain: str | None = None
    doubt: str | None = None
    doubted_page: int = 0
    advertised_after: int | None = None
    look: Literal["rows", "counts"] | None = None
    look_limit: int | None = None
    looks: int = 0
    counted: bool = False
    looked_gap: int | None = None


class Listing(Struct):
    """One relation of one node, as it is being read.

    `id` is 0 until it needs a row. `cursor` is the path and query of its next page, None for the first. `keys` holds
    the rows it has shown and `cursors` the digests of the cursors followed, both only once it has more than one page;
    `given` the rows whose edges earlier readings of it gave.
    """

    node: NodeId
    relation: Relation
    source: str
    depth: int
    id: int = 0
    state: ListingState = "open"
    cursor: str | None = None
    due_step: int = 0
    not_before: float | None = None
    progress: Progress = field(default_factory=Progress)
    keys: IdSet | None = None
    cursors: set[bytes] | None = None
    given: IdSet | None = None


class ListingPage(NamedTuple):
    """The rows that one page of a listing showed, and the digest of the cursor that led to it.

    Page `GIVEN_PAGE` stands for the edges that earlier readings gave.
    """

    listing: int
    page: int
    cursor: bytes
    keys: Sequence[Id]


class ShardRow(NamedTuple):
    """A shard's committed state, in the order of the table's columns."""

    name: str
    kind: str
    sequence: int
    committed_bytes: int
    lines: int
    sealed: bool
    sha256: str | None
    bytes_crc32: int | None = None


def shard_row(row: Sequence[Any]) -> ShardRow:
    """Return a shard's state from the columns of its table; schema 1 had no CRC of the bytes."""
    name, kind, sequence, committed_bytes, lines, sealed, sha256 = row[:7]
    crc32 = row[7] if len(row) > len(ShardRow._fields) - 1 else None
    return ShardRow(name, kind, sequence, committed_bytes, lines, bool(sealed), sha256, crc32)


class Change(Struct):
    """What one commit moves. Everything in it becomes true in one transaction, or nothing does."""

    position: Position
    runs: list[Run]
    listings: list[Listing]
    ended: list[int]
    pages: list[ListingPage]
    counts: Mapping[NodeId, Mapping[str, int]]
    settled: list[NodeId]
    shards: Sequence[ShardRow]
    totals: bytes
