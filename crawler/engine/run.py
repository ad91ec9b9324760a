"""A run: the engine's parts joined over one run folder. Opening it recovers it; there is no other way to start."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

from msgspec import Struct

from crawler.clock import Clock, iso
from crawler.engine.backlog import Backlog, Sourced
from crawler.engine.budget import RunBudget
from crawler.engine.committer import Committer
from crawler.engine.cover import NOTES, Claim, Cover
from crawler.engine.feeder import Feeder, window_of
from crawler.engine.flight import task_of
from crawler.engine.kinds import PLAIN, Kinds
from crawler.engine.ledger import Ledger
from crawler.engine.sequencer import Rules, Sequencer
from crawler.engine.supervisor import Ending, Supervisor
from crawler.engine.worker import Crew, Source
from crawler.errors import ProviderError, StorageError
from crawler.frontier.known import Known
from crawler.frontier.replay import replay
from crawler.frontier.rows import Listing, ShardRow
from crawler.frontier.store import Frontier, Start
from crawler.memory import give_back
from crawler.model import Item, Relation
from crawler.policy import order
from crawler.policy.order import Strategy
from crawler.policy.retry import Decision
from crawler.shards.files import Files
from crawler.shards.recovery import recover
from crawler.shards.writer import Compression, Shard, ShardWriter

UNREADABLE_MAX = 1000
"""How many answers that nobody understands are kept in a start."""

_REPLAY_ROWS = 4096
_AHEAD_WINDOWS = 4
"""Without a budget so many windows are reserved ahead, so that nobody ever waits; with one, a request for each worker
and one for a token: a kill costs no more."""


class Settings(Struct, frozen=True):
    """What a run needs to know. `relations` gives the listings to read by kind of node, in order; None means no limit.

    `empty_data` is the `data` object of a node of which only the id is known, as JSON. `sets_bugs_aside`: see `Crew`.
    """

    relations: Mapping[str, Sequence[Sourced]]
    empty_data: bytes
    kinds: Kinds = PLAIN
    workers: int = 32
    depth_max: int | None = None
    nodes_max: int | None = None
    requests_max: int | None = None
    seconds_max: float | None = None
    pages_per_list_max: int | None = None
    long_list_pages: int = 64
    hydrate: tuple[str, ...] = ()
    strategy: Strategy = "every_list"
    claim: Claim = lambda _item: None
    sets_bugs_aside: bool = False
    compression: Compression = "zstd"
    shard_bytes_max: int = 128 << 20


class Disk(NamedTuple):
    """How a run reaches the disk; a test passes one on which every operation can fail."""

    files: Callable[[], Files] = Files
    frontier: Callable[[Path], Frontier] = Frontier


_DISK = Disk()


class Run:
    """One run folder, opened. Use `async with Run(...) as run`, then `await run.crawl()`.

    `report` is called with an event and facts, for the log; nobody listens unless it is set before entering.
    `spent` returns the requests sent since the process started. Entering raises `StorageError` when committed bytes are
    missing, `ConfigError` when a later version wrote the frontier.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        sources: Mapping[str, Source],
        clock: Clock,
        jitter: Callable[[], float],
        disk: Disk = _DISK,
    ) -> None:
        self.recovered: list[str] = []
        self.report: Callable[..., object] = lambda _event, **_facts: None
        self.scrub: Callable[[bytes], bytes] = lambda body: body
        self._folder = folder
        self._settings = settings
        self._sources = sources
        self._clock = clock
        self._jitter = jitter
        self._disk = disk
        self._stack = AsyncExitStack()
        self._unreadable: set[bytes] = set()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            files = stack.enter_context(self._disk.files())
            shards_folder = self._folder / "shards"
            files.make_folder(shards_folder)
            self.frontier = await stack.enter_async_context(self._disk.frontier(self._folder / "frontier.sqlite"))
            start = await self.frontier.start(self._relations())
            shards = [_shard(row) for row in start.shards]
            self.recovered = recover(files, shards_folder, shards, self._folder / "set-aside")
            settings = self._settings
            writer = ShardWriter(files, shards_folder, settings.compression, settings.shard_bytes_max)
            writer.resume(shards)
            await self._join(start, writer)
            if settings.requests_max is not None:
                await self.frontier.sync_every_commit()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def seed(self, items: Sequence[Item], network: str, source: str) -> int:
        """Enter seeds; those that are known already are passed over. Return how many are new."""
        entry = self.ledger.seeds(items, network, source, (iso(self._clock.now()), self.sequencer.position))
        if entry.runs:
            self.sequencer.enter(entry)
        return sum(len(run.ids) for run in entry.runs)

    async def note_start(self) -> None:
        """Remember when the run was first started, and that it was started now."""
        now = iso(self._clock.now())
        first = await self.frontier.meta("started_at")
        await self.frontier.remember({"started_at": first or now, "updated_at": now})

    async def crawl(self) -> Ending:
        """Crawl until all is done or something stops it. On return, or raise, all that was applied is durable."""
        settings = self._settings
        supervisor = Supervisor(
            self.sequencer, self.feeder, self.committer, self.crew, settings.workers, self._paused_seconds
        )
        ending = await supervisor.run(settings.seconds_max)
        await self.frontier.remember({"updated_at": iso(self._clock.now())})
        return ending

    def spent(self) -> int:
        """Return the requests sent by all sources since the process started."""
        return sum(source.client.requests for source in self._sources.values())

    @property
    def requests(self) -> int:
        """Requests of the run so far: those of earlier starts that were committed, and those of this one."""
        return self._requests_before + self.spent()

    def _traffic(self) -> tuple[int, int]:
        return self.spent(), sum(source.client.in_flight for source in self._sources.values())

    def lists_per_node(self) -> float:
        """Return how many listings a known node has, on average."""
        nodes: Mapping[str, int] = self.committer.totals.get("nodes", {})
        lists = sum(number * len(self._settings.relations.get(kind, ())) for kind, number in nodes.items())
        return lists / sum(nodes.values()) if nodes else 1.0

    def failed(self, name: str, error: ProviderError, decision: Decision) -> None:
        """Report a failed request and what is done about it."""
        self.report(
            "request failed",
            page=name,
            error=type(error).__name__,
            reason=str(error),
            then=type(decision).__name__,
            delay_seconds=round(getattr(decision, "delay_seconds", 0.0), 1),
        )

    def unreadable(self, name: str, body: bytes, reason: str) -> None:
        """Keep an answer that nobody understands under `RUN/unreadable/`, with what was asked and what is wrong.

        The same answer is kept once, and no more than so many in a start: a service that breaks breaks often.
        """
        seen = hashlib.blake2b(body + b"\n" + reason.encode(), digest_size=16).digest()
        if seen in self._unreadable or len(self._unreadable) >= UNREADABLE_MAX:
            return
        self._unreadable.add(seen)
        folder = self._folder / "unreadable"
        stamp = iso(self._clock.now()).replace(":", "")
        path = folder / f"{stamp}-{len(self._unreadable):06d}.body"
        try:
            folder.mkdir(exist_ok=True)
            path.write_bytes(self.scrub(body))
            path.with_suffix(".txt").write_text(f"{name}\n{reason}\n", encoding="utf-8")
        except OSError as error:
            message = f"could not keep an unreadable answer in {folder}: {error.strerror}"
            raise StorageError(message) from error

    def _relations(self) -> dict[tuple[str, str, str], Relation]:
        return {
            (name, relation.kind, relation.name): relation
            for name, source in self._sources.items()
            for relation in source.provider.relations
        }

    async def _join(self, start: Start, writer: ShardWriter) -> None:
        settings = self._settings
        known = Known()
        relations, deferred = _ordered(settings)
        cover = Cover(deferred, settings.claim, settings.depth_max)
        self.backlog = Backlog(self.frontier, relations, settings.depth_max, start.position, dict(start.counts), cover)
        await self._replay(known, start)
        last_listing = int(start.totals.get("last_listing", 0))
        self.ledger = Ledger(
            known,
            start.last_row,
            last_listing,
            settings.pages_per_list_max,
            settings.empty_data,
            settings.kinds,
        )
        self.ledger.cover = cover
        self._budget(start)
        self.feeder = Feeder(
            self.backlog, window_of(settings.workers), settings.long_list_pages, lambda: self.budget.left
        )
        self.committer = Committer(self.frontier, writer, start.totals, self.budget, self._landed)
        self.committer.begin(start.position, start.last_row, [listing.id for listing in start.listings])
        self.committer.rates = self._rates
        rules = Rules(settings.long_list_pages, settings.nodes_max, settings.hydrate)
        self.sequencer = Sequencer(self.feeder, self.backlog, self.ledger, self.committer, self._clock, rules)
        self.sequencer.begin(start.position, start.listings, sum(Counter(start.totals.get("nodes", {})).values()))
        self.crew = Crew(
            self.feeder,
            self._sources,
            self._clock,
            self._jitter,
            self,
            sets_bugs_aside=settings.sets_bugs_aside,
        )
        for name, source in self._sources.items():
            source.gate.recall(start.totals.get("rates", {}).get(name, {}), self._clock.epoch_seconds())
            source.gate.on_return = partial(self._returned, name)

    def _rates(self) -> dict[str, Any]:
        now = self._clock.epoch_seconds()
        return {name: source.gate.learned(now) for name, source in self._sources.items()}

    def _returned(self, name: str, family: str) -> None:
        """Let the lists of a family of endpoints come back that was failing: it answers again."""
        provider = self._sources[name].provider

        def is_meant(listing: Listing) -> bool:
            return listing.source == name and provider.request(task_of(listing)).family == family

        self.sequencer.hasten(is_meant)

    def _paused_seconds(self) -> float:
        return min((source.gate.pause_left_seconds for source in self._sources.values()), default=0.0)

    def _budget(self, start: Start) -> None:
        settings = self._settings
        self._requests_before: int = start.totals.get("requests", 0)
        ahead = _AHEAD_WINDOWS * window_of(settings.workers)
        if settings.requests_max is not None:
            ahead = settings.workers + 1
        self.budget = RunBudget(start.totals, settings.requests_max, ahead, self._traffic, self._reserve)

    async def _reserve(self) -> None:
        await self.committer.reserve()

    async def _replay(self, known: Known, start: Start) -> None:
        """Rebuild what is known from the log."""
        known.expect(start.totals.get("nodes", {}))
        row = 0
        while rows := await self.frontier.log(row + 1, _REPLAY_ROWS):
            replay(known, [row for row in rows if not row.kind.endswith(NOTES)])
            self.backlog.replayed(rows, start.position)
            row = rows[-1].row
            del rows  # or two chunks of many megabytes would be there at once
        if row > _REPLAY_ROWS:
            give_back()

    def _landed(self, pages: int, row: int) -> None:
        self.feeder.landed(pages)
        self.backlog.committed(row)


def _ordered(settings: Settings) -> tuple[dict[str, list[Sourced]], list[str]]:
    """Return the relations in the order in which a strategy reads them, and the kinds whose last one is deferred."""
    relations, deferred = {kind: list(some) for kind, some in settings.relations.items()}, []
    for kind, some in relations.items() if settings.strategy == "followings_first" else ():
        names = [relation.name for _, relation in some]
        if (ordered := order.followings_first(names)) is not None:
            some.sort(key=lambda sourced: ordered.index(sourced[1].name))
            deferred.append(kind)
    return relations, deferred


def _shard(row: ShardRow) -> Shard:
    return Shard(*row)
