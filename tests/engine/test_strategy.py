"""`strategy = "followings_first"`: fewer requests, the same edges, the same depths, the same order after every kill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crawler.engine.run import Settings
from crawler.errors import Gone
from crawler.model import Item, Relation
from tests.engine.test_run import everything, records
from tests.engine.toy import RELATIONS, ToyClient, World, crawl, settings

Claim = Callable[[Item], int | None]


def claims_of(world: World, more: int = 0) -> Claim:
    """Return what rows claim: as many followers as the world has, and `more`."""
    return lambda item: len(world.lists["user", int(item.id), "followers"]) + more if item.kind == "user" else None


def chosen(world: World, more: int = 0, **changes: object) -> Settings:
    """Return the settings of a crawl that reads followings first."""
    return settings(strategy="followings_first", claim=claims_of(world, more), **changes)


def follows_only() -> dict[str, list[tuple[str, Relation]]]:
    """Return the two lists that show follows, for a user."""
    return {"user": [("toy", relation) for relation in RELATIONS if relation.edge == "follows"]}


def follows(folder: Path) -> set[tuple[object, object]]:
    """Return the distinct follows of a run."""
    return {(edge["src"], edge["dst"]) for edge in records(folder, "edges") if edge["type"] == "follows"}


def depths(folder: Path) -> dict[tuple[object, object], object]:
    """Return the depth of every node of a run."""
    return {(node["kind"], node["id"]): node["depth"] for node in records(folder, "nodes")}


def spared(folder: Path) -> list[object]:
    """Return the users whose followers were not asked for, though they have some."""
    return [line["id"] for line in records(folder, "lists") if "were all seen" in str(line["reason"])]


async def test_fewer_lists_show_the_same_edges_at_the_same_depths(tmp_path: Path) -> None:
    """Every follow of the world is there, every node at its true distance, and lists of followers were spared."""
    world = World(1, 20, 6)
    client = ToyClient(world, 1)
    assert (await crawl(tmp_path / "run", client, [3], chosen(world))).finished
    every = ToyClient(world, 1)
    await crawl(tmp_path / "every", every, [3])
    assert follows(tmp_path / "run") == follows(tmp_path / "every") == world.follows
    assert depths(tmp_path / "run") == world.depths(3)
    assert len(spared(tmp_path / "run")) > 4
    assert client.requests < every.requests
    assert not {f"http://toy/user/{user}/followers?from=0" for user in spared(tmp_path / "run")} & set(client.asked)


async def test_a_spared_list_has_a_certificate_that_says_why(tmp_path: Path) -> None:
    """Each list ends in one certificate; that of a spared one is complete, of no pages, and names the reason."""
    world = World(1, 20, 6)
    await crawl(tmp_path / "run", ToyClient(world, 1), [3], chosen(world))
    lists = records(tmp_path / "run", "lists")
    assert len({(line["kind"], line["id"], line["relation"]) for line in lists}) == len(lists) == 3 * 20 + 6
    line = next(line for line in lists if line["id"] == spared(tmp_path / "run")[0] and line["relation"] == "followers")
    count = len(world.lists["user", int(str(line["id"])), "followers"])
    assert (line["verdict"], line["pages"], line["advertised"], line["missing"]) == ("complete", 0, count, 0)
    assert line["reason"] == f"its {count} followers were all seen in their own followings"


@pytest.mark.parametrize("long_list_pages", [1, 64])
async def test_timing_does_not_change_a_record(tmp_path: Path, long_list_pages: int) -> None:
    """Which lists are spared, and the order of all records, does not depend on who answers first or how many ask."""
    world = World(2, 20, 6)
    outcomes = []
    for seed, workers in ((1, 1), (2, 4), (3, 32)):
        folder = tmp_path / f"run{seed}"
        some = chosen(world, workers=workers, long_list_pages=long_list_pages)
        await crawl(folder, ToyClient(world, seed), [3], some)
        outcomes.append(everything(folder))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert spared(folder)


async def test_a_list_of_followings_is_waited_for_however_long_it_is(tmp_path: Path) -> None:
    """`long_list_pages` does not make followings come too late to spare anything."""
    world = World(1, 20, 6)
    for long_list_pages in (1, 64):
        run = tmp_path / f"run{long_list_pages}"
        some = chosen(world, long_list_pages=long_list_pages, relations=follows_only())
        await crawl(run, ToyClient(world, 1), [3], some)
    assert len(spared(tmp_path / "run1")) >= 0.8 * len(spared(tmp_path / "run64")) > 0


async def test_stopped_and_resumed_the_records_are_the_same(tmp_path: Path) -> None:
    """What was seen and claimed survives every stop: a crawl in parts spares the lists that a whole one spares."""
    world = World(3, 16, 4)
    await crawl(tmp_path / "whole", ToyClient(world, 1), [3], chosen(world))
    ending, starts = None, 0
    while ending is None or not ending.finished:
        starts += 1
        ending = await crawl(tmp_path / "parts", ToyClient(world, starts, requests_max=6), [3], chosen(world))
        assert starts < 500
    assert starts > 8
    assert everything(tmp_path / "parts") == everything(tmp_path / "whole")
    assert spared(tmp_path / "whole")


async def test_followings_that_cannot_be_read_spare_nothing(tmp_path: Path) -> None:
    """Where some followings are gone, the followers of those they would have shown are read: no follow is lost."""
    world = World(1, 20, 6)
    hidden = {f"http://toy/user/{user}/followings?from=0" for user in range(0, 20, 3)}

    def trouble(url: str, _times: int) -> None:
        if url in hidden:
            raise Gone("a private list")

    for name, some in (("run", chosen(world)), ("every", settings())):
        client = ToyClient(world, 1)
        client.trouble = trouble
        await crawl(tmp_path / name, client, [3], some)
    assert follows(tmp_path / "run") == follows(tmp_path / "every") == world.follows


async def test_a_claim_that_is_not_reached_spares_nothing(tmp_path: Path) -> None:
    """Rows that claim one follower more than followings show have their followers read, as does a claim of none."""
    world = World(1, 20, 6)
    await crawl(tmp_path / "more", ToyClient(world, 1), [3], chosen(world, more=1))
    assert not spared(tmp_path / "more")
    none = settings(strategy="followings_first", claim=lambda _item: 0)
    await crawl(tmp_path / "none", ToyClient(world, 1), [3], none)
    assert not spared(tmp_path / "none")
    assert follows(tmp_path / "more") == follows(tmp_path / "none") == world.follows


async def test_a_limit_of_depth_loses_no_edge_that_every_list_would_show(tmp_path: Path) -> None:
    """At every limit of depth the follows, the nodes and their depths are those of a crawl that reads every list."""
    world = World(4, 20, 6)
    for depth_max in (1, 2):
        run, every = tmp_path / f"run{depth_max}", tmp_path / f"every{depth_max}"
        await crawl(run, ToyClient(world, 1), [3], chosen(world, depth_max=depth_max))
        await crawl(every, ToyClient(world, 1), [3], settings(depth_max=depth_max))
        assert follows(run) == follows(every)
        depths = [
            sorted((str(n["kind"]), str(n["id"]), str(n["depth"])) for n in records(r, "nodes")) for r in (run, every)
        ]
        assert depths[0] == depths[1]
