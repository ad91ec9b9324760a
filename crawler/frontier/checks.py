"""Finding damage in a frontier: every row carries a CRC-32 over its other columns, and SQLite checks its own pages.

SQLite notices a broken page, not a changed byte in a row; a changed byte in a cursor would go on as another list.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from crawler.errors import StorageError
from crawler.frontier.look import look
from crawler.frontier.schema import SCHEMA, version_of

TABLES = ("meta", "log", "position", "listings", "listing_pages", "counts", "shards", "totals")

UNREADABLE = (sqlite3.Error, UnicodeDecodeError, msgspec.DecodeError)
"""What reading a damaged frontier may raise."""

_EMPTY, _UNCHECKED = 0, 1
"""Versions: of a file whose tables a kill left unmade, and of the first schema, whose rows carry no checks."""

_encode = msgspec.msgpack.Encoder().encode
_crc32 = zlib.crc32


def checked(values: Sequence[object]) -> tuple[object, ...]:
    """Return a row's values with their check behind them. Every value must be just what SQLite gives back for it."""
    return (*values, _crc32(_encode(values)))


def whole(path: Path, table: str, row: Sequence[Any]) -> Sequence[Any]:
    """Return a row without its check. Raises `StorageError` when the check disagrees; None stands for no check."""
    values = row[:-1]
    if row[-1] is not None and row[-1] != _crc32(_encode(values)):
        raise StorageError(damaged(path, f"a row of {table} is not what was written"))
    return values


def all_whole(path: Path, table: str, rows: Iterable[Sequence[Any]]) -> list[Sequence[Any]]:
    """Return rows without their checks; see `whole`, which is spelled out here: a start reads 100,000 rows."""
    found = []
    for row in rows:
        values = row[:-1]
        if row[-1] is not None and row[-1] != _crc32(_encode(values)):
            whole(path, table, row)
        found.append(values)
    return found


def damaged(path: Path, what: str) -> str:
    """Return the sentence for a damaged frontier."""
    return f"{path} is damaged ({what}); restore it and the shards from one copy"


def damage(path: Path) -> Iterator[str]:
    """Yield a sentence for everything that is wrong with a frontier's file as such."""
    try:
        with look(path) as connection:
            connection.execute("BEGIN")
            yield from _pages(connection, path)
            if version_of(connection, path) in {_EMPTY, _UNCHECKED}:
                return
            yield from _tables(connection, path)
    except UNREADABLE as error:
        yield damaged(path, str(error))


def _pages(connection: sqlite3.Connection, path: Path) -> Iterator[str]:
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
    if found != ["ok"]:
        yield damaged(path, "; ".join(" ".join(line.split()) for line in found))


def _tables(connection: sqlite3.Connection, path: Path) -> Iterator[str]:
    with closing(sqlite3.connect(":memory:")) as pattern:
        pattern.executescript(SCHEMA)
        wanted = {table: _columns(pattern, table) for table in TABLES}
    for table in TABLES:
        if _columns(connection, table) != wanted[table]:
            yield damaged(path, f"the table {table} has other columns")
            continue
        wrong = 0
        for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608 - a name from above
            wrong += row[-1] is not None and row[-1] != _crc32(_encode(row[:-1]))
        if wrong:
            yield damaged(path, f"{wrong} rows of {table} are not what was written")
    gaps = connection.execute("SELECT coalesce(max(row), 0) - count(*) FROM log").fetchone()[0]
    if gaps:
        yield damaged(path, f"{gaps} rows of the log are missing")


def _columns(connection: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT * FROM pragma_table_info(?)", (table,)).fetchall()
