"""Looking for charts before a crawl: which genres and countries there are, and which week was the last with rows.

Every question is one request, so nothing is swept: the last week is found by going back in steps that double, and then
by halving what lies between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from crawler.engine.worker import Source
from crawler.errors import Denied, Gone, ProviderError, Throttled, Transient
from crawler.model import NodeId, Page, Request, Response, Task
from crawler.policy import retry
from crawler.providers.chartmetric import read_names
from crawler.providers.charts import Chart, fridays

EARLIEST = "2017-01-06"
"""No chart of SoundCloud in the vendor's tables is older, as far as it is known; the search ends here."""
_TRIES = 4


async def names(source: Source, request: Request) -> list[str] | None:
    """Return the names in a list of genres or countries; None when the service does not tell."""
    try:
        response = await _ask(source, request)
        return read_names(response, request.family) or None
    except ProviderError as error:
        if isinstance(error, Transient | Throttled):
            raise
        return None


async def rows(source: Source, chart: Chart) -> int:
    """Return how many rows the first page of a chart has, 0 when it is empty or there is no such chart."""
    relation = next(row for row in source.provider.relations if row.kind == "chart")
    task = Task(NodeId("soundcloud", "chart", str(chart)), relation)
    for tries in range(_TRIES):
        try:
            page: Page = source.provider.parse(task, await _ask(source, source.provider.request(task)))
        except Gone:
            return 0
        except (Transient, Throttled) as error:
            await _pause(source, error, tries)
        else:
            return len(page.items) + page.unread
    raise Transient(f"{chart} could not be read in {_TRIES} tries")


async def last_week(source: Source, chart: Chart, until: str) -> str | None:
    """Return the last Friday up to a date on which a chart has rows, None when there is none since `EARLIEST`.

    Weeks are taken to be filled without a gap up to that one. Raises what the service answers instead, `Denied` too.
    """
    weeks = list(fridays(EARLIEST, until))
    empty, step = len(weeks), 1
    while True:
        filled = max(0, empty - step)
        if await rows(source, chart._replace(date=weeks[filled])):
            break
        if not filled:
            return None
        empty, step = filled, step * 2
    while empty - filled > 1:
        middle = (filled + empty) // 2
        if await rows(source, chart._replace(date=weeks[middle])):
            filled = middle
        else:
            empty = middle
    return weeks[filled]


def requests_at_most(until: str) -> int:
    """Return how many requests `last_week` needs at most."""
    return 2 * max(1, len(list(fridays(EARLIEST, until)))).bit_length()


async def _ask(source: Source, request: Request) -> Response:
    for tries in range(_TRIES):
        try:
            return await source.client.ask(request)
        except (Transient, Throttled) as error:
            await _pause(source, error, tries)
    raise Transient(f"no answer in {_TRIES} tries ({request.family})")


async def _pause(source: Source, error: ProviderError, tries: int) -> None:
    if isinstance(error, Throttled):
        source.gate.pause(error.wait_seconds or retry.PAUSE_SECONDS * 2**tries, reason=str(error))
    else:
        await asyncio.sleep(retry.IN_PLACE_SECONDS[min(tries, len(retry.IN_PLACE_SECONDS) - 1)])


def described(error: Exception) -> str:
    """Return what to say of a chart that was looked for in vain."""
    return f"not entitled: {error}" if isinstance(error, Denied) else str(error)


def named(charts: Sequence[Chart]) -> list[str]:
    """Return charts as lines of a file of seeds, each once."""
    return list(dict.fromkeys(f"chart:{chart}" for chart in charts))
