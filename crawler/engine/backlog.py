"""The discovery log, read as a queue of fresh listings.

A row of the log is read relation by relation, then node by node. The log is read only where it is committed; what was
discovered a moment ago is read when its commit is through.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

from crawler.engine.cover import Cover
from crawler.engine.flight import Flight
from crawler.frontier.rows import Listing, LogRow, Position, Run
from crawler.frontier.store import Frontier
from crawler.model import NodeId, Relation
from crawler.policy import order

_CHUNK_ROWS = 64

Sourced = tuple[str, Relation]


class Backlog:
    """Fresh listings in the order of discovery.

    `relations` gives, for each kind of node, the listings to read of it; `depth_max` is the depth whose nodes are no
    longer expanded, None for no limit. `counts` holds the trusted lengths of lists by node.

    Of the kinds of `cover` the last relation is *deferred*. The log is then read level by level, a level being rows of
    one depth that follow each other: first all relations but the deferred ones, and when these are read to their ends,
    the level is closed (`Position.level_row`) and read once more for the deferred ones. `turned` is where the reading
    stands after that: what is logged later belongs to another level, so it must be committed with the next page.
    """

    def __init__(
        self,
        frontier: Frontier,
        relations: Mapping[str, Sequence[Sourced]],
        depth_max: int | None,
        position: Position,
        counts: dict[NodeId, Mapping[str, int]],
        cover: Cover,
    ) -> None:
        self.counts = counts
        self.cover = cover
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
        self._level_row = position.level_row
        self._level_depth: int | None = None
        self.turned: Position | None = None
        self.deferring = position.log_row <= position.level_row

    def logged(self, runs: Iterable[Run]) -> None:
        """Take note of rows that were added to the log."""
        for run in runs:
            if self._expandable(run):
                self._last_expandable_row = run.row
                self.waiting_by_depth[run.depth] += len(run.ids)

    def replayed(self, rows: Sequence[LogRow], position: Position) -> None:
        """At start: take note of rows that are in the log, of which all before the position were expanded."""
        for row in rows:
            unread_from = None
            if self._expandable(row):
                self._last_expandable_row = row.row
                unread_from = self._unread_from(row, position)
                self.waiting_by_depth[row.depth] += 0 if unread_from is None else row.size - unread_from
            if self.cover.kinds:
                self.cover.replay(row, unread_from)
        self._committed_row = rows[-1].row

    def committed(self, row: int) -> None:
        """Note that the log is readable up to this row."""
        self._committed_row = row
        self._committed.set()

    async def head(self) -> Flight | None:
        """Return the next fresh listing to apply, None when the log holds none (now)."""
        while not self._ahead and self.look_ahead() is None:
            if self._next_row <= self._end_row():
                await self._load()
            elif not self._turn_over():
                break
        return self._ahead[0] if self._ahead else None

    def look_ahead(self) -> Flight | None:
        """Return the next fresh listing that nobody has asked for yet; None when none can be told now."""
        while self._rows and self._in_level(self._rows[0]):
            run = self._rows[0]
            begin, end = self._part(run.kind)
            if self._cursor.log_row != run.row or self._cursor.relation_index < begin:
                self._cursor = Position(run.row, begin, level_row=self._level_row)
            relation_index, log_index = self._cursor.relation_index, self._cursor.log_index
            if relation_index >= end:
                self._rows.popleft()
                continue
            if log_index >= len(run.ids):
                self._cursor = self._cursor._replace(relation_index=relation_index + 1, log_index=0)
                continue
            source, relation = self._relations[run.kind][relation_index]
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

    def stage_ahead(self) -> int | None:
        """Return the stage of the row that `look_ahead` reads next, None when no row is loaded."""
        return order.stage(self._rows[0].depth, deferred=self.deferring) if self._rows else None

    def stage(self, listing: Listing) -> int:
        """Return the stage of a listing."""
        return order.stage(listing.depth, deferred=self.is_deferred(listing))

    @property
    def turning(self) -> bool:
        """Tell whether the level, once read to its end, is followed by something that cannot be foretold yet."""
        return self.deferring or self._level_depth is not None

    def is_last(self, listing: Listing) -> bool:
        """Tell whether this is the last listing to be read of its node."""
        return self._relations[listing.node.kind][-1] == (listing.source, listing.relation)

    def is_deferred(self, listing: Listing) -> bool:
        """Tell whether this listing is read after all others of its level, and only if it must be."""
        return listing.node.kind in self.cover.kinds and self.is_last(listing)

    def spares(self, listing: Listing) -> bool:
        """Tell whether what this listing shows may spare others."""
        return listing.node.kind in self.cover.kinds and listing.relation.name == order.COVERING

    async def prefetch(self) -> None:
        """Load some rows ahead if they can be read without waiting."""
        if len(self._rows) < _CHUNK_ROWS // 2 and self._next_row <= min(self._committed_row, self._end_row()):
            await self._load()

    def _end_row(self) -> int:
        """Return the last row that there is to load now."""
        return min(self._last_expandable_row, self._level_row) if self.deferring else self._last_expandable_row

    async def _load(self) -> None:
        while self._next_row > self._committed_row:
            self._committed.clear()
            await self._committed.wait()
        end_row = self._end_row() if self.deferring else self._next_row + _CHUNK_ROWS
        for run in await self._frontier.claim(self._next_row, min(_CHUNK_ROWS, end_row - self._next_row + 1)):
            self._next_row = run.row + 1
            if self._expandable(run):
                self._rows.append(run)

    def _in_level(self, run: Run) -> bool:
        """Tell whether a row belongs to the level that is being read; without deferred relations there is but one."""
        if not self.cover.kinds or self.deferring:
            return True
        if self._level_depth is None:
            self._level_depth = run.depth
        return run.depth == self._level_depth

    def _part(self, kind: str) -> tuple[int, int]:
        """Return the first of the relations that are read now, and the one behind the last."""
        count = len(self._relations[kind])
        if self.deferring:
            return (count - 1 if kind in self.cover.kinds else count), count
        return 0, count - (kind in self.cover.kinds)

    def _turn_over(self) -> bool:
        """With nothing left to read now: go on to the deferred part of the level, or to the next level, if any.

        Called with nothing ahead, so it depends on what was applied only, as the order must.
        """
        if self.deferring:
            self.deferring, self._next_row, self._level_depth = False, self._level_row + 1, None
        elif self._level_depth is not None:
            first_row = self._level_row + 1
            self._level_row = self._rows[0].row - 1 if self._rows else self._last_expandable_row
            self.deferring, self._next_row = True, first_row
        else:
            return False
        self._rows.clear()
        self._cursor = self.turned = Position(self._next_row, level_row=self._level_row)
        return True

    def _expandable(self, run: Run | LogRow) -> bool:
        deep = self._depth_max is not None and run.depth >= self._depth_max
        return bool(run.fresh and not deep and self._relations.get(run.kind))

    def _unread_from(self, row: LogRow, position: Position) -> int | None:
        """Return the first node of a row whose last relation is still to be read, None when there is none."""
        log_row, relation_index, log_index, _, level_row = position
        if row.kind in self.cover.kinds and row.row > level_row:
            return 0
        if log_row <= level_row and row.row <= level_row and row.kind not in self.cover.kinds:
            return None
        if row.row == log_row:
            return log_index if relation_index == len(self._relations[row.kind]) - 1 else 0
        return 0 if row.row > log_row else None

    def _take(self, run: Run, source: str, relation: Relation) -> Flight:
        _, relation_index, log_index, *_ = self._cursor
        node = NodeId(run.network, run.kind, run.ids[log_index])
        self._cursor = Position(run.row, relation_index, log_index + 1, level_row=self._level_row)
        flight = Flight(Listing(node, relation, source, run.depth), after=self._cursor)
        if relation.name == "profile":
            self._profiles_unread += 1
        self._ahead.append(flight)
        return flight
