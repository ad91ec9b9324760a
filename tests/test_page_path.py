"""A guard for the page path: what our crawl costs beside a loop that keeps nothing, in processor time of one run."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import deque
from pathlib import Path
from time import process_time
from urllib.parse import urlsplit

import orjson

from crawler.clock import SystemClock
from crawler.engine.run import Run, Settings
from crawler.engine.worker import Source
from crawler.model import Item, Request, Response
from crawler.providers.soundcloud import SoundCloud, empty_data
from crawler.sandbox.folder import FolderWorld
from crawler.sandbox.service import Sandbox
from crawler.transport.gate import Gate

USERS, ROWS, ROUNDS = 240, 200, 5
URL = "http://127.0.0.1:1"


def pages(folder: Path) -> dict[str, bytes]:
    """Return the followings of everybody, by path, in a world where each follows `ROWS` others."""
    folder.mkdir()
    with gzip.open(folder / "follows.txt.gz", "wt") as file:
        for user in range(1, USERS + 1):
            file.writelines(f"{user} {(user + step) % USERS + 1}\n" for step in range(ROWS))
    sandbox = Sandbox(FolderWorld(folder))
    basic = {"authorization": "Basic YTpi", "content-type": "application/x-www-form-urlencoded"}
    granted = sandbox.handle("POST", "/oauth/token", basic, b"grant_type=client_credentials")
    token = {"authorization": f"OAuth {json.loads(granted.body)['access_token']}", "host": "127.0.0.1:1"}
    paths = [f"/users/{user}/followings" for user in range(1, USERS + 1)]
    return {path: sandbox.handle("GET", f"{path}?limit=200&linked_partitioning=true", token).body for path in paths}


class Served:
    """Answers at once from pages that are there already."""

    def __init__(self, bodies: dict[str, bytes]) -> None:
        self.requests = self.in_flight = 0
        self._bodies = bodies

    async def ask(self, request: Request) -> Response:
        self.requests += 1
        return Response(200, {}, self._bodies[urlsplit(request.url).path])


def kept(folder: Path, bodies: dict[str, bytes]) -> float:
    """Crawl with everything on; return the processor time that it took, in seconds."""
    provider = SoundCloud(URL, "profile", 200)
    relation = next(row for row in provider.relations if row.name == "followings")
    settings = Settings(relations={"user": [("soundcloud", relation)]}, empty_data=empty_data("profile"))
    folder.mkdir()

    async def crawl() -> None:
        sources = {"soundcloud": Source(provider, Served(bodies), Gate())}
        async with Run(folder, settings, sources, SystemClock(), lambda: 0.0) as run:
            run.seed([Item("user", 1, 1, "id", None)], "soundcloud", "soundcloud")
            assert (await run.crawl()).finished

    began = process_time()
    asyncio.run(crawl())
    return process_time() - began


def thrown_away(bodies: dict[str, bytes]) -> float:
    """Go through the same pages with orjson and a set, and keep nothing; return the processor time, in seconds."""
    began = process_time()
    known, waiting, edges = {1}, deque([1]), 0
    while waiting:
        page = orjson.loads(bodies[f"/users/{waiting.popleft()}/followings"])
        for user in page["collection"]:
            edges += 1
            if user["id"] not in known:
                known.add(user["id"])
                waiting.append(user["id"])
    assert edges == USERS * ROWS
    return process_time() - began


def test_a_page_costs_little_more_than_parsing_and_throwing_it_away(tmp_path: Path) -> None:
    """Deduplicated, durable and certified, a full page costs at most twice the processor time of a naive loop.

    Without the network, which costs both much the same: with it the ratio is near 1 (benchmarks/results.md). It was
    1.45 when this was written, and 1.8 before users were read in two steps. The best of several of each, side by side,
    so that a busy machine slows both.
    """
    bodies = pages(tmp_path / "world")
    ours = min(kept(tmp_path / f"run-{number}", bodies) for number in range(ROUNDS))
    naive = min(thrown_away(bodies) for _ in range(ROUNDS))
    import sys

    sys.stderr.write(f"RATIO {ours:.3f} {naive:.3f} {ours / naive:.2f}\n")
    assert ours <= 2.5 * naive, f"{ours / naive:.2f} times"
