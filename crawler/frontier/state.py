"""Looking at a run from outside, also while it is being crawled: read-only, and it locks nobody out."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from crawler.errors import ConfigError, StorageError
from crawler.frontier.checks import UNREADABLE
from crawler.frontier.look import look
from crawler.frontier.rows import shard_row
from crawler.frontier.schema import version_of

_POSITION = ("log_row", "relation_index", "log_index", "step")
_BEGINNING = (1, 0, 0, 0)


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
        with look(path) as connection:
            return _read(connection) if version_of(connection, path) else _nothing()
    except UNREADABLE as error:
        message = f"{path} cannot be read: {error}"
        raise StorageError(message) from error


def _nothing() -> dict[str, Any]:
    """Return the state of a frontier whose first start was killed before it had made the tables."""
    position = dict(zip(_POSITION, _BEGINNING, strict=True))
    return {"meta": {}, "totals": {}, "position": position, "listings": {}, "shards": [], "fresh": []}


def _read(connection: sqlite3.Connection) -> dict[str, Any]:
    totals = connection.execute("SELECT body FROM totals").fetchone()
    place = connection.execute("SELECT log_row, relation_index, log_index, step FROM position").fetchone()
    position = place or _BEGINNING
    fresh = connection.execute(
        "SELECT row, kind, depth, count FROM log WHERE fresh AND row >= ? ORDER BY row", (position[0],)
    )
    return {
        "meta": dict(connection.execute("SELECT key, value FROM meta").fetchall()),
        "totals": msgspec.json.decode(totals[0]) if totals else {},
        "position": dict(zip(_POSITION, position, strict=True)),
        "listings": dict(connection.execute("SELECT state, count(*) FROM listings GROUP BY state")),
        "shards": [shard_row(row) for row in connection.execute("SELECT * FROM shards ORDER BY kind, sequence")],
        "fresh": fresh.fetchall(),
    }
