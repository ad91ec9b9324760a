"""No page is committed twice: every row of the log, every page of a listing and every step is committed once.

A power cut may undo the last commits. What they held is forgotten here when the next start shows how far it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tests.simulation.checkers import Violation

NAME = "no page is committed twice"


class Pages:
    """Looks at what every transaction writes."""

    def __init__(self) -> None:
        self._step = -1
        self._row = 0
        self._position: tuple[int, ...] = ()
        self._moving: Sequence[Any] = ()
        self._pages: dict[tuple[int, int], int] = {}

    @property
    def state(self) -> tuple[int, int]:
        """The step and the last row of the log, as of the last transaction: they name what is committed."""
        return self._step, self._row

    def resumed(self, position: tuple[int, ...], last_row: int) -> None:
        """Go on from the committed state that a process starts from; what is later was undone."""
        if position[3] > max(self._step, 0) or last_row > self._row:
            raise Violation(f"{NAME}: the frontier is at step {position[3]}, and no commit went beyond {self._step}")
        self._position, self._step, self._row = _order(position[:3], position[4]), position[3], last_row
        self._pages = {page: step for page, step in self._pages.items() if step <= self._step}

    def inserting(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Look at the rows of one statement."""
        if sql.startswith("INSERT INTO log"):
            for row in rows:
                if row[0] != self._row + 1:
                    raise Violation(f"{NAME}: row {row[0]} of the log follows on row {self._row}")
                self._row = row[0]
        elif "INTO listing_pages" in sql:
            for listing, page, *_ in rows:
                if page < 1:
                    continue  # no page, but what earlier readings gave
                if (listing, page) in self._pages:
                    raise Violation(f"{NAME}: page {page} of listing {listing}")
                self._pages[listing, page] = self._step + 1
        elif "INTO position" in sql:
            self._moving = rows[0]
        elif "INTO totals" in sql:
            self._moved(self._moving, msgspec.json.decode(rows[0][1]).get("level_row", 0))

    def _moved(self, row: Sequence[Any], level_row: int) -> None:
        position, step = _order(row[1:4], level_row), row[4]  # the first is the key, the last a checksum
        if step < self._step or position < self._position:
            raise Violation(f"{NAME}: the position went back from {self._position}, step {self._step}, to {tuple(row)}")
        self._position, self._step = position, step


def _order(position: Sequence[int], level_row: int) -> tuple[int, ...]:
    """Return what never goes back: a level is read once more when it is closed, and then what follows on it."""
    return (level_row, int(position[0] > level_row), *position)
