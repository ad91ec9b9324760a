"""Looking at a run from outside, also while it is being crawled: read-only, and it locks nobody out."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from crawler.errors import ConfigError, StorageError
from crawler.frontier.checks import UNREADABLE
from crawler.frontier.rows import shard_row
from crawler.frontier.schema import version_of


def read_state(path: Path) -> dict[str, Any]:
    """Return what a frontier file says of its run.

    Keys: `meta` (text by key), `totals` (as committed), `position` (log_row, relation_index, log_index, step),
    `listings` (number by state), `shards` (list of `ShardRow`), `fresh` (list of (row, kind, depth, count) not yet read
    to their end). Raises `ConfigError` when there is no run, `StorageError` when it cannot be read.
    """
    if not path.exists():
        message = f"{path.parent} is no run folder: it has no {path.name}"
        raise ConfigError(message)
    try:
        with closing(sqlite3.connect(f"file:{path.resolve()}?mode=ro", uri=True, timeout=10)) as connection:
            version_of(connection, path)
            return _read(connection)
    except UNREADABLE as error:
        message = f"{path} cannot be read: {error}"
        raise StorageError(message) from error


def _read(connection: sqlite3.Connection) -> dict[str, Any]:
    totals = connection.execute("SELECT body FROM totals").fetchone()
    place = connection.execute("SELECT log_row, relation_index, log_index, step FROM position").fetchone()
    position = place or (1, 0, 0, 0)
    fresh = connection.execute(
        "SELECT row, kind, depth, count FROM log WHERE fresh AND row >= ? ORDER BY row", (position[0],)
    )
    return {
        "meta": dict(connection.execute("SELECT key, value FROM meta").fetchall()),
        "totals": msgspec.json.decode(totals[0]) if totals else {},
        "position": dict(zip(("log_row", "relation_index", "log_index", "step"), position, strict=True)),
        "listings": dict(connection.execute("SELECT state, count(*) FROM listings GROUP BY state")),
        "shards": [shard_row(row) for row in connection.execute("SELECT * FROM shards ORDER BY kind, sequence")],
        "fresh": fresh.fetchall(),
    }
