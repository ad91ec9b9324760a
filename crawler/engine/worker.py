"""A worker: takes a flight, asks its source for the page, and lands what came of it. Many run side by side."""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct

from crawler.clock import Clock, iso
from crawler.engine.feeder import Feeder
from crawler.engine.flight import Ended, Flight, Landed, Postponed, Unsent
from crawler.errors import BadPage, ProviderError, Spent, Throttled
from crawler.model import Page, Provider, Request, Response
from crawler.policy import retry

BUG_TRIES = 3
"""How often a page is asked for on which our own code fails."""
BUG_SECONDS = 1.0


class Client(Protocol):
    """What sends a request: waits for the rate, adds the credential, counts."""

    requests: int

    async def ask(self, request: Request) -> Response:
        """Send a request and return its answer, whatever its status. Raises `ProviderError`, or `Spent` unsent."""
        ...


class Gate(Protocol):
    """Where requests wait before they are sent."""

    def pause(
        self, seconds: float, *, reason: str = "", sent_at_seconds: float | None = None, named: bool = False
    ) -> bool:
        """Shut the gate for all; an answer to what was sent before the last pause began changes nothing."""
        ...


class Source(Struct):
    """One service: its dialect and the way to it."""

    provider: Provider
    client: Client
    gate: Gate


class Witness(Protocol):
    """Who is told of what goes wrong, so that a person can read it later."""

    def failed(self, name: str, error: ProviderError, decision: retry.Decision) -> None:
        """Note that the request for the page `name` failed, and what is done about it."""
        ...

    def unreadable(self, name: str, body: bytes, reason: str) -> None:
        """Keep an answer that nobody understands. Raises `StorageError`."""
        ...


class Crew:
    """All workers of a crawl. `errors` counts failed requests by the name of the failure.

    `jitter` returns a number from 0 up to 1 at each call. `sets_bugs_aside`: an answer on which a parser fails, which
    is a bug of ours, is kept and given up after `BUG_TRIES`, instead of ending the crawl.
    """

    def __init__(
        self,
        feeder: Feeder,
        sources: Mapping[str, Source],
        clock: Clock,
        jitter: Callable[[], float],
        witness: Witness,
        *,
        sets_bugs_aside: bool = False,
    ) -> None:
        self.errors: Counter[str] = Counter()
        self._feeder = feeder
        self._sources = sources
        self._clock = clock
        self._jitter = jitter
        self._witness = witness
        self._sets_bugs_aside = sets_bugs_aside

    async def work(self) -> None:
        """Serve flights for ever; cancelled when the crawl ends."""
        while True:
            flight = await self._feeder.ready.get()
            try:
                await self._fly(flight)
            except Exception as bug:  # noqa: BLE001 - whoever waits for the page raises it
                bug.add_note(f"while reading {flight.name}")
                flight.fail(bug)

    async def _fly(self, flight: Flight) -> None:
        source = self._sources[flight.listing.source]
        response: Response | None = None
        request = source.provider.request(flight.task)
        try:
            response = await source.client.ask(request)
            page = self._parse(source, flight, response)
        except Spent as spent:
            flight.land(Unsent(str(spent), spent.until_epoch_seconds))
        except ProviderError as error:
            if isinstance(error, BadPage) and response is not None:
                self._witness.unreadable(flight.name, response.body, str(error))
            self._failed(flight, source, getattr(response, "sent_at_seconds", None), error)
        else:
            if page is not None:
                flight.land(Landed(page, iso(self._clock.now()), flight.tries + flight.pauses))

    def _parse(self, source: Source, flight: Flight, response: Response) -> Page | None:
        """Return the page; None when our own code failed on it and that is not to end the crawl."""
        try:
            return source.provider.parse(flight.task, response)
        except (ProviderError, Spent):
            raise
        except Exception as bug:
            if not self._sets_bugs_aside:
                raise
            self._bug(flight, bug, response.body)
            return None

    def _bug(self, flight: Flight, bug: Exception, body: bytes) -> None:
        """Ask again, because another answer may go well; in the end keep the answer, and say whose fault it is."""
        self.errors["bug"] += 1
        flight.bugs += 1
        if flight.bugs < BUG_TRIES:
            asyncio.get_running_loop().call_later(BUG_SECONDS, self._again, flight)
            return
        what = f"a bug of the crawler: {type(bug).__name__}: {bug}"
        self._witness.unreadable(flight.name, body, f"{what}\n{''.join(traceback.format_exception(bug))}")
        retries = flight.tries + flight.pauses + flight.bugs - 1
        flight.land(Ended("failed", what, iso(self._clock.now()), retries, bug=True))

    def _failed(self, flight: Flight, source: Source, sent_at_seconds: float | None, error: ProviderError) -> None:
        self.errors[type(error).__name__] += 1
        decision = retry.decide(
            error,
            tries=flight.pauses if isinstance(error, Throttled) else flight.tries,
            set_asides=flight.listing.progress.set_asides,
            jitter=self._jitter(),
            now_epoch_seconds=self._clock.epoch_seconds(),
        )
        self._witness.failed(flight.name, error, decision)
        now = iso(self._clock.now())
        if isinstance(decision, retry.Finish):
            flight.land(Ended(decision.verdict, decision.reason, now, flight.tries + flight.pauses))
        elif isinstance(decision, retry.Stop):
            flight.fail(error)
        elif isinstance(decision, retry.SetAside):
            flight.land(Postponed(decision.delay_seconds, str(error), now, flight.tries + flight.pauses + 1))
        elif isinstance(decision, retry.Pause):
            source.gate.pause(
                decision.delay_seconds, reason=str(error), sent_at_seconds=sent_at_seconds, named=decision.named
            )
            flight.pauses += 1
            self._again(flight)
        else:
            flight.tries += 1
            asyncio.get_running_loop().call_later(decision.delay_seconds, self._again, flight)

    def _again(self, flight: Flight) -> None:
        """Ask again, in the same place of the order; nobody sleeps meanwhile."""
        if self._feeder.drain_reason is not None:
            flight.land(Unsent(self._feeder.drain_reason))
        else:
            self._feeder.ready.put_nowait(flight)
