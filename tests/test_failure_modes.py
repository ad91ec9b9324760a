"""Each sentence of docs/failure-modes.md about a run's files is what the program says when that fault is made."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from crawler import app
from crawler.errors import CrawlerError
from crawler.frontier.lock import hold
from crawler.frontier.schema import SCHEMA_VERSION
from crawler.frontier.state import read_state
from tests.dataset.flips import TAIL
from tests.dataset.runs import KILLED_WORLD, crawled, killed
from tests.engine.toy import ToyClient, World, crawl, settings

FAILURES = (Path(__file__).parent.parent / "docs" / "failure-modes.md").read_text(encoding="utf-8")
HOLES = {"RUN": "{run}", "NAME": r"\\S+", "HOST": r"\\S+", "N": r"\\d+", "M": r"\\d+", "K": r"\\d+", "4711": r"\\d+"}


def told(fault: str, run: Path) -> re.Pattern[str]:
    """Return what the document says is seen, as a pattern: its names stand for names, its numbers for numbers."""
    row = re.search(rf"^\| {re.escape(fault)}[^|]* \| (.*?) \|", FAILURES, re.MULTILINE)
    assert row is not None, f"{fault} is not in the document"
    sentence = max(re.findall(r"`([^`]+)`", row[1]), key=len)
    text = re.escape(sentence).replace(r"\.\.\.", ".*")
    for hole, pattern in HOLES.items():
        text = re.sub(rf"\b{hole}\b", pattern.format(run=re.escape(str(run)).replace("\\", r"\\")), text)
    return re.compile(re.sub(r"(?<=schema\\ )\d+|(?<=knows\\ )\d+", r"\\d+", re.sub(r"2026.*?Z", ".*", text)))


def seen(run: Path) -> str:
    """Start the run as it is; return what the start says."""
    client = ToyClient(World(*KILLED_WORLD), 2)
    with pytest.raises(CrawlerError) as refused, hold(run / "lock", "2026-11-21T12:00:00Z"):
        asyncio.run(crawl(run, client, [3], settings(empty_data=b"{}", compression="none")))
    return str(refused.value)


def open_shard(run: Path) -> Path:
    return next(path for path in sorted((run / "shards").glob("*.open")) if path.stat().st_size > 40)


def sealed_shard(run: Path) -> Path:
    return run / "shards" / next(one.name for one in read_state(run / "frontier.sqlite")["shards"] if one.sealed)


def delete(run: Path) -> None:
    open_shard(run).unlink()


def shorten(run: Path) -> None:
    path = open_shard(run)
    path.write_bytes(path.read_bytes()[:-7])


def change_and_add(run: Path) -> None:
    path = open_shard(run)
    data = bytearray(path.read_bytes() + TAIL)
    data[20] ^= 1
    path.write_bytes(data)


def change_a_row(run: Path) -> None:
    with closing(sqlite3.connect(run / "frontier.sqlite")) as connection, connection:
        connection.execute("UPDATE listings SET cursor = cursor || '0'")


def make_later(run: Path) -> None:
    with closing(sqlite3.connect(run / "frontier.sqlite")) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def replace(run: Path) -> None:
    for path in run.glob("frontier.sqlite*"):
        path.unlink()
    with closing(sqlite3.connect(run / "frontier.sqlite")) as connection:
        connection.execute("CREATE TABLE theirs (x)")


@pytest.mark.parametrize(
    "fault, make",
    [
        ("a shard is missing", delete),
        ("a shard is too short", shorten),
        ("an open shard was changed", change_and_add),
        ("the frontier was changed", change_a_row),
        ("a later version wrote the run", make_later),
        ("somebody else's database in its place", replace),
    ],
)
def test_a_start_says_what_the_document_says(tmp_path: Path, fault: str, make: Callable[[Path], None]) -> None:
    """The start refuses in these words."""
    run = killed(tmp_path / "run", 60, compression="none")
    make(run)
    assert told(fault, run).search(seen(run))


def test_two_starters_are_told_what_the_document_says(tmp_path: Path) -> None:
    """The second start names the first in these words."""
    run = killed(tmp_path / "run", 60, compression="none")
    with hold(run / "lock", "2026-11-21T11:00:00Z"):
        assert told("two starters", run).fullmatch(seen(run))


@pytest.mark.parametrize(
    "fault, name", [("bytes behind what was committed", None), ("a file that nobody committed", "nodes-000009.ndjson")]
)
def test_a_repair_notes_what_the_document_says(tmp_path: Path, fault: str, name: str | None) -> None:
    """What is put right is told in these words; a start logs the same ones."""
    run = killed(tmp_path / "run", 60, compression="none")
    path = open_shard(run) if name is None else run / "shards" / name
    with path.open("ab") as file:
        file.write(TAIL)
    notes = app.verify(run, repair=True)["repaired"]
    assert [note for note in notes if told(fault, run).search(note)]


def test_a_shard_of_another_run_is_found(tmp_path: Path) -> None:
    """Where the shards of two crawls of one world were swapped, `verify` says so of both."""
    runs = [crawled(tmp_path / "whole"), crawled(tmp_path / "stopped", 150)]
    one, other = (sealed_shard(run) for run in runs)
    shutil.copy(one, tmp_path / "kept")
    shutil.copy(other, one)
    shutil.copy(tmp_path / "kept", other)
    longer, shorter = (app.verify(run)["problems"] for run in runs)
    assert "shorter than what was committed" in longer[0]
    assert [problem for problem in shorter if told("a sealed shard was changed", runs[1]).search(problem)]
