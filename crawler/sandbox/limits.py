"""Limits that the service keeps to itself, as it might have them: buckets, windows, a firewall, for all or a family.

Several are written one after another with ";" between them, each as KIND:NUMBER/TIME and options after commas:

    bucket:50/s,burst=10,retry_after=5    a token bucket; burst as large as NUMBER when left out
    sliding:600/10m                       at most 600 in any 10 minutes
    fixed:27500/1h                        a window begins with the first request after the one before has ended
    waf:10/s,block=60                     more than 10 in a second: everything is blocked for 60 seconds
    tokens                                50 client credentials in 12 hours, 30 an hour
    family=users/followers                counts and refuses only these endpoints (all but tokens when left out)
    from=300  until=600                   seconds of the sandbox's life: limits that change in mid-run
    retry_after=5                         refusals carry this header
    form=gateway                          what a refusal looks like: gateway, edge, long, short, dated, blocked

TIME is s, m or h with a number before it or none. "dated" names the moment of return in `reset_time`; "blocked" is the
firewall's page with status 403, and the form of `waf` when none is chosen.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from crawler.errors import ConfigError
from crawler.sandbox.faults.answers import REFUSALS, over_quota
from crawler.sandbox.faults.credentials import QUOTAS
from crawler.sandbox.reply import Call, Dialect, Reply, Route, read_query

Kind = Literal["bucket", "sliding", "fixed", "waf"]
Form = Literal["gateway", "edge", "long", "short", "dated", "blocked"]

_HEAD = re.compile(r"(?P<kind>bucket|sliding|fixed|waf):(?P<number>\d+(?:\.\d+)?)/(?P<count>\d*)(?P<unit>[smh])")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_BLOCK_SECONDS = 60.0
_LITTLE = 1e-9
"""Levels are sums of fractions, so a bucket is full or empty only within this."""
_TOKEN_FAMILY = "token"  # noqa: S105 - the name of an endpoint


class Rule(NamedTuple):
    """One limit as it is written."""

    kind: Kind
    number: float
    seconds: float
    burst: float
    block_seconds: float = _BLOCK_SECONDS
    family: str | None = None
    from_seconds: float = 0.0
    until_seconds: float = float("inf")
    retry_after: str | None = None
    form: Form = "gateway"
    grant: str | None = None
    described: Mapping[str, object] | None = None

    def counts(self, family: str, call: Call, seconds: float) -> bool:
        """Tell whether this limit looks at a call, so many seconds after the sandbox began."""
        if self.grant is not None:
            return (
                family == _TOKEN_FAMILY
                and read_query(call.body.decode("utf-8", "replace")).get("grant_type") == self.grant
            )
        inside = family != _TOKEN_FAMILY if self.family is None else family == self.family
        return inside and self.from_seconds <= seconds < self.until_seconds


class Limit:
    """One limit at work; `requests`, `refusals` and `largest`, the most it let pass in any window, are what it saw."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.requests = self.refusals = self.largest = 0
        self._passed: deque[float] = deque()
        self._level = self._at = 0.0
        self._began = float("-inf")
        self._in_window = 0
        self._blocked_until = float("-inf")

    def wait_seconds(self, now: float) -> float:
        """Return how long a request would have to wait to pass, 0 when it would pass now. Changes nothing."""
        rule = self.rule
        if rule.kind == "bucket":
            over = self._level_at(now) + 1 - rule.burst
            return max(0.0, over * rule.seconds / rule.number) if over > _LITTLE else 0.0
        if rule.kind == "fixed":
            ended = now >= self._began + rule.seconds
            return 0.0 if ended or self._in_window < rule.number else self._began + rule.seconds - now
        passed = [self._passed[-int(rule.number)]] if len(self._passed) >= rule.number else []
        return max(0.0, self._blocked_until - now, *(moment + rule.seconds - now for moment in passed))

    def take(self, now: float) -> None:
        """Note a request that passed."""
        rule = self.rule
        self._level, self._at = self._level_at(now) + 1, now
        if now >= self._began + rule.seconds:
            self._began, self._in_window = now, 0
        self._in_window += 1
        self._passed.append(now)
        while self._passed[0] <= now - rule.seconds:
            self._passed.popleft()
        self.largest = max(self.largest, len(self._passed))

    def refuse(self, now: float) -> None:
        """Note a request that this limit refused; a firewall blocks from the first one on."""
        self.refusals += 1
        if self.rule.kind == "waf" and now >= self._blocked_until:
            self._blocked_until = now + self.rule.block_seconds

    def _level_at(self, now: float) -> float:
        return max(0.0, self._level - (now - self._at) * self.rule.number / self.rule.seconds)


class LimitedDialect:
    """The dialect `inner` behind limits. `now` counts seconds, `epoch` is the date in seconds since 1970."""

    def __init__(
        self, inner: Dialect, rules: Sequence[Rule], now: Callable[[], float], epoch: Callable[[], float]
    ) -> None:
        self.limits = [Limit(rule) for rule in rules]
        self._inner = inner
        self._now = now
        self._epoch = epoch
        self._began = now()

    def route(self, call: Call) -> Route:
        """Return the route of a call, with the limits before it."""
        route = self._inner.route(call)
        return Route(route.family, lambda asked: self._answer(route, asked))

    def _answer(self, route: Route, call: Call) -> Reply:
        now = self._now()
        seconds = now - self._began
        limits = [limit for limit in self.limits if limit.rule.counts(route.family, call, seconds)]
        waits = [(limit.wait_seconds(now), limit) for limit in limits]
        for limit in limits:
            limit.requests += 1
        refusing = [(wait, limit) for wait, limit in waits if wait > 0]
        if not refusing:
            for limit in limits:
                limit.take(now)
            return route.answer(call)
        for _, limit in refusing:
            limit.refuse(now)
        return self._refusal(refusing)

    def _refusal(self, refusing: Sequence[tuple[float, Limit]]) -> Reply:
        _, limit = max(refusing, key=lambda pair: pair[0])
        rule = limit.rule
        if rule.form == "dated":
            said = [(each.rule.described or _described(each.rule), self._epoch() + left) for left, each in refusing]
            reply = over_quota(said)
        else:
            reply = REFUSALS[rule.form]
        if rule.retry_after is None:
            return reply
        return reply._replace(headers=(*reply.headers, ("retry-after", rule.retry_after)))

    def report(self) -> list[dict[str, object]]:
        """Return what each limit saw, for the sandbox's report."""
        return [
            {
                "limit": f"{limit.rule.kind} {limit.rule.number:g} in {limit.rule.seconds:g} s",
                "family": limit.rule.family or limit.rule.grant or "all",
                "requests": limit.requests,
                "refusals": limit.refusals,
                "largest_in_a_window": limit.largest,
            }
            for limit in self.limits
        ]


def parse_limits(text: str) -> list[Rule]:
    """Read limits as the head of this file has them. Raises `ConfigError`."""
    rules: list[Rule] = []
    for part in filter(None, (each.strip() for each in text.split(";"))):
        rules += _token_rules() if part == "tokens" else [_parse(part)]
    return rules


def _parse(text: str) -> Rule:
    head, *options = text.split(",")
    found = _HEAD.fullmatch(head.strip())
    if found is None:
        raise ConfigError(f'limit "{text}" is not of the form bucket:50/s or sliding:600/10m (see docs/sandbox.md)')
    number = float(found["number"])
    seconds = float(found["count"] or 1) * _UNITS[found["unit"]]
    fields: dict[str, Any] = {"burst": max(1.0, number)}
    if found["kind"] == "waf":
        fields["form"] = "blocked"
    for option in options:
        fields |= _option(text, option)
    rule = Rule(kind=found["kind"], number=number, seconds=seconds, **fields)  # type: ignore[arg-type]
    if not (rule.number > 0 and rule.seconds > 0 and rule.burst >= 1) or (rule.kind != "bucket" and number < 1):
        raise ConfigError(f'limit "{text}" would let nothing pass')
    return rule


_NUMBERS = {"burst": "burst", "block": "block_seconds", "from": "from_seconds", "until": "until_seconds"}


def _option(text: str, option: str) -> dict[str, Any]:
    name, _, value = option.strip().partition("=")
    if name in _NUMBERS and re.fullmatch(r"\d+(\.\d+)?", value):
        return {_NUMBERS[name]: float(value)}
    if name == "form" and value in get_args(Form):
        return {"form": value}
    if name in ("family", "retry_after") and value:
        return {name: value}
    raise ConfigError(f'limit "{text}" has an option that is not understood: "{option}"')


def _token_rules() -> list[Rule]:
    return [
        Rule(
            "fixed", float(str(said["max_nr_of_requests"])), seconds, 1.0, form="dated",
            grant="client_credentials", described=said,
        )
        for said, seconds in QUOTAS
    ]  # fmt: skip


def _described(rule: Rule) -> dict[str, object]:
    return {"group": "requests", "max_nr_of_requests": int(rule.number), "time_window": f"PT{rule.seconds:g}S"}
