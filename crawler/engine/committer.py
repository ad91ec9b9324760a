"""The committer: the one coroutine that makes pages count. Shards first, the frontier second, never the reverse.

    1  append the group's lines to the open shards, and sync them
    2  one transaction: position, discoveries, listings, totals, each shard's committed length
    3  publish what was sealed, and only now tell the others

A group is whatever is waiting, at most `GROUP_PAGES_MAX` pages. After an error nothing is tried again: the crawl
ends, and the next start recovers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from msgspec.structs import astuple

from crawler.engine.budget import RunBudget
from crawler.engine.ledger import Entry
from crawler.frontier.rows import Change, Position, ShardRow
from crawler.frontier.store import Frontier
from crawler.shards.writer import Lines, Shard, ShardWriter

GROUP_PAGES_MAX = 256


class Committer:
    """Commits entries in the order in which they were submitted.

    `budget` counts the requests, and each commit reserves some more; `on_commit` is called with the number of pages and
    the last row of the log that have become durable.
    """

    def __init__(
        self,
        frontier: Frontier,
        writer: ShardWriter,
        totals: dict[str, Any],
        budget: RunBudget,
        on_commit: Callable[[int, int], None],
    ) -> None:
        self.totals = totals
        self.commits = 0
        self.rates: Callable[[], dict[str, Any]] = dict
        self._frontier = frontier
        self._writer = writer
        self._budget = budget
        self._reserving: list[asyncio.Future[None]] = []
        self._on_commit = on_commit
        self._entries: deque[Entry] = deque()
        self._arrived = asyncio.Event()
        self._position = Position()
        self._closing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shards")

    def begin(self, position: Position, last_row: int, stored: Iterable[int]) -> None:
        """Start from a committed position, with the numbers of the listings that the frontier holds."""
        self._position = position
        self._last_row = last_row
        self._stored = set(stored)

    def submit(self, entry: Entry) -> None:
        """Queue an entry; it becomes durable later, after all that were submitted before it."""
        self._entries.append(entry)
        self._arrived.set()

    async def reserve(self) -> None:
        """Return after the next commit, which reserves requests; there is one even when nothing else waits for it."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reserving.append(done)
        self._arrived.set()
        await done

    async def run(self) -> None:
        """Commit groups until `close` is called and nothing is left. Raises `StorageError`."""
        while True:
            if not self._entries and self._reserving:
                await self._whole(self._move([], []))
                continue
            if not self._entries:
                if self._closing:
                    break
                self._arrived.clear()
                await self._arrived.wait()
                continue
            group = [self._entries.popleft() for _ in range(min(GROUP_PAGES_MAX, len(self._entries)))]
            await self._whole(self._commit(group))
        await self._whole(self._seal())

    def close(self) -> None:
        """Let `run` end once all that was submitted is committed; the open shards are sealed then."""
        self._closing = True
        self._arrived.set()

    def abandon(self) -> None:
        """Let `run` end after the commit that is under way; what was not committed needs no undoing."""
        self._entries.clear()
        self.close()

    async def _whole(self, unit: Any) -> None:  # noqa: ANN401 - any coroutine
        """Run one commit to its end, also when this coroutine is cancelled meanwhile: it is never cut in half."""
        task = asyncio.ensure_future(unit)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await task
            raise

    async def _commit(self, group: list[Entry]) -> None:
        shards = await self._in_thread(self._writer.write, _lines(group))
        for entry in group:
            self._count(entry.tally)
        await self._move(group, shards)
        pages = sum(1 for entry in group if entry.step)
        self._on_commit(pages, self._last_row)

    async def _seal(self) -> None:
        self._budget.close()
        shards = await self._in_thread(self._writer.seal_all)
        await self._move([], shards)
        self._thread.shutdown()

    async def _move(self, group: list[Entry], shards: list[Shard]) -> None:
        reserving, self._reserving = self._reserving, []
        reserved = self._budget.settle()
        change = _change(group, group[-1].position if group else self._position, shards)
        # Most lists end on their first page: of these the frontier holds nothing that would have to be deleted.
        change.ended = [ended for ended in change.ended if ended in self._stored]
        self._stored.difference_update(change.ended)
        self._stored.update(listing.id for listing in change.listings)
        self.totals["rates"] = self.rates()
        change.totals = msgspec.json.encode(self.totals)
        await self._frontier.commit(change)
        self.commits += 1
        self._budget.settled(reserved)
        for done in reserving:
            if not done.done():
                done.set_result(None)
        self._position = change.position
        if change.runs:
            self._last_row = change.runs[-1].row
        if any(shard.sealed for shard in shards):
            await self._in_thread(self._writer.publish, shards)

    def _count(self, tally: Mapping[tuple[str, ...], int]) -> None:
        for path, number in tally.items():
            place = self.totals
            for name in path[:-1]:
                place = place.setdefault(name, {})
            place[path[-1]] = place.get(path[-1], 0) + number

    async def _in_thread(self, work: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - the work's own
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


def _lines(group: list[Entry]) -> dict[str, Lines]:
    nodes = [line for entry in group for line in entry.nodes]
    lists = [line for entry in group for line in entry.lists]
    edges = [lines for entry in group for lines in entry.edges]
    joined = {
        "nodes": Lines(b"".join(nodes), len(nodes)),
        "edges": Lines(b"".join([lines.data for lines in edges]), sum([lines.count for lines in edges])),
        "lists": Lines(b"".join(lists), len(lists)),
    }
    for kind in dict.fromkeys(kind for entry in group for kind in entry.records):
        lines = [line for entry in group for line in entry.records.get(kind, ())]
        joined[kind] = Lines(b"".join(lines), len(lines))
    return joined


def _change(group: list[Entry], position: Position, shards: list[Shard]) -> Change:
    ended = {entry.ended: None for entry in group if entry.ended}
    listings = {entry.listing.id: entry.listing for entry in group if entry.listing is not None}
    for listing_id in ended:
        listings.pop(listing_id, None)
    counts = {node: counts for entry in group for node, counts in entry.counts.items()}
    settled = [node for entry in group for node in entry.settled]
    return Change(
        position=position,
        runs=[run for entry in group for run in entry.runs],
        listings=list(listings.values()),
        ended=list(ended),
        pages=[entry.page for entry in group if entry.page is not None and entry.page.listing not in ended],
        counts=counts,
        settled=settled,
        shards=[ShardRow._make(astuple(shard)) for shard in shards],
        totals=b"{}",
    )
