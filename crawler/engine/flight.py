"""A flight: one page of a listing on its way, from being chosen to being applied."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from msgspec import Struct

from crawler.frontier.rows import Listing, Position
from crawler.model import Page, Task, Verdict


class Landed(Struct, frozen=True):
    """The page arrived. `observed_at` is ISO 8601 in UTC; `retries` counts the requests that failed before."""

    page: Page
    observed_at: str
    retries: int = 0


class Ended(Struct, frozen=True):
    """The listing is over: a final answer, nothing more to try, or the service's word; `bug` means ours is broken."""

    verdict: Verdict
    reason: str | None
    observed_at: str
    retries: int = 0
    missing: int | None = None
    bug: bool = False


class Postponed(Struct, frozen=True):
    """The request failed too often for now; ask again in `delay_seconds`.

    `paused` tells that it did not fail: its source is paused for long, and the other sources do not wait for that.
    """

    delay_seconds: float
    reason: str
    observed_at: str
    retries: int = 0
    paused: bool = False


class Withheld(Struct, frozen=True):
    """The source asks for nothing more in this start, and others do: the listing is kept for the next one."""

    reason: str


class Unsent(Struct, frozen=True):
    """The request was not sent, or not answered for a limit's sake; `until_epoch_seconds` is when that may change."""

    reason: str
    until_epoch_seconds: float | None = None


class Skipped(Struct, frozen=True):
    """The request was not worth sending: a trusted count says that the listing is empty.

    Or, with `covered`, all of so many followers were seen in their own followings.
    """

    covered: int = 0


Outcome = Landed | Ended | Postponed | Withheld | Unsent | Skipped


def task_of(listing: Listing) -> Task:
    """Return what a listing is to be asked for next."""
    progress = listing.progress
    return Task(listing.node, listing.relation, listing.cursor, progress.look_limit, counting=progress.look == "counts")


@dataclass(slots=True, eq=False)
class Flight:
    """`after` is where the log is read on once this page is applied; None for a listing that takes a further turn.

    `tries` counts requests that failed and were repeated in place, `pauses` those that were told to wait, `bugs`
    answers on which our own code failed, `rests` how often it was not sent because its family rested. `number` counts
    the pages that were dispatched: the lower, the sooner it is wanted.
    """

    listing: Listing
    after: Position | None = None
    tries: int = 0
    pauses: int = 0
    bugs: int = 0
    rests: int = 0
    dispatched: bool = False
    number: int = 0
    outcome: asyncio.Future[Outcome] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def task(self) -> Task:
        """The page to ask for."""
        return task_of(self.listing)

    @property
    def name(self) -> str:
        """How messages name this page: `followers of user 42, page 3`."""
        node = self.listing.node
        return f"{self.listing.relation.name} of {node.kind} {node.id}, page {self.listing.progress.pages + 1}"

    def land(self, outcome: Outcome) -> None:
        """Hand the outcome to whoever waits for it."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def fail(self, error: BaseException) -> None:
        """Hand an error on that ends the crawl."""
        if not self.outcome.done():
            self.outcome.set_exception(error)
            self.outcome.exception()
