"""What becomes of memory that was freed: glibc keeps it, each thread's by itself, unless it is told otherwise.

With ten million nodes in the frontier that is 50 MB after a start that are of no use to anybody.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc

_M_ARENA_MAX = -8
_COLLECTED_AFTER = (20_000, 20, 50)
"""Objects, collections of the young, and of these, between two collections of cycles."""


def own_process() -> None:
    """Set a process that is the crawler's own up for a long run, before it has threads.

    All threads take memory from one place, which alone can be given back whole. And cycles are looked for rarely: a
    page leaves next to none behind, and what was imported stays; looking through both costs 2 % of a crawl.
    """
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)
    with contextlib.suppress(AttributeError, OSError):  # another C library needs no telling, or cannot be told
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Give the memory that is free back to the system."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
