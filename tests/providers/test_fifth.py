"""A new source is one file, a row, bodies and a page: shown by a small one that exists only here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from crawler.dataset.reader import records
from crawler.errors import Gone
from crawler.model import NodeId, Response, Task
from tests.providers.fifth.radio import RELATIONS, Radio, RadioSection

ROOT = Path(__file__).resolve().parents[2]
BODIES = Path(__file__).parent / "fifth" / "bodies"
CONFIG = """
[crawl]
sources = ["radio", "soundcloud"]
[crawl.relations]
user = []
track = ["favoriters"]
playlist = []
[radio]
base_url = "URL"
[soundcloud]
base_url = "URL"
token_url = "URL/oauth/token"
[sandbox]
enabled = false
"""


@pytest.mark.parametrize(
    "name, items, unread, told", [("plays-1", 2, 1, 0), ("plays-2", 2, 0, 0), ("listeners", 0, 0, 2)]
)
def test_its_bodies_are_read(name: str, items: int, unread: int, told: int) -> None:
    """Step one and two: a folder of bodies, and a loop."""
    relation = RELATIONS[0 if name.startswith("plays") else 1]
    task = Task(NodeId("radio", "station", "one"), relation)
    page = Radio(RadioSection(), "profile").parse(task, Response(200, {}, (BODIES / f"{name}.json").read_bytes()))
    assert (len(page.items), page.unread, len(page.records)) == (items, unread, told)
    with pytest.raises(Gone):
        Radio(RadioSection(), "profile").parse(task, Response(404, {}, b""))


def test_a_row_in_the_registry_is_all_that_the_program_needs(tmp_path: Path) -> None:
    """Configuration, seeds, crawl, status and verify know the source, and its tracks lead on into SoundCloud."""
    config = tmp_path / "config.toml"
    config.write_text(CONFIG, encoding="utf-8")
    keys = {"RADIO_KEY": "a-secret", "SOUNDCLOUD_CLIENT_ID": "id", "SOUNDCLOUD_CLIENT_SECRET": "secret"}
    environment = {**os.environ, **keys, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path / "state")}
    program = [sys.executable, "-m", "tests.providers.fifth.program", str(config)]

    folder = tmp_path / "run"
    crawl = f"crawl {folder} --config {config} --seed station:one --max-depth 2"
    command = [*program, *f"{crawl} then verify {folder} then status {folder}".split()]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "all is as promised" in done.stdout
    assert "2 series" in done.stdout
    edges = [(edge["type"], edge["src"], edge["dst"]) for edge in records(folder, "edges")]
    assert [edge for edge in edges if edge[0] == "plays"] == [
        ("plays", "one", 2_200_000_003),
        ("plays", "one", 2_200_000_005),
        ("plays", "one", 2_200_000_007),
    ]
    assert Counter(edge[0] for edge in edges)["likes"] > 0
    points = [(point["date"], point["value"]) for point in records(folder, "series")]
    assert points == [("2026-05-01", 40), ("2026-05-02", 41)]
    secret = [path for path in folder.rglob("*") if path.is_file() and b"a-secret" in path.read_bytes()]
    assert not secret


def test_the_steps_are_seven() -> None:
    """The page that says how to add a source counts to seven."""
    text = (ROOT / "docs" / "providers" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^(\d)\. ", text, re.MULTILINE) == list("1234567")
    assert "seven steps" in text
