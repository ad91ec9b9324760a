"""One crawl per run folder: a lock that dies with its process and names its holder."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from crawler.errors import ConfigError, StorageError, disk_errors

_PATIENCE_SECONDS = (0.005, 0.02, 0.05, 0.0)


class Holder(Struct):
    """Who holds a run folder. `since` is ISO 8601 in UTC."""

    host: str
    process: int
    since: str


@contextmanager
def hold(path: Path, since: str) -> Iterator[None]:
    """Hold the lock file until the block ends.

    The kernel drops the lock when the process dies, however it dies, so a stale one never stands in the way and a live
    one is never taken over, not even when somebody deletes the file: the folder is locked as well, where the file
    system can do that. Raises `ConfigError`, naming the holder, when another process has it.
    """
    with _folder(path):
        yield from _hold_file(path, since)


def _hold_file(path: Path, since: str) -> Iterator[None]:
    with disk_errors(f"open {path}"):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(handle, path)
        with disk_errors(f"write {path}"):
            os.ftruncate(handle, 0)
            os.pwrite(handle, msgspec.json.encode(Holder(socket.gethostname(), os.getpid(), since)) + b"\n", 0)
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    with disk_errors(f"open {path.parent}"):
        handle = os.open(path.parent, os.O_RDONLY)
    try:
        with suppress(StorageError):  # NFS locks no folders
            _take(handle, path)
        yield
    finally:
        os.close(handle)


def _take(handle: int, path: Path) -> None:
    """Lock the file; whoever only looks (see `holder`) has it for a moment, and must not make a start fail."""
    for patience_seconds in _PATIENCE_SECONDS:
        with disk_errors(f"lock {path}"), suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(patience_seconds)
    raise ConfigError(_sentence(path))


def holder(path: Path) -> Holder | None:
    """Return who holds the lock now, None when nobody does. Changes nothing, and needs no right to write.

    Raises `StorageError` when the file cannot be opened.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    else:
        return None
    finally:
        os.close(handle)


def _read(path: Path) -> Holder | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (msgspec.DecodeError, FileNotFoundError):
        return None


def _sentence(path: Path) -> str:
    who = _read(path)
    named = f"process {who.process} on {who.host}, since {who.since}" if who else "another process"
    return f"{path.parent} is being crawled by {named}; stop that one first, or choose another folder"
