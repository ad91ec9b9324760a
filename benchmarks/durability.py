"""What durability costs: pages a second of the same crawl with every sync, and with none, in turns, in one run.

    python benchmarks/durability.py [--users 150] [--turns 5] [--workers 32]

The sandbox runs in a process of its own. Without syncs means that no shard and no folder is synced, and that the
database runs with `synchronous = OFF`; everything else is the same. Prints the medians, and the median of the ratios of
two crawls that ran one after the other.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Self

from crawler import app
from crawler.engine.run import Disk, Run
from crawler.frontier.store import Frontier
from crawler.shards.files import Files

ROOT = Path(__file__).resolve().parent.parent
CONFIG = """
[crawl]
workers = {workers}

[soundcloud]
base_url = "{url}"
token_url = "{url}/oauth/token"
client_id_env = "DURABILITY_CLIENT_ID"
client_secret_env = "DURABILITY_CLIENT_SECRET"

[sandbox]
enabled = false
"""


class ForgetfulFiles(Files):
    """The disk, never synced."""

    def sync(self, path: Path) -> None:
        """Do nothing."""

    def sync_folder(self, folder: Path) -> None:
        """Do nothing."""


class ForgetfulFrontier(Frontier):
    """The database, never synced."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        assert self._writer is not None
        await self._writer.execute("PRAGMA synchronous = OFF")
        return self


DISKS = {"with syncs": Disk(), "without": Disk(ForgetfulFiles, ForgetfulFrontier)}


class CountingFiles(Files):
    """The disk, which counts how often it is synced."""

    syncs = 0

    def sync(self, path: Path) -> None:
        """Sync and count."""
        CountingFiles.syncs += 1
        super().sync(path)


def crawl(folder: Path, config: Path, disk: Disk) -> float:
    """Crawl once; return pages a second, from the start of the command to its end."""
    app.Run = partial(Run, disk=disk)  # type: ignore[assignment, attr-defined]
    began = time.perf_counter()
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        code = app.crawl(folder, config=config, seeds=["1"], seed_files=[], overrides={})
    seconds = time.perf_counter() - began
    assert code == 0, f"the crawl ended with exit code {code}"
    return float(app.status(folder)["pages"]) / seconds


def measure(url: str, workers: int, turns: int, folder: Path) -> dict[str, object]:
    """Crawl in turns, after one crawl that warms up and counts the syncs."""
    config = folder / "config.toml"
    config.write_text(CONFIG.format(url=url, workers=workers), encoding="utf-8")
    crawl(folder / "warm", config, Disk(CountingFiles))
    found: dict[str, list[float]] = {name: [] for name in DISKS}
    for turn in range(turns):
        for name, disk in DISKS.items() if turn % 2 else reversed(DISKS.items()):
            found[name].append(crawl(folder / f"{name} {turn}", config, disk))
    medians = {name: statistics.median(rates) for name, rates in found.items()}
    ratios = [a / b for a, b in zip(found["with syncs"], found["without"], strict=True)]
    return {
        "pages": app.status(folder / "warm")["pages"],
        "shard_syncs": CountingFiles.syncs,
        "pages_per_second": {name: round(rate) for name, rate in medians.items()},
        "ratio": round(statistics.median(ratios), 3),
        "ratio_of_each_turn": [round(ratio, 2) for ratio in sorted(ratios)],
        "all": {name: [round(rate) for rate in rates] for name, rates in found.items()},
    }


def main() -> None:
    """Start a sandbox, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=150)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--workers", type=int, default=32)
    arguments = parser.parse_args()
    os.environ |= {"DURABILITY_CLIENT_ID": "bench", "DURABILITY_CLIENT_SECRET": "bench"}
    sandbox = subprocess.Popen(
        [sys.executable, "-m", "crawler", "sandbox", "--users", str(arguments.users), "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert sandbox.stdin is not None
    assert sandbox.stdout is not None
    try:
        url = sandbox.stdout.readline().decode().strip()
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(url, arguments.workers, arguments.turns, Path(folder)), indent=1))
    finally:
        sandbox.stdin.close()
        sandbox.wait(10)


if __name__ == "__main__":
    main()
