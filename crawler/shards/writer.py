"""Shards: files of newline-delimited JSON, written frame by frame, sealed at a size.

A shard that still grows is called `edges-000003.ndjson.zst.open`; sealed it loses the `.open` and never changes again.
Every commit adds one zstd frame to each shard it touches, so that cutting a shard back to a committed length never
splits
a frame. The law of this file: `write` makes lines durable and promises nothing; they count when the frontier has stored
the returned `Shard` rows, and only then `publish` gives sealed shards their name.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import zstandard
from msgspec import Struct
from msgspec.structs import replace

from crawler.errors import StorageError
from crawler.shards.files import Files

Compression = Literal["zstd", "none"]
KINDS = ("nodes", "edges", "lists", "series", "charts", "xrefs")
"""A kind without a line has no file."""
OPEN = ".open"
RESTORE = "restore the whole run folder from a copy"
_ENDINGS: dict[Compression, str] = {"zstd": ".ndjson.zst", "none": ".ndjson"}
_LEVEL = 3


class Lines(Struct):
    """Some whole lines for one kind of shard: their bytes, each line ended by a newline, and their number."""

    data: bytes
    count: int


class Shard(Struct, frozen=True):
    """The committed state of one shard: what the frontier knows of it. `name` is the final file name.

    `bytes_crc32` is that of the committed bytes, None for a shard begun by a version that did not count it.
    """

    name: str
    kind: str
    sequence: int
    committed_bytes: int = 0
    lines: int = 0
    sealed: bool = False
    sha256: str | None = None
    bytes_crc32: int | None = 0


class ShardWriter:
    """Appends lines to the open shard of each kind."""

    def __init__(self, files: Files, folder: Path, compression: Compression, bytes_max: int) -> None:
        self._files = files
        self._folder = folder
        self._compression = compression
        self._bytes_max = bytes_max
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._open: dict[str, Shard] = {}
        self._next_sequence = dict.fromkeys(KINDS, 0)

    def resume(self, shards: Iterable[Shard]) -> None:
        """Continue after these committed shards, which recovery has already made true on the disk."""
        for shard in shards:
            self._next_sequence[shard.kind] = max(self._next_sequence[shard.kind], shard.sequence + 1)
            if not shard.sealed:
                self._open[shard.kind] = shard

    def write(self, lines: Mapping[str, Lines]) -> list[Shard]:
        """Append and sync the lines of one commit; return the new state of each shard touched.

        A shard that has reached `bytes_max` comes back sealed, with its hash. Raises `StorageError`.
        """
        touched = [self._append(kind, lines[kind]) for kind in KINDS if kind in lines and lines[kind].count]
        for shard in touched:
            self._files.sync(self._path(shard))
        return [self._seal(shard) if shard.committed_bytes >= self._bytes_max else shard for shard in touched]

    def seal_all(self) -> list[Shard]:
        """Seal every open shard, at the end of a crawl; return their new states."""
        return [self._seal(shard) for shard in list(self._open.values())]

    def publish(self, shards: Iterable[Shard]) -> None:
        """Give sealed shards, whose rows are committed, their final names. Durable on return."""
        for shard in shards:
            if shard.sealed:
                self._files.rename(self._path(shard), self._folder / shard.name)

    def _path(self, shard: Shard) -> Path:
        return self._folder / (shard.name + OPEN)

    def _append(self, kind: str, lines: Lines) -> Shard:
        shard = self._open.get(kind) or self._begin(kind)
        framed = shard.name.endswith(_ENDINGS["zstd"])  # an open shard keeps its form, whatever the config says now
        frame = self._compressor.compress(lines.data) if framed else lines.data
        self._files.append(self._path(shard), frame)
        if not shard.committed_bytes:
            self._files.sync_folder(self._folder)
        grown = replace(
            shard,
            committed_bytes=shard.committed_bytes + len(frame),
            lines=shard.lines + lines.count,
            bytes_crc32=None if shard.bytes_crc32 is None else zlib.crc32(frame, shard.bytes_crc32),
        )
        self._open[kind] = grown
        return grown

    def _begin(self, kind: str) -> Shard:
        sequence = self._next_sequence[kind]
        self._next_sequence[kind] = sequence + 1
        return Shard(name=f"{kind}-{sequence:06d}{_ENDINGS[self._compression]}", kind=kind, sequence=sequence)

    def _seal(self, shard: Shard) -> Shard:
        """Hash what is on the disk, unless it is no longer what was written: damage must not be sealed as the truth."""
        self._open.pop(shard.kind, None)
        digest, crc, length_bytes = hashlib.sha256(), 0, 0
        for chunk in self._files.chunks(self._path(shard)):
            digest.update(chunk)
            crc = zlib.crc32(chunk, crc)
            length_bytes += len(chunk)
        if length_bytes != shard.committed_bytes or shard.bytes_crc32 not in {None, crc}:
            raise StorageError(f"{self._path(shard)} is not what was written to it: {RESTORE}")
        return replace(shard, sealed=True, sha256=digest.hexdigest(), bytes_crc32=crc)
