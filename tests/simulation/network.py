"""The network between the crawler and the service: slow, unreliable, and sometimes away for hours.

`SimHttp.send` stands in for `Http.send`. What goes wrong with a request is drawn when it is sent; outages, throttling
and revocations are periods drawn in advance, so that they last while nobody asks.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import NamedTuple

from crawler.clock import iso
from crawler.errors import Transient
from crawler.model import Request, Response
from tests.simulation.loop import EPOCH
from tests.simulation.plan import Plan
from tests.simulation.service import Service

TIMEOUT_SECONDS = 60.0
FAULT_SHARE = 0.05
_JSON = {"content-type": "application/json"}
_TEXT = {"content-type": "text/plain"}
_EDGE = {"content-type": "text/html", "server": "CloudFront"}

FAILURES = (
    Response(500, _TEXT, b""),
    Response(502, _EDGE, b"<HTML><TITLE>ERROR: The request could not be satisfied</TITLE></HTML>"),
    Response(503, _TEXT, b"upstream connect error or disconnect/reset before headers. reset reason: overflow"),
    Response(504, _TEXT, b"upstream request timeout"),
)
_GATEWAY = Response(429, {**_JSON, "x-ratelimit-reset": "0"}, b'{\n    "error": "Rate Limit Exceeded"\n}')
_EDGE_429 = Response(429, _TEXT, b"Please slow down.\n")
_WAF = Response(403, _EDGE, b"<HTML><TITLE>ERROR: The request could not be satisfied</TITLE></HTML>")


class Period(NamedTuple):
    """An outage or a throttling of one family of endpoints (None: of all), from and until, in virtual seconds."""

    family: str | None
    start: float
    stop: float
    answers: tuple[Response, ...]


class Weather:
    """What is drawn in advance. `span` is about how long the crawl takes."""

    def __init__(self, plan: Plan, span: float) -> None:
        chance = random.Random(f"weather {plan.seed}")
        self.periods: list[Period] = []
        families = ["users/followers", "users/followings", "users/likes/tracks", "users/tracks", "token", None]
        if "outages" in plan.kinds:
            for _ in range(chance.randrange(1, 4)):
                start, seconds = chance.uniform(0, span), 10 ** chance.uniform(1, 4.6)
                self.periods.append(Period(chance.choice(families), start, start + seconds, FAILURES))
        if "throttling" in plan.kinds:
            for _ in range(chance.randrange(1, 6)):
                start, seconds = chance.uniform(0, span), 10 ** chance.uniform(0, 4)
                answers = chance.choice(((_GATEWAY,), (_EDGE_429, _GATEWAY), (_WAF,), (_dated(start + seconds),)))
                self.periods.append(Period(chance.choice(families), start, start + seconds, answers))
        self.revocations: list[float] = []
        if "revoked tokens" in plan.kinds:
            self.revocations = sorted(chance.uniform(0, span) for _ in range(chance.randrange(1, 6)))

    def at(self, family: str, seconds: float) -> tuple[Response, ...]:
        """Return what the service answers instead of itself, () when it is well."""
        for period in self.periods:
            if period.family in (family, None) and period.start <= seconds < period.stop:
                return period.answers
        return ()


class Network:
    """What outlives the processes: the service, the weather, and the count of requests that it saw."""

    def __init__(self, plan: Plan, weather: Weather, service: Service, note: Callable[..., None]) -> None:
        self.sent = 0
        self.api_sent_at: list[float] = []
        self._plan = plan
        self._weather = weather
        self._service = service
        self._note = note
        self._chance = random.Random(f"network {plan.seed}")
        self._fates = [kind for kind in _FATES if kind in plan.kinds]

    async def send(self, request: Request, authorization: str | None, dead: Callable[[], bool]) -> Response:
        """Carry a request and its answer. Raises `Transient`."""
        loop = asyncio.get_running_loop()
        if dead():
            await loop.create_future()
        self.sent += 1
        if request.family != "token":
            self.api_sent_at.append(loop.time())
        fate = next((kind for kind in self._fates if self._chance.random() < FAULT_SHARE), "")
        self._note("sent", request.url, fate)
        latency = 10 ** self._chance.uniform(-1.3, 0.7)
        if fate == "timeouts":
            await asyncio.sleep(TIMEOUT_SECONDS)
            raise Transient(f"the network failed (TimeoutError at {request.family})")
        await asyncio.sleep(latency / 2)
        response = self._answer(request, authorization, fate, loop.time())
        await asyncio.sleep(latency / 2)
        if fate == "resets":
            raise Transient(f"the network failed (ClientOSError at {request.family})")
        self._note("answered", request.url, response.status, len(response.body))
        return response

    def _answer(self, request: Request, authorization: str | None, fate: str, seconds: float) -> Response:
        while self._weather.revocations and self._weather.revocations[0] <= seconds:
            self._weather.revocations.pop(0)
            self._service.revoke()
            self._note("revoked")
        instead = self._weather.at(request.family, seconds)
        if fate == "server errors":
            instead = FAILURES
        if instead:
            return self._chance.choice(instead)
        response = self._service.answer(request, authorization)
        if response.status == 200 and fate == "cut bodies":
            return Response(200, response.headers, response.body[: self._chance.randrange(len(response.body))])
        if response.status == 200 and fate == "nonsense":
            return Response(200, response.headers, b'{"surprise":true}')
        return response


_FATES = ("timeouts", "resets", "server errors", "cut bodies", "nonsense")


class SimHttp:
    """One process's end of the network, in the place of `Http`."""

    def __init__(self, network: Network, dead: Callable[[], bool]) -> None:
        self._network = network
        self._dead = dead

    async def send(self, request: Request, *, authorization: str | None = None) -> Response:
        """Send a request."""
        return await self._network.send(request, authorization, self._dead)


def _dated(until: float) -> Response:
    moment = iso(EPOCH.timestamp() + until + 1).replace("-", "/").replace("T", " ").replace("Z", " +0000")
    limit = b'{"meta":{"rate_limit":{"group":"api"}},"remaining_requests":0,"reset_time":"%b"}' % moment.encode()
    return Response(429, _JSON, b'{"errors":[%b]}' % limit)
