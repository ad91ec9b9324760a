"""The seam to the disk: every byte of a shard goes through these few verbs, so that a test can fail each of them.

A handle stays open per file that is being appended to. Every `OSError` becomes a `StorageError` with a sentence; after
one, the caller must not try the same file again: what a failed fsync left on the disk is unknown, and only the next
start can tell.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from crawler.errors import StorageError, disk_errors


class Files:
    """The disk, as the shards need it. Synchronous: the committer calls it in a thread of its own."""

    def __init__(self) -> None:
        self._handles: dict[Path, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def make_folder(self, folder: Path) -> None:
        """Create a folder and its parents; durable on return, also when a start that was killed had created them."""
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        with disk_errors(f"make the folder {folder}"):
            folder.mkdir(parents=True, exist_ok=True)
        for one in missing or [folder]:
            self.sync_folder(one.parent)

    def append(self, path: Path, data: bytes) -> None:
        """Write `data` at the end of the file, which is created when missing. Not durable before `sync`."""
        with disk_errors(f"write to {path}"):
            handle = self._handles.get(path)
            if handle is None:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
                self._handles[path] = handle
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]

    def sync(self, path: Path) -> None:
        """Make all that was appended to the file durable."""
        with disk_errors(f"sync {path}"):
            _sync_data(self._handles[path])

    def sync_folder(self, folder: Path) -> None:
        """Make new and renamed names in the folder durable."""
        with disk_errors(f"sync the folder {folder}"):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def truncate(self, path: Path, length_bytes: int) -> None:
        """Cut the file to `length_bytes` and make that durable."""
        with disk_errors(f"cut {path}"):
            handle = os.open(path, os.O_WRONLY)
            try:
                os.ftruncate(handle, length_bytes)
                os.fsync(handle)
            finally:
                os.close(handle)

    def rename(self, old: Path, new: Path) -> None:
        """Give the file its new name, durably. Raises `StorageError` rather than replace a file."""
        with disk_errors(f"rename {old.name} to {new.name}"):
            if new.exists():
                message = f"{new} exists already and is not replaced"
                raise StorageError(message)
            self._forget(old)
            old.rename(new)
        self.sync_folder(new.parent)
        if old.parent != new.parent:
            self.sync_folder(old.parent)

    def length_bytes(self, path: Path) -> int | None:
        """Return the length of the file, None when there is none."""
        with disk_errors(f"look at {path}"):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                return None

    def names(self, folder: Path) -> list[str]:
        """Return the names in the folder, sorted."""
        with disk_errors(f"list {folder}"):
            return sorted(entry.name for entry in folder.iterdir())

    def chunks(self, path: Path, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        """Yield the file's content from its start."""
        with disk_errors(f"read {path}"), path.open("rb") as file:
            while chunk := file.read(chunk_bytes):
                yield chunk

    def close(self) -> None:
        """Close every handle; nothing is synced."""
        for path in list(self._handles):
            self._forget(path)

    def _forget(self, path: Path) -> None:
        handle = self._handles.pop(path, None)
        if handle is not None:
            os.close(handle)


_sync_data = getattr(os, "fdatasync", os.fsync)
