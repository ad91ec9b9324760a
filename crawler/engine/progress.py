"""The display: what a crawl is doing, as a live table on a terminal and as plain lines anywhere else.

It looks at a `Snapshot`, which somebody else takes; it never asks the crawl anything, and a display that cannot be
written never stops a crawl.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import textwrap
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

REFRESH_SECONDS = 0.25
LINE_SECONDS = 10.0
WIDTH_COLUMNS = 80

_BAR_COLUMNS = 34
_DEPTHS_SHOWN = 6
_RELATION_COLUMNS = 24
_MINUTE_SECONDS = 60
_HOUR_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a crawl. Counts are of the whole run, over all its starts; rates are of the last seconds.

    `frontier_by_depth` counts nodes that wait to be expanded, `relations` lists by relation and verdict, `missing` the
    rows known to be missing by relation, `hidden` those that the service cut away. `unchecked` counts complete lists
    for which there is no count to check them by, `bugs` those given up because our own code failed. `pages_due`
    estimates the pages still to come, `eta_seconds` is None where nobody can tell. `state` is "running", "draining" or
    "paused until ... because ...". `source` says who is asked.
    """

    elapsed_seconds: float = 0.0
    requests: int = 0
    requests_per_second: float = 0.0
    retries: int = 0
    nodes: Mapping[str, int] = field(default_factory=dict)
    edges: Mapping[str, int] = field(default_factory=dict)
    edges_per_second: float = 0.0
    lists: Mapping[str, int] = field(default_factory=dict)
    relations: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    unchecked: int = 0
    hidden: int = 0
    bugs: int = 0
    frontier_by_depth: Mapping[int, int] = field(default_factory=dict)
    pages_due: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    rate_in_force: str = "no limit"
    state: str = "running"
    eta_seconds: float | None = None
    depth: int = 0
    source: str = "soundcloud"


class Display:
    """Shows snapshots until it is left: `async with Display(take_snapshot, sys.stderr): await crawl()`."""

    def __init__(self, snapshot: Callable[[], Snapshot], stream: TextIO, line_seconds: float = LINE_SECONDS) -> None:
        self._snapshot = snapshot
        self._stream = stream
        self._line_seconds = line_seconds
        self._live: Live | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._stream.isatty():
            console = Console(file=self._stream)
            self._live = Live(table(self._snapshot()), console=console, auto_refresh=False)
            self._live.start(refresh=True)
        self._show()
        self._task = asyncio.create_task(self._refresh(), name="display")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._show()
        if self._live is not None:
            with suppress(OSError, ValueError):
                self._live.stop()

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(self._line_seconds if self._live is None else REFRESH_SECONDS)
            self._show()

    def _show(self) -> None:
        with suppress(OSError, ValueError):
            if self._live is not None:
                self._live.update(table(self._snapshot()), refresh=True)
            else:
                print(plain_line(self._snapshot()), file=self._stream, flush=True)


def tell(text: str) -> None:
    """Print an answer. That nobody reads it, or that it cannot be written, changes nothing of what was done."""
    try:
        print(text, flush=True)  # noqa: T201 - the answer
    except OSError:
        # What is left in the buffer would fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def plain_line(snapshot: Snapshot) -> str:
    """Return a snapshot as one line of text."""
    parts = [
        clock_text(snapshot.elapsed_seconds),
        snapshot.state,
        f"depth {snapshot.depth}",
        f"{_total(snapshot.nodes):,} nodes",
        f"{_total(snapshot.edges):,} edges ({snapshot.edges_per_second:,.0f}/s)",
        f"{snapshot.requests:,} requests ({snapshot.requests_per_second:,.1f}/s, rate {snapshot.rate_in_force})",
        f"about {snapshot.pages_due:,} pages due",
        f"errors: {_counts(snapshot.errors)}" if snapshot.errors else "no errors",
        _time_left(snapshot),
    ]
    return " | ".join(parts)


def table(snapshot: Snapshot) -> RenderableType:
    """Return a snapshot as a panel that fits 80 columns."""
    rows = Table.grid(padding=(0, 2), expand=True)
    rows.add_column(style="bold cyan", no_wrap=True, width=8)
    rows.add_column(ratio=1, overflow="fold")
    for name, text in _rows(snapshot):
        rows.add_row(name, text)
    title = Text.assemble((f" {snapshot.source} ", "bold"), (f" {snapshot.state} ", _state_style(snapshot.state)))
    below = f" {clock_text(snapshot.elapsed_seconds)} elapsed · {_time_left(snapshot)} "
    return Panel(rows, title=title, title_align="left", subtitle=below, subtitle_align="right", width=WIDTH_COLUMNS)


def summary(snapshot: Snapshot, run: Path, *, finished: bool, reason: str | None, depth_max: int | None = None) -> str:
    """Return what a crawl found, where it lies, what stopped it, and what to type next."""
    took, shown = clock_text(snapshot.elapsed_seconds), shlex.quote(str(run))
    lines = [
        _done(snapshot, depth_max) if finished else f"Stopped early: {reason or 'asked to stop'}. Nothing is lost.",
        "",
        *_wrapped("nodes", _total(snapshot.nodes), _counts(snapshot.nodes)),
        *_wrapped("edges", _total(snapshot.edges), _counts(snapshot.edges)),
        *_wrapped("lists", _total(snapshot.lists), _counts(snapshot.lists)),
        *_coverage(snapshot),
        *_wrapped("requests", snapshot.requests, f"{snapshot.retries:,} of them sent again; this start took {took}"),
        "",
        f"  records   {run / 'shards'}   newline-delimited JSON, one object a line",
        f"  log       {run / 'log.jsonl'}",
        "",
    ]
    limit = next((name for name in ("max_requests", "max_nodes") if (reason or "").startswith(name)), None)
    go_on = f"To go on where it stopped, give the same command again:  crawler crawl {shown}"
    if limit:
        go_on = f"To go on, raise the limit:  crawler crawl {shown} --{limit.replace('_', '-')} N"
    check = f"To check every line against what was promised:  crawler verify {shown}"
    return "\n".join([*lines, *([check, *_again(snapshot, run)] if finished else [go_on])])


def _done(snapshot: Snapshot, depth_max: int | None) -> str:
    """Say that a crawl is done in words that claim no more than its certificates and limits do."""
    within = "" if depth_max is None else f" within max_depth = {depth_max}"
    lists = _total(snapshot.lists)
    holes = lists - snapshot.lists.get("complete", 0)
    if not holes:
        return f"Done: everything that the seeds lead to{within} has been read."
    return f"Done: all that the seeds lead to{within} has been asked for; {holes:,} of {lists:,} lists are not whole."


def _again(snapshot: Snapshot, run: Path) -> list[str]:
    """Say how to read lists again, when some ended so that a second reading may help."""
    verdicts = ",".join(verdict for verdict in ("short", "looped") if snapshot.lists.get(verdict))
    return (
        [f"To read those lists again:  crawler recheck {shlex.quote(str(run))} --verdict {verdicts}"]
        if verdicts
        else []
    )


def _coverage(snapshot: Snapshot) -> list[str]:
    """Return a row for each relation: its lists by verdict, and the edges that are known to be missing."""
    rows = []
    for name, verdicts in sorted(snapshot.relations.items()):
        gap = snapshot.missing.get(name, 0)
        known = f"; edges known to be missing: {gap:,}" if gap else ""
        if any(verdicts.values()):
            rows += _wrapped(f" {name}", _total(verdicts), _counts(verdicts) + known, _RELATION_COLUMNS)
    facts = (
        ("unchecked", snapshot.unchecked, "complete lists without a count to check them by"),
        ("missing", _total(snapshot.missing), "edges known to be missing"),
        ("hidden", snapshot.hidden, "rows that the service cut away: deleted and private things, mostly"),
        ("BUGS", snapshot.bugs, "lists given up because the crawler's own code failed: see unreadable/"),
    )
    return rows + [line for name, number, words in facts if number for line in _wrapped(name, number, words)]


def _wrapped(name: str, number: int, text: str, width_columns: int = 9) -> list[str]:
    """Return a row of the summary, folded to the width of a plain terminal."""
    head = f"  {name:<{width_columns}} {number:>{max(1, 21 - width_columns)},}   "
    return textwrap.wrap(text, WIDTH_COLUMNS, initial_indent=head, subsequent_indent=" " * len(head))


def clock_text(seconds: float) -> str:
    """Return a duration as `1:02:03`, hours, minutes and seconds."""
    whole = max(0, int(seconds))
    return f"{whole // _HOUR_SECONDS}:{whole // _MINUTE_SECONDS % _MINUTE_SECONDS:02}:{whole % _MINUTE_SECONDS:02}"


def _rows(snapshot: Snapshot) -> list[tuple[str, RenderableType]]:
    errors = Text(_counts(snapshot.errors), style="red" if snapshot.errors else "")
    errors.append(f"   ({snapshot.retries:,} requests sent again)", style="dim")
    return [
        (
            "requests",
            _speed(snapshot.requests, snapshot.requests_per_second, f"rate in force {snapshot.rate_in_force}"),
        ),
        ("edges", _speed(_total(snapshot.edges), snapshot.edges_per_second, _counts(snapshot.edges))),
        ("nodes", _speed(_total(snapshot.nodes), None, _counts(snapshot.nodes))),
        ("lists", _speed(_total(snapshot.lists), None, _counts(snapshot.lists))),
        ("frontier", _frontier(snapshot)),
        ("errors", errors),
    ]


def _speed(number: int, per_second: float | None, more: str) -> RenderableType:
    row = Table.grid(padding=(0, 2), expand=True)
    row.add_column(justify="right", width=13)
    row.add_column(justify="right", width=10, style="green")
    row.add_column(ratio=1, style="dim", overflow="fold")
    row.add_row(f"{number:,}", "" if per_second is None else f"{per_second:,.1f}/s", more)
    return row


def _frontier(snapshot: Snapshot) -> RenderableType:
    """Draw a bar for each depth that has nodes waiting, the shallowest first."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(width=8)
    rows.add_column(justify="right", width=13)
    rows.add_column(style="cyan")
    waiting = sorted((depth, number) for depth, number in snapshot.frontier_by_depth.items() if number)
    most = max((number for _, number in waiting), default=1)
    for depth, number in waiting[:_DEPTHS_SHOWN]:
        rows.add_row(f"depth {depth}", f"{number:,}", "█" * max(1, round(_BAR_COLUMNS * number / most)))
    if len(waiting) > _DEPTHS_SHOWN:
        rows.add_row("deeper", f"{sum(number for _, number in waiting[_DEPTHS_SHOWN:]):,}", "")
    rows.add_row("due", f"{snapshot.pages_due:,}", Text("pages, about", style="dim"))
    return rows


def _time_left(snapshot: Snapshot) -> str:
    if snapshot.eta_seconds is None:
        return "time left unknown"
    return f"about {clock_text(snapshot.eta_seconds)} left"


def _state_style(state: str) -> str:
    return "black on green" if state == "running" else "black on yellow"


def _total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


def _counts(counts: Mapping[str, int]) -> str:
    """Return counts as `1,234 follows, 56 likes`, the largest first."""
    largest_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number:,} {name}" for name, number in largest_first if number) or "none"
