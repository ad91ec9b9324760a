"""A disk that can lose power: doubles of `Files` and of the frontier's connection, and what survives a kill.

The files are real, in a folder that should be in memory; nothing is really synced. What a sync would have made durable
is remembered here. A kill keeps every byte that was written; a power cut loses, keeps, cuts or garbles what was not
synced: the ends of shards, names in folders, renames, and the frontier's write-ahead log (`synchronous = NORMAL` syncs
it at checkpoints only).
"""

from __future__ import annotations

import errno
import random
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from crawler.errors import disk_errors
from crawler.shards.files import Files
from tests.simulation.connection import Connection

Rows = Sequence[Sequence[Any]]


class Dead(BaseException):
    """Nothing that a dead process does reaches the disk or the network."""


class Watcher(Protocol):
    """What looks on while the disk works; raises an `AssertionError` when something is wrong."""

    def inserting(self, sql: str, rows: Rows) -> None:
        """Look at rows before they are written, inside of a transaction."""
        ...

    def committed(self) -> None:
        """Look at the disk after a commit."""
        ...


class SimDisk:
    """What survives a process. `die` is called when an operation kills, and has to stop the loop.

    `synced` holds by name how many bytes of a file are durable. Names are those in the run's folders, all different.
    """

    def __init__(self, folder: Path, chance: random.Random, watcher: Watcher, note: Callable[..., None]) -> None:
        self.folder = folder
        self.dead = False
        self.operations = 0
        self.failed = False
        self.kill_at: int | None = None
        self.fail_at: int | None = None
        self.die: Callable[[], None] = lambda: None
        self.fails: Callable[[], None] = lambda: None
        self.synced: dict[str, int] = {}
        self.watcher = watcher
        self.note = note
        self._chance = chance
        self._names: set[Path] = set()
        self._renames: list[tuple[Path, Path]] = []
        self._connections: list[Connection] = []
        self._log_synced = 0

    @property
    def _database(self) -> Path:
        return self.folder / "frontier.sqlite"

    @property
    def _log(self) -> Path:
        return self.folder / "frontier.sqlite-wal"

    def tick(self, verb: str, path: Path, torn: Callable[[float], None] = lambda _share: None) -> None:
        """Count one operation; it may be the one that fails, or before, within or after which the process is killed."""
        if self.dead:
            raise Dead
        self.operations += 1
        self.note("disk", verb, path.name)
        if self.operations == self.kill_at:
            torn(self._chance.choice((0.0, self._chance.random(), 1.0)))
            self.die()
            raise Dead
        if self.operations == self.fail_at:
            torn(self._chance.random())
            self.failed = True
            self.fails()
            raise OSError(errno.ENOSPC, "No space left on device")

    async def connect(self, database: object, *, isolation_level: str | None = "", uri: bool = False) -> Connection:
        """Open the frontier, as `aiosqlite.connect` does, without a thread."""
        if self.dead:
            raise Dead
        real = sqlite3.connect(str(database), isolation_level=isolation_level, uri=uri)  # type: ignore[arg-type]
        connection = Connection(real, self, writes=not uri)
        self._connections.append(connection)
        return connection

    def renaming(self, old: Path, new: Path) -> None:
        """Note that a file is about to get another name, which is not durable yet."""
        self._renames.append((old, new))
        if old in self._names:
            self._names.add(new)  # a rename that is lost leaves the old name, never none
        self.synced[new.name] = self.synced.pop(old.name, 0)

    def folder_synced(self, folder: Path) -> None:
        """All names in a folder are durable now."""
        self._renames = [pair for pair in self._renames if pair[1].parent != folder]
        self._names.update(folder.iterdir())

    def log_synced(self) -> None:
        """Note that the frontier's write-ahead log is durable as far as it is written."""
        self._log_synced = self._log.stat().st_size if self._log.exists() else 0

    def settled(self) -> None:
        """Note that the process ended in order: the frontier was closed, its log written back and removed."""
        self._connections.clear()
        self._log_synced = 0

    def crash(self, *, power: bool) -> None:
        """Bring the folder into the state that the next start finds."""
        kept = {path: path.read_bytes() for path in (self._database, self._log) if path.exists()}
        for connection in self._connections:
            connection.real.close()  # writes its log back, which a dead process would not: undone below
        self._connections.clear()
        self._log.unlink(missing_ok=True)
        self._database.with_name("frontier.sqlite-shm").unlink(missing_ok=True)
        if power and self._log in kept:
            kept[self._log] = self._survivor(kept[self._log], self._log_synced)
        for path, data in kept.items():
            path.write_bytes(data)
        if power:
            self._lose_names()
            self._lose_ends()
            self.log_synced()
        self._renames.clear()

    def _survivor(self, data: bytes, synced: int) -> bytes:
        """Return what is left of a file's content, of which so many bytes were synced."""
        tail = len(data) - min(synced, len(data))
        fate = self._chance.choice(("kept", "lost", "cut", "garbled"))
        if not tail or fate == "kept":
            return data
        left = self._chance.randrange(tail) if fate != "lost" else 0
        head = data[: len(data) - tail + left]
        return head + self._chance.randbytes(len(data) - len(head)) if fate == "garbled" else head

    def _lose_names(self) -> None:
        for old, new in reversed(self._renames):
            if new.exists() and self._chance.random() < 0.5:
                new.rename(old)
                self.synced[old.name] = self.synced.pop(new.name, 0)
        for path in sorted(self._shards()):
            if path not in self._names and self._chance.random() < 0.5:
                path.unlink()

    def _lose_ends(self) -> None:
        for path in sorted(self._shards()):
            data = path.read_bytes()
            left = self._survivor(data, self.synced.get(path.name, 0))
            if left != data:
                path.write_bytes(left)
            self.synced[path.name] = len(left)
        self._names.update(self._shards())

    def _shards(self) -> Iterable[Path]:
        folder = self.folder / "shards"
        return list(folder.iterdir()) if folder.exists() else []


class SimFiles(Files):
    """`Files` on such a disk."""

    def __init__(self, disk: SimDisk) -> None:
        super().__init__()
        self._disk = disk

    def append(self, path: Path, data: bytes) -> None:
        def torn(share: float) -> None:
            super(SimFiles, self).append(path, data[: int(share * len(data))])

        with disk_errors(f"write to {path}"):
            self._disk.tick("append", path, torn)
        super().append(path, data)

    def sync(self, path: Path) -> None:
        with disk_errors(f"write to {path}"):
            self._disk.tick("sync", path)
        self._disk.synced[path.name] = path.stat().st_size

    def sync_folder(self, folder: Path) -> None:
        with disk_errors(f"sync {folder}"):
            self._disk.tick("sync folder", folder)
        self._disk.folder_synced(folder)

    def truncate(self, path: Path, length_bytes: int) -> None:
        with disk_errors(f"write to {path}"):
            self._disk.tick("truncate", path)
        with path.open("r+b") as file:
            file.truncate(length_bytes)
        self._disk.synced[path.name] = length_bytes

    def rename(self, old: Path, new: Path) -> None:
        with disk_errors(f"rename {old}"):
            self._disk.tick("rename", old)
        if not new.exists():
            self._disk.renaming(old, new)
        super().rename(old, new)
