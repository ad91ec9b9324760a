"""Which nodes are known, and how well they are described: exact, in memory, rebuilt from the log at start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from crawler.frontier.ids import KnownIds
from crawler.frontier.poor import Poor
from crawler.frontier.rows import Run
from crawler.frontier.table import Glance
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


class _Page(NamedTuple):
    """The items of one kind on a page, and what was known of each before, and where that is kept."""

    items: Sequence[Item]
    ids: list[Id]
    is_known: list[bool]
    where: Glance | None
    numbers: list[int]
    poor_where: Glance | None


class Known:
    """The dedup truth of a crawl. Nothing here is durable: the caller logs what it is told, the log rebuilds it."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._expected: dict[str, int] = {}

    def count(self, network: str, kind: str) -> int:
        """Return how many nodes of a kind are known."""
        return len(self.kind(network, kind).known)

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
            is_known, where = kind.known.glance(ids)
            if kind.poor and kind.is_fuller({item.detail for item in some}):
                numbers, poor_where = kind.poor.glance(ids, where)
                candidates = [place for place, known in enumerate(is_known) if not known or numbers[place]]
            else:
                numbers, poor_where = [0] * len(ids), None
                candidates = [place for place, known in enumerate(is_known) if not known]
            if candidates:
                page = _Page(some, ids, is_known, where, numbers, poor_where)
                seen += self._take(kind, page, candidates, (depth, via))
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

    def _take(self, kind: Kind, page: _Page, places: list[int], found: tuple[int, str]) -> Iterator[Sighting]:
        """Yield those of some places of a page that deserve a line, and remember them."""
        poor, now = kind.poor, dict[Id, int]()
        new, fuller = dict[Id, int](), dict[Id, int]()
        for place in places:
            item = page.items[place]
            if not page.is_known[place] and item.id not in new:
                new[item.id] = place
                if item.detail != RICHEST:
                    now[item.id] = poor.number((*found, item.detail))
                yield Sighting(item, *found, fresh=True)
                continue
            number = now.get(item.id, page.numbers[place])
            if not number or _RANK[item.detail] <= _RANK[poor.place(number)[2]]:
                continue
            depth, via, _ = poor.place(number)
            now[item.id] = 0 if item.detail == RICHEST else poor.number((depth, via, item.detail))
            if item.id not in new:
                fuller[item.id] = place
            yield Sighting(item, depth, via, fresh=False)
        if fuller:
            poor.change_at(page.ids, page.poor_where, {place: now.pop(value) for value, place in fuller.items()})
        if now:
            poor.change(now)
        if new:
            kind.known.add_new(page.ids, page.where, list(new.values()))

    def kind(self, network: str, kind: str) -> Kind:
        """Return all that is known of one kind of node."""
        key = (network, kind)
        found = self._kinds.get(key)
        if found is None:
            found = self._kinds[key] = Kind()
            found.known.expected = self._expected.get(kind)
        return found
