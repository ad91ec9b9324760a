"""Run folders for the readers: crawled from the toy world, then damaged in one particular way."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from unittest import mock

import zstandard

from crawler.config import Config, dumps, with_overrides
from crawler.errors import StorageError
from crawler.shards.writer import Shard, ShardWriter
from tests.engine.toy import ToyClient, World, crawl, settings

RELATIONS = {
    "crawl.relations.user": ["followers", "followings", "likes_tracks"],
    "crawl.relations.track": ["favoriters"],
    "crawl.relations.playlist": [],
}

KILLED_WORLD = (5, 16, 8)

Lines = list[bytes]


def crawled(folder: Path, requests_max: int | None = None, **changes: object) -> Path:
    """Crawl the toy world into a folder, to the end or until so many requests."""
    client = ToyClient(World(1, 40, 20), 1, requests_max)
    asyncio.run(crawl(folder, client, [3], settings(empty_data=b"{}", **changes)))
    (folder / "config.toml").write_text(dumps(with_overrides(Config(), RELATIONS)), encoding="utf-8")
    return folder


def killed(folder: Path, requests_max: int, **changes: object) -> Path:
    """Return a crawl of a small toy world as a kill leaves it: shards open, the last commits in the write-ahead log."""
    whole = folder.with_name(f"{folder.name}-whole")

    def kill(_writer: ShardWriter) -> list[Shard]:
        shutil.copytree(whole, folder)
        raise StorageError("killed")

    client = ToyClient(World(*KILLED_WORLD), 1, requests_max)
    with mock.patch.object(ShardWriter, "seal_all", kill), contextlib.suppress(StorageError, ExceptionGroup):
        asyncio.run(crawl(whole, client, [3], settings(empty_data=b"{}", **changes)))
    (folder / "frontier.sqlite-shm").unlink(missing_ok=True)
    (folder / "config.toml").write_text(dumps(with_overrides(Config(), RELATIONS)), encoding="utf-8")
    return folder


def shard(folder: Path, kind: str) -> Path:
    """Return the first shard of a kind."""
    return next((folder / "shards").glob(f"{kind}-000000.ndjson*"))


def rewrite(folder: Path, kind: str, change: Callable[[Lines], Lines]) -> None:
    """Change the lines of a shard, and the frontier's row with it, so that only the lines are wrong."""
    path = shard(folder, kind)
    text = zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True).read()
    lines = change(text.splitlines(keepends=True))
    data = zstandard.ZstdCompressor().compress(b"".join(lines))
    path.write_bytes(data)
    values = (len(data), len(lines), hashlib.sha256(data).hexdigest(), path.name)
    with closing(sqlite3.connect(folder / "frontier.sqlite")) as connection, connection:
        connection.execute(
            "UPDATE shards SET committed_bytes = ?, lines = ?, sha256 = ?, bytes_crc32 = NULL, crc32 = NULL"
            " WHERE name = ?",
            values,
        )
