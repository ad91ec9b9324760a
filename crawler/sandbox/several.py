"""Several dialects behind one address: each below its own prefix, over the same world."""

from __future__ import annotations

from collections.abc import Mapping

from crawler.sandbox.reply import Call, Dialect, Route


class Several:
    """The dialect `main`, and below each prefix ("/v2") another, which sees the path without it."""

    def __init__(self, main: Dialect, others: Mapping[str, Dialect]) -> None:
        self._main = main
        self._others = others

    def route(self, call: Call) -> Route:
        """Return the route of a call, in the dialect that its path belongs to."""
        for prefix, dialect in self._others.items():
            if call.path.startswith(prefix + "/"):
                return _behind(prefix, dialect.route(_below(call, prefix)))
        return self._main.route(call)


def _behind(prefix: str, route: Route) -> Route:
    return Route(route.family, lambda asked: route.answer(_below(asked, prefix)))


def _below(call: Call, prefix: str) -> Call:
    return call._replace(path=call.path.removeprefix(prefix))
