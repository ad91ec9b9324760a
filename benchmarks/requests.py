"""What a crawl pays with: requests per new edge, beside those of a naive crawl and the least that could do.

    python benchmarks/requests.py [--worlds lastfm-asia ego-twitter synthetic] [--graphs ../shared/graphs]

Each world is served by the sandbox, in pages of 200, and crawled by the real program in several ways; all must find the
same distinct edges, or nothing is printed. Beside them, computed from the certificates of the crawl that reads every
list, and from the edges:

    naive     asks every list of every node and, once more, for the node itself, one by one
    not empty the same lists without those that turned out to be empty, and nothing else: an oracle that knows them
    least     no choice of whole lists that shows every edge once needs fewer. Follows are in two lists each, likes in
              two; which to take is a minimum vertex cover of a bipartite graph. This is a lower bound of it (a maximal
              packing), so the true minimum may be somewhat higher

An oracle knows the graph before it asks; a crawl has to find it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from crawler.dataset.reader import records

ROOT = Path(__file__).resolve().parent.parent
FOLLOWS = ("followers", "followings")
USER = (
    *("followers", "followings", "likes_tracks", "likes_playlists", "reposts_tracks", "reposts_playlists"),
    *("tracks", "playlists", "related", "web_profiles"),
)
WAYS: Mapping[str, Mapping[str, object]] = {
    "every list": {},
    "every list, profile first": {"profile": True},
    "followings first": {"strategy": "followings_first"},
    "followings first, profile first": {"strategy": "followings_first", "profile": True},
}

CONFIG = """
[crawl]
max_depth = {depth}
strategy = "{strategy}"
hydrate = "{hydrate}"
[crawl.relations]
user = {user}
track = {track}
playlist = {playlist}
[soundcloud]
base_url = "{url}"
token_url = "{url}/oauth/token"
client_id_env = "BENCH_CLIENT_ID"
client_secret_env = "BENCH_CLIENT_SECRET"
[sandbox]
enabled = false
"""

Edge = tuple[object, ...]
List = tuple[str, object, str]


class World(NamedTuple):
    """What is served, where a crawl begins, how deep it goes, and whether it reads more than follows."""

    serve: list[str]
    seed: int
    depth: int
    follows_only: bool


class Figures(NamedTuple):
    """What a crawl found and paid: its requests, the pages of each list, the lists that show each edge."""

    requests: int
    pages: dict[List, int]
    shown_by: dict[Edge, list[List]]
    nodes: int


def worlds(graphs: Path) -> dict[str, World]:
    """Return the worlds by name."""
    return {
        "lastfm-asia": World(["--world", str(graphs / "lastfm-asia")], 1, 99, follows_only=True),
        "ego-twitter": World(["--world", str(graphs / "ego-twitter")], 42764, 3, follows_only=True),
        "synthetic": World(["--users", "300"], 1, 3, follows_only=False),
    }


@contextlib.contextmanager
def served(world: World) -> Iterator[str]:
    """Serve a world in a process of its own; give its address."""
    command = [sys.executable, "-m", "crawler", "sandbox", *world.serve, "--until-stdin-closes"]
    sandbox = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert sandbox.stdin is not None
    assert sandbox.stdout is not None
    try:
        yield sandbox.stdout.readline().decode().strip()
    finally:
        sandbox.stdin.close()
        sandbox.stdout.close()
        sandbox.wait(10)


def crawled(folder: Path, world: World, url: str, *, hydrate: str = "never", **way: object) -> Figures:
    """Crawl a world in one way."""
    folder.mkdir()
    user = list(FOLLOWS if world.follows_only else USER)
    config = CONFIG.format(
        depth=world.depth,
        strategy=way.get("strategy", "every_list"),
        hydrate=hydrate,
        user=json.dumps((["profile"] if way.get("profile") else []) + user),
        track=json.dumps([] if world.follows_only else ["favoriters", "reposters", "related", "comments"]),
        playlist=json.dumps([] if world.follows_only else ["tracks", "reposters"]),
        url=url,
    )
    (folder / "config.toml").write_text(config, encoding="utf-8")
    command = [sys.executable, "-m", "crawler", "crawl", str(folder / "run"), "--seed", str(world.seed)]
    environment = {**os.environ, "BENCH_CLIENT_ID": "bench", "BENCH_CLIENT_SECRET": "bench"}
    command += ["--config", str(folder / "config.toml")]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    command = [sys.executable, "-m", "crawler", "status", str(folder / "run"), "--json"]
    status = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    pages = {
        (line["kind"], line["id"], line["relation"]): line["pages"]
        for line in records(folder / "run", "lists")
        if line["relation"] != "profile"
    }
    shown_by: dict[Edge, list[List]] = defaultdict(list)
    inward = {"followers", "favoriters", "reposters", "comments"}
    for edge in records(folder / "run", "edges"):
        source, target = (edge["src_kind"], edge["src"]), (edge["dst_kind"], edge["dst"])
        owner = target if edge["via"] in inward else source
        name = (*owner, edge["via"])
        if name in pages:
            shown_by[edge["type"], *source, *target].append(name)
    nodes = len({(line["kind"], line["id"]) for line in records(folder / "run", "nodes")})
    return Figures(status["requests"], pages, dict(shown_by), nodes)


def least(figures: Figures) -> int:
    """Return a number of pages with fewer than which no choice of whole lists shows every edge."""
    left = Counter({name: max(1, pages) for name, pages in figures.pages.items()})
    total = 0
    for names in sorted(figures.shown_by.values(), key=len):
        paid = min(left[name] for name in names)
        for name in names:
            left[name] -= paid
        total += paid
    return total


def rows(world: World, url: str, folder: Path) -> Iterator[tuple[str, int, int, int]]:
    """Yield (how, requests, lists asked, distinct edges); exits with 1 when two crawls do not find the same edges."""
    every: Figures | None = None
    for number, (how, way) in enumerate(WAYS.items()):
        found = crawled(folder / str(number), world, url, **way)
        if every is None:
            every = found
            shown = {name for names in every.shown_by.values() for name in names}
            edges = len(every.shown_by)
            asked = sum(every.pages.values())
            yield "naive", asked + every.nodes, len(every.pages) + every.nodes, edges
            yield "not empty", sum(every.pages[name] for name in shown), len(shown), edges
            yield "least", least(every), 0, edges
        if set(found.shown_by) != set(every.shown_by):
            missing = set(every.shown_by) ^ set(found.shown_by)
            sys.exit(f"{how}: {len(missing):,} edges differ, as {next(iter(missing))}")
        yield how, found.requests, sum(1 for pages in found.pages.values() if pages), len(found.shown_by)
    if not world.follows_only:
        found = crawled(folder / "hydrated", world, url, hydrate="undescribed")
        yield "every list, stubs described in batches", found.requests, 0, len(found.shown_by)


def main() -> None:
    """Print a table for each world."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=Path, default=ROOT.parent / "shared" / "graphs")
    parser.add_argument("--worlds", nargs="+", default=["lastfm-asia", "ego-twitter", "synthetic"])
    arguments = parser.parse_args()
    for name in arguments.worlds:
        world = worlds(arguments.graphs)[name]
        with tempfile.TemporaryDirectory() as folder, served(world) as url:
            found = list(rows(world, url, Path(folder)))
        naive = found[0][1]
        print(f"| {name}, depth {world.depth} | requests | lists | distinct edges | requests per 1,000 | of naive |")
        print("| --- " * 6 + "|")
        for how, requests, lists, edges in found:
            asked = f"{lists:,}" if lists else ""
            rates = f"{1000 * requests / edges:.1f} | {requests / naive:.2f}"
            print(f"| {how} | {requests:,} | {asked} | {edges:,} | {rates} |")
        print(flush=True)


if __name__ == "__main__":
    main()
