"""The frontier on SQLite: seed, claim, commit, and the state to start from. One writer, one transaction per commit.

`synchronous=NORMAL` in WAL mode is enough: shards are synced before the commit, so a commit lost to a power cut only
means that its pages are fetched again. No verb holds a transaction open across a request.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from shutil import disk_usage
from typing import Any, Self

import aiosqlite
import msgspec
from msgspec import Struct

from crawler.errors import StorageError
from crawler.frontier.checks import UNREADABLE, all_whole, checked, damaged
from crawler.frontier.ids import StoredIds, pack, unpack
from crawler.frontier.rows import GIVEN_PAGE, Change, Listing, LogRow, Position, Progress, Run, ShardRow, shard_row
from crawler.frontier.schema import check_version, script
from crawler.model import NodeId, Relation

_SPACE_BYTES_MIN = 64 << 10
"""Where less is free, an I/O error is taken for want of space; SQLite's shared memory alone takes 32 KiB."""

Connect = Callable[..., Awaitable[aiosqlite.Connection]]

_INSERT_RUN = "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SELECT_LOG = "SELECT * FROM log WHERE row >= ? ORDER BY row LIMIT ?"
_UPSERT_LISTING = "INSERT OR REPLACE INTO listings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UPSERT_SHARD = "INSERT OR REPLACE INTO shards VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Start(Struct):
    """Everything a crawl starts from. A new run has the position 1, no listings, no shards and empty totals."""

    position: Position
    last_row: int
    listings: list[Listing]
    counts: dict[NodeId, dict[str, int]]
    shards: list[ShardRow]
    totals: dict[str, Any]


class Frontier:
    """The to-do list that survives. Open it with `async with Frontier(path) as frontier`.

    `connect` opens the database; a simulation passes one that has no thread of its own.
    """

    def __init__(self, path: Path, connect: Connect = aiosqlite.connect) -> None:
        self._path = path
        self._connect = connect
        self._writer: aiosqlite.Connection | None = None
        self._reader: aiosqlite.Connection | None = None

    async def __aenter__(self) -> Self:
        try:
            self._writer = await self._connect(self._path, isolation_level=None)
            await _prepare(self._writer, self._path)
            self._reader = await self._connect(f"file:{_quoted(self._path)}?mode=ro", uri=True)
        except sqlite3.Error as error:
            await self.__aexit__()
            raise StorageError(_sentence(self._path, error)) from error
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in (self._reader, self._writer):
            if connection is not None:
                await connection.close()
        self._reader = self._writer = None

    async def meta(self, key: str) -> str | None:
        """Return what was remembered under a key."""
        rows = await self._rows("meta", "WHERE key = ?", (key,))
        return rows[0][1] if rows else None

    async def remember(self, values: Mapping[str, str]) -> None:
        """Keep some facts about the run; durable with the next commit at the latest."""
        rows = [checked(item) for item in values.items()]
        await self._write([("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", rows)])

    async def sync_every_commit(self) -> None:
        """Let no commit be lost to a power cut any more: what counts requests must not forget any."""
        assert self._writer is not None, "the frontier is not open"  # noqa: S101 - a bug, not a condition
        try:
            await self._writer.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error as error:
            raise StorageError(_sentence(self._path, error)) from error

    async def start(self, relations: Mapping[tuple[str, str, str], Relation]) -> Start:
        """Read the state of the last commit. `relations` finds a relation by (source, kind, name)."""
        position = await self._rows("position")
        last_row = await self._read("SELECT coalesce(max(row), 0) FROM log")
        counts = await self._rows("counts")
        totals = await self._rows("totals")
        where = Position(*position[0][1:]) if position else Position()
        decoded = msgspec.json.decode(totals[0][1]) if totals else {}
        return Start(
            position=where._replace(level_row=decoded.get("level_row", 0)),
            last_row=last_row[0][0],
            listings=await self._listings(relations),
            counts={NodeId(network, kind, node): msgspec.json.decode(body) for network, kind, node, body in counts},
            shards=await self.shards(),
            totals=decoded,
        )

    async def shards(self) -> list[ShardRow]:
        """Return the committed state of every shard, oldest first."""
        rows = await self._rows("shards", "ORDER BY kind, sequence")
        return [shard_row(row) for row in rows]

    async def claim(self, first_row: int, rows_max: int) -> list[Run]:
        """Return a chunk of the log from `first_row` on, in its order: at most `rows_max` rows, committed ones only."""
        return [_run(row) for row in await self.log(first_row, rows_max)]

    async def log(self, first_row: int, rows_max: int) -> list[LogRow]:
        """Return a chunk of the log as it is stored; see `claim`."""
        rows = await self._read(_SELECT_LOG, (first_row, rows_max))
        return list(map(LogRow._make, all_whole(self._path, "log", rows)))

    async def commit(self, change: Change) -> None:
        """Make a change true in one transaction. Raises `StorageError`, and then nothing of it is true."""
        await self._write(
            [
                (_INSERT_RUN, [_run_values(run) for run in change.runs]),
                (_UPSERT_LISTING, [_listing_values(listing) for listing in change.listings]),
                ("INSERT OR REPLACE INTO listing_pages VALUES (?, ?, ?, ?, ?, ?)", _page_values(change)),
                ("DELETE FROM listings WHERE id = ?", [(ended,) for ended in change.ended]),
                ("DELETE FROM listing_pages WHERE listing = ?", [(ended,) for ended in change.ended]),
                ("INSERT OR REPLACE INTO counts VALUES (?, ?, ?, ?, ?)", _count_values(change)),
                ("DELETE FROM counts WHERE network = ? AND kind = ? AND node = ?", [tuple(n) for n in change.settled]),
                (_UPSERT_SHARD, [_shard_values(shard) for shard in change.shards]),
                ("INSERT OR REPLACE INTO position VALUES (?, ?, ?, ?, ?, ?)", [checked((1, *change.position[:4]))]),
                ("INSERT OR REPLACE INTO totals VALUES (?, ?, ?)", [checked((1, change.totals.decode()))]),
            ]
        )

    async def _listings(self, relations: Mapping[tuple[str, str, str], Relation]) -> list[Listing]:
        rows = await self._rows("listings", "ORDER BY id")
        pages = await self._rows("listing_pages", "ORDER BY listing, page")
        listings = [_listing(row, relations) for row in rows]
        by_id = {listing.id: listing for listing in listings}
        shown, given = defaultdict[int, StoredIds](StoredIds), defaultdict[int, StoredIds](StoredIds)
        for listing_id, page, cursor, form, keys in pages:
            listing = by_id[listing_id]
            if page == GIVEN_PAGE:
                listing.given = given[listing_id]
                given[listing_id].store(form, keys)
                continue
            listing.keys = shown[listing_id]
            shown[listing_id].store(form, keys)
            listing.cursors = listing.cursors or set()
            listing.cursors.add(cursor)
        return listings

    async def _rows(self, table: str, which: str = "", parameters: tuple[object, ...] = ()) -> list[Any]:
        """Return whole rows of a table. Raises `StorageError` when one is not what was written."""
        rows = await self._read(f"SELECT * FROM {table} {which}", parameters)  # noqa: S608 - names from this file
        return all_whole(self._path, table, rows)

    async def _read(self, sql: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        assert self._reader is not None, "the frontier is not open"  # noqa: S101 - a bug, not a condition
        try:
            return list(await self._reader.execute_fetchall(sql, parameters))
        except UNREADABLE as error:
            raise StorageError(_sentence(self._path, error)) from error

    async def _write(self, statements: Iterable[tuple[str, list[Any]]]) -> None:
        assert self._writer is not None, "the frontier is not open"  # noqa: S101 - a bug, not a condition
        try:
            await self._writer.execute("BEGIN IMMEDIATE")
            for sql, rows in statements:
                if rows:
                    await self._writer.executemany(sql, rows)
            await self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            raise StorageError(_sentence(self._path, error)) from error


async def _prepare(writer: aiosqlite.Connection, path: Path) -> None:
    await writer.execute("PRAGMA busy_timeout = 10000")
    version = await _number(writer, "PRAGMA user_version")
    check_version(path, version, await _number(writer, "SELECT count(*) FROM sqlite_schema"))
    await writer.execute("PRAGMA journal_mode = WAL")
    await writer.execute("PRAGMA synchronous = NORMAL")
    if steps := script(version):
        await writer.executescript(steps)


async def _number(writer: aiosqlite.Connection, sql: str) -> int:
    rows = list(await writer.execute_fetchall(sql))
    return int(rows[0][0])


def _run(row: LogRow) -> Run:
    return Run(
        row.network, row.kind, row.depth, row.via, row.detail, bool(row.fresh), unpack(row.form, row.ids), row.row
    )


def _run_values(run: Run) -> tuple[object, ...]:
    form, ids = pack(run.ids)
    head = (run.row, run.network, run.kind, run.depth, run.via, run.detail, int(run.fresh))
    return checked((*head, len(run.ids), form, ids))


def _listing(row: tuple[Any, ...], relations: Mapping[tuple[str, str, str], Relation]) -> Listing:
    number, network, kind, node, name, source, depth, state, cursor, due_step, not_before, body = row
    return Listing(
        node=NodeId(network, kind, node),
        relation=relations[source, kind, name],
        source=source,
        depth=depth,
        id=number,
        state=state,
        cursor=cursor,
        due_step=due_step,
        not_before=not_before,
        progress=msgspec.json.decode(body, type=Progress),
    )


def _listing_values(listing: Listing) -> tuple[object, ...]:
    place = (listing.id, *listing.node, listing.relation.name, listing.source, listing.depth, listing.state)
    not_before = None if listing.not_before is None else float(listing.not_before)
    body = msgspec.json.encode(listing.progress).decode()
    return checked((*place, listing.cursor, listing.due_step, not_before, body))


def _shard_values(shard: ShardRow) -> tuple[object, ...]:
    return checked([int(value) if isinstance(value, bool) else value for value in shard])


def _page_values(change: Change) -> list[tuple[object, ...]]:
    return [checked((page.listing, page.page, page.cursor, *pack(page.keys))) for page in change.pages]


def _count_values(change: Change) -> list[tuple[object, ...]]:
    return [checked((*node, msgspec.json.encode(counts).decode())) for node, counts in change.counts.items()]


def _quoted(path: Path) -> str:
    return str(path.resolve()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _sentence(path: Path, error: Exception) -> str:
    if isinstance(error, sqlite3.OperationalError) and _is_full(path, error):
        what = f"the disk is full: could not write to {path}"
        return f"{what}; all that was committed is safe, mend it and give the same command again"
    if isinstance(error, sqlite3.OperationalError):
        return f"{path}: {error}; all that was committed is safe, give the same command again"
    return damaged(path, str(error))


def _is_full(path: Path, error: sqlite3.OperationalError) -> bool:
    """Tell whether no space was left; SQLite calls it an I/O error when its shared memory does not fit."""
    if "full" in str(error):
        return True
    name = getattr(error, "sqlite_errorname", "")
    return name.startswith("SQLITE_IOERR") and disk_usage(path.parent).free < _SPACE_BYTES_MIN
