"""The sandbox without a socket: a request in, a reply out, and everything counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from crawler.sandbox.official import OfficialDialect
from crawler.sandbox.reply import JSON, Dialect, Reply, read_call
from crawler.sandbox.tally import Tally
from crawler.sandbox.tokens import Tokens
from crawler.sandbox.world import World

REPORT_PATH = "/_sandbox/report"
TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
TOKEN_SECONDS = 3599
"""How long the real tokens live."""


class Sandbox:
    """One world behind the official dialect.

    `token_seconds` is how long a token is valid, `now` the clock for tokens and for the requests per second (seconds,
    never going back); tokens follow from `seed`.
    """

    def __init__(
        self,
        world: World,
        *,
        token_seconds: float = TOKEN_SECONDS,
        seed: int = 0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.world = world
        self._tokens = Tokens(seed, token_seconds, now)
        self._tally = Tally(now)
        self._dialect: Dialect = OfficialDialect(world, self._tokens)

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """Answer one request. `target` is path and query, header names are in lower case."""
        call = read_call(method, target, headers, body)
        if call.path == REPORT_PATH:
            return Reply(200, JSON, self._tally.report(self.world.name, self._tokens.exchanged))
        route = self._dialect.route(call)
        reply = route.answer(call)
        self._tally.count(route.family, reply.status)
        return reply
