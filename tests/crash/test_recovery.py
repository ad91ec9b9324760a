"""What the sweep found once, each case by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import zstandard

from crawler.shards.files import Files
from crawler.shards.recovery import recover
from crawler.shards.writer import OPEN, Lines, ShardWriter


def test_a_shard_whose_sealing_was_lost_is_opened_again(tmp_path: Path) -> None:
    """A power cut may take the commit that sealed a shard and leave its final name: recovery goes back to that."""
    folder = tmp_path / "shards"
    with Files() as files:
        files.make_folder(folder)
        writer = ShardWriter(files, folder, "none", bytes_max=30)
        (committed,) = writer.write({"nodes": Lines(b'{"a":1}\n', 1)})
        (sealed,) = writer.write({"nodes": Lines(b'{"a":2,"b":"a longer line"}\n', 1)})
        writer.publish([sealed])
        notes = recover(files, folder, [committed], tmp_path / "set-aside")
    assert sealed.sealed
    assert [path.name for path in folder.iterdir()] == [committed.name + OPEN]
    assert (folder / (committed.name + OPEN)).read_bytes() == b'{"a":1}\n'
    assert len(notes) == 2


def test_a_new_folder_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that holds a new folder is synced, or a power cut could take all shards in it."""
    synced: list[Path] = []
    monkeypatch.setattr(Files, "sync_folder", lambda _files, folder: synced.append(folder))
    with Files() as files:
        files.make_folder(tmp_path / "a" / "b")
    assert set(synced) == {tmp_path, tmp_path / "a"}


def test_an_open_shard_keeps_its_compression(tmp_path: Path) -> None:
    """An open shard of frames gets frames, also when the configuration has changed to plain lines meanwhile."""
    with Files() as files:
        (begun,) = ShardWriter(files, tmp_path, "zstd", bytes_max=10_000).write({"nodes": Lines(b'{"a":1}\n', 1)})
        later = ShardWriter(files, tmp_path, "none", bytes_max=10_000)
        later.resume([begun])
        later.write({"nodes": Lines(b'{"a":2}\n', 1)})
    with (tmp_path / (begun.name + OPEN)).open("rb") as file:
        assert zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read() == b'{"a":1}\n{"a":2}\n'
