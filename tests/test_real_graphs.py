"""The whole program on a real graph that nobody here made: the dataset equals the truth, killed or not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from benchmarks.drain import drain, levels, truth_of
from crawler.dataset.reader import lines

GRAPHS = Path(__file__).resolve().parents[2] / "shared" / "graphs"
TIMES = ("observed_at", "first_at", "last_at")
SEED = 0
ABSENT = "LOUD: the real graphs are not beside the project, nothing was compared"


def digest(run: Path, kind: str) -> list[str]:
    """Return the sorted digests of a run's records of one kind, times left out."""
    records = [msgspec.json.decode(line) for line in lines(run, kind)]
    for record in records:
        for name in TIMES:
            record.pop(name, None)
    return sorted(hashlib.blake2b(msgspec.json.encode(record), digest_size=16).hexdigest() for record in records)


@pytest.mark.slow
@pytest.mark.skipif(not GRAPHS.is_dir(), reason=ABSENT)
def test_levels_equal_the_oracles_beside_the_graphs() -> None:
    """The breadth-first levels that stand in for a missing oracle equal those of a graph that has one."""
    given = msgspec.json.decode((GRAPHS / "crawl_oracles.json").read_bytes())["ego-twitter|seed=42764|both"]
    computed = levels(truth_of(GRAPHS / "ego-twitter"), 42764)
    assert [{key: level[key] for key in computed[0]} for level in given] == computed


@pytest.mark.skipif(not GRAPHS.is_dir(), reason=ABSENT)
def test_lastfm_asia_is_drained_and_three_kills_change_no_record(tmp_path: Path) -> None:
    """The depths equal the oracle's, the edges the graph's, the requests its pages and a token; kills change none."""
    whole = drain(GRAPHS, "lastfm-asia", SEED, 0, tmp_path / "whole")
    killed = drain(GRAPHS, "lastfm-asia", SEED, 3, tmp_path / "killed")
    assert whole["problems"] == []
    assert whole["requests"] == int(str(whole["pages_of_the_oracle"])) + 1
    assert killed["problems"] == []
    for kind in ("nodes", "edges", "lists"):
        assert digest(tmp_path / "killed" / "run", kind) == digest(tmp_path / "whole" / "run", kind)
