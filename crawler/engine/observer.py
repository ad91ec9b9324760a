"""The observer: takes snapshots of a crawl for the display, without asking anything of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Protocol

from crawler.clock import Clock, iso
from crawler.engine.progress import Snapshot
from crawler.engine.run import Run

_RATE_SECONDS = 10.0
_RATES_AFTER_SECONDS = 1.0


class Gate(Protocol):
    """What a gate tells about itself."""

    reason: str

    @property
    def rate_in_force(self) -> float | None:
        """Requests a second, None for no limit."""
        ...

    @property
    def pause_left_seconds(self) -> float:
        """How long nobody may pass yet."""
        ...

    @property
    def away(self) -> str:
        """What is missing on the way to the service, nothing while it can be reached."""
        ...

    @property
    def state(self) -> str:
        """What a person should know: the network is away, or a family of endpoints fails."""
        ...


class Watch(Protocol):
    """What notices that the computer slept."""

    @property
    def state(self) -> str:
        """That it slept, as long as it is news, else nothing."""
        ...


class Observer:
    """Rates are means over the last ten seconds."""

    def __init__(self, run: Run, gates: Mapping[str, Gate], clock: Clock, asked: str, watch: Watch) -> None:
        self._run = run
        self._gates = gates
        self._clock = clock
        self._asked = asked
        self._watch = watch
        self._began_seconds = clock.monotonic_seconds()
        self._marks: deque[tuple[float, int, int]] = deque()

    def snapshot(self) -> Snapshot:
        """Return what the crawl is doing now; counts are those of the last commit."""
        run, totals = self._run, self._run.committer.totals
        elapsed_seconds = self._clock.monotonic_seconds() - self._began_seconds
        requests, edges = run.requests, totals.get("edges", {})
        requests_per_second, edges_per_second = self._rates(elapsed_seconds, requests, sum(edges.values()))
        frontier = {depth: n for depth, n in run.backlog.waiting_by_depth.items() if n > 0 and depth >= 0}
        pages_due = self._pages_due(frontier)
        return Snapshot(
            elapsed_seconds=elapsed_seconds,
            requests=requests,
            requests_per_second=requests_per_second,
            retries=totals.get("retries", 0),
            nodes=dict(totals.get("nodes", {})),
            edges=dict(edges),
            edges_per_second=edges_per_second,
            lists=dict(totals.get("lists", {})),
            relations={name: dict(verdicts) for name, verdicts in totals.get("relations", {}).items()},
            missing=dict(totals.get("missing", {})),
            unchecked=sum(totals.get("unchecked", {}).values()),
            hidden=totals.get("hidden", 0),
            bugs=totals.get("bugs", 0),
            frontier_by_depth=frontier,
            pages_due=pages_due,
            errors=dict(run.crew.errors),
            rate_in_force=self._rate(),
            state=self._state(),
            eta_seconds=pages_due / requests_per_second if requests_per_second else None,
            depth=min(frontier, default=max((int(depth) for depth in totals.get("depths", {})), default=0)),
            source=self._asked,
        )

    def _rates(self, elapsed_seconds: float, requests: int, edges: int) -> tuple[float, float]:
        self._marks.append((elapsed_seconds, requests, edges))
        while len(self._marks) > 2 and elapsed_seconds - self._marks[1][0] >= _RATE_SECONDS:  # noqa: PLR2004 - a pair
            self._marks.popleft()
        then_seconds, requests_then, edges_then = self._marks[0]
        span_seconds = elapsed_seconds - then_seconds
        if span_seconds < _RATES_AFTER_SECONDS:
            return 0.0, 0.0
        return (requests - requests_then) / span_seconds, (edges - edges_then) / span_seconds

    def _pages_due(self, frontier: Mapping[int, int]) -> int:
        """Estimate the pages still to come: the lists of the waiting nodes, each as long as those read so far."""
        totals = self._run.committer.totals
        ended = sum(totals.get("lists", {}).values())
        pages_per_list = totals.get("pages", 0) / ended if ended else 1.0
        lists_per_node = self._run.lists_per_node()
        return round(sum(frontier.values()) * lists_per_node * pages_per_list) + self._run.feeder.turns

    def _rate(self) -> str:
        rates = {name: gate.rate_in_force for name, gate in self._gates.items()}
        told = {name: "no limit" if rate is None else f"{rate:.3g}/s" for name, rate in rates.items()}
        if len(told) == 1:
            return next(iter(told.values()))
        return ", ".join(f"{name} {rate}" for name, rate in told.items())

    def _state(self) -> str:
        run = self._run
        if run.feeder.drain_reason is not None:
            return "draining"
        for gate in self._gates.values():
            if gate.away:
                return gate.state
            if gate.pause_left_seconds > 0:
                end = iso(self._clock.epoch_seconds() + gate.pause_left_seconds)
                return f"paused until {end} because {gate.reason}"
        until = run.sequencer.waiting[0][0] if run.sequencer.waiting else 0.0
        if until > self._clock.epoch_seconds() and not run.feeder.outstanding:
            return f"waiting until {iso(until)} for lists that failed"
        news = [self._watch.state, *(gate.state for gate in self._gates.values())]
        return ", ".join(["running", *filter(None, news)])
