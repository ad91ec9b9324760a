"""A crawl of a toy world: the records equal the world, whatever the timing, and whatever stopped it on the way."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import zstandard

from tests.engine.toy import ToyClient, World, crawl, settings

TIMES = {"observed_at", "first_at", "last_at"}


def records(folder: Path, kind: str) -> list[dict[str, object]]:
    """Return the records of one kind of shard, in the order written, times left out."""
    lines = [
        line
        for path in sorted((folder / "shards").glob(f"{kind}-*.ndjson.zst"))
        for line in zstandard.ZstdDecompressor()
        .stream_reader(path.read_bytes(), read_across_frames=True)
        .readall()
        .splitlines()
    ]
    decoded = [msgspec.json.decode(line) for line in lines]
    return [{key: value for key, value in record.items() if key not in TIMES} for record in decoded]


def everything(folder: Path) -> list[list[dict[str, object]]]:
    """Return all records of a run, in the order written."""
    return [records(folder, kind) for kind in ("nodes", "edges", "lists")]


async def test_the_records_equal_the_world(tmp_path: Path) -> None:
    """Every edge is given once by each list that shows it, every node once, every list one complete certificate."""
    world = World(1, 40, 20)
    ending = await crawl(tmp_path / "run", ToyClient(world, 1), [3])
    nodes, edges, lists = everything(tmp_path / "run")
    depths = world.depths(3)
    assert ending.finished
    seen = Counter((e["type"], e["src"], e["dst"], e["via"]) for e in edges if e["type"] != "posted")
    users, tracks = ({node for kind, node in depths if kind == wanted} for wanted in ("user", "track"))
    truth = Counter(("follows", a, b, via) for a, b in world.follows for via in ("followers", "followings"))
    truth += Counter(("likes", a, b, via) for a, b in world.likes for via in ("likes_tracks", "favoriters"))
    assert users == set(range(40))
    assert seen == truth
    assert {(e["src"], e["dst"]) for e in edges if e["type"] == "posted"} == {(world.owners[t], t) for t in tracks}
    assert {(n["kind"], n["id"]): n["depth"] for n in nodes} == depths
    assert Counter(record["verdict"] for record in lists) == {"complete": 3 * len(users) + len(tracks)}


async def test_timing_does_not_change_a_byte_but_times(tmp_path: Path) -> None:
    """The same world gives the same records in the same order, whoever answers first and however many workers ask."""
    world = World(2, 40, 20)
    outcomes = []
    for seed, workers in ((1, 1), (2, 4), (3, 32)):
        folder = tmp_path / f"run{seed}"
        await crawl(folder, ToyClient(world, seed), [3], settings(workers=workers, long_list_pages=5))
        outcomes.append(sorted(map(repr, everything(folder)[1])))
    assert outcomes[0] == outcomes[1] == outcomes[2]


async def test_stopped_after_every_request_and_resumed_the_records_are_the_same(tmp_path: Path) -> None:
    """A crawl stopped by its limit again and again, and resumed, writes what an undisturbed one does."""
    world = World(3, 25, 10)
    await crawl(tmp_path / "whole", ToyClient(world, 1), [3])
    ending, starts = None, 0
    while ending is None or not ending.finished:
        starts += 1
        ending = await crawl(tmp_path / "parts", ToyClient(world, starts, requests_max=7), [3])
        assert starts < 500
    assert starts > 10
    assert everything(tmp_path / "parts") == everything(tmp_path / "whole")
