"""How a listing ends: what its numbers prove, as pure functions. Nothing is fetched, remembered or timed here.

Only a null or absent link ends a list; whether it is *whole* is arithmetic. The service cuts a page first and filters
it afterwards, so on every page but the last the rows cut away can be counted (`hidden`). On the last page there is only
a bound, which is why a list whose trusted count is not reached gets a second look before it is called short:

    rows    the last page once more, cut at as many rows as it should have had, less one: a link in the answer proves
            that the missing rows are there and hidden; at full length, a link proves that the end was none
    counts  the node's own object once more: a list that shrank while it was read is not short

A page whose link leads on is asked for unless it is a trap: a cursor named before, or no progress (`goes_on`).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from crawler.model import Verdict

BARREN_PAGES_MAX = 50
"""A listing that shows nothing new for so many pages in a row makes no progress, where nothing better is known."""
BARREN_DATED_PAGES_MAX = 250
"""The same where the cursor is a time that goes back with each page: 50,000 rows cut away in a row."""
WASTED_PAGES_MAX = 3
"""Pages without anything new that are asked for where it can be known that nothing more will come."""
OFFSET_WALL = 1000
"""Beyond this offset pages are empty and their links go on for ever (soundcloud/api issue 505)."""
FIRST_MILLISECONDS = 1_167_609_600_000
"""2007-01-01: nothing on SoundCloud is older."""
DRIFT_SHARE = 0.001
"""By how much a trusted count may be off without a reason, when rows come and go while a list is read."""


class Numbers(NamedTuple):
    """What is known of a listing when a page says that it was the last.

    `last_rows` were shown on that page, which was cut at `limit`. `counted` tells that the count was asked for again
    (`advertised_after`, None when that told nothing), `looked_gap` how many rows were missing at the last look at rows.
    `wall` is the service's known limit for such lists, `doubt` what is wrong with one of the answers.
    """

    visible: int
    hidden: int
    unread: int
    last_rows: int
    limit: int | None
    advertised: int | None = None
    advertised_after: int | None = None
    counted: bool = False
    looked_gap: int | None = None
    wall: int | None = None
    doubt: str | None = None


class Advance(NamedTuple):
    """What is known of a listing when a page names another.

    `barren` pages in a row showed nothing new, `repeats` of them rows that had all been shown before; the rows that
    they are said to hide, `barren_hidden`, are not part of `found`; `page_hidden` of the page before them are. `mark`
    is where the next page stands, growing along a list: an offset from 0 up, or a time in milliseconds, negated;
    `mark_before` the farthest so far. `repeated` tells that the cursor was named before.
    """

    pages: int
    found: int
    barren: int
    barren_hidden: int
    repeats: int
    repeated: bool
    mark: int | None = None
    mark_before: int | None = None
    limit: int | None = None
    advertised: int | None = None
    pages_max: int | None = None
    page_hidden: int = 0


class Judgement(NamedTuple):
    """How the listing ends. `missing` counts the rows that are known to be missing, None when nobody can know.

    `is_trap` tells that its last pages lead nowhere: what they seem to hide is not believed.
    """

    verdict: Verdict
    reason: str | None = None
    missing: int | None = None
    is_trap: bool = False


class Look(NamedTuple):
    """Ask once more before judging: for the last page, cut at `limit` rows, or for the node's counts."""

    at: Literal["rows", "counts"]
    limit: int | None = None


def expected(advertised: int | None, advertised_after: int | None) -> int | None:
    """Return how many rows there should be: the smaller count, because rows that went meanwhile are not missing."""
    known = [count for count in (advertised, advertised_after) if count is not None]
    return min(known, default=None)


def missing(numbers: Numbers) -> int | None:
    """Return how many rows are missing, None when there is no trusted count to tell by."""
    wanted = expected(numbers.advertised, numbers.advertised_after)
    return None if wanted is None else max(0, wanted - numbers.visible - numbers.hidden)


def hidden_bound(last_rows: int, limit: int | None, gap: int | None) -> int | None:
    """Return how many rows at most were cut away from the last page, None when its length is not known."""
    if limit is None:
        return None
    bound = max(0, limit - last_rows)
    return bound if gap is None else min(bound, gap)


def ending(numbers: Numbers) -> Judgement | Look:
    """Judge a listing that the service ended, or say what to look at first."""
    gap = missing(numbers)
    if gap is None:
        return _without_count(numbers)
    if gap <= _drift(numbers) or _is_one_hidden(numbers, gap):
        return _first_look(numbers, gap) or _within_count(numbers)
    if numbers.wall is not None and _found(numbers) >= numbers.wall:
        return Judgement("capped", f"the service shows no more than {numbers.wall} rows", gap)
    reason = numbers.doubt or f"{gap} of {gap + _found(numbers)} rows are missing"
    return _look(numbers, gap) or Judgement("short", reason, gap + numbers.unread)


def going_on(numbers: Advance) -> Judgement | None:
    """Judge a listing whose page names another; None when that is worth asking for.

    How many rows are missing is left to the certificate: it depends on which hidden rows are believed.
    """
    if numbers.repeated:
        return Judgement("looped", "the service named a cursor that it had named before", is_trap=True)
    if numbers.pages_max is not None and numbers.pages >= numbers.pages_max:
        return Judgement("capped", f"stopped after max_pages_per_list = {numbers.pages_max}")
    if not numbers.barren:
        return None
    if _is_behind_wall(numbers):
        reason = f"empty pages beyond the service's wall at offset {OFFSET_WALL}"
        return Judgement("capped", reason, is_trap=True)
    looped = _no_progress(numbers)
    return None if looped is None else Judgement("looped", looped, is_trap=True)


def _without_count(numbers: Numbers) -> Judgement | Look:
    if numbers.doubt is not None and numbers.limit is not None and numbers.looked_gap is None:
        return Look("rows", numbers.limit)
    if numbers.unread:
        return Judgement("short", _unread(numbers.unread), numbers.unread)
    if numbers.doubt is not None:
        return Judgement("short", numbers.doubt)
    if numbers.wall is not None and _found(numbers) >= numbers.wall:
        return Judgement("capped", f"the service shows no more than {numbers.wall} rows; perhaps there are none")
    return Judgement("complete")


def _within_count(numbers: Numbers) -> Judgement:
    """Judge a listing whose count is reached, if need be by the smaller count of a list that shrank meanwhile."""
    if numbers.unread:
        return Judgement("short", _unread(numbers.unread), numbers.unread)
    shrank = numbers.advertised is not None and _found(numbers) < numbers.advertised
    if shrank and _is_full(numbers):
        # A list ends on a full page once in `limit` lists; one that was cut there, and lost rows too, always does.
        return Judgement("short", "it ended on a full page, with fewer rows than it had")
    return Judgement("complete", None, 0)


def _is_one_hidden(numbers: Numbers, gap: int) -> bool:
    """Tell of one row hidden on a page that shows none; no look tells it from a row lost, which is far less likely."""
    return gap == 1 and not numbers.last_rows and bool(numbers.limit)


def _is_full(numbers: Numbers) -> bool:
    return numbers.limit is not None and numbers.last_rows >= numbers.limit


def _first_look(numbers: Numbers, gap: int) -> Look | None:
    """Return a look at the rows of a list that is whole whatever it brings: it may prove its gap to be hidden rows."""
    limit = _look_limit(numbers, gap) if gap and numbers.looked_gap is None else None
    return None if limit is None else Look("rows", limit)


def _look(numbers: Numbers, gap: int) -> Look | None:
    """Return what to look at before the gap is believed: the rows, once for each new gap, then the counts, once."""
    limit = _look_limit(numbers, gap)
    if limit is not None and (numbers.looked_gap is None or gap < numbers.looked_gap):
        return Look("rows", limit)
    return None if numbers.counted else Look("counts")


def _found(numbers: Numbers) -> int:
    return numbers.visible + numbers.hidden


def _unread(rows: int) -> str:
    return f"{rows} rows could not be read"


def _drift(numbers: Numbers) -> int:
    """Return the gap that churn explains: none where the last page is full, because so looks an end that came early."""
    if _is_full(numbers):
        return 0
    wanted = expected(numbers.advertised, numbers.advertised_after) or 0
    return int(wanted * DRIFT_SHARE)


def _look_limit(numbers: Numbers, gap: int) -> int | None:
    """Return at how many rows to cut the second look: one less than the last page should have, if that is a page."""
    if numbers.limit is None:
        return None
    return min(numbers.limit, numbers.last_rows + gap - 1) or None


def _is_behind_wall(numbers: Advance) -> bool:
    return numbers.mark is not None and numbers.mark > OFFSET_WALL and numbers.barren >= WASTED_PAGES_MAX


def _no_progress(numbers: Advance) -> str | None:
    if numbers.mark is not None and numbers.mark_before is not None and numbers.mark < numbers.mark_before:
        return "the cursor goes back, and shows nothing new"
    if numbers.repeats >= WASTED_PAGES_MAX:
        return f"{numbers.repeats} pages in a row repeat rows"
    return _endless(numbers) if numbers.barren >= WASTED_PAGES_MAX else None


def _endless(numbers: Advance) -> str | None:
    """Return why a run of empty pages is no run of hidden rows; real runs of many are on record (field report, 2.2)."""
    dated = numbers.mark is not None and numbers.mark < 0
    if dated and -(numbers.mark or 0) < FIRST_MILLISECONDS:
        return "empty pages of a time before the service began"
    if numbers.advertised is not None:
        claimed = numbers.found + numbers.barren_hidden
        if claimed > numbers.advertised + 2 * (numbers.limit or 0):
            return "empty pages beyond the length of the list"
    elif not dated and numbers.mark is not None and (numbers.page_hidden or not numbers.found):
        # Endless offsets were seen (#505), runs of hidden pages only where cursors are dates, or after full pages.
        return f"{numbers.barren} empty pages after one that was not full"
    if numbers.barren >= (BARREN_DATED_PAGES_MAX if dated else BARREN_PAGES_MAX):
        return f"nothing new on {numbers.barren} pages in a row"
    return None
