"""Faults of tokens. These remember: a token that died stays dead, a quota that is used up stays so for its window."""

from __future__ import annotations

from collections import Counter

from crawler.sandbox.faults.answers import over_quota
from crawler.sandbox.faults.plan import Chosen
from crawler.sandbox.faults.visit import Visit
from crawler.sandbox.reply import JSON, Reply, read_query

QUOTAS = (
    (
        {"bucket": "by-ip", "max_nr_of_requests": 30, "time_window": "PT1H", "name": "client-credentials-exchange"},
        3600.0,
    ),
    (
        {"bucket": "by-app", "max_nr_of_requests": 50, "time_window": "PT12H", "name": "client-credentials-exchange"},
        43200.0,
    ),
)
SAFE_USES = 100
"""A client with many workers sends many requests with a token that it just got, and a second 401 ends its day."""
_INVALID_GRANT = Reply(401, JSON, b'{"error":"invalid_grant"}')


class Deaths:
    """Tokens that die early: at each use with the fault's probability, but not at once, and then for ever."""

    def __init__(self) -> None:
        self._uses: Counter[str] = Counter()
        self._dead: set[str] = set()

    def answer(self, visit: Visit, fault: Chosen) -> Reply | None:
        """Answer an empty 401 for a dead token."""
        token = visit.call.headers.get("authorization", "")
        self._uses[token] += 1
        if token not in self._dead and not (self._uses[token] > SAFE_USES and fault.strikes(token, self._uses[token])):
            return None
        self._dead.add(token)
        return Reply(401, ())


class Quotas:
    """The limits on client credentials. A window begins with the first exchange after the one before has ended."""

    def __init__(self) -> None:
        self._began = [float("-inf")] * len(QUOTAS)
        self._used = [0] * len(QUOTAS)

    def answer(self, visit: Visit, _fault: Chosen) -> Reply | None:
        """Answer the documented 429 when a quota is used up; else count."""
        if grant_of(visit) != "client_credentials":
            return None
        now = visit.seconds
        for place, (_, window) in enumerate(QUOTAS):
            if now >= self._began[place] + window:
                self._began[place], self._used[place] = now, 0
        spent = [
            (limit, visit.epoch_seconds + self._began[place] + window - now)
            for place, (limit, window) in enumerate(QUOTAS)
            if self._used[place] >= limit["max_nr_of_requests"]  # type: ignore[operator]
        ]
        if spent:
            return over_quota(list(spent))
        self._used = [used + 1 for used in self._used]
        return None


def refused_refresh(visit: Visit, _fault: Chosen) -> Reply | None:
    """Refuse a refresh token, as one that was used before."""
    return _INVALID_GRANT if grant_of(visit) == "refresh_token" else None


def grant_of(visit: Visit) -> str:
    """Return what kind of exchange is asked for."""
    return read_query(visit.call.body.decode("utf-8", "replace")).get("grant_type", "")
