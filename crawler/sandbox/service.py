"""The sandbox without a socket: a request in, a reply out, and everything counted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count

from crawler.sandbox import chartmetric, legacy, soundcharts, web
from crawler.sandbox.faults.book import Account
from crawler.sandbox.faults.layer import FaultyDialect
from crawler.sandbox.faults.plan import Plan
from crawler.sandbox.limits import Limit, LimitedDialect, Rule
from crawler.sandbox.official import OfficialDialect
from crawler.sandbox.reply import JSON, Dialect, Reply, read_call
from crawler.sandbox.several import Several
from crawler.sandbox.tally import Tally
from crawler.sandbox.tokens import Tokens
from crawler.sandbox.world import World

REPORT_PATH = "/_sandbox/report"
LISTS_PATH = "/_sandbox/lists"
TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
TOKEN_SECONDS = 3599
"""How long the real tokens live."""


class Sandbox:
    """One world behind the official dialect, and behind the web's and the old one below their prefixes.

    `token_seconds` is how long a token is valid, `now` the clock for tokens and for the requests per second (seconds,
    never going back); tokens follow from `seed`. With `faults` (see `faults.plan.parse_faults`) it has a bad day and
    keeps an account of every list; `epoch` is then the date, in seconds since 1970, for the reset times it names. With
    `limits` (see `limits.parse_limits`) it refuses what comes too fast.
    """

    def __init__(
        self,
        world: World,
        *,
        token_seconds: float = TOKEN_SECONDS,
        seed: int = 0,
        now: Callable[[], float] = time.monotonic,
        faults: Plan | None = None,
        epoch: Callable[[], float] = time.time,
        limits: Sequence[Rule] = (),
    ) -> None:
        self.world = world
        self._tokens = Tokens(seed, token_seconds, now, next(user for user in count() if world.exists("user", user)))
        self._tally = Tally(now)
        self._dialect: Dialect = OfficialDialect(world, self._tokens)
        self._faulty: FaultyDialect | None = None
        if faults is not None:
            self._dialect = self._faulty = FaultyDialect(self._dialect, world, faults, now, epoch)
        others: dict[str, Dialect] = {
            web.PREFIX: web.WebDialect(world),
            legacy.PREFIX: legacy.LegacyDialect(world),
            chartmetric.PREFIX: chartmetric.ChartmetricDialect(world, now, epoch),
            soundcharts.PREFIX: soundcharts.SoundchartsDialect(world, Tokens(seed, token_seconds, now)),
        }
        self._dialect = Several(self._dialect, others)
        self._limited: LimitedDialect | None = None
        if limits:
            self._dialect = self._limited = LimitedDialect(self._dialect, limits, now, epoch)

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """Answer one request. `target` is path and query, header names are in lower case."""
        call = read_call(method, target, headers, body)
        if call.path == REPORT_PATH:
            return Reply(200, JSON, self._tally.report(self.world.name, self._tokens.exchanged, self._limits()))
        if call.path == LISTS_PATH:
            lists = {name: account._asdict() for name, account in self.lists().items()}
            return Reply(200, JSON, json.dumps(lists).encode())
        route = self._dialect.route(call)
        reply = route.answer(call)
        self._tally.count(route.family, reply.status)
        return reply

    @property
    def limits(self) -> list[Limit]:
        """Return the limits at work, with what they saw."""
        return [] if self._limited is None else self._limited.limits

    def _limits(self) -> list[dict[str, object]]:
        return [] if self._limited is None else self._limited.report()

    def lists(self) -> dict[str, Account]:
        """Return what was served of each list, by its name ("users/12/followers"); nothing without `faults`."""
        return {} if self._faulty is None else self._faulty.book.accounts()
