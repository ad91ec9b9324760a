"""The frontier's connection, without a thread: each statement is one operation of the simulated disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.disk import SimDisk


class Connection:
    """The part of `aiosqlite.Connection` that the frontier uses. Nothing here gives up the turn."""

    def __init__(self, real: sqlite3.Connection, disk: SimDisk, *, writes: bool) -> None:
        self.real = real
        self._disk = disk
        self._durable = False
        self._path = Path("frontier")
        if writes:
            # Written back at the end only, so that a power cut may lose any number of the last commits.
            real.execute("PRAGMA wal_autocheckpoint = 0")

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one statement; a commit is an operation before which, or after which, a kill may come."""
        if sql == "COMMIT":
            return self._commit()
        if sql.startswith("PRAGMA synchronous"):
            self._durable = sql.endswith("FULL")
        self._tick(sql)
        return self.real.execute(sql, parameters)

    async def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> sqlite3.Cursor:
        """Run one statement for many rows."""
        self._tick(sql)
        self._disk.watcher.inserting(sql, rows)
        return self.real.executemany(sql, rows)

    async def executescript(self, sql: str) -> sqlite3.Cursor:
        """Run a script, as one operation."""
        self._tick("script")
        return self.real.executescript(sql)

    async def execute_fetchall(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Read; a dead process reads nothing."""
        if self._disk.dead:
            self._tick(sql)
        return self.real.execute(sql, parameters).fetchall()

    async def rollback(self) -> None:
        """Undo the transaction under way."""
        self._tick("rollback")
        self.real.rollback()

    async def close(self) -> None:
        """Close; a dead process is closed by `SimDisk.crash`."""
        if not self._disk.dead:
            self.real.close()

    def _commit(self) -> sqlite3.Cursor:
        self._tick("before commit")
        done = self.real.execute("COMMIT")
        if self._durable:
            self._disk.log_synced()
        self._disk.watcher.committed()
        if not self._disk.dead:
            self._tick("after commit")
        return done

    def _tick(self, verb: str) -> None:
        try:
            self._disk.tick(verb.split(" (", 1)[0][:40], self._path)
        except OSError as error:
            raise sqlite3.OperationalError("database or disk is full") from error
