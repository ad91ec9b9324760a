"""`python -m tests.simulation --seed 7 --seeds 1000`: simulate seeds, one line each, or a summary of many."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import click

from tests.simulation.simulate import Failed, Report, simulate_seed

_LINES_MAX = 20


def line(report: Report) -> str:
    """Return what is worth knowing of one simulation."""
    stops = ", ".join(f"{number} {way}" for way, number in sorted(report.stops.items())) or "never stopped"
    return (
        f"seed {report.seed}: trace {report.hash}, {report.seconds / 86_400:.2f} days, {report.requests} requests, "
        f"{report.starts} starts ({stops}); faults: {', '.join(report.kinds) or 'none'}"
    )


def _tried(seed: int) -> Report | str:
    try:
        return simulate_seed(seed)
    except Failed as failed:
        return str(failed)


def _all(seeds: range, jobs: int) -> Iterator[Report | str]:
    if len(seeds) == 1 or jobs == 1:
        yield from map(_tried, seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(_tried, seeds, chunksize=10)


@click.command()
@click.option("--seed", type=int, default=None, help="The first seed; one by chance when left out.")
@click.option("--seeds", type=int, default=1, show_default=True, help="How many, one after the other.")
@click.option("--jobs", type=int, default=os.cpu_count() or 1, show_default=True, help="Processes at once.")
def main(seed: int | None, seeds: int, jobs: int) -> None:
    """Simulate crawls; exit with 1 when the checkers find something."""
    first = int.from_bytes(os.urandom(4)) if seed is None else seed
    began, stops, events = time.monotonic(), Counter[str](), Counter[str]()
    reports, failures = [], 0
    for found in _all(range(first, first + seeds), jobs):
        if isinstance(found, str):
            failures += 1
            click.echo(f"FAILED: {found}\nagain with: make sim SEED={found.split(' ', 2)[1]}")
            continue
        reports.append(found)
        stops.update(found.stops)
        events.update(found.events)
        if seeds <= _LINES_MAX:
            click.echo(line(found))
    days = sum(report.seconds for report in reports) / 86_400
    click.echo(
        f"{seeds} seeds from {first}, {failures} failed; {days:,.0f} virtual days in {time.monotonic() - began:.1f} s, "
        f"{events['sent']:,} requests, {events['committed']:,} commits, {events['start']:,} starts; "
        f"stops: {', '.join(f'{number} {way}' for way, number in sorted(stops.items())) or 'none'}"
    )
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
