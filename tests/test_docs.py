"""The documents leave nothing out."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crawler.dataset.lines import SHAPES
from crawler.errors import _SENTENCES
from crawler.frontier.checks import TABLES
from crawler.frontier.lock import Holder
from crawler.frontier.schema import SCHEMA, SCHEMA_VERSION

DOCS = Path(__file__).parent.parent / "docs"
README = (DOCS.parent / "README.md").read_text(encoding="utf-8")
FORMATS = (DOCS / "file-formats.md").read_text(encoding="utf-8")
FAILURES = (DOCS / "failure-modes.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return the part of the document below a heading."""
    return re.split(r"^#+ ", FORMATS.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("kind", SHAPES)
def test_every_key_of_a_line_is_explained(kind: str) -> None:
    """A key of a record that is not in docs/file-formats.md, or a key there that is in no record, fails here."""
    told = set(
        re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (`.*?) \|", section(f"A line of `{kind}`"), re.MULTILINE)))
    )
    assert told == set(SHAPES[kind].__struct_fields__)


@pytest.mark.parametrize("kind", ["nodes", "edges", "lists"])
def test_the_overview_names_every_key_in_order(kind: str) -> None:
    """The short list of keys in the README is that of the records, in their order."""
    told = re.search(rf"^{kind} ((?: +.+\n)+)", README, re.MULTILINE)
    assert told is not None
    assert told[1].replace("{...}", "").split() == list(SHAPES[kind].__struct_fields__)


def test_every_table_and_column_is_explained() -> None:
    """The tables of the document are those of the schema, column for column."""
    rows = re.findall(r"^\| `(\w+)` \| (`.*?) \|", section("The frontier"), re.MULTILINE)
    told = {table: re.findall(r"`(\w+)`", columns) for table, columns in rows}
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        columns = {name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for name in names}
    assert {table: [*told[table], "crc32"] for table in told} == columns
    assert set(TABLES) == set(columns)
    assert f"now {SCHEMA_VERSION}." in section("The frontier")


def test_the_lock_is_explained() -> None:
    """Each key of the lock is in the document."""
    assert all(f"`{name}`" in section("The lock") for name in Holder.__struct_fields__)


@pytest.mark.parametrize("sentence", sorted(set(_SENTENCES.values())))
def test_every_refusal_of_the_disk_is_explained(sentence: str) -> None:
    """What the disk may answer is among the failures, in the words that the user sees."""
    assert sentence in FAILURES


@pytest.mark.parametrize("code", range(6))
def test_every_exit_code_is_explained(code: int) -> None:
    """Whoever sees an exit code finds what it means."""
    assert re.search(rf"[:·] {code} |\n{code} ", FAILURES)
