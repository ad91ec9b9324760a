"""A worker: takes a flight, asks its source for the page, and lands what came of it. Many run side by side."""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

from msgspec import Struct

from crawler.clock import Clock, iso
from crawler.engine.feeder import Feeder
from crawler.engine.flight import Ended, Flight, Landed, Postponed, Unsent, Withheld
from crawler.errors import BadPage, ProviderError, Resting, Spent, Throttled
from crawler.model import Page, Provider, Request, Response
from crawler.policy import retry

BUG_TRIES = 3
"""How often a page is asked for on which our own code fails."""
BUG_SECONDS = 1.0
PATIENCE_SECONDS = 15.0
"""How long the listings of one source may keep those of the others waiting, in their one order."""


class Client(Protocol):
    """What sends a request: waits for the rate, adds the credential, counts those sent and those not answered yet."""

    requests: int
    in_flight: int

    async def ask(self, request: Request) -> Response:
        """Send a request and return its answer, whatever its status. Raises `ProviderError`, or `Spent` unsent."""
        ...


class Gate(Protocol):
    """Where requests wait before they are sent. `reason` is why it is shut."""

    reason: str
    on_return: Callable[[str], object]

    @property
    def pause_left_seconds(self) -> float:
        """How long nobody may pass yet."""
        ...

    def pause_left(self, family: str) -> float:
        """Return for how many seconds nobody may pass who asks this family of endpoints."""
        ...

    def pause(
        self,
        seconds: float,
        *,
        family: str = "",
        reason: str = "",
        sent_at_seconds: float | None = None,
        named: bool = False,
        is_blocked: bool = False,
    ) -> bool:
        """Shut the gate for all; an answer to what was sent before the last pause began changes nothing."""
        ...

    def close(self, reason: str) -> None:
        """Let nobody pass any more: who waits gets `Spent`, with the reason."""
        ...

    def learned(self, epoch_seconds: float) -> dict[str, Any]:
        """Return what was learned of the service's limits, ready for JSON; `epoch_seconds` is the date of now."""
        ...

    def recall(self, remembered: Mapping[str, Any], epoch_seconds: float) -> None:
        """Go on with what an earlier start learned."""
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

    `out` holds the sources that ask for nothing more, and why: the credential was refused, or a quota is spent. The
    others go on; when none is left, the crawl ends with the last one's reason. A source that is paused for longer than
    `PATIENCE_SECONDS` has its listings set aside, so that the others do not wait for it; one alone just waits.

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
        self.out: dict[str, ProviderError | Spent] = {}
        self._feeder = feeder
        self._sources = sources
        self._clock = clock
        self._jitter = jitter
        self._witness = witness
        self._sets_bugs_aside = sets_bugs_aside

    async def work(self) -> None:
        """Serve flights for ever; cancelled when the crawl ends."""
        while True:
            flight = await self._feeder.ready()
            try:
                await self._fly(flight)
            except Exception as bug:  # noqa: BLE001 - whoever waits for the page raises it
                bug.add_note(f"while reading {flight.name}")
                flight.fail(bug)

    def close(self, reason: str) -> None:
        """Send nothing more: flights that wait for their rate or the end of a pause land unsent."""
        for source in self._sources.values():
            source.gate.close(reason)

    async def _fly(self, flight: Flight) -> None:
        name = flight.listing.source
        if name in self.out:
            flight.land(Withheld(f"{name} is out: {self.out[name]}"))
            return
        source = self._sources[name]
        response: Response | None = None
        try:
            request = source.provider.request(flight.task)
            response = await self._ask(source, request)
            page = self._parse(source, flight, response)
        except Spent as spent:
            if spent.of_source and self._goes_on_without(flight, spent):
                return
            flight.land(Unsent(str(spent), spent.until_epoch_seconds))
        except ProviderError as error:
            if isinstance(error, BadPage) and response is not None:
                self._witness.unreadable(flight.name, response.body, str(error))
            self._failed(flight, source, response, error)
        else:
            if page is not None:
                flight.land(Landed(page, iso(self._clock.now()), flight.tries + flight.pauses))

    async def _ask(self, source: Source, request: Request) -> Response:
        """Send a request; where other sources could go on, give up waiting for a source that is paused for long.

        Raises `Throttled` for that, and otherwise what the client raises.
        """
        if len(self._sources) == 1:
            return await source.client.ask(request)
        asked = asyncio.ensure_future(source.client.ask(request))
        try:
            while not asked.done():
                left_seconds = source.gate.pause_left(request.family)
                if left_seconds > PATIENCE_SECONDS:
                    raise Throttled(source.gate.reason, wait_seconds=left_seconds)
                await asyncio.wait([asked], timeout=PATIENCE_SECONDS)
        finally:
            asked.cancel()
        return asked.result()

    def _goes_on_without(self, flight: Flight, error: ProviderError | Spent) -> bool:
        """Note that a source is out; return whether the crawl goes on, the listing being kept for the next start."""
        name = flight.listing.source
        self.out.setdefault(name, error)
        if len(self.out) == len(self._sources):
            return False
        flight.land(Withheld(f"{name} is out: {error}"))
        return True

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

    def _failed(self, flight: Flight, source: Source, response: Response | None, error: ProviderError) -> None:
        # The gate knows how often a pause failed, unless there is no answer: then it is a token's.
        pauses = flight.pauses if response is None else 0
        decision = retry.decide(
            error,
            tries=pauses if isinstance(error, Throttled) else flight.tries + flight.rests,
            set_asides=flight.listing.progress.set_asides,
            jitter=self._jitter(),
            now_epoch_seconds=self._clock.epoch_seconds(),
        )
        if not isinstance(error, Resting):
            self.errors[type(error).__name__] += 1
            self._witness.failed(flight.name, error, decision)
        now = iso(self._clock.now())
        if isinstance(decision, retry.Finish):
            flight.land(Ended(decision.verdict, decision.reason, now, flight.tries + flight.pauses))
        elif isinstance(decision, retry.Stop):
            if not self._goes_on_without(flight, error):
                flight.fail(error)
        elif isinstance(decision, retry.SetAside):
            retries = flight.tries + flight.pauses + (not isinstance(error, Resting))
            flight.land(Postponed(decision.delay_seconds, str(error), now, retries))
        elif isinstance(decision, retry.Pause):
            self._pause(flight, source, response, decision, str(error))
            if len(self._sources) > 1 and decision.delay_seconds > PATIENCE_SECONDS:
                retries = flight.tries + flight.pauses
                flight.land(Postponed(decision.delay_seconds, str(error), now, retries, paused=True))
            else:
                self._again(flight)
        else:
            if isinstance(error, Resting):
                flight.rests += 1
            else:
                flight.tries += 1
            asyncio.get_running_loop().call_later(decision.delay_seconds, self._again, flight)

    def _pause(
        self, flight: Flight, source: Source, response: Response | None, decision: retry.Pause, reason: str
    ) -> None:
        source.gate.pause(
            decision.delay_seconds,
            family=source.provider.request(flight.task).family,
            reason=reason,
            sent_at_seconds=getattr(response, "sent_at_seconds", None),
            named=decision.named,
            is_blocked=response is not None and response.status == HTTPStatus.FORBIDDEN,
        )
        flight.pauses += 1

    def _again(self, flight: Flight) -> None:
        """Ask again, in the same place of the order; nobody sleeps meanwhile."""
        if self._feeder.drain_reason is not None:
            flight.land(Unsent(self._feeder.drain_reason))
        else:
            self._feeder.offer(flight)
