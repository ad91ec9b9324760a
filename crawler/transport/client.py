"""What the engine asks: one request in, one answer out, with the gate, the token and the network in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from crawler.errors import Refused, Spent, Unreached
from crawler.model import Request, Response
from crawler.policy.quota import Quota, Wait
from crawler.transport.allowance import Budget, Ticket
from crawler.transport.credentials import TokenOwner
from crawler.transport.gate import Gate, Outcome
from crawler.transport.http import TOKEN_FAMILY, Http
from crawler.transport.redaction import Secrets

_SILENT = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})
"""Answers that may come from in front of the API, and so do not tell that the token is good."""

_LONG_SECONDS = 300.0
"""What was taken from a day's budget must be sent within it: a booking does not last for ever."""

_UNSENT: Outcome = "unsent"
_PATIENCE_SECONDS = 0.1
"""A wait for a token that is shorter lets no crowd gather."""


class Answer(Response, frozen=True):
    """A response, and when its request was sent, by `Gate.time`: a pause needs to know which event it belongs to."""

    sent_at_seconds: float = 0.0


class Client:
    """Sends for one source, and interprets nothing but the 401.

    `requests` counts every request that may have reached the service, for tokens too, and `in_flight` those without an
    answer; each is in all `budgets`, which may be set until the first. Without `credentials` requests go without
    a token. `quota` is told every answer that is not a token's. With
    `locks_paths` a 401 after a fresh token is an answer like others, and a family of endpoints that gave one is not
    refreshed for again. Of `secrets` an answer is freed before anybody sees it.
    """

    def __init__(
        self,
        http: Http,
        gate: Gate,
        credentials: TokenOwner | None,
        budgets: Sequence[Budget] = (),
        quota: Quota | None = None,
        *,
        locks_paths: bool = False,
        secrets: Secrets | None = None,
    ) -> None:
        self._http = http
        self._gate = gate
        self._credentials = credentials
        self.budgets = budgets
        self._quota = quota
        self._spent: Spent | None = None
        self._secrets = secrets or Secrets()
        self._locks_paths = locks_paths
        self._locked: set[str] = set()
        self.requests = self.in_flight = 0

    async def ask(self, request: Request) -> Answer:
        """Wait for the gate, send, and return the answer; after a 401 once more, with a fresh token.

        Raises what the network (`Transient`, `BadPage`) or the token (`Refused`, `Throttled`, `Transient`) raises, and
        `Spent` when a budget is used up, or when an earlier answer said that the quota is.
        """
        answer, authorization = await self._try(request)
        if self._credentials is None or authorization is None:
            return answer
        if answer.status == HTTPStatus.UNAUTHORIZED and request.family not in self._locked:
            self._reject(self._credentials, authorization)
            answer, authorization = await self._try(request)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            if self._locks_paths:
                self._locked.add(request.family)
                return answer
            raise Refused(f"a fresh token was rejected as well ({request.family})")
        if answer.status not in _SILENT and answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            self._credentials.accept(authorization or "")
        return answer

    def _reject(self, credentials: TokenOwner, authorization: str) -> None:
        """Give a token up; where paths are locked, a fresh one that was rejected before may have met such a path."""
        if self._locks_paths:
            credentials.accept(authorization)
        credentials.reject(authorization)

    async def _try(self, request: Request) -> tuple[Answer, str | None]:
        """Ask once: take from the budgets, pass the gate, and send; what was not sent is given back."""
        ticket = Ticket(self.budgets)
        await self._take(ticket)
        began_seconds = self._gate.time()
        try:
            await self._gate.enter(request.family)
            return await self._inside(request, ticket, began_seconds)
        finally:
            ticket.give_back()

    async def _inside(self, request: Request, ticket: Ticket, began_seconds: float) -> tuple[Answer, str | None]:
        """Send, having passed the gate, and tell it how that ended."""
        gate, authorization = self._gate, None
        sent_at_seconds, outcome, reason = gate.time(), _UNSENT, ""
        try:
            if self._credentials is not None:
                authorization = await self._admitted(self._credentials, request.family, ticket)
            if not ticket.held or gate.time() - began_seconds > _LONG_SECONDS:
                ticket.give_back()
                await self._take(ticket)
            sent_at_seconds, outcome = gate.time(), "lost"
            answer = await self._send(request, ticket, authorization)
            outcome = _outcome(answer.status)
        except Unreached as error:
            outcome, reason = "unreached", error.kind
            raise
        except asyncio.CancelledError:
            outcome = _UNSENT
            raise
        finally:
            gate.left(request.family, sent_at_seconds, outcome, reason)
        return answer, authorization

    async def _admitted(self, credentials: TokenOwner, family: str, ticket: Ticket) -> str:
        """Return a token, which is paid for with the ticket when it must be asked for; the gate is passed already.

        Whoever waited while another fetched the token passes the gate once more: all of them would else leave at once.
        """
        fetches = False

        async def send(request: Request) -> Answer:
            nonlocal fetches
            fetches = True
            ticket.give_back()
            own = Ticket(self.budgets)
            await self._take(own)
            return await self._send(request, own)

        arrived_seconds = self._gate.time()
        authorization = await credentials.authorization(send)
        if fetches or self._gate.time() - arrived_seconds < _PATIENCE_SECONDS:
            return authorization
        self._gate.left(family, self._gate.time(), _UNSENT)
        await self._gate.enter(family)
        return await credentials.authorization(send)

    async def _take(self, ticket: Ticket) -> None:
        if self._spent is not None:
            raise Spent(str(self._spent), until_epoch_seconds=self._spent.until_epoch_seconds, of_source=True)
        await ticket.take()

    async def _send(self, request: Request, ticket: Ticket, authorization: str | None = None) -> Answer:
        self.requests += 1
        sent_at_seconds = self._gate.time()
        ticket.held = False
        self.in_flight += 1
        try:
            response = await self._http.send(request, authorization=authorization)
        except Unreached:
            self.requests -= 1
            ticket.held = True
            ticket.give_back()
            raise
        finally:
            self.in_flight -= 1
        if self._quota is not None and request.family != TOKEN_FAMILY:
            self._heed(self._quota.note(response, time.time()), sent_at_seconds)
        if request.family == TOKEN_FAMILY:
            return Answer(response.status, response.headers, response.body, sent_at_seconds)
        return Answer(response.status, self._clean(response), self._secrets.clean(response.body), sent_at_seconds)

    def _clean(self, response: Response) -> Mapping[str, str]:
        location = response.headers.get("location")
        if location is None:
            return response.headers
        return {**response.headers, "location": self._secrets.clean(location.encode()).decode()}

    def _heed(self, follows: Wait | Spent | None, sent_at_seconds: float) -> None:
        """Do what an answer's headers ask for; the answer itself was paid for, and is used."""
        if isinstance(follows, Spent):
            self._spent = follows
        elif follows is not None:
            self._gate.pause(
                follows.delay_seconds,
                reason=follows.reason,
                sent_at_seconds=sent_at_seconds,
                named=True,
                is_refusal=False,
            )


def _outcome(status: int) -> Outcome:
    if status in _SILENT:
        return "silent"
    return "failed" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "granted"
