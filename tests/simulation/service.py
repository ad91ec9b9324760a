"""The service as it would be without faults: the sandbox in process, with what is odd about the world itself.

Odd are links to the next page that name an inner host (soundcloud/api #309, #368), and empty pages in the middle of a
list (#55, #139). Both are functions of the request, so every crawl of a world meets the same ones.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

from crawler.model import Request, Response
from crawler.sandbox.reply import Reply
from crawler.sandbox.serve import open_world
from crawler.sandbox.service import Sandbox
from crawler.sandbox.world import World
from tests.simulation.plan import BASE_URL, Shape

_GAP = "&gap=1"
_INNER_HOST = "http://http.api.prod.api-public.srv.db.s-cloud.net"
_HOST = BASE_URL.removeprefix("https://")

_ANSWERS: dict[tuple[int, str], Response] = {}


@cache
def world_of(users: int, number: int) -> World:
    """Return a small world; making one takes longer than asking it."""
    return open_world("synthetic", users, number)


class Service:
    """One world on virtual time."""

    def __init__(self, shape: Shape, now: Callable[[], float]) -> None:
        self.world = world_of(shape.users, shape.number)
        self._shape = shape
        self._sandbox = Sandbox(self.world, seed=shape.number, now=now)
        self._now = now

    def answer(self, request: Request, authorization: str | None) -> Response:
        """Answer one request."""
        target = request.url.removeprefix(BASE_URL)
        headers = {name.lower(): value for name, value in request.headers.items()} | {"host": _HOST}
        if authorization is not None:
            headers["authorization"] = authorization
        gap = gap_at(self._shape, target) and self._accepts(authorization)
        if gap:
            return Response(200, {"content-type": "application/json"}, self._empty_page(target))
        if request.method == "GET" and self._accepts(authorization):
            return self._known(target.replace(_GAP, ""), headers)
        return self._response(self._sandbox.handle(request.method, target, headers, request.body or b""))

    def revoke(self) -> None:
        """Make every token that was given out invalid."""
        self._sandbox._tokens._until.clear()

    def _accepts(self, authorization: str | None) -> bool:
        return self._sandbox._tokens.accepts(authorization or "")

    def _known(self, target: str, headers: dict[str, str]) -> Response:
        """Return the answer to a request that carries a good token; the world never changes, so it is made once."""
        name = (self._shape.number, target)
        if name not in _ANSWERS:
            _ANSWERS[name] = self._response(self._sandbox.handle("GET", target, headers))
        return _ANSWERS[name]

    def _empty_page(self, target: str) -> bytes:
        onward = target.replace("?limit=", "?page_size=").replace("&limit=", "&page_size=")
        return b'{"collection":[],"next_href":"%b"}' % f"{self._host}{onward}{_GAP}".encode()

    @property
    def _host(self) -> str:
        return _INNER_HOST if self._shape.foreign_hosts else BASE_URL

    def _response(self, reply: Reply) -> Response:
        body = reply.body
        if b'"next_href":"' in body:
            body = body.replace(b'"next_href":"http://' + _HOST.encode(), b'"next_href":"' + self._host.encode())
        return Response(reply.status, dict(reply.headers), body)


def gap_at(shape: Shape, target: str) -> bool:
    """Tell whether an empty page comes before the page of this target."""
    if not shape.gaps or "linked_partitioning" not in target or "urns=" in target or _GAP in target:
        return False
    return random.Random(f"{shape.number} {target}").random() < shape.gaps
