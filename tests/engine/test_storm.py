from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from crawler.dataset.reader import records
from crawler.errors import Transient
from tests.engine.toy import ToyClient, World
from tests.engine.virtual import crawl_virtually

OUTAGE_SECONDS = 600.0


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
def test_a_storm_loses_no_list_and_little_time(tmp_path: Path, seed: int) -> None:
    """Ten minutes in which 90 % of the calls to followers fail cost no list, and a fifth of them at most on top."""
    chance = random.Random(seed)

    def storm(url: str, seconds: float) -> None:
        if "followers" in url and seconds < OUTAGE_SECONDS and chance.random() < 0.9:
            raise Transient("upstream request timeout (504)")

    ending, seconds = crawl_virtually(tmp_path, ToyClient(World(seed, 100, 30), seed), storm, seed)
    verdicts = Counter(record["verdict"] for record in records(tmp_path, "lists"))
    assert ending.finished
    assert set(verdicts) == {"complete"}
    assert verdicts["complete"] >= 3 * 100
    assert OUTAGE_SECONDS / 2 < seconds <= 1.2 * OUTAGE_SECONDS, seconds
