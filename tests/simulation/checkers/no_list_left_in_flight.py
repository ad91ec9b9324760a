"""No list is left in flight: a finished run has no listing open, no pages without one, no shard unsealed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.simulation.checkers import Violation

NAME = "no list is left in flight"


def check(run: Path, *, failed: int) -> None:
    """Look into the frontier of a run that says it is finished; `failed` lists are parked for the next start."""
    with closing(sqlite3.connect(run / "frontier.sqlite")) as frontier:
        states = dict(frontier.execute("SELECT state, count(*) FROM listings GROUP BY state").fetchall())
        pages = frontier.execute(
            "SELECT count(*) FROM listing_pages WHERE listing NOT IN (SELECT id FROM listings)"
        ).fetchone()[0]
        opened = frontier.execute("SELECT count(*) FROM shards WHERE NOT sealed").fetchone()[0]
    if states != ({"parked": failed} if failed else {}):
        raise Violation(f"{NAME}: finished with {failed} failed lists, and the frontier holds {states}")
    if pages:
        raise Violation(f"{NAME}: {pages} pages belong to lists that have ended")
    if opened or list((run / "shards").glob("*.open")):
        raise Violation(f"{NAME}: finished, and {opened} shards are not sealed")
