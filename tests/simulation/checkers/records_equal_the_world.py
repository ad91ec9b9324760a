"""Records equal the world: each edge once from each list that shows it, every node, one certificate a list.

A list of followers that was spared, because others had shown all its edges, shows none; the edges are there all the
same.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from crawler.dataset.reader import records
from crawler.dataset.verify import verify
from tests.simulation.checkers import Violation
from tests.simulation.plan import Shape
from tests.simulation.truth import Truth, truth_of

NAME = "records equal the world"


def check(run: Path, shape: Shape) -> None:
    """Compare a finished run with the truth of its world."""
    truth = truth_of(shape.number)
    spared = _spared(run, shape)
    _edges(run, truth, spared)
    _nodes(run, truth, hydrated=bool(shape.settings.hydrate))
    _lists(run, truth, spared)
    found = verify(run)
    if not found["ok"]:
        raise Violation(f"{NAME}: verify says {found['problems'][:5]}")


def _spared(run: Path, shape: Shape) -> frozenset[int]:
    """Return the users whose followers were not asked for, though they have some."""
    if shape.settings.strategy == "every_list":
        return frozenset()
    whole = [r for r in records(run, "lists") if r["relation"] == "followers" and r["verdict"] == "complete"]
    return frozenset(r["id"] for r in whole if not r["pages"] and r["advertised"])


def _edges(run: Path, truth: Truth, spared: frozenset[int]) -> None:
    seen: Counter[tuple[object, ...]] = Counter()
    owners: Counter[tuple[object, ...]] = Counter()
    for e in records(run, "edges"):
        if e["type"] == "posted":
            owners[e["dst_kind"], e["dst"], e["src"], e["rank"] is None] += 1
        if e["rank"] is not None:
            seen[e["type"], e["src_kind"], e["src"], e["dst_kind"], e["dst"], e["via"], e["rank"]] += 1
    told = {edge: count for edge, count in truth.edges.items() if edge[5] != "followers" or edge[4] not in spared}
    _same("edges", seen, Counter(told))
    _same("distinct edges", Counter({edge[:5] for edge in seen}), Counter({edge[:5] for edge in truth.edges}))
    said = {name[:3] for name in owners}
    _same("uploaders", Counter(said), Counter((*item, owner) for item, owner in truth.owners.items()))
    if any(count > 1 for name, count in owners.items() if name[3]):
        raise Violation(f"{NAME}: an uploader is named twice without a list: {owners}")


def _nodes(run: Path, truth: Truth, *, hydrated: bool) -> None:
    lines = Counter((n["kind"], n["id"], n["detail"]) for n in records(run, "nodes"))
    _same("nodes", Counter({name[:2] for name in lines}), Counter(dict.fromkeys(truth.depths, 1)))
    twice = [name for name, count in lines.items() if count > 1]
    if twice:
        raise Violation(f"{NAME}: nodes are there twice, no richer: {twice[:5]}")
    poor = {name[:2] for name in lines} - {name[:2] for name in lines if name[2] == "full"}
    if hydrated and poor:
        raise Violation(f"{NAME}: after hydration these are still poor: {sorted(poor)[:5]}")


def _lists(run: Path, truth: Truth, spared: frozenset[int]) -> None:
    ended = [r for r in records(run, "lists") if r["verdict"] != "failed" and r["kind"] not in {"users", "tracks"}]
    said: Counter[tuple[object, ...]] = Counter()
    said.update((r["kind"], r["id"], r["relation"], r["verdict"], r["distinct"]) for r in ended)
    true = {name: 0 if name[2] == "followers" and name[1] in spared else rows for name, rows in truth.lists.items()}
    _same("lists", said, Counter((*name, "complete", rows) for name, rows in true.items()))


def _same(what: str, seen: Counter[tuple[object, ...]], true: Counter[tuple[object, ...]]) -> None:
    if seen != true:
        missing, extra = sorted((true - seen).elements(), key=repr), sorted((seen - true).elements(), key=repr)
        text = f"{len(missing)} {what} are missing, as {missing[:3]}; {len(extra)} are too many, as {extra[:3]}"
        raise Violation(f"{NAME}: {text}")
