"""Under which name a record is remembered, so that it is given once however many pages tell it.

Dates are days since 1970 where they are dates, and a place in a chart is a track and a day in one integer: exact, and
a few bytes each in the bitmaps and in the log.
"""

from __future__ import annotations

from datetime import date

from crawler.model import Id, Point, Ranking, Record

NETWORK = "records"
"""The network under which the log holds what was told; no nodes of any graph."""
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_DAY_BITS = 16
_LARGEST = 1 << 62 - _DAY_BITS


def shard_of(record: Record) -> str:
    """Return the kind of shard that a record belongs into."""
    return "series" if isinstance(record, Point) else "charts" if isinstance(record, Ranking) else "xrefs"


def name_of(record: Record, source: str) -> tuple[str, Id]:
    """Return the set that a record belongs to, and its key in it."""
    if isinstance(record, Point):
        what = f"{record.kind} {record.id} {record.platform} {record.metric} {record.series or ''}"
        day = _day(record.date)
        return f"{source} series {what}", record.date if day is None else day
    if isinstance(record, Ranking):
        return f"{source} charts {record.chart} {record.kind}", _place(record.id, record.date)
    return f"{source} xrefs {record.kind} {record.scheme}", f"{record.id} {record.value} {record.evidence}"


def _place(node: Id, text: str) -> Id:
    day = _day(text)
    if day is None or not isinstance(node, int) or not 0 <= node < _LARGEST:
        return f"{node} {text}"
    return node << _DAY_BITS | day


def _day(text: str) -> int | None:
    try:
        day = date.fromisoformat(text).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        return None
    return day if 0 <= day < 1 << _DAY_BITS else None
