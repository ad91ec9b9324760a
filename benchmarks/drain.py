"""Drain a real graph and compare what was written with the exact answer, before any figure is printed.

    python benchmarks/drain.py [--graph ego-twitter] [--seed 42764] [--kills 3] [--graphs ../shared/graphs]

The sandbox runs in a process of its own, the crawl in another; with two cores each has one. `--kills` ends the crawl
with SIGKILL that many times on the way and starts it again with the same command. Prints wall time, pages and
edges a second, peak memory of the crawl and bytes on the disk.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from pathlib import Path

import msgspec

from crawler.dataset.reader import lines

ROOT = Path(__file__).resolve().parent.parent
PAGE_ROWS = 200
KILL_SECONDS = {"ego-twitter": (2.0, 25.0)}
"""When a kill comes, by graph: early enough that the crawl is still going on."""

CONFIG = """
[crawl.relations]
user = ["followers", "followings"]
track = []
playlist = []

[soundcloud]
base_url = "{url}"
token_url = "{url}/oauth/token"
client_id_env = "DRAIN_CLIENT_ID"
client_secret_env = "DRAIN_CLIENT_SECRET"

[sandbox]
enabled = false
"""


class Node(msgspec.Struct):
    """What the comparison needs of a node's line."""

    id: int
    depth: int


class Edge(msgspec.Struct):
    """What the comparison needs of an edge's line."""

    src: int
    dst: int
    via: str


def main() -> None:
    """Run the drain and print its figures; exits with 1 when the dataset is not the truth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", default="ego-twitter")
    parser.add_argument("--seed", type=int, default=42764)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--graphs", type=Path, default=ROOT.parent / "shared" / "graphs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = drain(arguments.graphs, arguments.graph, arguments.seed, arguments.kills, Path(folder))
    print(json.dumps(figures, indent=1))
    sys.exit(0 if figures["equals_the_truth"] else 1)


def drain(graphs: Path, graph: str, seed: int, kills: int, folder: Path) -> dict[str, object]:
    """Crawl a graph from a seed in both directions; return figures and whether the records equal the graph."""
    folder.mkdir(parents=True, exist_ok=True)
    sandbox = subprocess.Popen(
        [sys.executable, "-m", "crawler", "sandbox", "--world", str(graphs / graph), "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert sandbox.stdin is not None
    assert sandbox.stdout is not None
    try:
        url = sandbox.stdout.readline().decode().strip()
        (folder / "config.toml").write_text(CONFIG.format(url=url), encoding="utf-8")
        wall_seconds, peak_kilobytes = _crawl(folder, seed, kills, KILL_SECONDS.get(graph, (1.0, 3.0)))
        with urllib.request.urlopen(f"{url}/_sandbox/report") as answer:
            report = json.load(answer)
    finally:
        sandbox.stdin.close()
        sandbox.stdout.close()
        sandbox.wait(10)
    figures = _compare(folder / "run", graphs, graph, seed)
    pages, edges = int(str(figures["pages"])), int(str(figures["edges"]))
    return {
        "graph": graph,
        "kills": kills,
        "wall_seconds": round(wall_seconds, 1),
        "pages_per_second": round(pages / wall_seconds),
        "edges_per_second": round(edges / wall_seconds),
        "peak_memory_mb": round(peak_kilobytes / 1024),
        "disk_bytes": sum(path.stat().st_size for path in (folder / "run").rglob("*") if path.is_file()),
        **figures,
        "sandbox_report": report,
    }


def _crawl(folder: Path, seed: int, kills: int, kill_seconds: tuple[float, float]) -> tuple[float, int]:
    """Give the same command until it ends by itself, killing it `kills` times; return seconds and peak kilobytes."""
    command = [sys.executable, "-m", "crawler", "crawl", str(folder / "run")]
    command += ["--config", str(folder / "config.toml"), "--seed", str(seed)]
    environment = {**os.environ, "DRAIN_CLIENT_ID": "drain", "DRAIN_CLIENT_SECRET": "drain"}
    chance = random.Random(seed)
    began = time.perf_counter()
    for _ in range(kills):
        crawl = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        try:
            crawl.wait(chance.uniform(*kill_seconds))
        except subprocess.TimeoutExpired:
            crawl.send_signal(signal.SIGKILL)
            crawl.wait()
    last = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    _, ended, usage = os.wait4(last.pid, 0)
    last.returncode = os.waitstatus_to_exitcode(ended)
    if last.returncode:
        sys.exit(f"the crawl ended with exit code {last.returncode}")
    return time.perf_counter() - began, usage.ru_maxrss


def _compare(run: Path, graphs: Path, graph: str, seed: int) -> dict[str, object]:
    truth, edges = truth_of(graphs / graph), 0
    given = json.loads((graphs / "crawl_oracles.json").read_text(encoding="utf-8"))
    oracle = given.get(f"{graph}|seed={seed}|both") or levels(truth, seed)
    problems = _depth_problems(run, oracle)
    seen: dict[str, set[int]] = {"followers": set(), "followings": set()}
    for line in lines(run, "edges"):
        edge = msgspec.json.decode(line, type=Edge)
        edges += 1
        seen[edge.via].add(edge.src << 32 | edge.dst)
    distinct = seen["followers"] | seen["followings"]
    problems += [f"{via}: edges of that list are not the graph's" for via, found in seen.items() if found != truth]
    if edges != 2 * len(truth):
        problems.append(f"{edges} lines for {len(truth)} follows seen from both sides")
    status = subprocess.run(
        [sys.executable, "-m", "crawler", "status", str(run), "--json"], cwd=ROOT, check=True, capture_output=True
    )
    found = json.loads(status.stdout)
    pages_expected = sum(level["pages_to_expand_200"] for level in oracle)
    return {
        "equals_the_truth": not problems,
        "problems": problems,
        "nodes": oracle[-1]["total"],
        "depths": len(oracle),
        "distinct_follows": len(distinct),
        "edges": edges,
        "pages": found["pages"],
        "pages_of_the_oracle": pages_expected,
        "requests": found["requests"],
    }


def levels(follows: set[int], seed: int) -> list[dict[str, object]]:
    """Return what a breadth-first crawl in both directions finds at each depth, in the form of the given oracles.

    `follows` holds each follow as `src << 32 | dst`. For graphs that no oracle was made for.
    """
    rows: dict[str, dict[int, list[int]]] = {"out": defaultdict(list), "in": defaultdict(list)}
    for follow in follows:
        rows["out"][follow >> 32].append(follow & 0xFFFFFFFF)
        rows["in"][follow & 0xFFFFFFFF].append(follow >> 32)
    found, level, oracle = {seed}, [seed], list[dict[str, object]]()
    while level:
        digest = hashlib.sha256("\n".join(map(str, sorted(found))).encode()).hexdigest()
        lists = [side[node] for node in level for side in rows.values()]
        pages = sum(max(1, -(-len(one) // PAGE_ROWS)) for one in lists)
        oracle.append({"depth": len(oracle), "total": len(found), "pages_to_expand_200": pages, "sha256": digest})
        level = sorted({node for one in lists for node in one} - found)
        found.update(level)
    return oracle


def _depth_problems(run: Path, oracle: list[dict[str, object]]) -> list[str]:
    by_depth: dict[int, set[int]] = defaultdict(set)
    for line in lines(run, "nodes"):
        node = msgspec.json.decode(line, type=Node)
        by_depth[node.depth].add(node.id)
    problems, so_far = [], set[int]()
    for level in oracle:
        so_far |= by_depth[int(str(level["depth"]))]
        digest = hashlib.sha256("\n".join(map(str, sorted(so_far))).encode()).hexdigest()
        if digest != level["sha256"]:
            problems.append(f"depth {level['depth']}: the set of ids is not the oracle's")
    return problems


def truth_of(folder: Path) -> set[int]:
    """Return the follows of a folder of edge lists, each as `src << 32 | dst`."""
    name, mutual = ("follows", False) if (folder / "follows.txt.gz").exists() else ("friends", True)
    with gzip.open(folder / f"{name}.txt.gz", "rt") as file:
        pairs = {tuple(map(int, line.split())) for line in file}
    truth = {a << 32 | b for a, b in pairs}
    return truth | {b << 32 | a for a, b in pairs} if mutual else truth


if __name__ == "__main__":
    main()
