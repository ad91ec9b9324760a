"""One run with several sources, against the real sandbox: a chart leads into the graph, and series come with it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from crawler.cli import main
from crawler.dataset.reader import records
from crawler.errors import ConfigError, StorageError
from crawler.frontier.state import read_state
from crawler.sandbox.chartmetric import FIRST, LAST, LENGTH, order
from crawler.sandbox.finding import found
from crawler.sandbox.serve import open_world
from crawler.sandbox.soundcharts import LAST as LAST_DAY
from crawler.sandbox.soundcharts import artist_uuid, song_uuid
from crawler.shards.writer import KINDS

USERS = 16
CONFIG = f"""
[crawl]
sources = ["soundcloud", "chartmetric", "soundcharts"]
[crawl.relations]
user = ["followers", "likes_tracks"]
track = ["reposters", "soundcharts/song"]
playlist = []
permalink = ["artist"]
song = ["audience"]
[soundcharts]
since = "2026-03-01"
until = "{LAST_DAY}"
[sandbox]
enabled = true
users = {USERS}
seed = 3
"""
Edge = tuple[str, int | str, int | str]


def run(*arguments: str | Path) -> int:
    """Give a command; return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write a configuration for all three sources."""
    path = tmp_path / "config.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def true_edges(nodes: dict[str, set[int | str]]) -> set[Edge]:
    """Return every edge that the lists of these nodes have in the world."""
    world = open_world("synthetic", USERS, 3)

    def rows(kind: str, node: int | str, relation: str) -> list[int]:
        return world.rows(kind, int(node), relation, 0, world.count(kind, int(node), relation)).tolist()

    edges: set[Edge] = set()
    for user in nodes["user"]:
        edges |= {("follows", one, user) for one in rows("user", user, "followers")}
        edges |= {("likes", user, one) for one in rows("user", user, "likes/tracks")}
        if artist_uuid(int(user)) in nodes["artist"]:
            near = [one for one in rows("user", user, "related") if world.count("user", one, "tracks")]
            edges |= {("related", artist_uuid(int(user)), artist_uuid(one)) for one in near}
    for track in nodes["track"]:
        edges |= {("reposts", one, track) for one in rows("track", track, "reposters")}
        edges.add(("posted", int(world.owners("track", np.array([track]))[0]), track))
    chart = found(world, "track", "chart of top techno US track", LENGTH)
    return edges | {("charted", "top:techno:US:2026-05-29", track) for track in chart}


def test_a_chart_leads_through_the_graph_and_its_edges_equal_the_worlds(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seeded by a chart of Chartmetric, a crawl goes on through SoundCloud and adds Soundcharts' series: all true."""
    assert run("seeds", "charts", "--config", config, "--genre", "techno", "--country", "US", "--last") == 0
    said = capsys.readouterr()
    assert said.out == "chart:top:techno:US:2026-05-29\n"
    assert "at most 20 requests" in said.err
    (tmp_path / "seeds.txt").write_text(said.out, encoding="utf-8")
    folder = tmp_path / "run"
    assert run("crawl", folder, "--config", config, "--seeds", tmp_path / "seeds.txt") == 0
    assert run("verify", folder) == 0
    nodes: dict[str, set[int | str]] = {kind: set() for kind in ("user", "track", "artist", "song", "chart")}
    for node in records(folder, "nodes"):
        nodes[node["kind"]].add(node["id"])
    given = [(edge["type"], edge["src"], edge["dst"]) for edge in records(folder, "edges")]
    assert set(given) == true_edges(nodes)
    assert {one["verdict"] for one in records(folder, "lists")} == {"complete"}
    assert nodes["song"] == {song_uuid(int(track)) for track in nodes["track"]}
    check_series(folder, nodes)
    check_places(folder)
    check_names(folder, nodes)
    capsys.readouterr()
    assert run("status", folder, "--json") == 0
    kinds = json.loads(capsys.readouterr().out)["records"]
    assert set(kinds) == {"series", "charts", "xrefs"}


def check_series(folder: Path, nodes: dict[str, set[int | str]]) -> None:
    """Check that each artist has a point a day and metric over two windows, the last of them the world's."""
    points = list(records(folder, "series"))
    world = open_world("synthetic", USERS, 3)
    artists = {artist_uuid(int(user)): int(user) for user in nodes["user"]}
    per = Counter((one["kind"], one["id"], one["metric"]) for one in points)
    assert set(per.values()) == {92}
    assert len({(one["id"], one["metric"], one["date"], one["series"]) for one in points}) == len(points)
    last = [one for one in points if one["date"] == str(LAST_DAY) and one["metric"] == "followers"]
    assert {one["id"] for one in last} == nodes["artist"] != set()
    for one in last:
        assert one["value"] == world.count("user", artists[one["id"]], "followers")


def check_places(folder: Path) -> None:
    """Check that every place in the chart is the true one of its week, in the history too, and there once."""
    places = list(records(folder, "charts"))
    tracks = found(open_world("synthetic", USERS, 3), "track", "chart of top techno US track", LENGTH)
    assert len({(one["id"], one["date"]) for one in places}) == len(places) == 4 * len(tracks)
    for one in places:
        week = LAST.fromisoformat(one["date"])
        assert order(tracks, week)[one["rank"] - 1] == one["id"]
        assert one["origin"] == ("row" if week == LAST else "history")


def check_names(folder: Path, nodes: dict[str, set[int | str]]) -> None:
    """Check that the names of an artist lead back to the user, by number and by permalink, with their evidence."""
    names = {(one["kind"], one["id"], one["scheme"], one["value"], one["evidence"]) for one in records(folder, "xrefs")}
    for user in nodes["user"]:
        uuid = artist_uuid(int(user))
        if uuid in nodes["artist"]:
            assert ("artist", uuid, "soundcloud_user_id", str(user), "url") in names
            assert ("artist", uuid, "soundcloud_permalink", f"user-{user:09}", "identifiers") in names
    for track in nodes["track"]:
        assert ("song", song_uuid(int(track)), "soundcloud_track_id", str(track), "by_identifier") in names


@pytest.mark.slow
def test_weeks_that_tell_the_same_history_give_each_place_once(tmp_path: Path, config: Path) -> None:
    """Two weeks of a chart, each telling the weeks before: no place is there twice, and a stop changes nothing."""
    folder, seeds = tmp_path / "run", tmp_path / "seeds.txt"
    seeds.write_text("chart:top:techno:US:2026-05-29\nchart:top:techno:US:2026-05-22\n", encoding="utf-8")
    assert run("crawl", folder, "--config", config, "--seeds", seeds, "--max-requests", "4", "--workers", "1") == 3
    assert run("crawl", folder, "--max-depth", "1") == 0
    assert run("verify", folder) == 0
    places = [(one["id"], one["date"]) for one in records(folder, "charts")]
    assert len(places) == len(set(places))
    assert {date for _, date in places} == {"2026-05-29", "2026-05-22", "2026-05-15", "2026-05-08", "2026-05-01"}


@pytest.mark.slow
def test_kills_and_second_readings_double_no_record(tmp_path: Path, config: Path) -> None:
    """Killed again and again, and read a second time, a run of three sources has the records of one that never was."""
    seed = ("--seed", "chart:top:techno:US:2026-05-29")
    assert run("crawl", tmp_path / "whole", "--config", config, *seed) == 0
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "crawler", "crawl", str(folder), "--config", str(config), *seed, "--workers", "4"]
    kills = 0
    for limit in range(40, 400, 60):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
            while child.poll() is None and requests_of(folder) < limit:
                time.sleep(0.002)
            kills += child.poll() is None
            child.kill()
    assert kills > 1
    assert run("crawl", folder) == 0
    assert run("verify", folder) == 0
    whole = {kind: content(tmp_path / "whole", kind) for kind in KINDS}
    assert {kind: content(folder, kind) for kind in KINDS} == whole
    assert run("recheck", folder, "--verdict", "complete") == 0
    assert run("crawl", folder) == 0
    assert run("verify", folder) == 0
    for kind in ("edges", "series", "charts", "xrefs"):
        assert content(folder, kind) == whole[kind]
    again = [one for one in records(folder, "lists") if one["reading"] == 2]
    assert {one["verdict"] for one in again} == {"complete"}
    assert {one["withdrawn"] for one in again} == {None}


def requests_of(folder: Path) -> int:
    """Return how many pages a run has committed, 0 before it has a frontier."""
    try:
        return int(read_state(folder / "frontier.sqlite")["position"]["step"])
    except (ConfigError, StorageError):
        return 0


def content(folder: Path, kind: str) -> list[str]:
    """Return a run's records of a kind, sorted, without times, and without how often something was asked for."""
    left = ("observed_at", "first_at", "last_at", "retries")
    return sorted(json.dumps({key: one[key] for key in one if key not in left}) for one in records(folder, kind))


def test_a_run_without_such_records_has_no_such_files(tmp_path: Path) -> None:
    """With SoundCloud alone there are files of nodes, edges and lists, and no others."""
    assert run("crawl", tmp_path / "run", "--seed", "1", "--max-depth", "1", "--relations", "user=followings") == 0
    kinds = {path.name.partition("-")[0] for path in (tmp_path / "run" / "shards").iterdir()}
    assert kinds == {"nodes", "edges", "lists"}


@pytest.mark.slow
def test_charts_are_asked_for_by_name_week_and_country(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All genres and countries come from the service; unknown ones are asked for all the same, with a warning."""
    assert run("seeds", "charts", "--config", config, "--genre", "all", "--country", "all") == 0
    assert len(capsys.readouterr().out.splitlines()) == 6 * 5
    weeks = ("--since", "2026-05-02", "--until", "2026-05-20", "--kind", "top,trending")
    assert run("seeds", "charts", "--config", config, "--genre", "noise", *weeks) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[:2] == [
        "chart:top:noise:GLOBAL:2026-05-08",
        "chart:top:noise:GLOBAL:2026-05-15",
    ]
    assert "not among the genres, asked for all the same: noise" in said.err
    assert "4 charts; a crawl of them takes 4 requests" in said.err
    assert run("seeds", "charts", "--config", config, "--genre", "noise", "--last") == 0
    assert "top:noise:GLOBAL:track: empty in all weeks" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (("--kind", "best"), '"best" is no kind of chart'),
        (("--since", "May"), '"May" is no date'),
        (("--last", "--since", "2026-01-02"), "give one of them"),
        (("--table", "album"), "is no table of charts"),
    ],
)
def test_a_wish_that_cannot_be_is_one_sentence(
    arguments: tuple[str, ...], sentence: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong is said before anybody is asked, with exit code 2."""
    assert run("seeds", "charts", "--config", config, *arguments) == 2
    assert sentence in capsys.readouterr().err


def test_a_seed_needs_a_source_that_knows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A chart without Chartmetric among the sources is refused, and no folder is made."""
    assert run("crawl", tmp_path / "run", "--seed", "artist:11e81bcc-9c1c-ce38-b96b-a0369fe50396") == 2
    assert "needs soundcharts among the sources" in capsys.readouterr().err
    assert run("crawl", tmp_path / "run", "--seed", "chart:best") == 2
    assert '"best" is no chart' in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_last_week_is_found_by_halving() -> None:
    """The chart's weeks begin and end on Fridays that the search can meet."""
    assert (FIRST.weekday(), LAST.weekday()) == (4, 4)
