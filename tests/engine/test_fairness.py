"""Breadth first, and fair: an account with very many followers stalls nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.errors import Throttled, Transient
from crawler.policy import order
from tests.engine.test_run import everything, records
from tests.engine.toy import PAGE_ROWS, ToyClient, World, crawl, settings

HUB_PAGES = 150
LONG_PAGES = 8
OTHERS = 600
"""So many requests are surely made before the others' lists run out."""


def hub_world() -> World:
    """Return a world in which user 0 is followed by everybody, over hundreds of pages."""
    return World(5, HUB_PAGES * PAGE_ROWS + 1, 0)


async def test_a_hub_does_not_stall_the_rest(tmp_path: Path) -> None:
    """While a long listing is being read, whole lists of deeper nodes are read between any two of its pages."""
    client = ToyClient(hub_world(), 1)
    ending = await crawl(tmp_path / "run", client, [0, 1], settings(long_list_pages=LONG_PAGES))
    assert ending.finished
    lists = records(tmp_path / "run", "lists")
    place = next(n for n, record in enumerate(lists) if (record["id"], record["relation"]) == (0, "followers"))
    deeper = [record for record in lists[:place] if isinstance(record["depth"], int) and record["depth"] >= 2]
    assert lists[place]["pages"] == HUB_PAGES
    assert len(deeper) > HUB_PAGES
    hub = ["/user/0/followers" in url for url in client.asked]
    assert sum(hub[:OTHERS]) <= LONG_PAGES + 1 + OTHERS // (order.TURN_GAP_STEPS * order.LONG_GAP_FACTOR) + 1
    assert sum(hub[:OTHERS]) > 1


async def test_depths_are_exact_when_no_list_is_long(tmp_path: Path) -> None:
    """With every list holding its depth back, each node is recorded at its true distance, hub or not."""
    world = World(6, 150, 10)
    await crawl(tmp_path / "run", ToyClient(world, 3), [7], settings(long_list_pages=10_000))
    nodes = records(tmp_path / "run", "nodes")
    assert {(node["kind"], node["id"]): node["depth"] for node in nodes} == world.depths(7)


async def test_what_was_refused_is_asked_for_before_what_is_wanted_later(tmp_path: Path) -> None:
    """A page that is told to wait is the next one to be asked for: all that are committed after it wait for it."""
    client = ToyClient(hub_world(), 1)

    def trouble(url: str, times: int) -> None:
        if times == 1 and len(client.asked) % 10 == 0:
            refused.append(url)
            raise Throttled("busy")

    refused: list[str] = []
    client.trouble = trouble
    assert (await crawl(tmp_path / "run", client, [0, 1], settings(workers=1))).finished
    assert len(refused) > 10
    for url in refused:
        first = client.asked.index(url)
        assert client.asked[first + 1] == url


async def test_what_fails_twice_keeps_its_place(tmp_path: Path) -> None:
    """Pages that fail once or twice and then answer change no record but the number of retries."""
    world = World(7, 12, 4)
    await crawl(tmp_path / "whole", ToyClient(world, 1), [3])
    client = ToyClient(world, 2)
    broken = {"/user/0/followers?from=3", "/user/3/followings?from=0"}

    def trouble(url: str, times: int) -> None:
        if times == 1 and url.removeprefix("http://toy") in broken:
            raise Transient("broken for a moment")

    client.trouble = trouble
    await crawl(tmp_path / "broken", client, [3])
    whole, mended = everything(tmp_path / "whole"), everything(tmp_path / "broken")
    retries = sum(int(str(record.pop("retries"))) for record in mended[2])
    for record in whole[2]:
        record.pop("retries")
    assert mended == whole
    assert retries == len(broken)


@pytest.mark.parametrize(
    "due_step, fresh, choice",
    [(None, True, "fresh"), (None, False, "none"), (5, True, "turn"), (9, True, "fresh"), (9, False, "turn")],
)
def test_a_turn_comes_when_it_is_due_or_nothing_else_is_left(due_step: int | None, *, fresh: bool, choice: str) -> None:
    """At step 5 a turn due by then goes first, a later one only when no fresh listing is there."""
    assert order.choose(5, due_step, fresh=fresh) == choice
