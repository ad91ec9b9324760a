"""What the server saw: so that a test can compare it with what a client says it did."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable


class Tally:
    """Requests by family and status, and the most in any one second of the clock `now`."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._requests: Counter[tuple[str, int]] = Counter()
        self._second = 0
        self._in_second = 0
        self._peak = 0

    def count(self, family: str, status: int) -> None:
        """Note one answered request."""
        self._requests[family, status] += 1
        second = int(self._now())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        self._peak = max(self._peak, self._in_second)

    def report(self, world: str, exchanged: Counter[str], limits: list[dict[str, object]]) -> bytes:
        """Return all of it as JSON."""
        families: dict[str, dict[str, int]] = {}
        for (family, status), number in sorted(self._requests.items()):
            families.setdefault(family, {})[str(status)] = number
        report = {
            "world": world,
            "requests": families,
            "total": self._requests.total(),
            "peak_per_second": self._peak,
            "tokens": dict(exchanged),
            "limits": limits,
        }
        return json.dumps(report).encode()
