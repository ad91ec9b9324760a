"""The table of what is read: no row without a test, no relation and no endpoint of a document without a row."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from crawler.cli import cli
from crawler.providers import registry

ROOT = Path(__file__).parent.parent
TABLE = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
SEEDS = ROOT.parent / "shared" / "seeds"
CHECKED = {"recorded body", "example", "document"}


class Row(NamedTuple):
    section: str
    endpoint: str
    ours: str
    test: str
    checked: str


def sections() -> dict[str, str]:
    """Return the text below each heading, by the number of its document."""
    parts = re.split(r"^## (\d{3}) .*$", TABLE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def table() -> list[Row]:
    """Return every row of the tables of what is read."""
    found = []
    for section, text in sections().items():
        for line in text.splitlines():
            row = cells(line)
            if line.startswith("|") and len(row) == 6 and not set(line) <= set("|- ") and row[0] != "endpoint":
                found.append(Row(section, row[0], row[1], row[5].strip("`"), row[4]))
    return found


@cache
def names_in(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row.section} {row.endpoint[:40]}")
def test_every_row_has_a_test_that_exists(row: Row) -> None:
    """A row names a test of this suite, and says what its parser was held to.

    It is none of the sandbox's own: these have a client of their own, and nothing of ours reads the answers.
    """
    path, _, name = row.test.partition("::")
    assert not path.startswith("tests/sandbox/")
    assert name.startswith("test_")
    assert name in names_in(path), f"there is no {row.test}"
    assert row.checked in CHECKED


@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row.section} {row.endpoint[:40]}")
def test_every_row_is_ours(row: Row) -> None:
    """What a row says that we have is in the registry, or a command."""
    named = re.findall(r"`([^`]+)`", row.ours)
    assert named, "say which relation or command reads this"
    if named[0].startswith("crawler "):
        command: object = cli
        for word in named[0].split()[1:]:
            command = getattr(command, "commands", {}).get(word)
            assert command is not None, f"there is no {named[0]}"
        return
    relations = {f"{relation.kind}/{relation.name}" for relation in registry.service(named[0]).relations}
    assert set(named[1:]) <= relations


def test_every_relation_has_a_row() -> None:
    """A relation of a source that is in the tables is in them too."""
    told = {
        (source, name) for row in table() for source, *names in [re.findall(r"`([^`]+)`", row.ours)] for name in names
    }
    sources = {source for source, _ in told}
    missing = [
        f"{row.name} {relation.kind}/{relation.name}"
        for row in registry.SERVICES
        if row.name in sources
        for relation in row.relations
        if (row.name, f"{relation.kind}/{relation.name}") not in told
    ]
    assert not missing


def test_no_document_is_left_out() -> None:
    """There is a table for each of the five documents, and every source is in one."""
    assert list(sections()) == ["000", "001", "002", "003", "004"]
    assert set(registry.names()) <= {name for row in table() for name in re.findall(r"`([^`]+)`", row.ours)}


def test_what_is_out_of_scope_has_a_reason() -> None:
    """A row that says what is not read says why."""
    for text in sections().values():
        for line in text.split("| out of scope | why |")[1:]:
            for row in [cells(one) for one in line.splitlines() if one.startswith("|") and not set(one) <= set("|- ")]:
                assert len(row) == 2
                assert len(row[1]) > 10


def endpoints(section: str, text: str) -> set[str]:
    """Return the paths that a document's GET endpoints have, with {} for every id."""
    found = {
        "000": re.findall(r"get(/api/\S+)", text),
        "001": [],
        "002": re.findall(r"^GET (/\S+)", text, re.MULTILINE),
        "003": re.findall(r"^GET (/\S+)", text, re.MULTILINE),
        "004": re.findall(r"https://api-v2\.soundcloud\.com(/[^?'\s]+)", text),
    }[section]
    paths = {re.sub(r"\{[^}]*\}+", "{}", path.rstrip("?/")) for path in found}
    return {re.sub(r"(?<=/)\d+", "{}", path).replace("soundcloud:users:", "") for path in paths} - {"/..."}


@pytest.mark.skipif(not SEEDS.is_dir(), reason="NO DOCUMENTS: the folder of seeds is not beside the project")
@pytest.mark.parametrize("section", sections())
def test_every_endpoint_of_a_document_is_in_the_table(section: str) -> None:
    """Each GET endpoint of a document has a row: read, or out of scope with a reason."""
    (document,) = SEEDS.glob(f"{section}_*")
    text = re.sub(r"\{[^}]*\}", "{}", sections()[section]).replace("soundcloud:users:", "")
    missing = {path for path in endpoints(section, document.read_text(encoding="utf-8")) if path not in text}
    assert not missing
