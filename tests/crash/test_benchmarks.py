"""What measures a start and the price of syncs still runs: nobody notices else when a name it needs has moved."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def printed(*command: str) -> str:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


def test_a_hidden_limit_can_be_measured() -> None:
    """The workers still take pages from what stands in for the feeder, and get most of what the limit allows."""
    row = printed("benchmarks/limits.py", "--only", "200 in 10 s").strip().splitlines()[-1].split("|")
    assert row[1].strip() == "200 in 10 s, reset_time"
    assert float(row[2].strip().rstrip("%")) > 50


@pytest.mark.slow
def test_a_start_can_be_measured() -> None:
    """A row for an empty frontier and one for a small one."""
    rows = printed("benchmarks/start.py", "2000").strip().splitlines()
    assert [row.split("|")[1].strip() for row in rows[-2:]] == ["0", "2,000"]


@pytest.mark.slow
def test_the_price_of_syncs_can_be_measured() -> None:
    """The same crawl with and without syncs, and syncs in one of them only."""
    found = json.loads(printed("benchmarks/durability.py", "--users", "5", "--turns", "1"))
    assert found["ratio"] > 0
    assert found["shard_syncs"] > 0


@pytest.mark.slow
def test_the_frontier_can_be_measured_at_a_size() -> None:
    """A row for each number of nodes, the first of which the ratios are to."""
    sizes = ("--nodes", "2000", "5000", "--ids", "sparse", "--rounds", "1", "--seconds", "0.5")
    rows = printed("benchmarks/frontier.py", *sizes).strip().splitlines()
    assert [row.split("|")[1].strip() for row in rows[-2:]] == ["2,000", "5,000"]
    assert rows[-2].split("|")[3].strip() == "1.00"
