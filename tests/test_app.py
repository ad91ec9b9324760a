"""The whole program through its command line, against the real sandbox: what is typed, and what is then on the disk."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from crawler.cli import main
from crawler.clock import Reading, SystemClock
from crawler.dataset.reader import records

FOLLOWED = 450


def run(*arguments: str | Path) -> int:
    """Give a command; return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def found(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what `crawler status --json` says."""
    capsys.readouterr()
    assert run("status", folder, "--json") == 0
    status: dict[str, Any] = json.loads(capsys.readouterr().out)
    return status


def content(folder: Path) -> dict[Path, bytes]:
    """Return every file below a folder."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write a world in which user 1 follows many, and users 2 and 3 follow user 1; return a configuration for it."""
    world = tmp_path / "world"
    world.mkdir()
    follows = [(1, other) for other in range(100, 100 + FOLLOWED)] + [(2, 1), (3, 1)]
    with gzip.open(world / "follows.txt.gz", "wt") as file:
        file.writelines(f"{a} {b}\n" for a, b in follows)
    path = tmp_path / "config.toml"
    path.write_text(
        f'[crawl.relations]\nuser = ["followers", "followings"]\ntrack = []\nplaylist = []\n'
        f'[sandbox]\nenabled = true\nworld = "{world}"\n',
        encoding="utf-8",
    )
    return path


def test_one_page_of_200_gives_200_edges_and_asks_for_nothing_else(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page of 200 followings is 200 edges and 200 described nodes for one request and a token: no hydration."""
    folder = tmp_path / "run"
    limits = ("--max-depth", "1", "--max-pages-per-list", "1", "--relations", "user=followings")
    assert run("crawl", folder, "--config", config, "--seed", "1", *limits) == 0
    status = found(folder, capsys)
    assert status["requests"] == 2
    assert status["edges"] == {"follows": 200}
    assert status["lists"] == {"capped": 1}
    assert Counter(node["detail"] for node in records(folder, "nodes")) == {"id": 1, "full": 200}


def test_ids_urns_and_urls_may_be_mixed_and_what_cannot_be_resolved_is_reported(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seeds of every form lead to depth 0; a URL that names nothing is said on the screen and certified as gone."""
    folder, seeds = tmp_path / "run", tmp_path / "seeds.txt"
    seeds.write_text(
        "1  # an id\nsoundcloud:users:2\nhttps://soundcloud.com/user-000000003\nhttps://soundcloud.com/nobody-at-all\n",
        encoding="utf-8",
    )
    assert run("crawl", folder, "--config", config, "--seeds", seeds, "--max-depth", "0") == 0
    assert "could not be resolved: https://soundcloud.com/nobody-at-all" in capsys.readouterr().out
    assert [(node["id"], node["depth"], node["via"]) for node in records(folder, "nodes")] == [
        (1, 0, "seed"),
        (2, 0, "seed"),
        (3, 0, "seed"),
    ]
    assert {(one["id"], one["verdict"]) for one in records(folder, "lists")} == {
        ("https://soundcloud.com/user-000000003", "complete"),
        ("https://soundcloud.com/nobody-at-all", "gone"),
    }


def test_profiles_first_spare_the_lists_that_are_empty(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With each user's own object, a list whose count is zero is certified without a request, and no edge is lost."""
    folder = tmp_path / "run"
    relations = ("--relations", "user=profile,followers,followings")
    assert run("crawl", folder, "--config", config, "--seed", "1", *relations) == 0
    status = found(folder, capsys)
    users = FOLLOWED + 3
    assert status["nodes"] == {"user": users}
    assert status["edges"] == {"follows": 2 * (FOLLOWED + 2)}
    assert status["skipped"] == 2 * users - (FOLLOWED + 2 + 1 + 1)
    assert status["requests"] == 1 + users + 3 + (FOLLOWED + 2 + 1 + 1 - 1)
    assert {one["advertised"] for one in records(folder, "lists") if one["pages"] == 0} == {0}


def test_undescribed_seeds_are_described_at_the_end_when_asked(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`hydrate = "undescribed"` describes, in one batch, the nodes that no list showed, and nothing else."""
    folder = tmp_path / "run"
    config.write_text('[crawl]\nhydrate = "undescribed"\n' + config.read_text(encoding="utf-8"), encoding="utf-8")
    limits = ("--max-depth", "1", "--relations", "user=followings")
    assert run("crawl", folder, "--config", config, "--seed", "1", *limits) == 0
    details = [(node["detail"], node["depth"]) for node in records(folder, "nodes") if node["id"] == 1]
    assert details == [("id", 0), ("full", 0)]
    assert found(folder, capsys)["requests"] == 1 + 3 + 1


def test_another_configuration_is_refused_and_nothing_is_changed(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run is not continued with other relations or another world: exit code 2, one sentence, no byte changed."""
    folder = tmp_path / "run"
    assert run("crawl", folder, "--config", config, "--seed", "1", "--max-requests", "2") == 3
    before = content(folder)
    capsys.readouterr()
    assert run("crawl", folder, "--config", config, "--relations", "user=followers") == 2
    assert run("crawl", folder, "--relations", "user=followers") == 2
    config.write_text(config.read_text(encoding="utf-8") + "seed = 5\n", encoding="utf-8")
    assert run("crawl", folder, "--config", config) == 2
    assert content(folder) == before
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert "sandbox.seed" in said[2]


@pytest.mark.parametrize(
    "arguments, text, sentence",
    [
        (("--seed", "1"), "[sandbox]\nenabled = false\n", "SOUNDCLOUD_CLIENT_ID and SOUNDCLOUD_CLIENT_SECRET"),
        (("--seed", "1"), '[sandbox]\nenabled = true\nworld = "no/such/folder"\n', "no/such/folder"),
        (("--seed", "1"), '[sandbox]\nenabled = true\nworld = "."\n', "none of the edge lists"),
        (("--seed", "1"), "[sandbox]\nenabled = true\nusers = 1000000000000\n", "1 to 100000000 users"),
        (("--seed", "1"), "[crawl]\nmax_dept = 1\n", 'did you mean "max_depth"?'),
        (("--seed", "no seed"), "", '"no seed" is no user or track id'),
        (("--seeds", "nowhere.txt"), "", "nowhere.txt"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], text: str, sentence: str
) -> None:
    """What cannot be is found before anything is opened: exit code 2, one line, no run folder."""
    config = tmp_path / "bad.toml"
    config.write_text(text, encoding="utf-8")
    assert run("crawl", tmp_path / "run", "--config", config, *arguments) == 2
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1
    assert sentence in said.err
    assert not (tmp_path / "run").exists()


def test_a_world_that_turns_out_unreadable_leaves_no_run(tmp_path: Path, config: Path) -> None:
    """What only the sandbox can find out, while it reads its world, is found out before there is more than a lock."""
    (tmp_path / "world" / "follows.txt.gz").write_bytes(b"no gzip")
    assert run("crawl", tmp_path / "run", "--config", config, "--seed", "1") == 2
    assert list(content(tmp_path / "run")) == [tmp_path / "run" / "lock"]


def test_a_run_cannot_lie_below_a_file(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file anywhere on the way to the run folder is a mistake of whoever typed it, not of the disk."""
    (tmp_path / "notes").touch()
    assert run("crawl", tmp_path / "notes" / "run", "--config", config, "--seed", "1") == 2
    assert capsys.readouterr().err == f"crawler: {tmp_path / 'notes'} is a file; a run is a folder\n"


def test_blank_credentials_are_none(tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment variable that holds nothing but blanks is as good as not set."""
    monkeypatch.setenv("SOUNDCLOUD_CLIENT_ID", " ")
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("enabled = true\n", ""), encoding="utf-8")
    assert run("crawl", tmp_path / "run", "--config", config, "--seed", "2", "--max-depth", "0") == 0
    config.write_text(text.replace("enabled = true\n", "enabled = false\n"), encoding="utf-8")
    assert run("crawl", tmp_path / "other", "--config", config, "--seed", "2") == 2


def test_a_start_that_never_read_anything_binds_nobody(tmp_path: Path, config: Path) -> None:
    """A folder with a configuration but no frontier holds no records that another configuration could be mixed with."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.toml").write_text('[dataset]\nkeep = "raw"\n', encoding="utf-8")
    assert run("crawl", folder, "--config", config, "--seed", "2", "--max-depth", "1") == 0


def test_a_limit_of_nodes_is_reached_once(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At max_nodes a crawl stops with 3; started again it asks for nothing; with the limit raised it ends with 0."""
    folder = tmp_path / "run"
    assert run("crawl", folder, "--config", config, "--seed", "1", "--max-nodes", "50") == 3
    before = found(folder, capsys)
    assert before["nodes"]["user"] >= 50
    for _ in range(2):
        assert run("crawl", folder) == 3
    again = found(folder, capsys)
    assert (again["nodes"], again["requests"]) == (before["nodes"], before["requests"])
    assert run("crawl", folder, "--max-nodes", "1000", "--max-depth", "1") == 0
    assert "lead to within max_depth = 1" in capsys.readouterr().out
    assert run("crawl", folder, "--max-nodes", "2") == 0


def test_a_mistyped_verdict_touches_nothing(tmp_path: Path, config: Path) -> None:
    """`recheck` looks at what it was given before it opens the run."""
    folder = tmp_path / "run"
    assert run("crawl", folder, "--config", config, "--seed", "2", "--max-depth", "1") == 0
    before = content(folder)
    assert run("recheck", folder, "--verdict", "nope") == 2
    assert content(folder) == before


def test_a_folder_that_holds_something_else_is_not_touched(tmp_path: Path, config: Path) -> None:
    """A folder with files of its own is no run folder, and stays as it is."""
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work", encoding="utf-8")
    assert run("crawl", folder, "--config", config, "--seed", "1") == 2
    assert list(content(folder)) == [folder / "thesis.tex"]


def test_a_running_crawl_keeps_others_out_and_a_signal_stops_it_kindly(tmp_path: Path, config: Path) -> None:
    """A second start is refused and names the holder; SIGTERM ends the first with 3; the same command then finishes."""
    folder = tmp_path / "run"
    slow = config.read_text(encoding="utf-8") + "[soundcloud]\nrequests_per_second = 50\n"
    config.write_text(slow, encoding="utf-8")
    command = [sys.executable, "-m", "crawler", "crawl", str(folder), "--config", str(config), "--seed", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        first.stderr.readline()
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert f"process {first.pid} on {os.uname().nodename}" in second.stderr
        first.send_signal(signal.SIGTERM)
        screen, _ = first.communicate(timeout=20)
        assert first.returncode == 3
        assert "Nothing is lost" in screen
    config.write_text(slow.replace("= 50", "= 5000"), encoding="utf-8")
    assert run("crawl", folder, "--config", config, "--seed", "1") == 0
    assert run("verify", folder) == 0


def test_a_finished_run_stays_as_it_is(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Starting a finished run again asks for nothing, writes no record and exits with 0."""
    folder = tmp_path / "run"
    assert run("crawl", folder, "--config", config, "--seed", "2", "--max-depth", "1") == 0
    before, requests = content(folder / "shards"), found(folder, capsys)["requests"]
    assert run("crawl", folder) == 0
    assert content(folder / "shards") == before
    assert found(folder, capsys)["requests"] == requests


def test_a_day_that_is_spent_ends_the_crawl_with_a_date(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3 and the date when it may go on; the next start sends nothing; `status` tells what is left."""
    folder = tmp_path / "run"
    command = ("crawl", folder, "--config", config, "--seed", "1", "--requests-per-day", "4", "--max-requests", "100")
    assert run(*command) == 3
    assert "requests_per_day in [soundcloud] = 4 is reached: there is room for more from 20" in capsys.readouterr().out
    before = found(folder, capsys)
    assert before["requests"] == 4
    assert before["budgets"]["max_requests"] == {"allowed": 100, "left": 96, "more_at": None}
    assert before["budgets"]["requests_per_day in [soundcloud]"]["left"] == 0
    assert run(*command) == 3
    assert found(folder, capsys)["requests"] == 4
    assert run("status", folder) == 0
    assert "0 requests left of requests_per_day in [soundcloud] = 4; more from 20" in capsys.readouterr().out


def test_a_crawl_that_waits_goes_on_by_itself(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --wait the same start goes on at the date, as often as it must, until all is done."""
    slept, rightly = [0.0], SystemClock.reading

    def reading(self: SystemClock) -> Reading:
        epoch, boot, seconds = rightly(self)
        return Reading(epoch + slept[-1], boot, seconds + slept[-1])

    async def wait_until(epoch_seconds: float, clock: SystemClock) -> None:
        slept.append(slept[-1] + epoch_seconds - clock.reading().epoch_seconds + 1)

    monkeypatch.setattr(SystemClock, "reading", reading)
    monkeypatch.setattr("crawler.app.wait_until", wait_until)
    command = ("crawl", tmp_path / "run", "--config", config, "--seed", "2", "--max-depth", "2")
    assert run(*command, "--requests-per-day", "3", "--wait") == 0
    assert len(slept) > 1
    assert slept[-1] > 86_400
    assert "waiting until 20" in capsys.readouterr().err
    assert run("verify", tmp_path / "run") == 0
