"""No order is inverted: shards are durable before the frontier counts on them, depths true, records in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crawler.dataset.reader import records
from tests.simulation.checkers import Violation
from tests.simulation.plan import Shape
from tests.simulation.truth import truth_of

NAME = "no order is inverted"
_TIMES = ("observed_at", "first_at", "last_at", "retries")
Dataset = tuple[tuple[str, ...], ...]


def check_commit(shards: Sequence[Sequence[Any]], synced: Mapping[str, int]) -> None:
    """Look at the shards that a commit moved: every byte that the frontier now counts on must be durable."""
    for name, _, _, committed_bytes, *_ in shards:
        durable = max(synced.get(name, 0), synced.get(f"{name}.open", 0))
        if durable < committed_bytes:
            raise Violation(f"{NAME}: the frontier counts on {committed_bytes} bytes of {name}, {durable} are synced")


def check_depths(run: Path, shape: Shape) -> None:
    """Compare depths with true distances; only for a crawl in which no list was set aside."""
    truth = truth_of(shape.number)
    wrong = [n for n in records(run, "nodes") if n["depth"] != truth.depths.get((n["kind"], n["id"]))]
    if wrong and shape.settings.long_list_pages >= shape.users:
        raise Violation(
            f"{NAME}: the depth of {wrong[0]['kind']} {wrong[0]['id']} is {wrong[0]['depth']}, and not true"
        )


def dataset(run: Path) -> Dataset:
    """Return all records of a run in their order, times left out."""
    return tuple(tuple(_lines(run, kind)) for kind in ("nodes", "edges", "lists"))


def check_dataset(run: Path, undisturbed: Dataset) -> None:
    """Compare with an undisturbed crawl, line by line; only for a crawl in which no list was set aside."""
    for kind, seen, true in zip(("nodes", "edges", "lists"), dataset(run), undisturbed, strict=True):
        for number, (one, other) in enumerate(zip(seen, true, strict=False), 1):
            if one != other:
                raise Violation(f"{NAME}: line {number} of {kind} is {one}, undisturbed it is {other}")
        if len(seen) != len(true):
            raise Violation(f"{NAME}: {len(seen)} {kind} are there, undisturbed {len(true)}")


def _lines(run: Path, kind: str) -> Iterator[str]:
    for record in records(run, kind):
        yield repr({key: value for key, value in record.items() if key not in _TIMES})
