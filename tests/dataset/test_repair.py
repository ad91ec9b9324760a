"""`crawler verify --repair`: what recovery would do and no more, and damage is never made the truth."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crawler import app
from crawler.cli import main
from crawler.errors import ConfigError, StorageError
from crawler.frontier.lock import hold
from crawler.frontier.state import read_state
from tests.dataset.flips import TAIL, content, littered, trials
from tests.dataset.runs import KILLED_WORLD, killed
from tests.engine.toy import ToyClient, World, crawl, settings


@pytest.fixture(params=["zstd", "none"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a run as a kill leaves it."""
    bytes_max = 700 if request.param == "zstd" else 5000
    run = killed(tmp_path / "run", 60, shard_bytes_max=bytes_max, compression=request.param)
    return littered(run, checkpointed=True)


def open_shard(run: Path) -> Path:
    """Return a shard that was still growing."""
    shards = read_state(run / "frontier.sqlite")["shards"]
    name = next(shard.name for shard in shards if not shard.sealed)
    return run / "shards" / f"{name}.open"


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def everything(run: Path) -> dict[str, bytes]:
    names = [path for path in sorted(run.rglob("*")) if path.is_file() and not path.name.endswith(("-shm", "-wal"))]
    return {str(path.relative_to(run)): path.read_bytes() for path in names if path.name != "lock"}


def test_random_damage_is_found_or_without_effect(tmp_path: Path) -> None:
    """No flipped bit, truncation or swap changes what a run says unseen, and no repair makes it true (`make flips`)."""
    outcomes = trials(100, 7, tmp_path)
    assert not [outcome for outcome in outcomes if "LIE" in outcome]
    assert sum(times for (_, found, _), times in outcomes.items() if found == "found") > 50


def test_repair_does_what_a_start_would_and_says_so(run: Path) -> None:
    """The tail is cut, the stray set aside, and the records stay what they were."""
    before = content(run)
    found = app.verify(run, repair=True)
    assert found["ok"]
    assert any("cut 15 bytes that were never committed" in what for what in found["repaired"])
    assert any("never committed, set aside as set-aside/nodes-000009" in what for what in found["repaired"])
    assert content(run) == before
    assert app.verify(run, repair=True)["repaired"] == []


def test_repair_finishes_a_sealing(run: Path) -> None:
    """A shard that was sealed by a commit and kept its open name gets its own."""
    sealed = next(path for path in sorted((run / "shards").iterdir()) if path.suffix != ".open")
    sealed.rename(sealed.with_name(f"{sealed.name}.open"))
    assert f"{sealed.name}: finished its sealing" in app.verify(run, repair=True)["repaired"]
    assert sealed.exists()


def test_what_is_lost_is_not_repaired(run: Path) -> None:
    """With a committed byte missing nothing is touched, and both the repair and the check say which file."""
    path = open_shard(run)
    path.write_bytes(path.read_bytes()[: -len(TAIL) - 1])
    before = everything(run)
    found = app.verify(run, repair=True)
    assert not found["ok"]
    assert found["repaired"][0].startswith("nothing was repaired: ")
    assert path.name in found["repaired"][0]
    assert everything(run) == before


def test_a_damaged_open_shard_is_found_and_not_cut(run: Path) -> None:
    """A bit that changed in what is committed is seen before the rest is cut off, in an uncompressed shard too."""
    path = open_shard(run)
    flip(path, 20)
    before = everything(run)
    found = app.verify(run, repair=True)
    assert not found["ok"]
    assert "is not what was written to it" in found["repaired"][0]
    assert everything(run) == before


def test_damage_is_never_sealed(run: Path) -> None:
    """A crawl that goes on over a damaged open shard stops when it would have to vouch for it."""
    path = open_shard(run)
    compression = "zstd" if ".zst" in path.name else "none"
    flip(path, 20)
    path.write_bytes(path.read_bytes()[: -len(TAIL)])
    chosen = settings(empty_data=b"{}", compression=compression)
    with pytest.raises((StorageError, ExceptionGroup)):
        asyncio.run(crawl(run, ToyClient(World(*KILLED_WORLD), 2), [3], chosen))
    assert not app.verify(run)["ok"]


def test_a_damaged_row_stops_the_start(run: Path) -> None:
    """A crawl does not go on from a row of the frontier that is not what was written."""
    with closing(sqlite3.connect(run / "frontier.sqlite")) as connection, connection:
        connection.execute("UPDATE listings SET cursor = cursor || '0'")
    with pytest.raises(StorageError, match="a row of listings is not what was written"):
        asyncio.run(crawl(run, ToyClient(World(*KILLED_WORLD), 2), [3]))
    assert "rows of listings are not what was written" in app.verify(run)["problems"][0]


def test_repair_takes_the_lock(run: Path) -> None:
    """A run that is being crawled is not repaired; the sentence names the holder, and nothing is changed."""
    before = everything(run)
    with hold(run / "lock", "2026-11-21T11:00:00Z"), pytest.raises(ConfigError, match=f"process {os.getpid()} on"):
        app.verify(run, repair=True)
    assert everything(run) == before


def test_repair_of_nothing_makes_nothing(tmp_path: Path) -> None:
    """Whoever mistypes the folder is told that there is no run, and no folder is made."""
    with pytest.raises(ConfigError, match="is no run folder"):
        app.verify(tmp_path / "absent", repair=True)
    assert not (tmp_path / "absent").exists()


def test_the_command_says_what_was_repaired(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`crawler verify --repair` prints each thing done, then the verdict, and ends with 0 when all is well."""
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(run), "--repair"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert "cut 15 bytes that were never committed" in said
    assert said.strip().splitlines()[-1].startswith(f"{run}: all is as promised")
