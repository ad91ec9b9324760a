"""`crawler seeds charts`: from what was asked for to the lines of a file of seeds.

What the service says there is stands before what is known of it, and what a choice will cost is said before it is paid.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date

from msgspec import Struct

from crawler.config import Config, section_of
from crawler.engine import charts as looking
from crawler.engine.worker import Source
from crawler.errors import ConfigError, ProviderError, Refused
from crawler.providers.chartmetric import COUNTRIES_PATH, GENRES_PATH, NAME, names_request
from crawler.providers.charts import COUNTRIES, GENRES, KINDS, TABLES, Chart, fridays

ALL = "all"


class Wanted(Struct, frozen=True):
    """Which charts: `genres` and `countries` may be ("all",); of these weeks, or the last with rows, or the latest."""

    kinds: tuple[str, ...] = ("top",)
    genres: tuple[str, ...] = ("all-music",)
    countries: tuple[str, ...] = ("GLOBAL",)
    table: str = TABLES[0]
    since: str | None = None
    until: str | None = None
    last: bool = False


def check(wanted: Wanted) -> None:
    """Raise `ConfigError` when something cannot be, before anybody is asked."""
    for kind in wanted.kinds:
        if kind not in KINDS:
            raise ConfigError(f'"{kind}" is no kind of chart: {" or ".join(KINDS)}')
    if wanted.table not in TABLES:
        raise ConfigError(f'"{wanted.table}" is no table of charts: {" or ".join(TABLES)}')
    for day in (wanted.since, wanted.until):
        try:
            date.fromisoformat(day or "2026-01-01")
        except ValueError:
            raise ConfigError(f'"{day}" is no date: write it as 2026-05-01') from None
    if wanted.last and wanted.since:
        raise ConfigError("--last finds one week, --since begins several: give one of them")


async def seeds(source: Source, config: Config, wanted: Wanted, today: str) -> list[str]:
    """Return the lines of a file of seeds. Raises `Refused` or `Transient`; a chart that cannot be read is told."""
    base = section_of(config, NAME).base_url
    genres = await _known(source, base, wanted.genres, GENRES_PATH, GENRES)
    countries = await _known(source, base, wanted.countries, COUNTRIES_PATH, COUNTRIES)
    chosen = [
        Chart(kind, genre.lower(), country.upper(), None, wanted.table)
        for kind in wanted.kinds
        for genre in genres
        for country in countries
    ]
    until = wanted.until or today
    if wanted.last:
        say(f"looking for the last week of {len(chosen)} charts: at most {_cost(len(chosen), until)} requests")
        return await _last(source, chosen, until)
    weeks: list[str | None] = [None]
    if wanted.since or wanted.until:
        weeks = list(fridays(wanted.since or until, until)) or [until]
    found = [chart._replace(date=week) for chart in chosen for week in weeks]
    say(f"{len(found)} charts; a crawl of them takes {len(found)} requests, up to {2 * len(found)} if they are long")
    return looking.named(found)


def _cost(number: int, until: str) -> str:
    return f"{number * looking.requests_at_most(until):,}"


async def _last(source: Source, chosen: Sequence[Chart], until: str) -> list[str]:
    """Return each chart of its last week with rows; what has none, or may not be read, is told and left out."""
    found = []
    for chart in chosen:
        try:
            week = await looking.last_week(source, chart, until)
        except Refused:
            raise
        except ProviderError as error:
            say(f"{chart.series}: {looking.described(error)}")
            continue
        if week is None:
            say(f"{chart.series}: empty in all weeks")
        else:
            found.append(chart._replace(date=week))
    return looking.named(found)


async def _known(source: Source, base: str, asked: Sequence[str], path: str, fallback: Sequence[str]) -> Sequence[str]:
    """Return what was asked for, or all that there is; a name that the service does not tell is used, and told."""
    told = await looking.names(source, names_request(base, path))
    what = path.rpartition("/")[2] if "countries" in path else "genres"
    if told is None:
        say(f"the service does not tell its {what}; those that SoundCloud is known to have stand in")
    known = told or fallback
    if tuple(asked) == (ALL,):
        return known
    unknown = [name for name in asked if name.lower() not in {one.lower() for one in known}]
    if unknown:
        say(f"not among the {what}, asked for all the same: {', '.join(unknown)}")
    return asked


def say(sentence: str) -> None:
    """Tell the operator, beside the lines for the file."""
    print(sentence, file=sys.stderr)  # noqa: T201 - the answer is on standard output
