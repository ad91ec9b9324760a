"""Pages a second of this crawler beside others', over the same world served by the same sandbox: `make bench`.

    python benchmarks/pipeline.py [--rivals PYTHON] [--pages small,middle,full] [--rounds 3] [--gzip]

    bare             aiohttp, orjson and a set in memory: what a page costs when nothing is kept (rivals/bare.py)
    crawler          this program with everything on: deduplicated, durable, certified, `keep = "profile"`
    scrapy           JOBDIR and a JSON lines feed, an item and a request an edge, as its documentation teaches
    scrapy expert    the same, but one item a page, and requests only for users not seen before
    crawlee          its file storage, an item and a request an edge, as its documentation teaches
    crawlee expert   the same, but one item a page, and requests only for users not seen before
    wrk              asks for the same pages again and again and throws them away: what the server can do

In each world every user follows the same number of others at random, so that every list is one page: 20 rows, 70 or
200. The server is pinned to the last core, whoever crawls to the first. Everybody has 32 requests under way, except wrk
(8 connections, one thread). What is written as taught takes long and gets a smaller world of the same kind, and the
crawler crawls that one too, for a ratio of like with like (its start counts more there). Every one's output is compared
with the world before its figure is printed; a page that is missing or an edge too much is counted. Wall time is from
the start of the process to its end.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from crawler.dataset.reader import lines

HERE = Path(__file__).resolve().parent
WORKERS = 32
WRK_SECONDS = 3
CONFIG = """
[crawl]
workers = {workers}

[crawl.relations]
user = ["followings"]
track = []
playlist = []

[soundcloud]
base_url = "{url}"
token_url = "{url}/oauth/token"
client_id_env = "PIPELINE_CLIENT_ID"
client_secret_env = "PIPELINE_CLIENT_SECRET"

[sandbox]
enabled = false
"""


class Size(NamedTuple):
    """A world: rows of every page; users, and so pages; users of the smaller one, for what takes long."""

    rows: int
    users: int
    users_as_taught: int


SIZES = {"small": Size(20, 60_000, 3000), "middle": Size(70, 20_000, 1500), "full": Size(200, 6000, 800)}
Edges = npt.NDArray[np.int64]
"""Each edge as `src << 32 | dst`, in order. No set: what this process weighs, its children are told to weigh."""


class Figures(NamedTuple):
    """One run. `written` is in bytes; `lost` counts pages of which an edge is missing, `extra` edges given twice."""

    pages: int
    edges: int
    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float
    written: int
    lost: int
    extra: int


class Server(NamedTuple):
    """A sandbox under way, and the truth that it serves."""

    url: str
    token: str
    truth: Edges
    rows: int


def _program(text: str) -> str:
    """Return the whole path of a program: rivals run in folders of their own, and a link is not followed."""
    return os.path.abspath(text)  # noqa: PTH100 - a link to the Python of an environment must stay the link


def main() -> None:
    """Run everybody in every world and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals", type=_program, help="a Python that has scrapy and crawlee, else they are not run")
    parser.add_argument("--pages", default="small,middle,full")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="names of contestants, with commas")
    parser.add_argument("--gzip", action="store_true", help="let the server compress its answers")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    print(f"{datetime.now(UTC):%Y-%m-%d}, {len(cores)} cores, {platform.system()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.pages.split(","):
            size = SIZES[name]
            print(f"\n{name} pages, {size.rows} edges each{', gzip' if arguments.gzip else ''}")
            _in_world(Path(folder) / name, size, size.users, arguments, _all(arguments.rounds, arguments.rivals))
            if arguments.rivals:
                print(f"  the smaller world, {size.users_as_taught} pages")
                world = Path(folder) / f"{name}-smaller"
                _in_world(world, size, size.users_as_taught, arguments, _as_taught(arguments.rivals))


Contestant = tuple[str, Callable[[Server, Path], list[str]], Callable[[Path, Server], tuple[int, int, int, int]], int]


def _all(rounds: int, python: str | None) -> list[Contestant]:
    contestants: list[Contestant] = [("bare", _bare, _counted, rounds), ("crawler", _crawler, _crawled, rounds)]
    if python:
        contestants += [(f"{name} expert", _rival(python, name, "expert"), _told, 1) for name in ("scrapy", "crawlee")]
    return [*contestants, ("wrk", _wrk, _counted, 1)]


def _as_taught(python: str) -> list[Contestant]:
    rivals: list[Contestant] = [(name, _rival(python, name, "taught"), _told, 1) for name in ("scrapy", "crawlee")]
    return [("crawler", _crawler, _crawled, 1), *rivals]


def _in_world(
    folder: Path, size: Size, users: int, arguments: argparse.Namespace, contestants: list[Contestant]
) -> None:
    truth = write_world(folder / "world", users, size.rows)
    chosen = [one for one in contestants if not arguments.only or one[0] in arguments.only.split(",")]
    with served(folder / "world", truth, size.rows, compressed=arguments.gzip) as server:
        runs: dict[str, list[Figures]] = {name: [] for name, *_ in chosen}
        # In turns, so that a slow minute of the machine hits all.
        for turn in range(max((rounds for *_, rounds in chosen), default=0)):
            for name, command, read, rounds in chosen:
                if turn < rounds and name != "wrk":
                    runs[name].append(run(command, read, server, folder / name.replace(" ", "-")))
        _print_table(runs)
        if "wrk" in runs:
            print(f"  wrk               {_wrk_rate(server, folder):>8,.0f} pages/s, the server's own ceiling")


def _print_table(runs: dict[str, list[Figures]]) -> None:
    print(
        "                     pages/s      edges/s  of bare  CPU s per 1,000 pages  peak MB  MB written"
        "  lost pages  extra edges"
    )
    bare: float | None = None
    for name, rounds in runs.items():
        if not rounds:
            continue
        best = min(rounds, key=lambda one: one.wall_seconds)
        rate = statistics.median(one.pages / one.wall_seconds for one in rounds)
        bare = bare or rate
        cpu = statistics.median(one.cpu_seconds / one.pages * 1000 for one in rounds)
        print(
            f"  {name:17} {rate:>8,.0f} {rate * best.edges / best.pages:>12,.0f} {rate / bare:>8.2f} {cpu:>23.3f}"
            f" {best.peak_megabytes:>8.0f} {best.written / 1e6:>11.1f}"
            f" {max(one.lost for one in rounds):>11} {max(one.extra for one in rounds):>12}"
        )


def write_world(folder: Path, users: int, rows: int) -> Edges:
    """Write a graph in which each of the users 1, 2, ... follows `rows` others, the next one among them."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(rows)
    truth: list[Edges] = []
    with gzip.open(folder / "follows.txt.gz", "wt", compresslevel=1) as file:
        for user in range(1, users + 1):
            others = chance.choice(users - 1, size=rows - 1, replace=False) + 1
            chosen = {int(other) + (int(other) >= user) for other in others} | {user % users + 1}
            while len(chosen) < rows:
                chosen |= {int(chance.integers(1, users + 1))} - {user}
            truth.append(np.array([user << 32 | other for other in sorted(chosen)]))
            file.writelines(f"{user} {other}\n" for other in sorted(chosen))
    return np.concatenate(truth)


@contextmanager
def served(world: Path, truth: Edges, rows: int, *, compressed: bool) -> Iterator[Server]:
    """Serve a world from the last core."""
    command = [sys.executable, "-m", "crawler", "sandbox", "--world", str(world), "--until-stdin-closes"]
    command += ["--gzip"] if compressed else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        os.sched_setaffinity(process.pid, {max(os.sched_getaffinity(0))})
        basic = base64.b64encode(b"benchmark:secret").decode()
        request = urllib.request.Request(
            f"{url}/oauth/token", b"grant_type=client_credentials", {"authorization": f"Basic {basic}"}
        )
        with urllib.request.urlopen(request) as answer:
            token = json.load(answer)["access_token"]
        try:
            yield Server(url, token, truth, rows)
        finally:
            process.stdin.close()


class Peak:
    """Watches the peak memory of a process. `ru_maxrss` would count its parent's, from before it became itself."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._kilobytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            with suppress(OSError):
                for number in re.findall(r"VmHWM:\s*(\d+)", self._status.read_text(encoding="ascii")):
                    self._kilobytes = int(number)

    def stop(self) -> float:
        """Return the peak in megabytes."""
        self._over.set()
        self._thread.join()
        return self._kilobytes / 1024


def run(
    command: Callable[[Server, Path], list[str]],
    read: Callable[[Path, Server], tuple[int, int, int, int]],
    server: Server,
    folder: Path,
) -> Figures:
    """Run a program on the first core, to its end, and compare what it wrote with the truth."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    arguments = command(server, folder)
    environment = {**os.environ, "PIPELINE_CLIENT_ID": "pipeline", "PIPELINE_CLIENT_SECRET": "pipeline"}
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # a child begins with its parent's
    try:
        began = perf_counter()
        with (folder / "out.txt").open("wb") as out:
            process = subprocess.Popen(arguments, env=environment, stdout=out, stderr=out, cwd=folder)
            peak = Peak(process.pid)
            _, ended, usage = os.wait4(process.pid, 0)
        wall_seconds = perf_counter() - began
        peak_megabytes = peak.stop()
    finally:
        os.sched_setaffinity(0, cores)
    process.returncode = os.waitstatus_to_exitcode(ended)
    if process.returncode:
        sys.exit(f"{' '.join(arguments)} ended with {process.returncode}:\n{(folder / 'out.txt').read_text()[-2000:]}")
    pages, edges, lost, extra = read(folder, server)
    written = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != "out.txt")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Figures(pages, edges, wall_seconds, cpu_seconds, peak_megabytes, written, lost, extra)


def _crawler(server: Server, folder: Path) -> list[str]:
    (folder / "config.toml").write_text(CONFIG.format(url=server.url, workers=WORKERS), encoding="utf-8")
    command = [sys.executable, "-m", "crawler", "crawl", str(folder / "run"), "--seed", "1"]
    return [*command, "--config", str(folder / "config.toml")]


def _bare(server: Server, folder: Path) -> list[str]:
    return [sys.executable, str(HERE / "rivals" / "bare.py"), server.url, server.token, str(WORKERS), str(folder)]


def _rival(python: str, program: str, style: str) -> Callable[[Server, Path], list[str]]:
    def command(server: Server, folder: Path) -> list[str]:
        script = str(HERE / "rivals" / f"{program}_crawl.py")
        return [python, script, style, server.url, server.token, str(WORKERS), str(folder)]

    return command


def _crawled(folder: Path, server: Server) -> tuple[int, int, int, int]:
    """Read the crawler's shards; every list must have a certificate that calls it complete."""
    certificates = [json.loads(line) for line in lines(folder / "run", "lists")]
    broken = sum(one["verdict"] != "complete" or one["visible"] != server.rows for one in certificates)
    edges = (json.loads(line) for line in lines(folder / "run", "edges"))
    pages, count, lost, extra = _compared([edge["src"] << 32 | edge["dst"] for edge in edges], server)
    return pages, count, max(lost, broken), extra


def _told(folder: Path, server: Server) -> tuple[int, int, int, int]:
    """Read what a rival wrote: lines, or files, with "src" and "dst", or with "src" and a list "dsts"."""
    found = []
    for path in folder.rglob("*.json*"):
        text = path.read_text(encoding="utf-8")
        for record in map(json.loads, text.splitlines() if path.suffix == ".jsonl" else [text]):
            if "src" in record:
                found += [record["src"] << 32 | dst for dst in record.get("dsts") or [record["dst"]]]
    return _compared(found, server)


def _compared(found: list[int], server: Server) -> tuple[int, int, int, int]:
    distinct = np.unique(np.array(found, dtype=np.int64))
    lost = np.unique(np.setdiff1d(server.truth, distinct, assume_unique=True) >> 32)
    assert np.isin(distinct, server.truth, assume_unique=True).all(), "edges that the world does not have"
    return len(server.truth) // server.rows, len(found), len(lost), len(found) - len(distinct)


def _counted(folder: Path, server: Server) -> tuple[int, int, int, int]:
    """Read what the bare loop counted: it keeps no edges that could be compared."""
    counts = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
    lost = len(server.truth) // server.rows - counts["pages"]
    return counts["pages"], counts["edges"], lost, counts["edges"] - len(server.truth)


def _wrk(server: Server, folder: Path) -> list[str]:
    """Return wrk's command, with a script that asks for one user's page after another's."""
    users = len(server.truth) // server.rows
    script = folder / "pages.lua"
    script.write_text(
        f"""local user = 0
wrk.headers["authorization"] = "OAuth {server.token}"
request = function()
  user = user % {users} + 1
  return wrk.format("GET", "/users/" .. user .. "/followings?limit=200&linked_partitioning=true")
end
""",
        encoding="utf-8",
    )
    return ["wrk", "-t1", "-c8", f"-d{WRK_SECONDS}s", "-s", str(script), server.url]


def _wrk_rate(server: Server, folder: Path) -> float:
    if shutil.which("wrk") is None:
        print("  wrk is not installed: no ceiling")
        return float("nan")
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        out = subprocess.run(_wrk(server, folder), check=True, capture_output=True, text=True).stdout
    finally:
        os.sched_setaffinity(0, cores)
    found = re.search(r"Requests/sec:\s*([\d.]+)", out)
    assert found is not None, out
    return float(found[1])


if __name__ == "__main__":
    main()
