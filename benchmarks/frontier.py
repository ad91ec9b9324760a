"""The frontier at size: pages a second, memory, commit time and start time, with 100 thousand to 100 million nodes.

    python benchmarks/frontier.py [--nodes 100000 1000000 10000000] [--ids sparse dense] [--rounds 5] [--seconds 4]

For each size a frontier is filled through its own `commit`, a thousand rows of the log at a time, as a long crawl
leaves it: seven nodes in ten are users, three tracks; two users in seven were found as nested objects, and half of
these were described later; 500 lists are half read. `sparse` ids are spread as the service's are, up to 1.5 billion
for users and 2.2 for tracks, in random order; `dense` ones count from 1.

Then the real engine (frontier, ledger, sequencer, committer, shards) crawls on from there, each start in a process of
its own, fed by a source in the same process that makes up pages: 200 rows, 20 of them new, lists of followers and of
liked tracks with their uploaders by turns. Nothing is parsed or sent, and the time the source takes for its pages is
taken out, so what is left is the engine's. All sizes take turns, `--rounds` times, so that a noisy machine is noisy for
all; every figure is the median. After each round the frontier is put back to where it was.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from crawler import app, memory
from crawler.clock import SystemClock
from crawler.engine.ledger import Entry
from crawler.engine.run import Run, Settings
from crawler.engine.worker import Source
from crawler.frontier import rows
from crawler.frontier.rows import Change, Listing, ListingPage, Position, Progress
from crawler.frontier.store import Frontier
from crawler.model import Item, NodeId, Page, Relation, Request, Response, Task
from crawler.providers.soundcloud_relations import RELATIONS
from crawler.transport.gate import Gate

SIZES = (100_000, 1_000_000, 10_000_000)
PAGE_ROWS = 200
NEW_ROWS = 20
LISTINGS = 500
BLOCK_USERS, BLOCK_TRACKS = 700, 300
BLOCK_NODES = BLOCK_USERS + BLOCK_TRACKS
BLOCK_ROWS = 4 + 2 + 5 + 3
LAG_BLOCKS = 20
"""How many blocks later a node that was found as a nested object is described."""
ROWS_PER_COMMIT = 1000
NETWORK = "soundcloud"
FOLLOWERS, LIKES = (
    next(r for r in RELATIONS if (r.kind, r.name) == ("user", n)) for n in ("followers", "likes_tracks")
)
Spread = Literal["sparse", "dense"]
_Ids = NDArray[np.int64]


class Ids:
    """From the place of a node in the order of discovery to its id: a bijection that needs no memory.

    Squaring modulo a prime of the form 4k + 3, with the upper half mirrored, permutes the numbers below the prime.
    """

    def __init__(self, prime: int, spread: Spread) -> None:
        assert prime % 4 == 3
        self._prime = prime
        self._spread = spread

    def at(self, places: _Ids) -> _Ids:
        """Return the ids of nodes by their place."""
        if self._spread == "dense":
            return places + 1
        return self._permuted((self._permuted(places) + self._prime // 3) % self._prime)

    def _permuted(self, numbers: _Ids) -> _Ids:
        squares = numbers * numbers % self._prime
        return np.where(numbers <= self._prime // 2, squares, self._prime - squares)


def users(spread: Spread) -> Ids:
    """Return the ids of users."""
    return Ids(1_499_999_951, spread)


def tracks(spread: Spread) -> Ids:
    """Return the ids of tracks; they passed 2 ** 31 in 2025."""
    return Ids(2_199_999_931, spread)


def log(nodes: int, spread: Spread) -> Iterator[rows.Run]:
    """Yield the rows of the log: in each block users, nested ones, the description of earlier ones, and tracks."""
    of_users, of_tracks, row = users(spread), tracks(spread), 0
    blocks = nodes // BLOCK_NODES
    for block in range(blocks):
        depth = 1 + 4 * block // blocks
        ids = of_users.at(np.arange(block * BLOCK_USERS, (block + 1) * BLOCK_USERS))
        liked = of_tracks.at(np.arange(block * BLOCK_TRACKS, (block + 1) * BLOCK_TRACKS))
        early = max(0, block - LAG_BLOCKS)
        late = of_users.at(np.arange(early * BLOCK_USERS + 600, (early + 1) * BLOCK_USERS))
        parts = [("user", "followers", "full", True, part) for part in np.split(ids[:500], 4)]
        parts += [("user", "likes_tracks", "mini", True, part) for part in np.split(ids[500:], 2)]
        if block >= LAG_BLOCKS:
            depth_then = 1 + 4 * early // blocks
            parts += [("user", "likes_tracks", "full", False, part) for part in np.split(late, 5)]
        parts += [("track", "likes_tracks", "full", True, part) for part in np.split(liked, 3)]
        for kind, via, detail, fresh, part in parts:
            row += 1
            packed = array("q")
            packed.frombytes(part.tobytes())
            yield rows.Run(NETWORK, kind, depth if fresh else depth_then, via, detail, fresh, packed, row)


def listings() -> Iterator[Listing]:
    """Yield lists that are half read."""
    for number in range(1, LISTINGS + 1):
        progress = Progress(10, 2000, distinct=2000)
        node = NodeId(NETWORK, "user", number)
        cursor = f"/users/{number}/followers?page=2"
        yield Listing(node, FOLLOWERS, NETWORK, 2, number, cursor=cursor, progress=progress)


def build(folder: Path, nodes: int, spread: Spread) -> float:
    """Write the frontier of a crawl that knows so many nodes; return the seconds it took."""
    chance = np.random.default_rng(1)

    async def fill() -> None:
        async with Frontier(folder / "frontier.sqlite") as frontier:
            change = Change(Position(), [], [], [], [], {}, [], (), b"{}")
            for run in log(nodes, spread):
                change.runs.append(run)
                if len(change.runs) == ROWS_PER_COMMIT:
                    await frontier.commit(change)
                    change.runs = []
            change.listings = list(listings())
            change.pages = [
                ListingPage(number, page, chance.bytes(8), chance.integers(1 << 31, size=PAGE_ROWS).tolist())
                for number in range(1, LISTINGS + 1)
                for page in range(1, 11)
            ]
            change.position = Position(log_row=max(1, nodes // BLOCK_NODES * BLOCK_ROWS // 100), step=nodes // 100)
            totals = {"nodes": {"user": nodes * 7 // 10, "track": nodes * 3 // 10}, "last_listing": LISTINGS}
            change.totals = msgspec.json.encode({**totals, "requests": nodes})
            await frontier.commit(change)

    began = time.perf_counter()
    asyncio.run(fill())
    return time.perf_counter() - began


class Before:
    """What a frontier was, to put it back after a round: the log's end, and the small tables whole."""

    TABLES = ("position", "totals", "listings", "listing_pages", "counts", "shards", "meta")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with closing(self._connect()) as connection:
            self.last_row = connection.execute("SELECT max(row) FROM log").fetchone()[0]
            rows = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in self.TABLES}  # noqa: S608
            self._rows = rows

    def put_back(self) -> None:
        """Undo a round."""
        with closing(self._connect()) as connection, connection:
            connection.execute("DELETE FROM log WHERE row > ?", (self.last_row,))
            for table, rows in self._rows.items():
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names from above
                if rows:
                    marks = ", ".join("?" * len(rows[0]))
                    connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608
        shutil.rmtree(self._folder / "shards", ignore_errors=True)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._folder / "frontier.sqlite")


class Figures(msgspec.Struct):
    """What one start measured; times in seconds, memory in bytes."""

    start: float
    start_bytes: int
    pages: int
    engine_seconds: float
    cpu_seconds: float
    commits: list[float]
    end_bytes: int
    peak_bytes: int


class Described:
    """The described part of any node."""

    def encode(self) -> bytes:
        """Return the data object."""
        return b'{"username":"somebody","followers_count":1234,"city":null,"created_at":"2015-01-01T00:00:00Z"}'


class Synthetic:
    """Builds requests that nobody sends, and pages that nobody served; `seconds` is the time it took for them."""

    name = network = NETWORK
    relations: tuple[Relation, ...] = (FOLLOWERS, LIKES)

    def __init__(self, nodes: int, spread: Spread) -> None:
        self.seconds = 0.0
        self.pages = 0
        self._chance = np.random.default_rng(nodes)
        self._blocks = nodes // BLOCK_NODES
        self._users, self._tracks = self._blocks * BLOCK_USERS, self._blocks * BLOCK_TRACKS
        self._user_ids, self._track_ids = users(spread), tracks(spread)

    def request(self, task: Task) -> Request:
        """Name the page."""
        return Request(f"http://synthetic/{task.node.id}/{task.relation.name}", task.relation.name)

    def parse(self, task: Task, _response: Response) -> Page:
        """Make up a page; one list in sixteen has a second one."""
        began = time.perf_counter()
        self.pages += 1
        items = self._followers() if task.relation is FOLLOWERS else self._liked()
        more = task.cursor is None and int(task.node.id) % 16 == 0
        page = Page(items, f"/users/{task.node.id}/{task.relation.name}?page=2" if more else None, PAGE_ROWS)
        self.seconds += time.perf_counter() - began
        return page

    def _followers(self) -> list[Item]:
        """Return users: nearly all described already, two of them known as nested objects, the last ones new."""
        block, place = self._known(PAGE_ROWS - NEW_ROWS, 500)
        place[:2] = 500 + place[:2] % 100
        ids = self._user_ids.at(np.append(block * BLOCK_USERS + place, self._fresh_users(NEW_ROWS)))
        return [Item("user", value, value, "full", BODY) for value in ids.tolist()]

    def _liked(self) -> list[Item]:
        """Return tracks, each with its uploader as a nested object."""
        block, place = self._known(PAGE_ROWS - NEW_ROWS, BLOCK_TRACKS)
        fresh = np.arange(self._tracks, self._tracks + NEW_ROWS)
        self._tracks += NEW_ROWS
        ids = self._track_ids.at(np.append(block * BLOCK_TRACKS + place, fresh))
        block, place = self._known(PAGE_ROWS - NEW_ROWS // 2, BLOCK_USERS)
        owners = self._user_ids.at(np.append(block * BLOCK_USERS + place, self._fresh_users(NEW_ROWS // 2)))
        return [
            Item("track", value, value, "full", BODY, owner=Item("user", owner, owner, "mini", BODY))
            for value, owner in zip(ids.tolist(), owners.tolist(), strict=True)
        ]

    def _known(self, count: int, places: int) -> tuple[_Ids, _Ids]:
        return self._chance.integers(self._blocks, size=count), self._chance.integers(places, size=count)

    def _fresh_users(self, count: int) -> _Ids:
        first = self._users
        self._users += count
        return np.arange(first, first + count)


class Silent:
    """Answers at once, with nothing; `first_at` is when it was asked first."""

    def __init__(self) -> None:
        self.requests = self.in_flight = 0
        self.first_at = 0.0

    async def ask(self, _request: Request) -> Response:
        """Answer."""
        if not self.requests:
            self.first_at = time.time()
        self.requests += 1
        await asyncio.sleep(0)
        return Response(200, {}, b"")


BODY = Described()


async def measured(folder: Path, nodes: int, spread: Spread, seconds: float, spawned_at: float) -> Figures:
    """Start the run, crawl on for some seconds, and return the figures."""
    provider, client, commits = Synthetic(nodes, spread), Silent(), list[float]()
    settings = Settings({"user": [(NETWORK, relation) for relation in provider.relations]}, b"{}", seconds_max=seconds)
    sources = {NETWORK: Source(provider, client, Gate())}
    async with Run(folder, settings, sources, SystemClock(), lambda: 0.0) as run:
        start_bytes, commit = resident_bytes(), run.committer._commit  # noqa: SLF001 - measured from outside

        async def timed(group: list[Entry]) -> None:
            began = time.perf_counter()
            await commit(group)
            commits.append(time.perf_counter() - began)

        run.committer._commit = timed  # type: ignore[method-assign]  # noqa: SLF001
        began, cpu_began = time.perf_counter(), time.process_time()
        await run.crawl()
        return Figures(
            start=client.first_at - spawned_at,
            start_bytes=start_bytes,
            pages=provider.pages,
            engine_seconds=time.perf_counter() - began - provider.seconds,
            cpu_seconds=time.process_time() - cpu_began - provider.seconds,
            commits=commits,
            end_bytes=resident_bytes(),
            peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )


def resident_bytes() -> int:
    """Return the resident set of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def spawn(folder: Path, nodes: int, spread: Spread, seconds: float) -> Figures:
    """Measure one start in a process of its own."""
    command = [sys.executable, __file__, "--measure", str(folder), str(nodes), spread, str(seconds), str(time.time())]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    return msgspec.json.decode(answer.stdout.splitlines()[-1], type=Figures)


def table(spread: Spread, rounds: dict[int, list[Figures]]) -> str:
    """Return the medians as a Markdown table; ratios are to the smallest size."""
    least = min(rounds)
    base_speed, base_bytes = _speed(rounds[least]), _median([one.end_bytes for one in rounds[least]])
    lines = [
        f"| {spread} ids | pages/s | ratio | CPU ms/page | memory | peak | bytes/node | commit p50 | p99 | start |",
        "| --- " * 10 + "|",
    ]
    for nodes, some in sorted(rounds.items()):
        end_bytes = _median([one.end_bytes for one in some])
        commits = np.concatenate([one.commits for one in some]) * 1000
        grown = f"{(end_bytes - base_bytes) / (nodes - least):.2f}" if nodes > least else ""
        cells = [
            f"{nodes:,}",
            f"{_speed(some):,.0f}",
            f"{_speed(some) / base_speed:.2f}",
            f"{_median([one.cpu_seconds / one.pages * 1000 for one in some]):.2f}",
            f"{end_bytes / 1e6:.0f} MB",
            f"{_median([one.peak_bytes for one in some]) / 1e6:.0f} MB",
            grown,
            f"{np.percentile(commits, 50):.1f} ms",
            f"{np.percentile(commits, 99):.1f} ms",
            f"{_median([one.start for one in some]):.2f} s",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _speed(some: list[Figures]) -> float:
    return _median([one.pages / one.engine_seconds for one in some])


def _median(values: list[Any]) -> float:
    return float(statistics.median(values))


def main() -> None:
    """Print a table for each spread of ids."""
    if sys.argv[1:2] == ["--measure"]:
        folder, nodes, spread, seconds, spawned_at = sys.argv[2:]
        start = measured(Path(folder), int(nodes), spread, float(seconds), float(spawned_at))  # type: ignore[arg-type]
        memory.own_process()  # as the command does
        print(msgspec.json.encode(app.in_loop(start)).decode(), flush=True)
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--ids", nargs="+", choices=("sparse", "dense"), default=("sparse", "dense"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    arguments = parser.parse_args()
    for spread in arguments.ids:
        with tempfile.TemporaryDirectory() as name:
            folders = {nodes: Path(name) / str(nodes) for nodes in arguments.nodes}
            before = {}
            for nodes, folder in folders.items():
                folder.mkdir()
                took = build(folder, nodes, spread)
                before[nodes] = Before(folder)
                size_bytes = (folder / "frontier.sqlite").stat().st_size
                print(f"{nodes:,}: {before[nodes].last_row:,} rows, {size_bytes / 1e6:,.0f} MB, filled in {took:.0f} s")
            rounds: dict[int, list[Figures]] = {nodes: [] for nodes in folders}
            for _ in range(arguments.rounds):
                for nodes, folder in folders.items():
                    rounds[nodes].append(spawn(folder, nodes, spread, arguments.seconds))
                    before[nodes].put_back()
            print(table(spread, rounds), flush=True)


if __name__ == "__main__":
    main()
