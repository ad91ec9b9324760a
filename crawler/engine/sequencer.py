"""The sequencer: applies pages in the one order that depends only on what the service answered."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Mapping

from msgspec import Struct

from crawler.clock import Clock, iso
from crawler.engine.backlog import Backlog
from crawler.engine.committer import Committer
from crawler.engine.feeder import Feeder
from crawler.engine.flight import Ended, Flight, Landed, Outcome, Postponed, Skipped, Unsent, Withheld
from crawler.engine.ledger import Entry, Ledger, snapshot
from crawler.frontier.rows import Listing, Position
from crawler.model import NodeId
from crawler.policy import order

HYDRATE_BATCH = 50
"""Ids in one batch request: more than 50 are refused (see `docs/providers`, 3jackdaws/soundcloud-lib issue 8)."""


class Rules(Struct, frozen=True):
    """The settings of the order: `nodes_max` None for no limit, `hydrate` the networks to be described."""

    long_list_pages: int
    nodes_max: int | None = None
    hydrate: tuple[str, ...] = ()


class Sequencer:
    """Runs until nothing is left to do, or a limit is reached; `until_epoch_seconds` is its date, if that is known."""

    def __init__(
        self, feeder: Feeder, backlog: Backlog, ledger: Ledger, committer: Committer, clock: Clock, rules: Rules
    ) -> None:
        self.nodes = 0
        self.until_epoch_seconds: float | None = None
        self.waiting: list[tuple[float, int, Listing]] = []
        self._feeder = feeder
        self._backlog = backlog
        self._ledger = ledger
        self._committer = committer
        self._clock = clock
        self._rules = rules
        self.position = Position()
        self._level_row = 0
        self._hydrated = False
        self._stirred = asyncio.Event()

    def begin(self, position: Position, listings: list[Listing], nodes: int) -> None:
        """Start from a committed state: open listings take their turns, waiting ones wait, parked ones try again."""
        self.position = position
        self._level_row = position.level_row
        self.nodes = nodes
        for listing in listings:
            if listing.state == "open":
                self._feeder.add_turn(listing)
                continue
            if listing.state == "parked":
                listing.state, listing.not_before, listing.progress.set_asides = "waiting", 0.0, 0
            heapq.heappush(self.waiting, (listing.not_before or 0.0, listing.id, listing))

    def enter(self, entry: Entry) -> None:
        """Take in an entry, also one that is no page: seeds, batches."""
        if entry.position.level_row != self._level_row:
            entry.tally["level_row",] += entry.position.level_row - self._level_row
            self._level_row = entry.position.level_row
        self._backlog.logged(entry.runs)
        self._committer.submit(entry)
        self.nodes += sum(number for path, number in entry.tally.items() if path[0] == "nodes")

    def hasten(self, is_meant: Callable[[Listing], bool]) -> None:
        """Let listings that wait for a date come back now, because what made them fail is over."""
        if any(is_meant(listing) for _, _, listing in self.waiting):
            self.waiting = [
                (0.0 if is_meant(listing) else date, number, listing) for date, number, listing in self.waiting
            ]
            heapq.heapify(self.waiting)
            self.stir()

    def stir(self) -> None:
        """Wake the sequencer if it is waiting for a date."""
        self._stirred.set()

    async def run(self) -> str | None:
        """Apply pages until all is done (None), or return why it stopped early. Raises what ends a crawl."""
        while True:
            await self._backlog.prefetch()
            self._wake()
            if reason := await self._enough():
                return reason
            self._feeder.refill(self.position.step)
            flight = await self._choose()
            if flight is None:
                if self._feeder.drain_reason is not None:
                    return self._feeder.drain_reason
                if await self._rest():
                    continue
                return None
            if not flight.dispatched:
                await self._feeder.room()
                self._feeder.dispatch(flight)
            outcome = await flight.outcome
            if isinstance(outcome, Unsent):
                if self._feeder.drain_reason is None:
                    await self._feeder.settled()
                self.until_epoch_seconds = outcome.until_epoch_seconds
                return outcome.reason
            self._apply(flight, outcome)

    async def _enough(self) -> str | None:
        """Return why nothing more may be asked though there is something to do, None when there is no reason."""
        nodes_max = self._rules.nodes_max
        if nodes_max is None or self.nodes < nodes_max or not (self.waiting or await self._choose()):
            return None
        return f"max_nodes = {nodes_max} is reached: {self.nodes} nodes are known"

    async def _choose(self) -> Flight | None:
        turn = self._feeder.head_turn()
        step, due_step = self.position.step, turn.listing.due_step if turn is not None else None
        if turn is not None and turn.listing.due_step <= step:
            return turn
        fresh = await self._backlog.head()
        if self._backlog.turned is not None:
            self.position, self._backlog.turned = self._backlog.turned._replace(step=step), None
        allowed = fresh is not None and not self._feeder.bars(self._backlog.stage(fresh.listing))
        choice = order.choose(step, due_step, fresh=allowed)
        return turn if choice == "turn" else fresh if choice == "fresh" else None

    def _apply(self, flight: Flight, outcome: Landed | Ended | Postponed | Skipped | Withheld) -> None:
        entry = Entry(self._advance(flight), step=True)
        listing = flight.listing
        self._ripen(listing, flight, entry)
        self._enter_outcome(listing, outcome, entry)
        if entry.page is not None:
            pages, long_list_pages = listing.progress.pages, self._rules.long_list_pages
            listing.state = "open"
            listing.due_step = order.next_turn(self.position.step, pages, long_list_pages)
            entry.listing = snapshot(listing)
            self._feeder.add_turn(listing)
        elif listing.state == "waiting" and isinstance(outcome, Postponed):
            heapq.heappush(self.waiting, (listing.not_before or 0.0, listing.id, listing))
        self._backlog.counts.update(entry.counts)
        self.enter(entry)

    def _advance(self, flight: Flight) -> Position:
        """Move past the flight and return the new position."""
        self._feeder.applied(flight)
        if flight.after is None:
            self._feeder.take_turn()
            position = self.position
        else:
            self._backlog.applied()
            position = flight.after
        self.position = position._replace(step=self.position.step + 1)
        return self.position

    def _ripen(self, listing: Listing, flight: Flight, entry: Entry) -> None:
        """Give a fresh listing its advertised length, and forget a node's counts with its last listing."""
        if self._backlog.is_deferred(listing):
            self._backlog.cover.forget(listing.node)
        counts: Mapping[str, int] | None = self._backlog.counts.get(listing.node)
        if counts is None:
            return
        if flight.after is not None:
            listing.progress.advertised = counts.get(listing.relation.name)
        if self._backlog.is_last(listing):
            entry.settled.append(listing.node)
            self._forget(listing.node)

    def _forget(self, node: NodeId) -> None:
        self._backlog.counts.pop(node, None)

    def _enter_outcome(self, listing: Listing, outcome: Outcome, entry: Entry) -> None:
        if isinstance(outcome, Landed):
            self._ledger.page(listing, outcome, entry)
        elif isinstance(outcome, Ended):
            self._ledger.end(listing, outcome, entry)
        elif isinstance(outcome, Postponed):
            not_before = self._clock.epoch_seconds() + outcome.delay_seconds
            self._ledger.postpone(listing, outcome, not_before, entry)
        elif isinstance(outcome, Withheld):
            self._ledger.withhold(listing, entry)
        else:
            self._ledger.skip(listing, outcome.covered if isinstance(outcome, Skipped) else 0, self._now(), entry)

    def _now(self) -> str:
        return iso(self._clock.now())

    def _wake(self) -> None:
        """Give a turn to the listings whose date has come."""
        while self.waiting and self.waiting[0][0] <= self._clock.epoch_seconds():
            listing = heapq.heappop(self.waiting)[2]
            listing.due_step = self.position.step
            self._feeder.add_turn(listing)

    async def _rest(self) -> bool:
        """With nothing to do now: wait for a date, or describe what is undescribed. Return False when all is done."""
        if self.waiting:
            delay_seconds = max(0.0, self.waiting[0][0] - self._clock.epoch_seconds())
            self._stirred.clear()
            loop = asyncio.get_running_loop()
            timer = loop.call_later(min(delay_seconds, 60.0), self._stirred.set)
            await self._stirred.wait()
            timer.cancel()
            return True
        if self._hydrated:
            return False
        self._hydrated = True
        return self._queue_batches()

    def _queue_batches(self) -> bool:
        queued = False
        for network in self._rules.hydrate:
            for kind in ("user", "track"):
                ids = [value for _, values in self._ledger.known.undescribed(network, kind) for value in values]
                texts = [
                    ",".join(str(value) for value in ids[start : start + HYDRATE_BATCH])
                    for start in range(0, len(ids), HYDRATE_BATCH)
                ]
                if texts:
                    self.enter(self._ledger.batches(network, f"{kind}s", texts, self.position))
                    queued = True
        return queued
