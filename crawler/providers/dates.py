"""The two spellings of a date that SoundCloud's surfaces use, and the one that the records use.

The official API writes `2011/04/06 15:37:43 +0000`, the web's API ISO 8601 (field report, 1.6); records say
`2011-04-06T15:37:43Z`. Arithmetic on given dates only: nothing here asks what time it is.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_OFFICIAL = re.compile(
    r"[0-9]{4}/(?:0[1-9]|1[0-2])/(?:0[1-9]|[12][0-9]|3[01]) (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9] \+0000"
)
_OFFICIAL_FORMAT = "%Y/%m/%d %H:%M:%S %z"


def iso_utc(text: str) -> str:
    """Return a date as ISO 8601 in UTC (`2011-04-06T15:37:43Z`); an unknown spelling stays as it was served."""
    if _OFFICIAL.fullmatch(text):  # nearly every date of every page: no datetime object for these
        return f"{text[0:4]}-{text[5:7]}-{text[8:10]}T{text[11:19]}Z"
    moment = _moment(text)
    return text if moment is None else moment.isoformat().replace("+00:00", "Z")


def epoch_seconds(text: str) -> float | None:
    """Return a date as seconds since 1970, None when its spelling is not known."""
    moment = _moment(text)
    return None if moment is None else moment.timestamp()


def _moment(text: str) -> datetime | None:
    """Return an aware moment in UTC; a date that names no zone is not known, because guessing one could shift it."""
    for read in (datetime.fromisoformat, _official):
        try:
            moment = read(text)
            return moment.astimezone(UTC) if moment.tzinfo else None
        except (ValueError, OverflowError):
            continue
    return None


def _official(text: str) -> datetime:
    return datetime.strptime(text, _OFFICIAL_FORMAT)  # noqa: DTZ007 - the format has the zone
