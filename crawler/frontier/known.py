"""Which nodes are known, and how well they are described: exact, in memory, rebuilt from the log at start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from crawler.frontier.ids import KnownIds
from crawler.frontier.poor import Poor
from crawler.frontier.rows import Run
from crawler.model import DETAILS, Detail, Id, Item

_RANK = {detail: rank for rank, detail in enumerate(DETAILS)}
RICHEST = DETAILS[-1]


class Sighting(NamedTuple):
    """Why an item deserves a line: it is new (`fresh`), or fuller than before. `depth` and `via` are its first ones."""

    item: Item
    depth: int
    via: str
    fresh: bool


class Kind:
    """All nodes of one kind; `poor` holds those not yet fully described, and what their line said."""

    __slots__ = ("known", "poor")

    def __init__(self) -> None:
        self.known = KnownIds()
        self.poor = Poor()

    def is_fuller(self, details: set[Detail]) -> bool:
        """Tell whether items of these details may say more of any node than is known of the least described one.

        Nested objects rarely do, so a page of them is spared a look-up a row.
        """
        least = min((_RANK[place[2]] for place in self.poor.places()), default=_RANK[RICHEST])
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
        number = 0 if run.detail == RICHEST else kind.poor.number((run.depth, run.via, run.detail))
        if number or not run.fresh:
            kind.poor.change(dict.fromkeys(run.ids, number))

    def sight(self, network: str, items: Sequence[Item], depth: int, via: str) -> list[Sighting]:
        """Return the items that are new or fuller, in order, each once, and remember them.

        The common case, a page of nodes that are known already, costs one look-up an item.
        """
        seen: list[Sighting] = []
        for kind_name in dict.fromkeys([item.kind for item in items]):
            kind = self.kind(network, kind_name)
            some = [item for item in items if item.kind == kind_name]
            ids = [item.id for item in some]
            is_known = kind.known.has(ids)
            if kind.poor and kind.is_fuller({item.detail for item in some}):
                numbers = kind.poor.get(ids)
                candidates = [
                    (item, number, known)
                    for item, number, known in zip(some, numbers, is_known, strict=True)
                    if number or not known
                ]
            else:
                candidates = [(item, 0, False) for item, known in zip(some, is_known, strict=True) if not known]
            if candidates:
                seen += self._take(kind, candidates, depth, via)
        return seen

    def undescribed(self, network: str, kind_name: str) -> Iterator[tuple[int, list[Id]]]:
        """Yield (depth, ids) of the nodes of which no more than a stub is known: a nested object, or only the id."""
        for (depth, _via, _detail), ids in self.kind(network, kind_name).poor.groups():
            yield depth, ids

    def settle(self, network: str, kind_name: str, ids: Sequence[Id]) -> list[Run]:
        """Give up on a description for these ids: nothing fuller will come. Return the runs that say so in the log."""
        kind = self.kind(network, kind_name)
        given_up = {value: number for value, number in zip(ids, kind.poor.get(ids), strict=True) if number}
        kind.poor.change(dict.fromkeys(given_up, 0))
        places = {value: kind.poor.place(number) for value, number in given_up.items()}
        return [
            Run(network, kind_name, place[0], place[1], RICHEST, fresh=False, ids=[value])
            for value, place in places.items()
        ]

    def _take(self, kind: Kind, candidates: list[tuple[Item, int, bool]], depth: int, via: str) -> Iterator[Sighting]:
        """Yield those that deserve a line, and remember them.

        With each comes the number of its place, and whether it was known, both before this page.
        """
        poor, new, changed = kind.poor, dict[Id, None](), dict[Id, int]()
        for item, before, was_known in candidates:
            if not was_known and item.id not in new:
                new[item.id] = None
                if item.detail != RICHEST:
                    changed[item.id] = poor.number((depth, via, item.detail))
                yield Sighting(item, depth, via, fresh=True)
                continue
            number = changed.get(item.id, before)
            if not number or _RANK[item.detail] <= _RANK[poor.place(number)[2]]:
                continue
            first_depth, first_via, _ = poor.place(number)
            is_richest = item.detail == RICHEST
            changed[item.id] = 0 if is_richest else poor.number((first_depth, first_via, item.detail))
            yield Sighting(item, first_depth, first_via, fresh=False)
        kind.known.update(list(new))
        if changed:
            poor.change(changed)

    def kind(self, network: str, kind: str) -> Kind:
        """Return all that is known of one kind of node."""
        key = (network, kind)
        found = self._kinds.get(key)
        if found is None:
            found = self._kinds[key] = Kind()
            found.known.expected = self._expected.get(kind)
        return found
