"""Lists in both directions, computed instead of stored, that agree exactly.

Sources (users) and targets (users, tracks, playlists) stand in an order, their *rank*, and are cut into classes of
consecutive ranks. Every source class owns a row of slots, one slot per edge. Along that row the targets lie in
intervals, wide for popular classes, and the sources take turns: slot s belongs to source `s % size` of the class. So

* a source finds its targets by looking at every `size`-th slot,
* a target finds its sources by looking through its interval in each source class,
* no interval is wider than `size`, so no source meets a target twice, and no edge can be in one list only.

Everything is integer arithmetic on tables of (source classes x target classes) numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crawler.sandbox.world import Ids

_NOTHING = 1e-6
"""Less than this is a rounding error: amounts are whole numbers in the end."""
Flags = NDArray[np.bool_]
Places = tuple[Ids, Ids]
"""Classes, and places within them."""


class Classes:
    """Ranks 0..total-1 cut into runs: class 0 first."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes: Ids = np.array(sizes, dtype=np.int64)
        self.ends: Ids = np.cumsum(self.sizes)
        self.starts: Ids = self.ends - self.sizes
        self.total = int(self.ends[-1])
        self.size_list: list[int] = self.sizes.tolist()
        self._end_list: list[int] = self.ends.tolist()

    def locate_one(self, rank: int) -> tuple[int, int]:
        """Return the class of one rank and its place within the class."""
        found = bisect_right(self._end_list, rank)
        return found, rank - self._end_list[found] + self.size_list[found]

    def locate(self, ranks: Ids) -> Places:
        """Return the class of each rank and its place within the class."""
        classes = self.ends.searchsorted(ranks, side="right")
        return classes, ranks - self.starts.take(classes)


class _Cell(NamedTuple):
    """What one source class and one target class share: see `Weave._interval`."""

    phase: int
    size: int
    wide: int
    extra: int
    start: int


class Weave:
    """The edges from `sources` to `targets`.

    A source of class a has about `degrees[a]` of them; `shares` is the weight of each target class as a whole. Where a
    class is full (each source has each target), the others take what it cannot.
    """

    def __init__(self, sources: Classes, targets: Classes, degrees: Sequence[float], shares: Sequence[float]) -> None:
        self.sources = sources
        self.targets = targets
        slots = _slots(sources, targets, degrees, shares)
        self._wide = slots // targets.sizes
        self._extra = slots % targets.sizes
        extra_ends = np.cumsum(self._extra, axis=0)
        self._phase = (extra_ends - self._extra) % targets.sizes
        self._slot_ends = np.cumsum(slots, axis=1)
        self._slot_starts = self._slot_ends - slots
        totals: Ids = slots.sum(axis=1)
        self._class_slots: Ids = np.cumsum(totals) - totals
        self.out_floor: Ids = totals // sources.sizes
        self.out_rest: Ids = totals % sources.sizes
        columns: Ids = slots.sum(axis=0)
        self.in_floor: Ids = columns // targets.sizes
        self.in_rest: Ids = columns % targets.sizes
        self.edges = int(totals.sum())
        self._cells = self._cell_table()

    def out_count(self, rank: int) -> int:
        """Return the number of targets of a source."""
        a, i = self.sources.locate_one(rank)
        return int(self.out_floor[a]) + (i < int(self.out_rest[a]))

    def in_count(self, rank: int) -> int:
        """Return the number of sources of a target."""
        b, t = self.targets.locate_one(rank)
        return int(self.in_floor[b]) + (t < int(self.in_rest[b]))

    def in_counts(self, targets: Places) -> Ids:
        """Return the number of sources of many targets."""
        counts: Ids = self.in_floor.take(targets[0])
        counts += targets[1] < self.in_rest.take(targets[0])
        return counts

    def out_at(self, rank: int, positions: Ids) -> Ids:
        """Return the ranks of the targets at some positions of a source's list."""
        a, i = self.sources.locate_one(rank)
        size = int(self.sources.sizes[a])
        slots = positions * size + i
        b = self._slot_ends[a].searchsorted(slots, side="right")
        inside = slots - self._slot_starts[a][b]
        wide, extra = self._wide[a][b], self._extra[a][b]
        head = extra * (wide + 1)
        turned = np.where(inside < head, inside // (wide + 1), extra + (inside - head) // np.maximum(wide, 1))
        found: Ids = (turned + self._phase[a][b]) % self.targets.sizes[b] + self.targets.starts[b]
        return found

    def out_edges_at(self, rank: int, positions: Ids) -> Ids:
        """Return the numbers of the edges at some positions of a source's list."""
        a, i = self.sources.locate_one(rank)
        found: Ids = positions * int(self.sources.sizes[a]) + i + self._class_slots[a]
        return found

    def edge_targets(self, edges: Ids) -> Ids:
        """Return the rank of the target of each edge."""
        a = self._class_slots.searchsorted(edges, side="right") - 1
        inside = edges - self._class_slots[a]
        places = zip(a.tolist(), inside.tolist(), strict=True)
        return np.array([self._target(source, slot) for source, slot in places], dtype=np.int64)

    def _target(self, a: int, slot: int) -> int:
        size = int(self.sources.sizes[a])
        rank = int(self.sources.starts[a]) + slot % size
        return int(self.out_at(rank, np.array([slot // size]))[0])

    def in_at(self, rank: int, positions: Ids) -> Ids:
        """Return the ranks of the sources at some positions of a target's list."""
        classes, slots = self._in_slots(rank, positions)
        found: Ids = slots % self.sources.sizes[classes] + self.sources.starts[classes]
        return found

    def edges_at(self, rank: int, positions: Ids) -> Ids:
        """Return the numbers (0..edges-1) of the edges at some positions of a target's list."""
        classes, slots = self._in_slots(rank, positions)
        found: Ids = slots + self._class_slots[classes]
        return found

    def edge_sources(self, edges: Ids) -> Ids:
        """Return the rank of the source of each edge."""
        a = self._class_slots.searchsorted(edges, side="right") - 1
        found: Ids = (edges - self._class_slots[a]) % self.sources.sizes[a] + self.sources.starts[a]
        return found

    def are_linked(self, sources: Places, targets: Places) -> Flags:
        """Return for each pair whether the edge between them exists."""
        start, width = self._interval(sources[0], *targets)
        linked: Flags = (sources[1] - start) % self.sources.sizes.take(sources[0]) < width
        return linked

    def edge_positions(self, source: int, target: int) -> tuple[int, int] | None:
        """Return where an edge stands in the list of its source and in that of its target, None when there is none."""
        a, i = self.sources.locate_one(source)
        b, t = self.targets.locate_one(target)
        start, width = self._interval_of(self._cells[a][b], t)
        size = self.sources.size_list[a]
        inside = (i - start) % size
        if inside >= width:
            return None
        before = sum(self._interval_of(row[b], t)[1] for row in self._cells[:a])
        return (start + inside) // size, before + inside

    def _cell_table(self) -> list[list[_Cell]]:
        """Return the tables again as plain ints: for a single edge numpy takes ten times as long."""
        sizes = np.broadcast_to(self.targets.sizes, self._wide.shape)
        table = np.stack((self._phase, sizes, self._wide, self._extra, self._slot_starts), axis=-1).tolist()
        return [[_Cell(*cell) for cell in row] for row in table]

    @staticmethod
    def _interval_of(cell: _Cell, t: int) -> tuple[int, int]:
        turned = (t - cell.phase) % cell.size
        return cell.start + turned * cell.wide + min(turned, cell.extra), cell.wide + (turned < cell.extra)

    def _interval(self, a: Ids, b: Ids | int, t: Ids | int) -> tuple[Ids, Ids]:
        cells = a * len(self.targets.sizes) + b  # flat indices: numpy takes pairs of them half as fast
        turned = (t - self._phase.take(cells)) % self.targets.sizes.take(b)
        wide, extra = self._wide.take(cells), self._extra.take(cells)
        return self._slot_starts.take(cells) + turned * wide + np.minimum(turned, extra), wide + (turned < extra)

    def _in_slots(self, rank: int, positions: Ids) -> tuple[Ids, Ids]:
        b, t = self.targets.locate_one(rank)
        starts, widths = self._interval(np.arange(len(self.sources.sizes)), b, t)
        ends = widths.cumsum()
        classes = ends.searchsorted(positions, side="right")
        return classes, positions + (starts - ends + widths)[classes]


def _slots(sources: Classes, targets: Classes, degrees: Sequence[float], shares: Sequence[float]) -> Ids:
    rows = []
    for size, degree in zip(sources.sizes.tolist(), degrees, strict=True):
        caps = [size * members for members in targets.sizes.tolist()]
        rows.append(_whole(_filled(size * degree, shares, caps), caps))
    return np.array(rows, dtype=np.int64)


def _filled(amount: float, shares: Sequence[float], caps: Sequence[int]) -> list[float]:
    """Share an amount in proportion, giving what a full cell cannot take to the others."""
    filled = [0.0] * len(shares)
    rest = min(amount, float(sum(caps)))
    for _ in range(len(shares)):
        open_share = sum(s for s, f, c in zip(shares, filled, caps, strict=True) if f < c)
        if rest < _NOTHING or open_share <= 0:
            break
        grown = [
            min(float(c), f + rest * s / open_share) if f < c else f
            for s, f, c in zip(shares, filled, caps, strict=True)
        ]
        rest -= sum(grown) - sum(filled)
        filled = grown
    return filled


def _whole(amounts: Sequence[float], caps: Sequence[int]) -> list[int]:
    """Round so that the sum is kept: what one cell loses the next one gets."""
    whole, carried = [], 0.0
    for amount, cap in zip(amounts, caps, strict=True):
        carried += amount
        taken = min(int(carried + _NOTHING), cap)
        whole.append(taken)
        carried -= taken
    return whole
