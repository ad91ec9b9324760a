from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from crawler.dataset.again import lists_with
from crawler.dataset.reader import records
from crawler.dataset.status import status
from crawler.dataset.verify import verify
from crawler.engine.requeue import requeue
from crawler.errors import ConfigError, Transient
from crawler.frontier.store import Frontier
from tests.engine.toy import RELATIONS, ToyClient, World, crawl, settings
from tests.engine.virtual import crawl_virtually

NETWORKS = {"user": "soundcloud", "track": "soundcloud"}
TABLE = {("toy", relation.kind, relation.name): relation for relation in RELATIONS}


async def recheck(folder: Path, *verdicts: str) -> int:
    """Queue lists of a toy run again."""
    async with Frontier(folder / "frontier.sqlite") as frontier:
        return await requeue(frontier, TABLE, NETWORKS, lists_with(folder, verdicts))


def last(folder: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the last certificate of each list."""
    return {(line["relation"], line["kind"], line["id"]): line for line in records(folder, "lists")}


def changed(world: World) -> tuple[World, tuple[int, int], tuple[int, int]]:
    """Return the world after one follow went and another came, and the two."""
    gone = next(pair for pair in sorted(world.follows) if pair[1] == 0)
    users = range(12)
    new = next((a, b) for a in users for b in users if a != b and (a, b) not in world.follows)
    world.follows = (world.follows - {gone}) | {new}
    for a in users:
        world.lists["user", a, "followings"] = [y for x, y in sorted(world.follows) if x == a]
        world.lists["user", a, "followers"] = [x for x, y in sorted(world.follows) if y == a]
    return world, gone, new


@pytest.mark.parametrize("requests_max", [None, 3, 11])
async def test_a_second_reading_adds_what_is_new_and_names_what_is_gone(
    tmp_path: Path, requests_max: int | None
) -> None:
    """No edge is given twice or taken back, the certificate names what went; also when it is stopped and goes on."""
    folder = tmp_path / "run"
    await crawl(folder, ToyClient(World(4, 12, 5), 1), [3], settings(empty_data=b"{}"))
    before = list(records(folder, "edges"))
    assert await recheck(folder, "complete") == len(last(folder))
    assert await recheck(folder, "complete") == 0
    assert (verify(folder)["problems"], status(folder)["lists"]) == ([], {})
    assert status(folder)["unchecked"] == status(folder)["missing"] == {}
    world, gone, new = changed(World(4, 12, 5))
    ending = None
    while ending is None or not ending.finished:
        ending = await crawl(folder, ToyClient(world, 2, requests_max), [], settings(empty_data=b"{}"))
        assert verify(folder)["problems"] == []
    after = list(records(folder, "edges"))
    assert after[: len(before)] == before
    assert Counter((edge["src"], edge["dst"], edge["via"]) for edge in after[len(before) :]) == {
        (*new, "followers"): 1,
        (*new, "followings"): 1,
    }
    certificates = last(folder)
    named = {key: line["withdrawn"] for key, line in certificates.items() if line["withdrawn"]}
    assert named == {("followings", "user", gone[0]): [gone[1]], ("followers", "user", gone[1]): [gone[0]]}
    assert {line["reading"] for line in certificates.values()} == {2}
    assert status(folder)["lists"] == {"complete": len(certificates)}


def test_lists_that_failed_wait_in_the_frontier_already(tmp_path: Path) -> None:
    """A failed list goes on where it stopped at the next start; queueing it again changes nothing."""
    folder = tmp_path / "run"

    def broken(url: str, _seconds: float) -> None:
        if url.startswith("http://toy/user/3/followers"):
            raise Transient("broken")

    _, seconds = crawl_virtually(folder, ToyClient(World(4, 12, 5), 1), broken)
    assert seconds > 6000
    assert [again.certificate.verdict for again in lists_with(folder, ["failed"])] == ["failed"]
    assert asyncio.run(recheck(folder, "failed")) == 0
    asyncio.run(crawl(folder, ToyClient(World(4, 12, 5), 1), [], settings(empty_data=b"{}")))
    assert lists_with(folder, ["failed"]) == []
    assert verify(folder)["problems"] == []


async def test_a_verdict_that_there_is_not_is_a_config_error(tmp_path: Path) -> None:
    """Whoever mistypes a verdict is told which there are."""
    with pytest.raises(ConfigError, match="ends in: complete, short"):
        lists_with(tmp_path, ["complet"])
