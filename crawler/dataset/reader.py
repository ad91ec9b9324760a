"""Reading a run's records: what was committed and nothing else, also while the crawl goes on writing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import zstandard

from crawler.errors import StorageError
from crawler.frontier.rows import ShardRow
from crawler.frontier.state import read_state

OPEN = ".open"
_CHUNK_BYTES = 1 << 20


def lines(run: Path, kind: str) -> Iterator[bytes]:
    """Yield the committed lines of a kind ("nodes", "edges", "lists"), oldest first, without their newlines.

    Raises `ConfigError` when there is no run, `StorageError` when a shard is missing or broken.
    """
    for shard in read_state(run / "frontier.sqlite")["shards"]:
        if shard.kind == kind:
            for block in blocks(run / "shards", shard):
                yield from block.splitlines()


def records(run: Path, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the committed records of a kind as dictionaries; see `lines`."""
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for line in lines(run, kind):
        yield decode(line)


def place_of(folder: Path, shard: ShardRow) -> Path:
    """Return where a shard is: under its name, or with `.open` while it grows. Raises `StorageError` when nowhere."""
    for path in (folder / shard.name, folder / (shard.name + OPEN)):
        if path.exists():
            return path
    raise StorageError(f"{folder / shard.name} is missing")


def blocks(folder: Path, shard: ShardRow) -> Iterator[bytes]:
    """Yield the committed part of a shard as blocks of whole lines. Raises `StorageError` when it does not end well."""
    path = place_of(folder, shard)
    try:
        with path.open("rb") as file:
            yield from _whole_lines(path, _plain(path, head(file, shard.committed_bytes)))
    except (OSError, zstandard.ZstdError) as error:
        raise StorageError(f"{path} cannot be read: {error}") from error


def head(file: BinaryIO, length_bytes: int) -> Iterator[bytes]:
    """Yield the first bytes of a file, in chunks. Raises `StorageError` when there are not so many."""
    while length_bytes > 0 and (chunk := file.read(min(_CHUNK_BYTES, length_bytes))):
        length_bytes -= len(chunk)
        yield chunk
    if length_bytes > 0:
        raise StorageError(f"{file.name} is {length_bytes} bytes shorter than what was committed")


def _plain(path: Path, chunks: Iterable[bytes]) -> Iterator[bytes]:
    if ".zst" not in path.suffixes:
        yield from chunks
        return
    decompressor = zstandard.ZstdDecompressor()
    frame, begun = decompressor.decompressobj(), False
    for chunk in chunks:
        rest = chunk
        while rest:
            yield frame.decompress(rest)
            begun, rest = not frame.eof, frame.unused_data
            if frame.eof:
                frame = decompressor.decompressobj()
    if begun:
        raise StorageError(f"{path} ends in the middle of a frame")


def _whole_lines(path: Path, texts: Iterable[bytes]) -> Iterator[bytes]:
    kept = b""
    for text in texts:
        whole, newline, rest = text.rpartition(b"\n")
        if newline:
            yield kept + whole + newline
            kept = rest
        else:
            kept += rest
    if kept:
        raise StorageError(f"{path} ends in the middle of a line")
