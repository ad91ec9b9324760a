from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crawler.dataset.reader import OPEN, lines, records
from crawler.errors import StorageError
from tests.dataset.runs import crawled, shard


def unseal(run: Path, kind: str) -> Path:
    """Make the first shard of a kind look as it does while the crawl is running."""
    path = shard(run, kind)
    with closing(sqlite3.connect(run / "frontier.sqlite")) as connection, connection:
        connection.execute("UPDATE shards SET sealed = 0, sha256 = NULL, crc32 = NULL WHERE name = ?", (path.name,))
    return path.rename(path.with_name(path.name + OPEN))


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_every_committed_line_is_read_once(tmp_path: Path, compression: str) -> None:
    """Many small shards give the same records as one large one."""
    one = list(records(crawled(tmp_path / "one", workers=1), "edges"))
    many = list(records(crawled(tmp_path / "many", workers=1, compression=compression, shard_bytes_max=999), "edges"))
    assert len(one) == 460
    assert many == one


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_what_follows_the_committed_length_is_not_read(tmp_path: Path, compression: str) -> None:
    """An open shard is read as far as it was committed, whatever a kill or a running crawl left behind it."""
    run = crawled(tmp_path / "run", compression=compression)
    before = list(lines(run, "nodes"))
    with unseal(run, "nodes").open("ab") as file:
        file.write(b'{"half a line')
    assert list(lines(run, "nodes")) == before


def test_a_missing_shard_is_a_storage_error(tmp_path: Path) -> None:
    """Records that are not there are never passed over."""
    run = crawled(tmp_path / "run")
    shard(run, "lists").unlink()
    with pytest.raises(StorageError, match=r"lists-000000\.ndjson\.zst is missing"):
        list(lines(run, "lists"))


def test_a_short_shard_is_a_storage_error(tmp_path: Path) -> None:
    """A shard that ends before its committed length is never taken for a whole one."""
    run = crawled(tmp_path / "run")
    path = shard(run, "lists")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StorageError, match="1 bytes shorter"):
        list(lines(run, "lists"))
