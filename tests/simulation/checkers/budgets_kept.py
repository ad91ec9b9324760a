"""Budgets are kept: the service never counts more than was allowed, and hardly fewer.

A request is counted durably with the next commit. So after a kill those sent since the last one are forgotten, and only
those; the budget knows of them all the same, because they were reserved before. In every window the service sees no
more requests than the rate allows.
"""

from __future__ import annotations

from collections import defaultdict

from crawler.engine.feeder import window_of
from crawler.policy.rate import DEFAULT_BURST
from tests.simulation.checkers import Violation
from tests.simulation.plan import Plan

NAME = "budgets are kept"


class Requests:
    """Compares what the service saw with what the crawl has counted. `allowed` is the budget, None without one."""

    def __init__(self, allowed: int | None) -> None:
        self.allowed = allowed
        self.forgotten = 0
        self._counted: defaultdict[tuple[int, int], set[int]] = defaultdict(set)

    def counting(self, state: tuple[int, int], sent: int) -> None:
        """Note that all that was sent until now is about to be counted, but for what was forgotten before."""
        self._counted[state].add(sent - self.forgotten)

    def resumed(self, state: tuple[int, int], sent: int, counted: int, repeated_max: int | None) -> None:
        """Compare the count with which a process starts from a state.

        `repeated_max` is how many the stop before it may have made the crawl forget, None for any number.
        """
        true = self._counted[state] or {0}
        if counted not in true:
            raise Violation(f"{NAME}: {counted} requests are counted at the start, {true} were sent until that commit")
        repeated = sent - counted - self.forgotten
        if repeated_max is not None and repeated > repeated_max:
            raise Violation(f"{NAME}: {repeated} requests are repeated after a kill, {repeated_max} could be in flight")
        self.forgotten = sent - counted

    def check(self, sent: int) -> None:
        """Compare what the service saw with the budget."""
        if self.allowed is not None and sent > self.allowed:
            raise Violation(f"{NAME}: {sent} requests of {self.allowed} were sent")

    def spent(self, sent: int, deaths: int, in_flight: int) -> None:
        """Be told that a process found the budget spent, after so many deaths; then there is none any more."""
        if self.allowed is not None and sent < self.allowed - deaths * in_flight:
            raise Violation(f"{NAME}: only {sent} requests of {self.allowed} were sent, and {deaths} processes died")
        self.allowed = None


def in_flight_max(plan: Plan) -> int:
    """Return how many requests may be on their way, or answered and not yet committed: the window, and for a token."""
    return window_of(plan.workers) + 2


def check_rate(plan: Plan, sent_at: list[float]) -> None:
    """Pour one process's requests into a leaky bucket; it must not run over."""
    level, before = 0.0, 0.0
    allowed = DEFAULT_BURST + 1  # whoever fetches the token leaves later than the gate let it pass
    for moment in sent_at:
        level = max(0.0, level - (moment - before) * plan.requests_per_second) + 1
        before = moment
        if level > allowed + 1e-3:
            raise Violation(f"{NAME}: {level:.1f} requests at once at {moment:.0f} s, {allowed} are allowed")
