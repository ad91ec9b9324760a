"""What `verify` remembers of the lines it has read: exact bitmaps of nodes, and one 64-bit hash per edge and listing.

Two different edges of one listing have the same hash once in billions of billions; a false alarm is as likely.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from crawler.dataset.lines import ChartLine, CrossReferenceLine, EdgeLine, ListLine, NodeLine, SeriesLine
from crawler.frontier import told
from crawler.frontier.ids import IdSet
from crawler.model import DETAILS, Id
from crawler.providers import registry

INWARD = registry.inward()
_ROWS = frozenset(
    (row.name, relation.kind, relation.name)
    for row in registry.SERVICES
    for relation in row.relations
    if relation.rows == "records"
)
"""Lists whose rows are records."""
_SHOWN = 10
Listing = tuple[str, str, str, Id]
"""A listing: source, relation, kind and id of its node."""
_Hashes = NDArray[np.int64]


class NodeCheck:
    """Which nodes have a line, and how rich."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._known: defaultdict[tuple[str, str], IdSet] = defaultdict(IdSet)
        self._problems: list[str] = []

    def take(self, line: NodeLine) -> None:
        """Read one line."""
        rank = DETAILS.index(line.detail)
        if any(line.id in self._known[line.kind, detail] for detail in DETAILS[rank:]):
            self._problems.append(f"nodes: {line.kind} {line.id} is there twice, the second time no richer")
        elif not any(line.id in self._known[line.kind, detail] for detail in DETAILS[:rank]):
            self.counts[line.kind] += 1
        if not bytes(line.data).startswith(b"{"):
            self._problems.append(f"nodes: the data of {line.kind} {line.id} is no object")
        self._known[line.kind, line.detail].add(line.id)

    def __contains__(self, node: tuple[str, Id]) -> bool:
        kind, value = node
        return any(value in self._known[kind, detail] for detail in DETAILS)

    def problems(self) -> Iterator[str]:
        """Return a sentence for each thing that is wrong."""
        yield from self._problems


class EdgeCheck:
    """How many edges each listing gave, and whether it gave one twice."""

    def __init__(self, nodes: NodeCheck) -> None:
        self.counts: Counter[str] = Counter()
        self._nodes = nodes
        self._edges = array("q")
        self._listings = array("q")
        self._ends_missing: list[str] = []

    def take(self, line: EdgeLine) -> None:
        """Read one line."""
        self.counts[line.type] += 1
        ends = (line.src_kind, line.src), (line.dst_kind, line.dst)
        for kind, value in ends:
            if (kind, value) not in self._nodes:
                self._ends_missing.append(f"edges: {line.type} has an end, {kind} {value}, that has no line in nodes")
        if line.rank is None:
            return
        here, there = reversed(ends) if (line.via, line.type) in INWARD else ends
        listing = hash((line.source, line.via, *here))
        self._listings.append(listing)
        self._edges.append(hash((listing, there, line.type, line.rank if line.type == "commented" else 0)))

    def add_row(self, listing: tuple[str, str, str, Id]) -> None:
        """Count a row that is no edge for its listing."""
        self._listings.append(hash(listing))

    def by_listing(self) -> tuple[_Hashes, _Hashes]:
        """Return the hashes of the listings that gave edges, in order, and how many each gave."""
        hashes, counts = np.unique(_view(self._listings), return_counts=True)
        return hashes, counts.astype(np.int64)

    def problems(self) -> Iterator[str]:
        """Return a sentence for each thing that is wrong."""
        yield from self._ends_missing
        repeated = len(self._edges) - len(np.unique(_view(self._edges)))
        if repeated:
            yield f"edges: {repeated} are there twice from the same list"


class RecordCheck:
    """Whether each point, ranking and cross reference is there once, and of a node that is known."""

    def __init__(self, nodes: NodeCheck, edges: EdgeCheck) -> None:
        self.counts: Counter[str] = Counter()
        self._nodes = nodes
        self._edges = edges
        self._seen: defaultdict[str, IdSet] = defaultdict(IdSet)
        self._problems: list[str] = []

    def take(self, line: SeriesLine | ChartLine | CrossReferenceLine) -> None:
        """Read one line."""
        shard = told.shard_of(line)
        self.counts[shard] += 1
        name, key = told.name_of(line, line.source)
        if key in self._seen[name]:
            self._problems.append(f"{shard}: {name} {key} is there twice")
        self._seen[name].add(key)
        if (line.kind, line.id) not in self._nodes:
            self._problems.append(f"{shard}: {line.kind} {line.id} has no line in nodes")
        if (line.source, line.kind, line.via) in _ROWS:
            self._edges.add_row((line.source, line.via, line.kind, line.id))

    def problems(self) -> Iterator[str]:
        """Return a sentence for each thing that is wrong."""
        yield from self._problems


class ListCheck:
    """What the certificates promise. `pending` gives the edges so far of listings that have not ended."""

    def __init__(self, pending: Mapping[Listing, int]) -> None:
        self._promised = {hash(listing): edges for listing, edges in pending.items()}
        self._pending = frozenset(self._promised)
        self._names = {hash(listing): listing for listing in pending}
        self._ended: set[int] = set()
        self._problems: list[str] = []

    def take(self, line: ListLine) -> None:
        """Read one line. A failed listing is tried again at a later start; others once more for each reading."""
        listing = hash((line.source, line.relation, line.kind, line.id))
        reading = hash((listing, line.reading))
        if reading in self._ended:
            self._problems.append(f"lists: {line.relation} of {line.kind} {line.id} is certified twice")
        if line.verdict != "failed":
            self._ended.add(reading)
        if listing not in self._pending:
            self._promised[listing] = line.distinct
            self._names[listing] = (line.source, line.relation, line.kind, line.id)

    def problems(self, edges: EdgeCheck) -> Iterator[str]:
        """Return a sentence for each thing that is wrong, given all edges."""
        yield from self._problems
        given = dict(zip(*(values.tolist() for values in edges.by_listing()), strict=True))
        wrong = [listing for listing, count in self._promised.items() if count != given.get(listing, 0)]
        for listing in wrong[:_SHOWN]:
            _, relation, kind, value = self._names[listing]
            there, promised = given.get(listing, 0), self._promised[listing]
            yield f"edges: {there} are there from {relation} of {kind} {value}, its list says {promised}"
        if len(wrong) > _SHOWN:
            yield f"edges: {len(wrong) - _SHOWN} more lists disagree with their edges"
        unknown = len(given.keys() - self._promised.keys())
        if unknown:
            yield f"edges: {unknown} lists gave edges, have not ended, and are not in the frontier"


def _view(values: array[int]) -> _Hashes:
    return np.frombuffer(values, dtype=np.int64) if values else np.empty(0, dtype=np.int64)
