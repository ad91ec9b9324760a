"""Which nodes are known, and how well they are described: exact, in memory, rebuilt from the log at start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from crawler.frontier.ids import IdSet, KnownIds
from crawler.frontier.rows import Run
from crawler.model import DETAILS, Detail, Id, Item

_RANK = {detail: rank for rank, detail in enumerate(DETAILS)}
RICHEST = DETAILS[-1]
Place = tuple[int, str, Detail]
"""Depth, via and detail of a node's line."""


class Sighting(NamedTuple):
    """Why an item deserves a line: it is new (`fresh`), or fuller than before. `depth` and `via` are its first ones."""

    item: Item
    depth: int
    via: str
    fresh: bool


class Kind:
    """All nodes of one kind. `poor` holds those not yet fully described, `groups` the same by what their line said."""

    __slots__ = ("groups", "known", "poor")

    def __init__(self) -> None:
        self.known = KnownIds()
        self.poor = IdSet()
        self.groups: dict[Place, IdSet] = {}

    def is_fuller(self, details: set[Detail]) -> bool:
        """Tell whether items of these details may say more of any node than is known of the least described one.

        Nested objects rarely do, so a page of them is spared a look-up a row.
        """
        least = min((_RANK[place[2]] for place, ids in self.groups.items() if ids), default=_RANK[RICHEST])
        return max(_RANK[detail] for detail in details) > least


class Known:
    """The dedup truth of a crawl. Nothing here is durable: the caller logs what it is told, the log rebuilds it."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._expected: dict[str, int] = {}

    def count(self, network: str, kind: str) -> int:
        """Return how many nodes of a kind are known."""
        return len(self.kind(network, kind).known)

    def contains(self, network: str, kind: str, value: Id) -> bool:
        """Tell whether a node is known."""
        return value in self.kind(network, kind).known

    def expect(self, nodes: Mapping[str, int]) -> None:
        """Make room, kind by kind, for so many nodes at once, as a start does that reads them from the log."""
        self._expected = dict(nodes)

    def replay(self, run: Run) -> None:
        """Take in one row of the log, in the order of the log."""
        kind = self.kind(run.network, run.kind)
        if run.fresh:
            kind.known.update(run.ids)
        elif kind.poor:
            for value in run.ids:
                self._enrich(kind, value)
        if run.detail != RICHEST:
            kind.poor.update(run.ids)
            kind.groups.setdefault((run.depth, run.via, run.detail), IdSet()).update(run.ids)

    def sight(self, network: str, items: Sequence[Item], depth: int, via: str) -> list[Sighting]:
        """Return the items that are new or fuller, in order, each once, and remember them.

        The common case, a page of nodes that are known already, costs one look-up an item.
        """
        seen: list[Sighting] = []
        for kind_name in dict.fromkeys([item.kind for item in items]):
            kind = self.kind(network, kind_name)
            some = [item for item in items if item.kind == kind_name]
            is_known = kind.known.has([item.id for item in some])
            if kind.poor and kind.is_fuller({item.detail for item in some}):
                poor = kind.poor
                candidates = [
                    (item, known) for item, known in zip(some, is_known, strict=True) if not known or item.id in poor
                ]
            else:
                candidates = [(item, False) for item, known in zip(some, is_known, strict=True) if not known]
            if candidates:
                seen += self._take(kind, candidates, depth, via)
        return seen

    def undescribed(self, network: str, kind_name: str) -> Iterator[tuple[int, list[Id]]]:
        """Yield (depth, ids) of the nodes of which no more than a stub is known: a nested object, or only the id."""
        for (depth, _via, _detail), ids in sorted(self.kind(network, kind_name).groups.items()):
            if ids:
                yield depth, list(ids)

    def settle(self, network: str, kind_name: str, ids: Sequence[Id]) -> list[Run]:
        """Give up on a description for these ids: nothing fuller will come. Return the runs that say so in the log."""
        kind = self.kind(network, kind_name)
        given_up = [(value, self._enrich(kind, value)) for value in ids if value in kind.poor]
        return [
            Run(network, kind_name, place[0], place[1], RICHEST, fresh=False, ids=[value])
            for value, place in given_up
            if place
        ]

    def _take(self, kind: Kind, candidates: list[tuple[Item, bool]], depth: int, via: str) -> Iterator[Sighting]:
        """Yield those that deserve a line, and remember them; with each comes whether it was known before the page."""
        new: dict[Id, None] = {}
        for item, was_known in candidates:
            if not was_known and item.id not in new:
                new[item.id] = None
                self._describe(kind, item, depth, via)
                yield Sighting(item, depth, via, fresh=True)
                continue
            place = self._place(kind, item.id)
            if place is None or _RANK[item.detail] <= _RANK[place[2]]:
                continue
            self._enrich(kind, item.id)
            self._describe(kind, item, place[0], place[1])
            yield Sighting(item, place[0], place[1], fresh=False)
        kind.known.update(list(new))

    def _describe(self, kind: Kind, item: Item, depth: int, via: str) -> None:
        if item.detail != RICHEST:
            kind.poor.add(item.id)
            kind.groups.setdefault((depth, via, item.detail), IdSet()).add(item.id)

    def _place(self, kind: Kind, value: Id) -> Place | None:
        return next((place for place, ids in kind.groups.items() if value in ids), None)

    def _enrich(self, kind: Kind, value: Id) -> Place | None:
        place = self._place(kind, value)
        if place is not None:
            kind.groups[place].discard(value)
            kind.poor.discard(value)
        return place

    def kind(self, network: str, kind: str) -> Kind:
        """Return all that is known of one kind of node."""
        key = (network, kind)
        found = self._kinds.get(key)
        if found is None:
            found = self._kinds[key] = Kind()
            found.known.expected = self._expected.get(kind)
        return found
