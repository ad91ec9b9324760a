"""In which order pages are applied: a pure function of what was applied before, never of who answered first.

The rules stand in `docs/ARCHITECTURE.md`, "One order for all pages". Breadth first, and fair: a listing of many pages
takes turns with all others, so that an account with ten million followers stalls nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Choice = Literal["turn", "fresh", "none"]
Strategy = Literal["every_list", "followings_first"]
"""Read every list that is wanted, or those of followers only where followings have not shown all of them."""

COVERED, COVERING = "followers", "followings"
"""Two lists that show the same edges, each from its own end: a strategy may read the first only where it must."""

TURN_GAP_STEPS = 128
"""How many pages of others come between two of one listing. A constant: the order must not depend on the workers."""

LONG_GAP_FACTOR = 8
"""A long listing takes its turns this many times more rarely, so that even hundreds of them leave room for others."""


def choose(step: int, turn_due_step: int | None, *, fresh: bool) -> Choice:
    """Say what comes next: the listing whose turn is due, a fresh one, or, without any, the nearest turn."""
    if turn_due_step is not None and (turn_due_step <= step or not fresh):
        return "turn"
    return "fresh" if fresh else "none"


def next_turn(step: int, pages: int, long_list_pages: int) -> int:
    """Return the step at which a listing that has shown `pages` pages gets its next turn."""
    return step + TURN_GAP_STEPS * (1 if pages < long_list_pages else LONG_GAP_FACTOR)


def followings_first(names: Sequence[str]) -> list[str] | None:
    """Return a node's lists with its followers last; None when they do not show the same edges as any other list."""
    if COVERED not in names or COVERING not in names:
        return None
    return [name for name in names if name != COVERED] + [COVERED]


def stage(depth: int, *, deferred: bool) -> int:
    """Return a listing's place among those of all depths: what is deferred waits for the rest of its depth."""
    return 2 * depth + deferred


def is_covered(claimed: int, seen: int) -> bool:
    """Tell whether followings have shown all of a user's followers, of whom its own row claims to have so many.

    A claim of none proves nothing: rows of lists may carry false zeros (soundcloud/api issue 66).
    """
    return 0 < claimed <= seen


def holds_depth(pages: int, long_list_pages: int) -> bool:
    """Tell whether an unfinished listing keeps deeper nodes from being expanded."""
    return pages < long_list_pages
