"""Faults on the way: headers that lie, bodies that are cut, broken or slow. They see whole answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crawler.sandbox.faults.answers import edge_page
from crawler.sandbox.faults.plan import Chosen
from crawler.sandbox.faults.visit import Visit
from crawler.sandbox.reply import Delivery, Reply

Wire = Callable[[Visit, Chosen, Reply], Reply]

BOGUS = (("x-ratelimit-limit", "-1"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "0"))
TRICKLE_SECONDS = 45.0


def _bogus(_visit: Visit, _fault: Chosen, reply: Reply) -> Reply:
    return reply._replace(headers=(*reply.headers, *BOGUS))


def _cut(_visit: Visit, _fault: Chosen, reply: Reply) -> Reply:
    return reply._replace(delivery=Delivery(cut_after_bytes=len(reply.body) // 2))


def _reset(_visit: Visit, _fault: Chosen, reply: Reply) -> Reply:
    return reply._replace(delivery=Delivery(cut_after_bytes=len(reply.body) // 2, is_reset=True))


def _slow(_visit: Visit, _fault: Chosen, reply: Reply) -> Reply:
    return reply._replace(delivery=Delivery(seconds=TRICKLE_SECONDS))


def _truncated(_visit: Visit, _fault: Chosen, reply: Reply) -> Reply:
    return reply._replace(body=reply.body[: len(reply.body) // 2])


def _html(_visit: Visit, _fault: Chosen, _reply: Reply) -> Reply:
    return edge_page(200, "")


def _other(_visit: Visit, _fault: Chosen, reply: Reply) -> Reply:
    return reply._replace(body=b'{"status":"ok"}')


WIRES: Mapping[str, Wire] = {
    "truncated-json": _truncated,
    "wrong-type": _html,
    "other-json": _other,
    "cut-body": _cut,
    "reset": _reset,
    "slow-body": _slow,
    "bogus-limits": _bogus,
}
"""In the order in which they are applied; all but the last only to answers with a page."""
