"""Time from the start of a process to its first request, and its memory, with many nodes in the frontier.

    python benchmarks/start.py [NODES ...]

For each number of nodes a frontier is built as a long crawl would leave it at a kill: eight in ten nodes were found
fully described in rows of 60 to 200, two in ten by their nested object only, and half of these were described later;
500 lists are half read. Then a new process starts the real run over it, with a client that answers nothing, and tells
when it was asked first. Every number is the median of five starts; memory is the peak of the resident set.
"""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

STARTS = 5
ID_MAX = 3_000_000_000
LISTINGS = 500
PAGES_PER_LISTING = 10
_Ids = NDArray[np.int64]


def build(folder: Path, nodes: int) -> None:
    """Write the frontier of a crawl that knows so many nodes."""
    from crawler.frontier import store
    from crawler.frontier.rows import Change, ListingPage, Position

    async def fill() -> None:
        chance = np.random.default_rng(1)
        async with store.Frontier(folder / "frontier.sqlite") as frontier:
            change = Change(Position(), [], [], [], [], {}, [], (), b"{}")
            for run in log(chance, nodes):
                change.runs.append(run)
                if len(change.runs) == 1000:
                    await frontier.commit(change)
                    change.runs = []
            change.listings = list(listings(chance))
            change.pages = [
                ListingPage(number, page, chance.bytes(8), chance.integers(ID_MAX, size=200).tolist())
                for number in range(1, len(change.listings) + 1)
                for page in range(1, PAGES_PER_LISTING + 1)
            ]
            change.position = Position(log_row=max(1, nodes // 1000), step=nodes // 100)
            found = {"user": nodes * 7 // 10, "track": nodes * 3 // 10}
            change.totals = msgspec.json.encode({"nodes": found, "last_listing": LISTINGS, "requests": nodes})
            await frontier.commit(change)

    if nodes:
        asyncio.run(fill())


def log(chance: np.random.Generator, nodes: int) -> Iterator[Any]:
    """Yield the rows of the log."""
    from crawler.frontier.rows import Run

    kinds = (
        ("user", "followers", "full", 0.5),
        ("track", "likes_tracks", "full", 0.3),
        ("user", "likes_tracks", "mini", 0.2),
    )
    rows = []
    for kind, via, detail, share in kinds:
        ids = distinct(chance, int(nodes * share), 0 if detail == "full" else 1)
        rows += [(kind, via, detail, True, part) for part in parts(chance, ids, 60, 200)]
    order = chance.permutation(len(rows))
    merged = [rows[place] for place in order]
    half = len(merged) // 2
    stubs = np.concatenate([part for _kind, _via, detail, _fresh, part in merged[:half] if detail == "mini"])
    late = [("user", "likes_tracks", "full", False, part) for part in parts(chance, stubs, 5, 40)]
    merged[half:] = shuffled(chance, merged[half:] + late)
    shallow = {("user", "likes_tracks"): 3}
    for number, (kind, via, detail, fresh, part) in enumerate(merged, 1):
        depth = shallow.get((kind, via), 1 + 4 * number // (len(merged) + 1))
        yield Run("soundcloud", kind, depth, via, detail, fresh, part.tolist(), number)


def shuffled(chance: np.random.Generator, rows: list[Any]) -> list[Any]:
    """Return the rows in a random order."""
    return [rows[place] for place in chance.permutation(len(rows))]


def distinct(chance: np.random.Generator, count: int, parity: int) -> _Ids:
    """Return so many different ids, odd or even, in random order."""
    ids = np.unique(chance.integers(ID_MAX // 2, size=int(count * 1.02) + 10))
    chance.shuffle(ids)
    return ids[:count] * 2 + parity


def parts(chance: np.random.Generator, ids: _Ids, least: int, most: int) -> list[_Ids]:
    """Return the ids in parts of random length."""
    sizes = chance.integers(least, most + 1, size=len(ids) // least + 1)
    return [part for part in np.split(ids, np.cumsum(sizes)) if len(part)]


def listings(chance: np.random.Generator) -> Iterator[Any]:
    """Yield lists that are half read."""
    from crawler.frontier.rows import Listing, Progress
    from crawler.model import NodeId
    from crawler.providers.soundcloud_relations import RELATIONS

    followers = next(one for one in RELATIONS if (one.kind, one.name) == ("user", "followers"))
    for number in range(1, LISTINGS + 1):
        node = NodeId("soundcloud", "user", int(chance.integers(ID_MAX)))
        progress = Progress(PAGES_PER_LISTING, 200 * PAGES_PER_LISTING, distinct=200 * PAGES_PER_LISTING)
        yield Listing(
            node, followers, "soundcloud", 2, number, cursor=f"/users/{node.id}/followers?cursor=1", progress=progress
        )


def start(folder: Path, spawned_at: float) -> None:
    """Start the run and print what the first request saw; runs in a process of its own."""
    import crawler.cli
    from crawler import app, memory
    from crawler.clock import SystemClock
    from crawler.config import Config
    from crawler.engine.run import Run
    from crawler.engine.worker import Source
    from crawler.errors import Spent
    from crawler.model import Item
    from crawler.providers.soundcloud import SoundCloud
    from crawler.sources import gate_of

    assert crawler.cli
    imported_at = time.time()

    class Silent:
        """Tells when it is asked, and answers nothing."""

        requests = in_flight = 0

        async def ask(self, request: object) -> Any:  # noqa: ANN401 - never returns
            if not self.requests:
                seen = (imported_at - spawned_at, time.time() - imported_at, peak_bytes(), str(request))
                print(msgspec.json.encode(seen).decode(), flush=True)
            self.requests += 1
            raise Spent("asked")

    async def main() -> None:
        config = Config()
        provider = SoundCloud(config.soundcloud.base_url, config.dataset.keep)
        source = Source(provider, Silent(), gate_of(config))
        settings = app._settings(config)  # noqa: SLF001 - the real ones
        async with Run(folder, settings, {provider.name: source}, SystemClock(), lambda: 0.0) as run:
            run.seed([Item("user", 1, 1, "id", None)], "soundcloud", provider.name)
            await run.crawl()

    memory.own_process()  # as the command does
    app.in_loop(main())


def peak_bytes() -> int:
    """Return the largest resident set of this process so far; that of `getrusage` may be its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(nodes: int) -> tuple[float, float, int]:
    """Return (seconds from the start of the process, from the opening of the run, peak bytes)."""
    with tempfile.TemporaryDirectory() as name:
        built = Path(name)
        build(built, nodes)
        if nodes:
            with closing(sqlite3.connect(built / "frontier.sqlite")) as connection:
                rows, ids, size_bytes = connection.execute(
                    "SELECT count(*), sum(count), (SELECT page_count FROM pragma_page_count) * 4096 FROM log"
                ).fetchone()
                print(f"  {rows:,} rows with {ids:,} ids in {size_bytes / 1e6:,.0f} MB")
        seen = [_spawn(built) for _ in range(STARTS)]
    imports, opening, peaks = (statistics.median(values) for values in zip(*(one[:3] for one in seen), strict=True))
    return imports + opening, opening, int(peaks)


def _spawn(folder: Path) -> list[Any]:
    command = [sys.executable, __file__, "--start", str(folder)]
    spawned_at = time.time()
    answer = subprocess.run([*command, str(spawned_at)], check=True, capture_output=True, text=True, timeout=120)
    return list(msgspec.json.decode(answer.stdout.splitlines()[0]))


def main() -> None:
    """Print a table."""
    if sys.argv[1:2] == ["--start"]:
        start(Path(sys.argv[2]), float(sys.argv[3]))
        return
    sizes = [int(text) for text in sys.argv[1:]] or [100_000, 1_000_000, 10_000_000]
    empty = measure(0)
    print(f"| nodes | to first request | of it the run | memory | more than empty |\n| {'--- | ' * 5}")
    for nodes, (total, opening, peak) in [(0, empty), *((nodes, measure(nodes)) for nodes in sizes)]:
        print(
            f"| {nodes:,} | {total:.2f} s | {opening:.2f} s | {peak / 1e6:.0f} MB | {(peak - empty[2]) / 1e6:.0f} MB |"
        )


if __name__ == "__main__":
    main()
