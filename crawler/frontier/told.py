"""Under which name a record is remembered, so that it is given once however many pages tell it.

A point is a day since 1970 and a metric in one integer, a place in a chart a track and a day: exact, some bytes each
in the bitmaps and in the log. A set costs about 1.8 kB of memory, so all metrics of a node are in one.
"""

from __future__ import annotations

from datetime import date

from crawler.model import Id, Point, Ranking, Record

NETWORK = "records"
"""The network under which the log holds what was told; no nodes of any graph."""
METRICS = ("followers", "followings", "posts", "plays", "likes", "views", "", "")
"""Their places are part of the format: a new metric takes an empty one; others are kept as text."""
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_DAY_BITS = 16
_LARGEST = 1 << 62 - _DAY_BITS


def shard_of(record: Record) -> str:
    """Return the kind of shard that a record belongs into."""
    return "series" if isinstance(record, Point) else "charts" if isinstance(record, Ranking) else "xrefs"


def name_of(record: Record, source: str) -> tuple[str, Id]:
    """Return the set that a record belongs to, and its key in it."""
    if isinstance(record, Point):
        name, day = _joined(source, "series", record.kind, record.id, record.platform), _day(record.date)
        if day is None or record.series is not None or record.metric not in METRICS:
            return name, _joined(record.metric, record.series or "", record.date)
        return name, day * len(METRICS) + METRICS.index(record.metric)
    if isinstance(record, Ranking):
        return _joined(source, "charts", record.chart, record.kind), _place(record.id, record.date)
    name = _joined(source, "xrefs", record.kind, record.scheme)
    return name, _joined(record.id, record.value, record.evidence)


def _joined(*parts: Id) -> str:
    """Return parts as one text from which they could be taken again: a space inside of one is written as %20."""
    return " ".join([str(part).replace("%", "%25").replace(" ", "%20") for part in parts])


def _place(node: Id, text: str) -> Id:
    day = _day(text)
    if day is None or not isinstance(node, int) or not 0 <= node < _LARGEST:
        return _joined(node, text)
    return node << _DAY_BITS | day


def _day(text: str) -> int | None:
    try:
        day = date.fromisoformat(text).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        return None
    return day if 0 <= day < 1 << _DAY_BITS else None
