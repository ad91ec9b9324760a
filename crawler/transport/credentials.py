"""The single owner of the token of one app.

Tokens are dear: 50 exchanges in 12 hours an app, 30 an hour an address, refresh tokens good for one use (field report,
1.2). So there is one owner, one exchange at a time, whose outcome all waiting workers share, a failed one included;
and nothing but a token's age, or a 401 that rejects it, starts one (soundcloud/api #212: an app that exchanged on
every 500 burnt all its tokens). What must outlive the process is in the vault: a start goes on with the token it finds
there, and a kill between an answer and its keeping costs one exchange, when the old token has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from typing import Protocol

from crawler.clock import Clock
from crawler.errors import ProviderError, Refused, Throttled, Unreached
from crawler.model import Request, Response
from crawler.transport.vault import Kept, Vault

EARLY_SECONDS = 300.0
FIRST_HOLD_SECONDS = 5.0
LONGEST_HOLD_SECONDS = 900.0
AWAY_HOLD_SECONDS = 1.0
_TURN_SECONDS = 0.25

Send = Callable[[Request], Awaitable[Response]]


class Token(Protocol):
    """What a flow returns."""

    @property
    def access_token(self) -> str:
        """Return the token that the API accepts."""
        ...

    @property
    def expires_in_seconds(self) -> float:
        """Return how long it lives, from its answer on."""
        ...

    @property
    def refresh_token(self) -> str | None:
        """Return what the next exchange may be asked with, once."""
        ...


Flow = Callable[[str | None], Generator[Request, Response, Token]]
"""Given a refresh token or None: yields requests, is sent responses, returns a token, raises `ProviderError`."""


class TokenOwner:
    """Hands out `<scheme> <token>`; `exchanges` counts the token requests sent.

    `vault` keeps the token over restarts, None not to. `hide` is told every secret text that comes up, for the log.
    """

    def __init__(
        self,
        flow: Flow,
        clock: Clock,
        *,
        early_seconds: float = EARLY_SECONDS,
        scheme: str = "OAuth",
        vault: Vault | None = None,
        hide: Callable[[str], object] = lambda _secret: None,
    ) -> None:
        self._flow = flow
        self._clock = clock
        self._scheme = scheme
        self._early_seconds = early_seconds
        self._vault = vault
        self._hide = hide
        self._lock = asyncio.Lock()
        self._refresh_token: str | None = None
        self._authorization: str | None = None
        self._rejected: str | None = None
        self._refresh_at = self._expires_at = self._held_until = 0.0
        self._failure: ProviderError | None = None
        self._failures = 0
        self._on_trial = False
        self.exchanges = 0

    def __repr__(self) -> str:
        return f"TokenOwner(exchanges={self.exchanges})"

    async def authorization(self, send: Send) -> str:
        """Return the value of the Authorization header, exchanging for it through `send` when there is none.

        Raises what the exchange raised, for a while without asking again: `Refused`, `Throttled` or `Transient`. An
        early refresh that fails is no failure, as long as the old token lives.
        """
        if self._authorization and self._clock.monotonic_seconds() < self._refresh_at:
            return self._authorization
        if self._alive() and self._lock.locked():
            return self._alive()
        async with self._lock:
            now = self._clock.monotonic_seconds()
            if self._authorization and now < self._refresh_at:
                return self._authorization
            if now >= self._held_until:
                async with self._alone():
                    if not self._recalled():
                        await self._exchange(send)
            return self._usable()

    def _alive(self) -> str:
        """Return the header of a token that may be old but has not expired, else an empty text."""
        living = self._clock.monotonic_seconds() < self._expires_at
        return self._authorization or "" if living else ""

    def _usable(self) -> str:
        alive = self._alive()
        if alive:
            return alive
        if self._failure is None:
            raise AssertionError("an exchange left neither a token nor a failure")
        raise self._failure.with_traceback(None)

    async def _exchange(self, send: Send) -> None:
        """Run the flow once, and keep what came of it."""
        try:
            self._keep(await self._run(send))
        except Unreached as error:
            # The network is away: the gate knows, and lets one try now and then.
            self._failure, self._held_until = error, self._clock.monotonic_seconds() + AWAY_HOLD_SECONDS
        except ProviderError as error:
            self._failures += 1
            hold_seconds = self._hold_seconds(error)
            self._failure = error
            self._held_until = self._clock.monotonic_seconds() + hold_seconds
            if self._vault is not None and not isinstance(error, Refused):
                self._vault.hold(self._failures, hold_seconds, str(error))

    async def _run(self, send: Send) -> Token:
        flow = self._flow(self._refresh_token)
        try:
            request = next(flow)
            while True:
                request = flow.send(await self._paid(request, send))
        except StopIteration as ended:
            token: Token = ended.value
            return token

    async def _paid(self, request: Request, send: Send) -> Response:
        """Send a request of the flow; one that is counted (see `providers.oauth.TokenRequest`) is booked before."""
        vault = self._vault if getattr(request, "dear", False) else None
        if vault is not None:
            vault.book_exchange()
        self.exchanges += 1
        try:
            return await send(request)
        except Unreached:
            self.exchanges -= 1
            if vault is not None:
                vault.unbook_exchange()
            raise

    def _keep(self, token: Token) -> None:
        """Keep a token that was issued just now, in the vault first."""
        lifetime_seconds = token.expires_in_seconds
        refresh_seconds = lifetime_seconds - min(self._early_seconds, lifetime_seconds / 10)
        if self._vault is not None:
            self._vault.keep(token.access_token, token.refresh_token, refresh_seconds, lifetime_seconds)
        self._hold(token.access_token, token.refresh_token, refresh_seconds, lifetime_seconds)

    def _hold(
        self, access_token: str, refresh_token: str | None, refresh_seconds: float, lifetime_seconds: float
    ) -> None:
        now = self._clock.monotonic_seconds()
        for secret in (access_token, refresh_token or ""):
            self._hide(secret)
        self._refresh_token = refresh_token
        self._authorization = f"{self._scheme} {access_token}"
        self._expires_at = now + lifetime_seconds
        self._refresh_at = now + refresh_seconds
        self._failure = None
        self._failures = 0

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Wait until no other process exchanges."""
        if self._vault is None:
            yield
            return
        while True:
            with self._vault.alone() as held:
                if held:
                    yield
                    return
            await asyncio.sleep(_TURN_SECONDS)

    def _recalled(self) -> bool:
        """Take over what the vault holds from an earlier start or another process; tell whether that spares asking."""
        if self._vault is None:
            return False
        for secret in self._vault.secrets():
            self._hide(secret)
        token, hold, now = self._vault.token()
        if token is not None and token.access_token != self._rejected:
            self._take_over(token, now)
        if hold is None:
            return token is not None and token.refresh_at > now and token.access_token != self._rejected
        self._failures = hold.failures
        self._held_until = self._clock.monotonic_seconds() + hold.until - now
        self._failure = Throttled(hold.reason, wait_seconds=max(0.0, hold.until - now))
        return hold.until > now

    def _take_over(self, token: Kept, now: float) -> None:
        self._hold(token.access_token, token.refresh_token, token.refresh_at - now, token.expires_at - now)

    def _hold_seconds(self, error: ProviderError) -> float:
        """Return how long nobody asks again: as long as the service says, else longer with every failure."""
        guess = min(FIRST_HOLD_SECONDS * 2.0 ** (self._failures - 1), LONGEST_HOLD_SECONDS)
        if not isinstance(error, Throttled):
            return guess
        until = (error.until_epoch_seconds or 0.0) - self._clock.epoch_seconds()
        return max(guess, error.wait_seconds or 0.0, until)

    def reject(self, authorization: str) -> None:
        """Note that the API answered 401 to a token; the next `authorization` exchanges for another, once.

        A token that was replaced meanwhile is nothing new. Raises `Refused` when the replacement is rejected as well,
        before it was ever accepted: then it is not the token that is out, but the app.
        """
        if authorization != self._authorization:
            return
        if self._on_trial:
            raise Refused("a fresh token was rejected as well")
        self._on_trial = True
        self._rejected = authorization.partition(" ")[2]
        self._authorization = None
        self._expires_at = 0.0
        if self._vault is not None:
            self._vault.forget_access(self._rejected)

    def accept(self, authorization: str) -> None:
        """Note that the API accepted a token, so that a later 401 is worth an exchange again."""
        if self._on_trial and authorization == self._authorization:
            self._on_trial = False
