"""A dialect with its faults: around every route that a fault of the plan may hit, and around no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from crawler.sandbox.faults.answers import ANSWERS, Answer
from crawler.sandbox.faults.book import Book
from crawler.sandbox.faults.credentials import Deaths, Quotas, refused_refresh
from crawler.sandbox.faults.paging import LINKS, STEERS
from crawler.sandbox.faults.plan import FAMILIES, Chosen, Plan
from crawler.sandbox.faults.rows import ROWS
from crawler.sandbox.faults.things import THINGS
from crawler.sandbox.faults.visit import Sheet, Visit, located, named, read_sheet, steered
from crawler.sandbox.faults.wires import WIRES
from crawler.sandbox.reply import Call, Dialect, Reply, Route, read_call
from crawler.sandbox.world import World

_OK = 200
_BEYOND_PAGES = "bogus-limits"

Hits = list[tuple[Chosen, Any]]


class FaultyDialect:
    """The dialect `inner` on a bad day. `now` counts seconds, `epoch` is the date in seconds since 1970."""

    def __init__(
        self, inner: Dialect, world: World, plan: Plan, now: Callable[[], float], epoch: Callable[[], float]
    ) -> None:
        self.book = Book()
        self._inner = inner
        self._world = world
        self._now = now
        self._began = now()
        self._epoch = epoch
        self._asked: Counter[tuple[str, str]] = Counter()
        answers = self._remembering()
        self._answers = _by_family(plan, (answers,))
        self._steers = _by_family(plan, (STEERS,))
        self._pages = _by_family(plan, (ROWS, LINKS))
        self._things = _by_family(plan, (THINGS,))
        self._wires = _by_family(plan, (WIRES,))

    def route(self, call: Call) -> Route:
        """Return the route of a call, with the faults of its family around it."""
        route = self._inner.route(call)
        if route.family not in FAMILIES:
            return route
        return Route(route.family, lambda asked: self._answer(route, asked))

    def _answer(self, route: Route, call: Call) -> Reply:
        visit = self._visit(route.family, call)
        reply = self._instead(visit) or self._served(route, visit)
        for fault, change in self._wires.get(route.family, ()):
            if (reply.status == _OK or fault.behaviour.name == _BEYOND_PAGES) and hits(fault, visit):
                reply = change(visit, fault, reply)
        return reply

    def _instead(self, visit: Visit) -> Reply | None:
        for fault, answer in self._answers.get(visit.family, ()):
            reply: Reply | None = answer(visit, fault) if hits(fault, visit) else None
            if reply is not None:
                return reply
        return None

    def _served(self, route: Route, visit: Visit) -> Reply:
        if visit.place is not None:
            for fault, steer in self._steers.get(visit.family, ()):
                if hits(fault, visit):
                    steer(visit, fault, visit.place)
        reply = route.answer(steered(visit, self._world))
        if reply.status != _OK or not self._is_rewritten(visit):
            return reply
        return reply._replace(body=self._rewritten(visit, read_sheet(reply)))

    def _is_rewritten(self, visit: Visit) -> bool:
        return visit.place is not None or visit.family in self._pages or visit.family in self._things

    def _rewritten(self, visit: Visit, sheet: Sheet) -> bytes:
        for fault, change in self._pages.get(visit.family, ()):
            if hits(fault, visit):
                change(visit, fault, sheet)
        self.book.enter(visit, sheet)
        for fault, change in self._things.get(visit.family, ()):
            if hits(fault, visit):
                change(visit, fault, sheet)
        return sheet.body()

    def _visit(self, family: str, call: Call) -> Visit:
        identity, node = named(call)
        cursor = call.query.get("cursor") or call.query.get("offset") or ""
        self._asked[identity, cursor] += 1
        place = located(call, self._world)
        visit = Visit(
            call=call,
            family=family,
            identity=identity,
            node=node,
            cursor=cursor,
            nth=self._asked[identity, cursor],
            seconds=self._now() - self._began,
            epoch_seconds=self._epoch(),
            place=place,
            fetch=lambda target: self._fetched(call, target),
        )
        if place is not None:
            visit.start, visit.limit = place.start, place.limit
        return visit

    def _fetched(self, call: Call, target: str) -> Any:  # noqa: ANN401 - JSON
        asked = read_call("GET", target, call.headers, b"")
        return orjson.loads(self._inner.route(asked).answer(asked).body)

    def _remembering(self) -> dict[str, Answer]:
        return {
            **ANSWERS,
            "dead-tokens": Deaths().answer,
            "refused-refresh": refused_refresh,
            "token-quota": Quotas().answer,
        }


def hits(fault: Chosen, visit: Visit) -> bool:
    """Whether a fault hits a request; see `table.Per`."""
    per = fault.behaviour.per
    if per == "list":
        return fault.strikes(visit.identity)
    if per == "page":
        return fault.strikes(visit.identity, visit.cursor)
    if per == "node":
        return fault.strikes(visit.node)
    if per == "visit":
        return True
    if per == "outage" and not visit.is_outage:
        return False
    return fault.strikes(visit.identity, visit.cursor, visit.nth)


def _by_family(plan: Plan, tables: Sequence[Any]) -> dict[str, Hits]:
    """Return what to do for each family, in the order of the tables."""
    found: dict[str, Hits] = {}
    for table in tables:
        for name, action in table.items():
            for fault in plan.faults:
                if fault.behaviour.name == name:
                    for family in fault.scope:
                        found.setdefault(family, []).append((fault, action))
    return found
