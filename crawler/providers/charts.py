"""Names of charts, their days, and the names that things have on several services: arithmetic on texts, no clock.

A chart is named `KIND:GENRE[:COUNTRY[:DATE[:TABLE]]]`, as "top:techno" or "top:techno:US:2026-05-01". Without a country
it is that of the world, without a date (or with "latest") the latest, and TABLE says which of a service's tables is
meant. SoundCloud's charts are weekly and dated by Fridays (field report on the charts, 1.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

WORLD = "GLOBAL"
LATEST = "latest"
KINDS = ("top", "trending")
TABLES = ("track", "trending")
GENRES = (
    *("all-music", "all-audio", "alternativerock", "ambient", "classical", "country", "danceedm", "dancehall"),
    *("deephouse", "disco", "drumbass", "dubstep", "electronic", "folksingersongwriter", "hiphoprap", "house", "indie"),
    *("jazzblues", "latin", "metal", "piano", "pop", "rbsoul", "reggae", "reggaeton", "rock", "soundtrack", "techno"),
    *("trance", "trap", "triphop", "world"),
)
"""The charts of music that SoundCloud itself has: a fallback, because Chartmetric's own list can be asked for."""
COUNTRIES = ("AU", "CA", "DE", "FR", "GB", "IE", "NL", "NZ", "US", WORLD)
"""Where SoundCloud has charts, as far as it is known: a fallback as well."""

_FRIDAY = 4
_WEEK_DAYS = 7
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.0*)?")


class Chart(NamedTuple):
    """A chart's name, taken apart; `date` is None for the latest."""

    kind: str
    genre: str
    country: str = WORLD
    date: str | None = None
    table: str = TABLES[0]

    @property
    def series(self) -> str:
        """Return the name of the chart without its date: what all its weeks share."""
        return f"{self.kind}:{self.genre}:{self.country}:{self.table}"

    def __str__(self) -> str:
        name = f"{self.kind}:{self.genre}:{self.country}:{self.date or LATEST}"
        return name if self.table == TABLES[0] else f"{name}:{self.table}"


def read_chart(name: str) -> Chart:
    """Take a chart's name apart. Raises `ValueError` with a sentence for what is none."""
    parts = name.split(":")
    if not parts[1:] or len(parts) > len(Chart._fields) or not all(parts):
        raise ValueError(
            f'"{name}" is no chart: write KIND:GENRE[:COUNTRY[:DATE[:TABLE]]], as top:techno:US:2026-05-01'
        )
    chart = Chart(*parts)
    if chart.kind not in KINDS or chart.table not in TABLES:
        raise ValueError(f'"{name}" is no chart: KIND is top or trending, TABLE is track or trending')
    if chart.date in {None, LATEST}:
        return chart._replace(date=None)
    return chart._replace(date=friday(chart.date or ""))


def friday(text: str) -> str:
    """Return the last Friday that is not after a date. Raises `ValueError`."""
    day = date.fromisoformat(text)
    return (day - timedelta(days=(day.weekday() - _FRIDAY) % _WEEK_DAYS)).isoformat()


def fridays(since: str, until: str) -> Iterator[str]:
    """Yield the Fridays from one date to another, the oldest first. Raises `ValueError`."""
    last = date.fromisoformat(friday(until))
    day = date.fromisoformat(since)
    day += timedelta(days=(_FRIDAY - day.weekday()) % _WEEK_DAYS)
    while day <= last:
        yield day.isoformat()
        day += timedelta(days=_WEEK_DAYS)


def whole_number(value: object) -> int | None:
    """Return a number that services write as 7, 7.0, "7" or "7.0"; None for everything else."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value.partition(".")[0])
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def day_of(value: object) -> str | None:
    """Return the day of a moment as it is written, in its own time zone: in UTC it may be another day."""
    text = value[:10] if isinstance(value, str) else ""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def isrc_of(value: object) -> str | None:
    """Return an ISRC in its one spelling; None for what is none."""
    text = re.sub(r"[\s-]", "", value).upper() if isinstance(value, str) else ""
    return text if _ISRC.fullmatch(text) else None


def permalink_of(url: object) -> str | None:
    """Return what stands behind soundcloud.com in an address: "someone", or "someone/a-track"; else None."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        return None
    if parts is None or parts.hostname not in {"soundcloud.com", "www.soundcloud.com", "m.soundcloud.com"}:
        return None
    return parts.path.strip("/") or None
