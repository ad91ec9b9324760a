"""Cursors in the grammar of each collection: the sort key of the last row of a page; what is older comes next.

The server remembers nothing: row r of a list of n rows has a time that can be computed, strictly falling with r, and
the row can be computed back from the time. A cursor with a time that no row has is valid too, as keyset paging has it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from crawler.sandbox.layout import END_SECONDS, START_SECONDS

Grammar = Literal[
    "milliseconds",
    "microseconds",
    "tracks",
    "playlists",
    "track-likes",
    "playlist-likes",
    "track-reposts",
    "playlist-reposts",
    "offset",
]

_START_MILLISECONDS = START_SECONDS * 1000
_END_MILLISECONDS = END_SECONDS * 1000
LONGEST_NUMBER = 18
"""Digits that surely fit into 63 bits."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def encode(grammar: Grammar, node: int, count: int, row: int, item: int) -> str:
    """Return the cursor of a row of a node's list with `count` rows; `item` is the id in that row."""
    if grammar == "offset":
        return str(row + 1)
    milliseconds = row_time(node, count, row)
    if grammar == "milliseconds":
        return str(milliseconds)
    if grammar == "microseconds":
        return str(milliseconds * 1000 + item % 1000)
    moment = (_EPOCH + timedelta(milliseconds=milliseconds)).strftime("%Y-%m-%dT%H:%M:%S")
    start = f"{moment}.{milliseconds % 1000:03}Z"
    if grammar in ("tracks", "playlists"):
        return f"{start},{grammar},{item:011}"
    return f"{start},user-{grammar},000-{node:020}-{item:020}"


def decode(grammar: Grammar, node: int, count: int, cursor: str) -> int:
    """Return the first row older than a cursor, `count` when there is none; `ValueError` when it is not a cursor."""
    if grammar == "offset":
        return min(_natural(cursor), count)
    if grammar == "milliseconds":
        return _row_before(node, count, _natural(cursor))
    if grammar == "microseconds":
        return _row_before(node, count, _natural(cursor) // 1000)
    return _row_before(node, count, _dated(grammar, cursor))


def _natural(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER):
        message = f"{text!r} is not a cursor of this list"
        raise ValueError(message)
    return int(text)


def _dated(grammar: Grammar, cursor: str) -> int:
    parts = cursor.split(",")
    name = grammar if grammar in ("tracks", "playlists") else f"user-{grammar}"
    if parts[1:2] != [name] or not parts[2:] or parts[3:] or not parts[0].endswith("Z"):
        message = f"{cursor!r} is not a cursor of this list"
        raise ValueError(message)
    return (datetime.fromisoformat(parts[0]) - _EPOCH) // timedelta(milliseconds=1)


def row_time(node: int, count: int, row: int) -> int:
    """Return when a row of a node's list came to be, in milliseconds since 1970."""
    step = _step(count)
    return _END_MILLISECONDS - row * step - _jitter(node, row, step)


def _row_before(node: int, count: int, milliseconds: int) -> int:
    step = _step(count)
    age = _END_MILLISECONDS - milliseconds
    row = max(0, age // step)
    if row * step + _jitter(node, row, step) <= age:
        row += 1
    return min(row, count)


def _step(count: int) -> int:
    """Return the milliseconds between two rows: lists of any length span the same years."""
    return (_END_MILLISECONDS - _START_MILLISECONDS) // (count + 1)


def _jitter(node: int, row: int, step: int) -> int:
    """Keep times from being evenly spaced; less than a step, so that they still fall strictly."""
    return ((row * 2_654_435_761 + node * 40_503) & 0xFFFFFFFF) * step >> 32
