"""What goes in and out of a dialect: a call and a reply, without sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol
from urllib.parse import unquote, unquote_plus

JSON = (("content-type", "application/json; charset=utf-8"),)
TEXT = (("content-type", "text/plain; charset=utf-8"),)


class Delivery(NamedTuple):
    """How a reply reaches the client when something is wrong on the way.

    The body takes `seconds` to arrive; after `cut_after_bytes` of it the connection is closed, or reset.
    """

    seconds: float = 0.0
    cut_after_bytes: int | None = None
    is_reset: bool = False


class Reply(NamedTuple):
    """A status, headers with lower-case names (never content-length), and the whole body.

    `delivery` is None for what arrives at once and whole.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = JSON
    body: bytes = b""
    delivery: Delivery | None = None


class Call(NamedTuple):
    """A request: `path` decoded, `query` decoded (the last of equal names counts), `headers` with lower-case names."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Route(NamedTuple):
    """Where a call goes: the family of endpoints it belongs to ("users/followers") and what answers it."""

    family: str
    answer: Callable[[Call], Reply]


class Dialect(Protocol):
    """One API: it finds the route of a call. Faults and limits can be put around the routes it returns."""

    def route(self, call: Call) -> Route:
        """Return the route of any call, also of one that leads nowhere."""
        ...


def read_call(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Call:
    """Take a request target ("/users/1?limit=2") apart."""
    path, _, query = target.partition("?")
    return Call(method, unquote(path) if "%" in path else path, read_query(query), headers, body)


def read_query(query: str) -> dict[str, str]:
    """Read `a=1&b=2`; a name without a value has the empty one."""
    found: dict[str, str] = {}
    if query:
        for pair in query.split("&"):
            name, _, value = pair.partition("=")
            found[unquote_plus(name) if "%" in name else name] = (
                unquote_plus(value) if "%" in value or "+" in value else value
            )
    return found
