"""The discovery log, read as a queue of fresh listings.

A row of the log is read relation by relation, then node by node. The log is read only where it is committed; what was
discovered a moment ago is read when its commit is through.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

from crawler.engine.flight import Flight
from crawler.frontier.rows import Listing, LogRow, Position, Run
from crawler.frontier.store import Frontier
from crawler.model import NodeId, Relation

_CHUNK_ROWS = 64

Sourced = tuple[str, Relation]


class Backlog:
    """Fresh listings in the order of discovery.

    `relations` gives, for each kind of node, the listings to read of it; `depth_max` is the depth whose nodes are no
    longer expanded, None for no limit. `counts` holds the trusted lengths of lists by node.
    """

    def __init__(
        self,
        frontier: Frontier,
        relations: Mapping[str, Sequence[Sourced]],
        depth_max: int | None,
        position: Position,
        counts: dict[NodeId, Mapping[str, int]],
    ) -> None:
        self.counts = counts
        self.waiting_by_depth: Counter[int] = Counter()
        self._frontier = frontier
        self._relations = relations
        self._depth_max = depth_max
        self._rows: deque[Run] = deque()
        self._ahead: deque[Flight] = deque()
        self._cursor = position
        self._next_row = position.log_row
        self._last_expandable_row = 0
        self._committed_row = 0
        self._committed = asyncio.Event()
        self._profiles_unread = 0

    def logged(self, runs: Iterable[Run]) -> None:
        """Take note of rows that were added to the log."""
        for run in runs:
            if self._expandable(run):
                self._last_expandable_row = run.row
                self.waiting_by_depth[run.depth] += len(run.ids)

    def replayed(self, rows: Sequence[LogRow], position: Position) -> None:
        """At start: take note of rows that are in the log, of which all before the position were expanded."""
        for row in rows:
            if self._expandable(row):
                self._last_expandable_row = row.row
                if row.row > position.log_row:
                    self.waiting_by_depth[row.depth] += row.size
                elif row.row == position.log_row:
                    expanded = position.log_index if self._is_last_relation(row, position) else 0
                    self.waiting_by_depth[row.depth] += row.size - expanded
        self._committed_row = rows[-1].row

    def committed(self, row: int) -> None:
        """Note that the log is readable up to this row."""
        self._committed_row = row
        self._committed.set()

    async def head(self) -> Flight | None:
        """Return the next fresh listing to apply, None when the log holds none (now)."""
        while not self._ahead and self.look_ahead() is None and self._unloaded():
            await self._load()
        return self._ahead[0] if self._ahead else None

    def look_ahead(self) -> Flight | None:
        """Return the next fresh listing that nobody has asked for yet; None when none can be told now."""
        while self._rows:
            run = self._rows[0]
            if self._cursor.log_row != run.row:
                self._cursor = Position(run.row)
            _, relation_index, log_index, _ = self._cursor
            relations = self._relations[run.kind]
            if relation_index >= len(relations):
                self._rows.popleft()
                continue
            if log_index >= len(run.ids):
                self._cursor = self._cursor._replace(relation_index=relation_index + 1, log_index=0)
                continue
            source, relation = relations[relation_index]
            if self._profiles_unread and relation.name != "profile":
                return None
            return self._take(run, source, relation)
        return None

    def applied(self) -> None:
        """Forget the head: it was applied."""
        flight = self._ahead.popleft()
        listing = flight.listing
        if listing.relation.name == "profile":
            self._profiles_unread -= 1
        if self.is_last(listing):
            self.waiting_by_depth[listing.depth] -= 1

    def depth_ahead(self) -> int | None:
        """Return the depth of the row that `look_ahead` reads next, None when no row is loaded."""
        return self._rows[0].depth if self._rows else None

    def is_last(self, listing: Listing) -> bool:
        """Tell whether this is the last listing to be read of its node."""
        return self._relations[listing.node.kind][-1] == (listing.source, listing.relation)

    async def prefetch(self) -> None:
        """Load some rows ahead if they can be read without waiting."""
        if len(self._rows) < _CHUNK_ROWS // 2 and self._next_row <= min(self._committed_row, self._last_expandable_row):
            await self._load()

    def _unloaded(self) -> bool:
        return self._next_row <= self._last_expandable_row

    async def _load(self) -> None:
        while self._next_row > self._committed_row:
            self._committed.clear()
            await self._committed.wait()
        for run in await self._frontier.claim(self._next_row, _CHUNK_ROWS):
            self._next_row = run.row + 1
            if self._expandable(run):
                self._rows.append(run)

    def _expandable(self, run: Run | LogRow) -> bool:
        deep = self._depth_max is not None and run.depth >= self._depth_max
        return bool(run.fresh and not deep and self._relations.get(run.kind))

    def _is_last_relation(self, run: LogRow, position: Position) -> bool:
        return position.relation_index == len(self._relations[run.kind]) - 1

    def _take(self, run: Run, source: str, relation: Relation) -> Flight:
        _, relation_index, log_index, _ = self._cursor
        node = NodeId(run.network, run.kind, run.ids[log_index])
        self._cursor = Position(run.row, relation_index, log_index + 1)
        flight = Flight(Listing(node, relation, source, run.depth), after=self._cursor)
        if relation.name == "profile":
            self._profiles_unread += 1
        self._ahead.append(flight)
        return flight
