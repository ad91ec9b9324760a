from __future__ import annotations

import json
import random

import pytest

from crawler.errors import ConfigError, ProviderError, Throttled
from crawler.model import Response
from crawler.providers.soundcloud_answers import failure
from crawler.sandbox.limits import parse_limits
from crawler.sandbox.reply import Reply
from crawler.sandbox.serve import open_world
from crawler.sandbox.service import Sandbox

from .conftest import Clock

ME, THEM = "/users/1/followers", "/users/1/followings"


class Asked:
    """A sandbox with limits, asked at moments; `passed` are those at which it did not refuse."""

    def __init__(self, limits: str, clock: Clock) -> None:
        self.clock = clock
        self.start = clock.seconds
        self.sandbox = Sandbox(
            open_world("synthetic", 5, 1), now=clock, epoch=lambda: 1e9 + clock.seconds, limits=parse_limits(limits)
        )
        self.passed: list[float] = []
        self.refused: list[float] = []

    def ask(self, seconds: float, target: str = ME) -> Reply:
        """Ask so many seconds after the start. A 401 is no refusal of a limit: nobody has a token here."""
        self.clock.seconds = self.start + seconds
        reply = self.sandbox.handle("GET", target, {"host": "x"})
        (self.passed if reply.status == 401 else self.refused).append(seconds)
        return reply

    def report(self) -> list[dict[str, object]]:
        """Return what the limits say that they saw."""
        found: list[dict[str, object]] = json.loads(self.sandbox.handle("GET", "/_sandbox/report", {}).body)["limits"]
        return found


def most(moments: list[float], seconds: float) -> int:
    """Return the most moments in any half-open window of a length."""
    return max(sum(1 for each in moments if start <= each < start + seconds) for start in moments)


def some_moments(seed: int, number: int, mean_seconds: float) -> list[float]:
    chance, now, found = random.Random(seed), 0.0, []
    for _ in range(number):
        now += chance.expovariate(1 / mean_seconds) if chance.random() < 0.5 else 0.0
        found.append(now)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_bucket_grants_its_rate_and_its_burst_and_no_more(seed: int, clock: Clock) -> None:
    """In every window of T seconds at most 10 * T + 4 pass; a steady client below the rate is never refused."""
    asked = Asked("bucket:10/s,burst=4", clock)
    for moment in some_moments(seed, 400, 0.08):
        asked.ask(moment)
    assert asked.refused
    for seconds in (0.3, 1.0, 5.0):
        assert most(asked.passed, seconds) <= 10 * seconds + 4 + 1e-6
    steady = Asked("bucket:10/s,burst=1", clock)
    for number in range(100):
        steady.ask(number / 10)
    assert not steady.refused


@pytest.mark.parametrize("kind", ["sliding", "waf"])
@pytest.mark.parametrize("seed", range(3))
def test_a_sliding_window_never_holds_more(kind: str, seed: int, clock: Clock) -> None:
    """No window sees more than the number; the report's largest window and its counts are those of the client."""
    asked = Asked(f"{kind}:7/2s" + (",block=5" if kind == "waf" else ""), clock)
    for moment in some_moments(seed, 300, 0.4):
        asked.ask(moment)
    assert most(asked.passed, 2) <= 7
    (report,) = asked.report()
    assert report["largest_in_a_window"] == most(asked.passed, 2)
    assert report["requests"] == 300
    assert report["refusals"] == len(asked.refused) > 0


def test_a_fixed_window_begins_with_a_request(clock: Clock) -> None:
    """Three pass from the first request on; the next window begins with the first request after its end."""
    asked = Asked("fixed:3/10s", clock)
    for moment in (5, 6, 14, 14.9, 15.5, 25, 25.4, 25.6):
        asked.ask(moment)
    assert asked.passed == [5, 6, 14, 15.5, 25, 25.4, 25.6]


def test_a_firewall_blocks_for_its_time(clock: Clock) -> None:
    """One request too many, and everything is refused until the time is over, however slow; then it is forgotten."""
    asked = Asked("waf:10/s,block=60", clock)
    for number in range(11):
        asked.ask(number * 0.05)
    for moment in (1.0, 30.0, 60.4, 60.6):
        asked.ask(moment)
    assert asked.refused == [0.5, 1.0, 30.0, 60.4]


def test_a_limit_of_one_family_refuses_only_that(clock: Clock) -> None:
    """Other endpoints neither count nor are refused."""
    asked = Asked("sliding:2/1h,family=users/followers", clock)
    for number in range(5):
        asked.ask(number, THEM)
        asked.ask(number, ME)
    assert asked.passed == [0, 0, 1, 1, 2, 3, 4]
    assert asked.report()[0]["requests"] == 5


def test_limits_change_in_mid_run(clock: Clock) -> None:
    """`from` and `until` are seconds of the sandbox's life."""
    asked = Asked("sliding:1/1h,until=10;sliding:2/1h,from=10", clock)
    for moment in (0, 1, 10, 11, 12):
        asked.ask(moment)
    assert asked.passed == [0, 10, 11]


def test_what_one_limit_refuses_another_does_not_count(clock: Clock) -> None:
    """A request counts in all limits that look at it, or in none."""
    asked = Asked("sliding:2/10s;sliding:3/1h", clock)
    for moment in (0, 1, 2, 3, 11.5):
        asked.ask(moment)
    assert asked.passed == [0, 1, 11.5]


@pytest.mark.parametrize("form", ["gateway", "edge", "long", "short", "dated", "blocked"])
def test_every_form_of_refusal_is_understood(form: str, clock: Clock) -> None:
    """The provider reads each as throttling; "dated" names the end of the window, and Retry-After is kept."""
    asked = Asked(f"fixed:1/10s,form={form},retry_after=7", clock)
    asked.ask(0)
    reply = asked.ask(3)
    assert reply.status == (403 if form == "blocked" else 429)
    error: ProviderError = failure(Response(reply.status, dict(reply.headers), reply.body), "users/followers")
    assert isinstance(error, Throttled)
    assert error.wait_seconds == 7
    expected = 1e9 + asked.start + 10 if form == "dated" else None
    assert error.until_epoch_seconds == expected


def test_exchanges_are_counted_as_documented(clock: Clock) -> None:
    """Thirty client credentials an hour pass, no more, and nothing else is in their way."""
    asked = Asked("tokens", clock)
    body = b"grant_type=client_credentials"
    headers = {"host": "x", "authorization": "Basic aWQ6c2VjcmV0"}
    statuses = [asked.sandbox.handle("POST", "/oauth/token", headers, body).status for _ in range(32)]
    assert statuses == [200] * 30 + [429] * 2
    asked.ask(1)
    assert asked.passed == [1]


@pytest.mark.parametrize(
    "text", ["bucket", "bucket:50", "bucket:0/s", "fixed:0.5/s", "waf:1/s,block=x", "sliding:1/s,form=rude", "x:1/s"]
)
def test_a_limit_that_means_nothing_is_refused(text: str) -> None:
    """The sentence names the limit."""
    with pytest.raises(ConfigError, match="limit"):
        parse_limits(text)
