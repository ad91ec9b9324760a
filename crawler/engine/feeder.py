"""The feeder: keeps the workers busy, ahead of the order in which pages will be applied, by at most `window` pages."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Callable

from crawler.engine.backlog import Backlog
from crawler.engine.flight import Flight, Skipped, Unsent
from crawler.frontier.rows import Listing
from crawler.policy import order

_Turn = tuple[int, int, Flight]


class Feeder:
    """Chooses which pages to ask for next.

    `outstanding` counts pages from their dispatch to their durable commit; it never passes `window` but for the one
    page that the sequencer waits for.
    """

    def __init__(self, backlog: Backlog, window: int, long_list_pages: int, requests_left: Callable[[], float]) -> None:
        self._ready: asyncio.PriorityQueue[tuple[int, Flight]] = asyncio.PriorityQueue()
        self._dispatched = 0
        self.outstanding = 0
        self.holding: Counter[int] = Counter()
        self.drain_reason: str | None = None
        self._airborne: set[Flight] = set()
        self._uncommitted = 0
        self._committed = asyncio.Event()
        self._backlog = backlog
        self._window = window
        self._requests_left = requests_left
        self._long_list_pages = long_list_pages
        self._turns: list[_Turn] = []
        self._undispatched: list[_Turn] = []

    @property
    def turns(self) -> int:
        """How many listings wait for a further turn."""
        return len(self._turns)

    def add_turn(self, listing: Listing) -> None:
        """Queue a listing that wants a further page, at its `due_step`."""
        if self._holds(listing):
            self.holding[self._backlog.stage(listing)] += 1
        turn = (listing.due_step, listing.id, Flight(listing))
        heapq.heappush(self._turns, turn)
        heapq.heappush(self._undispatched, turn)

    def head_turn(self) -> Flight | None:
        """Return the listing whose turn is next."""
        return self._turns[0][2] if self._turns else None

    def take_turn(self) -> None:
        """Forget the head turn: it is being applied."""
        listing = heapq.heappop(self._turns)[2].listing
        if self._holds(listing):
            self.holding[self._backlog.stage(listing)] -= 1

    def bars(self, stage: int) -> bool:
        """Tell whether an unfinished listing of an earlier stage holds back those of this one."""
        return any(count and held < stage for held, count in self.holding.items())

    def refill(self, step: int) -> None:
        """Dispatch pages in the order in which they will be wanted, as far as that can be foretold."""
        # What was foretold wrongly is asked for in vain, so the nearer the budget's end, the less is foretold.
        window = min(self._window, max(1.0, self._requests_left() / 2))
        while self.outstanding < window and self.drain_reason is None:
            flight = self._next(step + self.outstanding)
            if flight is None:
                return
            self.dispatch(flight)

    def dispatch(self, flight: Flight) -> None:
        """Give a page to the workers, once. While draining it lands unsent."""
        if flight.dispatched:
            return
        flight.dispatched = True
        self._dispatched += 1
        flight.number = self._dispatched
        self.outstanding += 1
        if self.drain_reason is not None:
            flight.land(Unsent(self.drain_reason))
        elif (skipped := self.spared(flight)) is not None:
            flight.land(skipped)
        else:
            self._airborne.add(flight)
            self.offer(flight)

    def offer(self, flight: Flight) -> None:
        """Put a page before the workers, also one that is asked for again: what is wanted soonest goes first.

        Behind all that were dispatched meanwhile it would keep them from being committed.
        """
        self._ready.put_nowait((flight.number, flight))

    async def ready(self) -> Flight:
        """Return the page to be asked for next, once there is one."""
        return (await self._ready.get())[1]

    def drain(self, reason: str, grace_seconds: float) -> None:
        """Ask for nothing more: what is not sent lands unsent now, what has not answered lands so after the grace."""
        if self.drain_reason is not None:
            return
        self.drain_reason = reason
        while not self._ready.empty():
            self._ready.get_nowait()[1].land(Unsent(reason))
        asyncio.get_running_loop().call_later(grace_seconds, self._give_up)

    async def settled(self) -> None:
        """Return when everything that workers have has landed: what is paid for is sent before a crawl ends."""
        if self._airborne:
            await asyncio.wait([flight.outcome for flight in self._airborne])

    async def room(self) -> None:
        """Return when the page that is wanted next may be dispatched.

        Behind a slow commit pages must not pile up one by one: a kill would make the crawl ask for all of them again.
        When nothing waits for a commit, the window is full of pages that are wanted later, and this one goes first.
        """
        while self.outstanding >= self._window and self._uncommitted:
            self._committed.clear()
            await self._committed.wait()

    def applied(self, flight: Flight) -> None:
        """Note that the page has been applied."""
        self._airborne.discard(flight)
        self._uncommitted += 1

    def landed(self, count: int) -> None:
        """So many pages are committed."""
        self.outstanding -= count
        self._uncommitted -= count
        self._committed.set()

    def spared(self, flight: Flight) -> Skipped | None:
        """Return why a listing costs no request: by a trusted count it has no rows, or all were seen elsewhere."""
        listing = flight.listing
        counts = self._backlog.counts.get(listing.node)
        if counts is not None and counts.get(listing.relation.name) == 0:
            return Skipped()
        covered = self._backlog.cover.covered(listing.node) if self._backlog.is_deferred(listing) else 0
        return Skipped(covered) if covered else None

    def _next(self, step: int) -> Flight | None:
        while self._undispatched and self._undispatched[0][2].dispatched:
            heapq.heappop(self._undispatched)
        turn = self._undispatched[0] if self._undispatched else None
        if turn is not None and turn[0] <= step:
            return turn[2]
        fresh = self._backlog.stage_ahead()
        barred = fresh is None or self.bars(fresh)
        # Whether a deferred list is worth a request is known only when nothing bars it.
        if not barred or (turn is None and not self._backlog.deferring):
            flight = self._next_fresh()
            if flight is not None:
                return flight
        if self._backlog.turning and not any(self.holding.values()):
            return None  # when what is under way is applied, fresh listings follow, and come before this turn
        return turn[2] if turn is not None else None

    def _next_fresh(self) -> Flight | None:
        while (flight := self._backlog.look_ahead()) is not None:
            if self.spared(flight) is None:
                return flight
            self.dispatch(flight)
        return None

    def _holds(self, listing: Listing) -> bool:
        """Tell whether the listing holds back later stages; one that spares others does, however long it is."""
        long_list_pages = self._long_list_pages
        return self._backlog.spares(listing) or order.holds_depth(listing.progress.pages, long_list_pages)

    def _give_up(self) -> None:
        for flight in self._airborne:
            flight.land(Unsent(self.drain_reason or ""))


def window_of(workers: int) -> int:
    """Return how many pages may be under way: enough that a slow answer or a commit leaves no worker idle."""
    return 4 * workers
