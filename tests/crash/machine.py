"""A computer whose disk fails when told to: the real files and the real database, on which any operation can go wrong.

    fail     nothing of it is done, an error is reported, the program lives on
    tear     a part of it is done, then as above
    unheard  all of it is done, and an error is reported
    lose     nothing of it is done, and nothing after it: the process is dead
    half     a part of it is done, and nothing after it
    last     it is done, and nothing after it

A process that dies leaves the page cache. A power cut does not: `Platter` knows what was synced, and takes back,
garbles or keeps the rest. The database may lose its last commits in a power cut, which `synchronous=NORMAL` permits.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from crawler.engine.run import Disk
from crawler.errors import StorageError
from crawler.frontier.store import Frontier
from crawler.shards.files import Files

Kind = Literal["fail", "tear", "unheard", "lose", "half", "last"]
KINDS: tuple[Kind, ...] = ("fail", "tear", "unheard", "lose", "half", "last")
Style = Literal["kept", "lost", "garbled"]


class Aftermath(NamedTuple):
    """What becomes of what was not synced, and how many of the last commits the database loses."""

    style: Style
    commits_lost: int


AFTERMATHS = (
    Aftermath("kept", 0),
    Aftermath("lost", 0),
    Aftermath("garbled", 0),
    Aftermath("kept", 1),
    Aftermath("lost", 2),
    Aftermath("garbled", 1_000),
)


class Fault(NamedTuple):
    """The operation, counted from 1, that goes wrong, and how."""

    at: int
    kind: Kind


class Machine:
    """One process on the computer: it counts its operations, and after a deadly fault does nothing more."""

    def __init__(self, fault: Fault | None = None) -> None:
        self.operations: list[str] = []
        self.hit = False
        self._fault = fault
        self._dead = False

    def step(self, name: str) -> Kind | None:
        """Begin an operation; return how it goes wrong, None when it does not."""
        if self._dead:
            raise StorageError("the computer is off")
        self.operations.append(name)
        if self._fault is None or len(self.operations) != self._fault.at:
            return None
        self.hit = True
        self._dead = self._fault.kind in {"lose", "half", "last"}
        return self._fault.kind

    def error(self) -> StorageError:
        """Return what the operation that goes wrong reports."""
        return StorageError(f"operation {len(self.operations)}, {self.operations[-1]}, goes wrong")


class Platter:
    """What of a run folder would survive a power cut: lengths and names that were synced, states of the database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.synced: dict[Path, int] = {}
        self.unsynced_names: list[tuple[str, Path, Path]] = []
        self.commits: list[bytes] = []

    def disk(self, machine: Machine) -> Disk:
        """Return what a run takes, for one process."""
        return Disk(lambda: FaultyFiles(machine, self), lambda path: FaultyFrontier(path, machine, self))

    def sync_folder(self, folder: Path) -> None:
        """Names in the folder are durable from now on."""
        self.unsynced_names = [entry for entry in self.unsynced_names if entry[2].parent != folder]

    def renamed(self, old: Path, new: Path) -> None:
        """Note that a file got another name, in the page cache."""
        self.unsynced_names.append(("rename", old, new))
        self._move(old, new)

    def power_cut(self, aftermath: Aftermath, chance: random.Random) -> None:
        """Leave of the run folder what the platter may hold."""
        if aftermath.style != "kept":
            self._forget_names(aftermath.style, chance)
            for path in [*self.folder.glob("shards/*"), *self.folder.glob("set-aside/*")]:
                self._forget_bytes(path, aftermath.style, chance)
        self.unsynced_names.clear()
        if aftermath.commits_lost and self.commits:
            del self.commits[max(1, len(self.commits) - aftermath.commits_lost) :]
            for path in self.folder.glob("frontier.sqlite*"):
                path.unlink()
            (self.folder / "frontier.sqlite").write_bytes(self.commits[-1])

    def _forget_names(self, style: Style, chance: random.Random) -> None:
        """Take names back, the last first; garbled means that some had reached the platter in time."""
        for what, old, new in reversed(self.unsynced_names):
            if not new.exists() or (style == "garbled" and chance.random() < 0.5):
                continue
            if what == "rename" and old.parent.exists():
                new.rename(old)
                self._move(new, old)
            elif what == "create":
                new.unlink()
                self.synced.pop(new, None)
            elif what == "mkdir":
                shutil.rmtree(new)

    def _forget_bytes(self, path: Path, style: Style, chance: random.Random) -> None:
        data, durable_bytes = path.read_bytes(), self.synced.get(path, 0)
        if len(data) > durable_bytes:
            kept_bytes = durable_bytes if style == "lost" else chance.randint(durable_bytes, len(data))
            garbage = chance.choice((bytes(kept_bytes - durable_bytes), chance.randbytes(kept_bytes - durable_bytes)))
            path.write_bytes(data[:durable_bytes] + garbage)
        self.synced[path] = path.stat().st_size

    def _move(self, old: Path, new: Path) -> None:
        if old in self.synced:
            self.synced[new] = self.synced.pop(old)


class FaultyFiles(Files):
    """The files of one process. Syncing only takes notes: what would be lost is played, see `Platter`."""

    def __init__(self, machine: Machine, platter: Platter) -> None:
        super().__init__()
        self._machine = machine
        self._platter = platter

    def make_folder(self, folder: Path) -> None:
        kind = self._begin(f"make_folder {folder.name}")
        if not folder.exists():
            self._platter.unsynced_names.append(("mkdir", folder, folder))
            folder.mkdir()
        self._end(kind)
        super().make_folder(folder)

    def append(self, path: Path, data: bytes) -> None:
        kind = self._begin(f"append {path.name}")
        if not path.exists():
            self._platter.unsynced_names.append(("create", path, path))
        super().append(path, data[: len(data) // 2] if kind in {"tear", "half"} else data)
        self._end(kind)

    def sync(self, path: Path) -> None:
        kind = self._begin(f"sync {path.name}")
        before, length_bytes = self._platter.synced.get(path, 0), path.stat().st_size
        self._platter.synced[path] = (before + length_bytes) // 2 if kind in {"tear", "half"} else length_bytes
        self._end(kind)

    def sync_folder(self, folder: Path) -> None:
        kind = self._begin(f"sync_folder {folder.name}")
        self._platter.sync_folder(folder)
        self._end(kind)

    def truncate(self, path: Path, length_bytes: int) -> None:
        kind, now_bytes = self._begin(f"truncate {path.name}"), path.stat().st_size
        cut_bytes = (length_bytes + now_bytes) // 2 if kind in {"tear", "half"} else length_bytes
        with path.open("r+b") as file:
            file.truncate(cut_bytes)
        self._platter.synced[path] = min(cut_bytes, self._platter.synced.get(path, 0)) if kind else cut_bytes
        self._end(kind)

    def rename(self, old: Path, new: Path) -> None:
        kind = self._begin(f"rename {old.name}")
        if kind not in {"tear", "half"}:
            self._forget(old)
            assert not new.exists(), f"{new} would be replaced"
            old.rename(new)
            self._platter.renamed(old, new)
        self._end(kind)
        self.sync_folder(new.parent)
        if new.parent != old.parent:
            self.sync_folder(old.parent)

    def length_bytes(self, path: Path) -> int | None:
        self._end(self._begin(f"length_bytes {path.name}"))
        return super().length_bytes(path)

    def names(self, folder: Path) -> list[str]:
        self._end(self._begin(f"names {folder.name}"))
        return super().names(folder)

    def chunks(self, path: Path, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        self._end(self._begin(f"chunks {path.name}"))
        yield from super().chunks(path, chunk_bytes)

    def _begin(self, name: str) -> Kind | None:
        kind = self._machine.step(name)
        if kind in {"fail", "lose"}:
            raise self._machine.error()
        return kind

    def _end(self, kind: Kind | None) -> None:
        if kind is not None:
            raise self._machine.error()


class FaultyFrontier(Frontier):
    """The database of one process. Its operations: to be opened, to be read, and each transaction."""

    def __init__(self, path: Path, machine: Machine, platter: Platter) -> None:
        super().__init__(path, connect)  # type: ignore[arg-type] - as much of it as is needed
        self._machine = machine
        self._platter = platter

    async def __aenter__(self) -> Self:
        kind = self._machine.step("open database")
        if kind in {"fail", "lose"}:
            raise self._machine.error()
        await super().__aenter__()
        assert self._writer is not None
        await self._writer.execute("PRAGMA synchronous = OFF")
        await self._remember()
        if kind is not None:
            await self.__aexit__()
            raise self._machine.error()
        return self

    async def _read(self, sql: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        if self._machine.step("read database") is not None:
            raise self._machine.error()
        return await super()._read(sql, parameters)

    async def _write(self, statements: Iterable[tuple[str, list[Any]]]) -> None:
        kind = self._machine.step("commit")
        if kind in {"tear", "half"}:
            await self._write_half(list(statements))
        elif kind not in {"fail", "lose"}:
            await super()._write(statements)
            await self._remember()
        if kind is not None:
            raise self._machine.error()

    async def _write_half(self, statements: list[tuple[str, list[Any]]]) -> None:
        """Do half of a transaction and leave it open: closing the connection takes it back, as a dead process does."""
        assert self._writer is not None
        await self._writer.execute("BEGIN IMMEDIATE")
        for sql, rows in statements[: len(statements) // 2 + 1]:
            await self._writer.executemany(sql, rows)

    async def _remember(self) -> None:
        """Keep this state of the database, for a power cut that leaves nothing newer."""
        assert isinstance(self._writer, Connection)
        self._platter.commits.append(self._writer.real.serialize())


class Connection:
    """What the frontier uses of `aiosqlite.Connection`, without a thread: so a crawl has one order of events."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self.real = real

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self.real.execute(sql, parameters)

    async def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> sqlite3.Cursor:
        return self.real.executemany(sql, rows)

    async def executescript(self, sql: str) -> sqlite3.Cursor:
        return self.real.executescript(sql)

    async def execute_fetchall(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        return self.real.execute(sql, parameters).fetchall()

    async def close(self) -> None:
        self.real.close()


async def connect(path: Path | str, **how: Any) -> Connection:  # noqa: ANN401 - the arguments of sqlite3.connect
    """Open the database."""
    return Connection(sqlite3.connect(path, **how))
