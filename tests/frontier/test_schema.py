"""The frontier's format: migrations, versions, and the runs that earlier versions wrote."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crawler.cli import main
from crawler.dataset.reader import records
from crawler.dataset.status import status
from crawler.dataset.verify import verify
from crawler.errors import ConfigError, StorageError
from crawler.frontier.schema import MIGRATIONS, SCHEMA, SCHEMA_VERSION
from crawler.frontier.store import Frontier
from tests.engine.toy import ToyClient, World, crawl, settings
from tests.fixtures.write import SEED, SETTINGS, WORLD, unpacked

FIXTURES = Path(__file__).parent.parent / "fixtures"
OLD_RUNS = sorted(FIXTURES.glob("run-v*"))
TIMES = {"observed_at", "first_at", "last_at"}


def shape(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Return the columns of every table, and the text of every index."""
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    columns = {name: connection.execute("SELECT * FROM pragma_table_xinfo(?)", (name,)).fetchall() for name in names}
    flags = connection.execute("SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main'").fetchall()
    indices = connection.execute("SELECT sql FROM sqlite_schema WHERE type != 'table' AND sql NOT NULL").fetchall()
    return columns | {"": sorted(flags), "indices": indices}


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def content(run: Path) -> list[list[dict[str, object]]]:
    """Return all records in their order, times left out; of a certificate what every version wrote."""
    kept = {"kind", "id", "relation", "source", "verdict", "pages", "distinct", "depth"}
    found = [
        [{k: v for k, v in one.items() if k not in TIMES} for one in records(run, kind)] for kind in ("nodes", "edges")
    ]
    return [*found, [{k: v for k, v in one.items() if k in kept} for one in records(run, "lists")]]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def refuse(path: Path) -> None:
    """Open a frontier that must be refused before anything is changed."""

    async def enter() -> None:
        async with Frontier(path):
            pass

    asyncio.run(enter())


def test_the_schema_equals_the_sum_of_the_migrations() -> None:
    """A new frontier and one that was migrated from the first version have the same tables and columns."""
    with closing(sqlite3.connect(":memory:")) as new, closing(sqlite3.connect(":memory:")) as migrated:
        new.executescript(SCHEMA)
        for text in MIGRATIONS.values():
            migrated.executescript(text)
        assert shape(new) == shape(migrated)


def test_migrations_are_numbered_without_a_gap() -> None:
    """The version is the number of the last migration, and every format has a run in the fixtures."""
    assert list(MIGRATIONS) == list(range(1, SCHEMA_VERSION + 1))
    assert [path.name for path in OLD_RUNS] == [f"run-v{number}" for number in MIGRATIONS]


@pytest.mark.parametrize("old", OLD_RUNS, ids=lambda path: path.name)
def test_a_run_of_every_version_can_be_read(old: Path, tmp_path: Path) -> None:
    """Status and verify understand what an earlier version wrote, without migrating it."""
    run = unpacked(old, tmp_path / "run")
    before = version(run / "frontier.sqlite")
    assert verify(run)["problems"] == []
    found = status(run)
    assert (found["state"], found["pending"] > 0, found["requests"] > 40) == ("stopped", True, True)
    assert version(run / "frontier.sqlite") == before == int(old.name[-1])


@pytest.mark.parametrize("old", OLD_RUNS, ids=lambda path: path.name)
def test_a_run_of_every_version_can_be_resumed(old: Path, tmp_path: Path) -> None:
    """A crawl that an earlier version began ends with the records of one that this version did alone."""
    run, world = unpacked(old, tmp_path / "run"), World(*WORLD)
    ending = asyncio.run(crawl(run, ToyClient(world, 2), [SEED], settings(empty_data=b"{}", **SETTINGS)))
    asyncio.run(crawl(tmp_path / "whole", ToyClient(world, 3), [SEED], settings(empty_data=b"{}", **SETTINGS)))
    assert ending.finished
    assert verify(run)["problems"] == []
    assert version(run / "frontier.sqlite") == SCHEMA_VERSION
    assert content(run) == content(tmp_path / "whole")


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps are one transaction: after an error in the last one the old version is still whole."""
    run = unpacked(OLD_RUNS[0], tmp_path / "run")
    monkeypatch.setitem(MIGRATIONS, SCHEMA_VERSION, f"{MIGRATIONS[SCHEMA_VERSION]}; ALTER TABLE nothing ADD COLUMN x;")
    with pytest.raises(StorageError, match="nothing"):
        refuse(run / "frontier.sqlite")
    assert version(run / "frontier.sqlite") == 1
    assert verify(run)["problems"] == []


def test_a_later_version_is_refused_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever goes back to an older crawler is told so by every command, with exit code 2, and nothing is changed."""
    run = unpacked(OLD_RUNS[-1], tmp_path / "run")
    with closing(sqlite3.connect(run / "frontier.sqlite")) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = files(run)
    with pytest.raises(
        ConfigError, match=rf"later version of the crawler \(schema {SCHEMA_VERSION + 1}, this one knows"
    ):
        refuse(run / "frontier.sqlite")
    for command in ("status", "verify"):
        with pytest.raises(SystemExit) as ended:
            main([command, str(run)])
        assert ended.value.code == 2
        assert "was written by a later version" in capsys.readouterr().err
    assert {name: data for name, data in files(run).items() if "-shm" not in name and "-wal" not in name} == {
        name: data for name, data in before.items() if "-shm" not in name and "-wal" not in name
    }


def test_a_database_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """A database without our version but with tables is not ours: it is refused and stays as it was."""
    path = tmp_path / "frontier.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = files(tmp_path)
    with pytest.raises(ConfigError, match="no frontier of this crawler"):
        refuse(path)
    assert files(tmp_path) == before


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """A file of other bytes is said to be damaged, not overwritten."""
    path = tmp_path / "frontier.sqlite"
    path.write_bytes(b"no database at all, but a text" * 99)
    before = files(tmp_path)
    with pytest.raises(StorageError, match="is damaged"):
        refuse(path)
    assert files(tmp_path) == before
