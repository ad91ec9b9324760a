from __future__ import annotations

import asyncio
import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from rich.console import Console

from crawler.engine.observer import Observer
from crawler.engine.progress import WIDTH_COLUMNS, Display, Snapshot, clock_text, plain_line, summary, table, tell

BUSY = Snapshot(
    elapsed_seconds=3723,
    requests=12_345,
    requests_per_second=48.2,
    retries=15,
    nodes={"user": 81_306, "track": 4_567},
    edges={"follows": 1_768_135, "likes": 345_678},
    edges_per_second=9_876.5,
    lists={"complete": 12_000, "gone": 34},
    frontier_by_depth={depth: 10**depth for depth in range(9)},
    pages_due=54_321,
    errors={"throttled": 3},
    rate_in_force="50/s",
    state="paused until 12:00:00 because the service asked for it",
    eta_seconds=1234,
    depth=2,
    source="the sandbox",
)
FACTS = ["12,345", "48.2/s", "81,306", "1,768,135", "54,321", "throttled", "50/s", "1:02:03", "0:20:34", "paused until"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(snapshot: Snapshot) -> str:
    """Return the panel as it looks on a wide, colourless terminal."""
    console = Console(width=200, file=io.StringIO(), color_system=None)
    console.print(table(snapshot))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("fact", FACTS)
def test_the_panel_shows_what_a_watcher_asks_for(fact: str) -> None:
    """Requests, edges, nodes, pages due, errors, the rate in force, the state and both times are on the panel."""
    assert fact in drawn(BUSY)


def test_the_panel_fits_80_columns() -> None:
    """No line is wider than a plain terminal, whatever the numbers."""
    assert max(len(line) for line in drawn(BUSY).splitlines()) <= WIDTH_COLUMNS


def test_the_panel_folds_what_lies_deep() -> None:
    """Nine depths do not make nine lines; the deepest are added up."""
    assert "depth 5" in drawn(BUSY)
    assert "depth 6" not in drawn(BUSY)
    assert "deeper" in drawn(BUSY)
    assert "111,000,000" in drawn(BUSY)


@pytest.mark.parametrize("fact", FACTS)
def test_a_plain_line_says_the_same(fact: str) -> None:
    """The line for files and pipes tells what the panel tells."""
    assert fact.replace("81,306", "85,873").replace("1,768,135", "2,113,813") in plain_line(BUSY)


def test_a_plain_line_is_one_line_of_ascii() -> None:
    """It goes to files and pipes of any encoding."""
    assert plain_line(BUSY).isascii()
    assert "\n" not in plain_line(BUSY)


def test_an_unknown_end_is_called_unknown() -> None:
    """Nobody is told a time that nobody knows."""
    assert "time left unknown" in plain_line(Snapshot())
    assert "time left unknown" in drawn(Snapshot())


async def test_plain_lines_come_at_the_start_at_intervals_and_at_the_end() -> None:
    """Without a terminal there is a line at once, one every interval, and the last word."""
    stream, looks = io.StringIO(), iter(range(1000))
    async with Display(lambda: Snapshot(requests=next(looks)), stream, line_seconds=0.01):
        await asyncio.sleep(0)
        assert stream.getvalue().count("\n") == 1
        await asyncio.sleep(0.1)
        so_far = stream.getvalue().count("\n")
        assert so_far > 2
    assert stream.getvalue().count("\n") == so_far + 1
    assert f"| {so_far} requests" in stream.getvalue().splitlines()[-1]


async def test_a_terminal_gets_the_panel() -> None:
    """On a terminal the panel is drawn instead of lines, with the last state at the end."""
    stream = Terminal()
    async with Display(lambda: BUSY, stream):
        pass
    assert "the sandbox" in stream.getvalue()
    assert "╰" in stream.getvalue()


async def test_a_broken_stream_does_not_stop_the_crawl() -> None:
    """Who closes the terminal's window loses the display and not the crawl."""
    stream = io.StringIO()
    async with Display(lambda: BUSY, stream, line_seconds=0.01):
        stream.close()
        await asyncio.sleep(0.03)


async def test_an_error_inside_passes_through() -> None:
    """The display neither hides nor changes what ends a crawl."""
    with pytest.raises(ZeroDivisionError):
        async with Display(lambda: BUSY, io.StringIO()):
            _ = 1 / 0


def test_a_finished_crawl_says_what_was_found_and_where_it_lies() -> None:
    """The summary has the counts, the folder of records, the log, and the command that checks them."""
    said = summary(BUSY, Path("runs/first"), finished=True, reason=None)
    for fact in (
        "Done",
        "85,873",
        "2,113,813",
        "34 of 12,034 lists are not whole",
        "runs/first/shards",
        "runs/first/log.jsonl",
    ):
        assert fact in said
    assert "crawler verify runs/first" in said


def test_what_is_not_whole_is_said_first_and_by_relation() -> None:
    """Nobody who reads the first line or the last takes half of a graph for the whole."""
    holes = Snapshot(
        lists={"complete": 7, "short": 2, "looped": 1},
        relations={"user/followers": {"complete": 5, "short": 2}, "track/favoriters": {"complete": 2, "looped": 1}},
        missing={"user/followers": 1234},
        unchecked=2,
        hidden=99,
        bugs=3,
    )
    said = summary(holes, Path("runs/first"), finished=True, reason=None).splitlines()
    assert "3 of 10 lists are not whole" in said[0]
    assert said[-1].endswith("crawler recheck runs/first --verdict short,looped")
    facts = (
        "5 complete, 2 short; edges known to be",
        "99   rows that",
        "2   complete lists without",
        "3   lists given up",
    )
    for fact in facts:
        assert any(fact in line for line in said), fact
    whole = summary(Snapshot(lists={"complete": 7}), Path("runs/first"), finished=True, reason=None)
    assert "everything" in whole
    assert "recheck" not in whole


def test_the_summary_fits_80_columns() -> None:
    """Its counts are folded, however many kinds of edges there are."""
    many = Snapshot(edges={f"a kind of edge {number}": 10**9 for number in range(12)})
    said = summary(many, Path("runs/first"), finished=True, reason=None)
    assert max(len(line) for line in said.splitlines()) <= WIDTH_COLUMNS


def test_a_stopped_crawl_says_why_and_how_to_go_on() -> None:
    """The summary of a crawl that did not finish never says that it did."""
    said = summary(BUSY, Path("runs/first"), finished=False, reason="max_requests = 100 is reached")
    assert "Done" not in said
    assert "max_requests = 100 is reached" in said
    assert "crawler crawl runs/first" in said


@pytest.mark.parametrize(
    "seconds, text", [(0, "0:00:00"), (59.9, "0:00:59"), (3600, "1:00:00"), (360_000, "100:00:00")]
)
def test_durations_are_hours_minutes_and_seconds(seconds: float, text: str) -> None:
    """Days are hours too, and fractions are dropped."""
    assert clock_text(seconds) == text


def test_an_answer_that_nobody_reads_is_no_failure(capfd: pytest.CaptureFixture[str]) -> None:
    """A crawl that is piped into `head` ends as it would have without."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", encoding="utf-8") as pipe, mock.patch.object(sys, "stdout", pipe):
        tell("Done.")
        tell("Really.")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "dates, state",
    [((), "running"), ((0.0, 2e9), "running"), ((1.8e9,), "waiting until 2027-01-15T08:00:00Z for lists that failed")],
)
def test_nobody_waits_for_a_date_that_has_come(dates: tuple[float, ...], state: str) -> None:
    """A list of an earlier start that is tried at once, which has the date 0, is not waited for until 1970."""
    waiting = [(date, number, None) for number, date in enumerate(dates)]
    feeder, sequencer = SimpleNamespace(drain_reason=None, outstanding=0), SimpleNamespace(waiting=waiting)
    run, clock = SimpleNamespace(feeder=feeder, sequencer=sequencer), SimpleNamespace(epoch_seconds=lambda: 1.7e9)
    observer = Observer.__new__(Observer)
    observer._run, observer._clock, observer._gates = run, clock, {}  # type: ignore[assignment]
    observer._watch = SimpleNamespace(state="")
    assert observer._state() == state
