"""The version of a frontier: the migrations that lead to today's, and which files are refused.

`schema.sql` is what a new frontier is made from, and equals all migrations in turn (a test proves it). The version is
SQLite's `user_version`: the number of the last migration that was applied.
"""

from __future__ import annotations

import sqlite3
from importlib import resources
from pathlib import Path

from crawler.errors import ConfigError

_ROOM = resources.files("crawler.frontier")
SCHEMA = _ROOM.joinpath("schema.sql").read_text(encoding="utf-8")
MIGRATIONS: dict[int, str] = {
    int(file.name[:4]): file.read_text(encoding="utf-8")
    for file in sorted(_ROOM.joinpath("migrations").iterdir(), key=lambda file: file.name)
    if file.name.endswith(".sql")
}
SCHEMA_VERSION = max(MIGRATIONS)


def script(version: int) -> str:
    """Return what brings a frontier of a version, 0 for an empty file, to today's in one transaction; "" when it is."""
    if version == SCHEMA_VERSION:
        return ""
    steps = [text for number, text in MIGRATIONS.items() if number > version] if version else [SCHEMA]
    return "\n".join(["BEGIN IMMEDIATE;", *steps, f"PRAGMA user_version = {SCHEMA_VERSION};", "COMMIT;"])


def check_version(path: Path, version: int, tables: int) -> None:
    """Raise `ConfigError` for a file that is no frontier, or that a later version wrote."""
    if version > SCHEMA_VERSION or version < 0:
        raise ConfigError(
            f"{path} was written by a later version of the crawler (schema {version}, this one knows "
            f"{SCHEMA_VERSION}); install that version to go on"
        )
    if not version and tables:
        raise ConfigError(f"{path} is a database, but no frontier of this crawler; nothing in it was changed")


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return a frontier's version, 0 for an empty file. Raises `ConfigError` for one that must not be opened."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    check_version(path, version, connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    return version
