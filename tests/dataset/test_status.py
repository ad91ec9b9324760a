from __future__ import annotations

import json
from pathlib import Path

import pytest

from crawler.config import Config, dumps, with_overrides
from crawler.dataset.reader import records
from crawler.dataset.status import LOCK, rate_text, status, text
from crawler.dataset.verify import verify
from crawler.errors import ConfigError, StorageError
from crawler.frontier.lock import hold
from tests.dataset.runs import RELATIONS, crawled


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path) -> None:
    """The counts are those of the records, nothing is pending, and the state says so."""
    run = crawled(tmp_path / "run")
    found = status(run)
    assert found["state"] == "finished"
    assert (found["pending"], found["waiting"], found["parked"], found["frontier_by_depth"]) == (0, 0, 0, {})
    assert found["nodes"] == {"user": 40, "track": 20}
    assert sum(found["edges"].values()) == sum(1 for _ in records(run, "edges"))
    assert found["lists"] == {"complete": 140}
    assert found["relations"]["track/favoriters"] == {"complete": 20}
    assert sum(found["unchecked"].values()) == sum(line["missing"] is None for line in records(run, "lists")) > 0


@pytest.mark.parametrize("requests_max", [1, 7, 50, 150])
def test_a_stopped_run_counts_every_list_that_is_left(tmp_path: Path, requests_max: int) -> None:
    """Lists ended and lists pending add up to the lists of all nodes known so far."""
    found = status(crawled(tmp_path / "run", requests_max))
    known = 3 * found["nodes"].get("user", 0) + found["nodes"].get("track", 0)
    assert found["state"] == "stopped"
    assert found["pending"] > 0
    assert sum(found["lists"].values()) + found["pending"] == known


def test_nodes_at_the_depth_limit_are_not_waited_for(tmp_path: Path) -> None:
    """Nodes that lie at max_depth are never expanded, so they are not pending."""
    run = crawled(tmp_path / "run", depth_max=1)
    config = with_overrides(Config(), {**RELATIONS, "crawl.max_depth": 1})
    (run / "config.toml").write_text(dumps(config), encoding="utf-8")
    assert status(run)["state"] == "finished"


def test_a_run_in_other_hands_is_running(tmp_path: Path) -> None:
    """While a process holds the run, its state is "running", and reading it needs no lock."""
    run = crawled(tmp_path / "run", 50)
    with hold(run / LOCK, "2026-11-21T11:00:00Z"):
        assert status(run)["state"] == "running"
    assert status(run)["state"] == "stopped"


def test_the_status_is_json_and_text(tmp_path: Path) -> None:
    """It survives JSON unchanged, and its text names the folder, the state and the counts."""
    run = crawled(tmp_path / "run")
    found = status(run)
    assert json.loads(json.dumps(found)) == found
    said = text(found, run)
    assert said.startswith(f"{run}: finished")
    assert "40 user" in said


def test_a_folder_without_a_run_is_a_config_error(tmp_path: Path) -> None:
    """Whoever mistypes the folder is told that there is no run in it, and nothing is made there."""
    with pytest.raises(ConfigError, match="is no run folder"):
        status(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_a_run_whose_first_start_was_killed_is_looked_at(tmp_path: Path) -> None:
    """A frontier without tables is a run with nothing in it: no damage, unless there are shards that it should know."""
    (tmp_path / "frontier.sqlite").touch()
    assert status(tmp_path)["state"] == "stopped"
    assert verify(tmp_path)["ok"]
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "edges-000000.ndjson.zst.open").touch()
    assert verify(tmp_path)["problems"] == ["edges-000000.ndjson.zst.open: the frontier does not know this file"]


def test_a_run_on_a_read_only_disk_is_read(tmp_path: Path) -> None:
    """Where SQLite may not make its `-shm`, a run without a WAL is read as it is; one with a WAL says what to do."""
    run = crawled(tmp_path / "run? #1%20")
    whole = status(run)
    # To SQLite this is the same as a disk that lets it make no file; and it stays so for a test that is run by root.
    (run / "frontier.sqlite-wal").unlink(missing_ok=True)
    (run / "frontier.sqlite-shm").unlink(missing_ok=True)
    (run / "frontier.sqlite-shm").symlink_to("/no/such/folder/x")
    assert status(run) == whole
    found = verify(run)
    assert found["ok"], found["problems"]
    assert found["lines"]["edges"] == sum(whole["edges"].values())
    (run / "frontier.sqlite-wal").write_bytes(b"commits")
    with pytest.raises(StorageError, match="copy the whole run"):
        status(run)


def test_the_rate_in_force_is_told_with_its_reason() -> None:
    """Each source has its rate, each family with a limit of its own another, and a pause says until when."""
    lane = {"requests_per_second": 49.234, "why": "refused at 51/s", "form": "bucket", "refusals": 3}
    quota = {"requests_per_second": None, "why": "no limit was met", "form": "", "refusals": 0}
    told = rate_text(
        "soundcloud",
        {"all": {**quota, "paused_until": None}, "users/likes": {**lane, "paused_until": "2026-11-21T16:00:00Z"}},
    )
    assert told == (
        "soundcloud: no limit for all others (no limit was met); "
        "49.2/s for users/likes (refused at 51/s, paused until 2026-11-21T16:00:00Z)"
    )
