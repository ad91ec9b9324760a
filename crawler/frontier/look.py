"""Opening a frontier only to look: nothing is written, nobody is locked out, and a read-only disk will do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from crawler.errors import StorageError

_WAIT_SECONDS = 10
_NOT_WRITABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


@contextmanager
def look(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that only reads. Raises `sqlite3.Error`, or `StorageError` when a WAL stands in the way.

    In WAL mode a reader too makes a `-shm` beside the file (sqlite.org/wal.html, "Read-Only Databases"). Where the disk
    does not allow that, nobody crawls either, and a file without a WAL is read as what cannot change.
    """
    with closing(_open(path, "mode=ro")) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _NOT_WRITABLE:
                raise
        else:
            yield connection
            return
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists() and wal.stat().st_size:
        message = f"{wal} holds commits, and can only be read in a folder that can be written to: copy the whole run"
        raise StorageError(message)
    with closing(_open(path, "immutable=1")) as connection:
        yield connection


def _open(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, timeout=_WAIT_SECONDS)
