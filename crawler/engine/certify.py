"""From a listing's progress to what `policy.verdict` judges, and from a judgement to the certificate.

No waiting, no disk, no network; the arithmetic itself is in the policy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from crawler.engine.flight import Ended
from crawler.frontier.ids import IdSet
from crawler.frontier.rows import Listing
from crawler.model import Certificate, Id, Item, Page, Relation, Verdict
from crawler.policy import verdict
from crawler.policy.verdict import Advance, Judgement, Look, Numbers


def note_page(listing: Listing, page: Page, new_rows: int, records: int = 0) -> int:
    """Take a page's numbers into the progress; return how many rows it hides. `records` are those that are rows."""
    progress, rows = listing.progress, records if listing.relation.rows == "records" else len(page.items)
    shown = rows + page.unread + page.own
    limit = page.limit or page.asked
    hidden = max(0, limit - shown) if page.next is not None and limit and page.doubt is None else 0
    progress.pages += 1
    progress.visible += new_rows + page.unread + page.own
    progress.hidden += hidden
    progress.unread += page.unread
    progress.last_rows, progress.limit = shown, limit
    if page.doubt is not None:
        progress.doubt, progress.doubted_page = page.doubt, progress.pages
    if new_rows:
        progress.barren = progress.repeats = progress.barren_hidden = 0
        progress.page_hidden = hidden
    else:
        progress.barren += 1
        progress.repeats += bool(rows)
        progress.barren_hidden += hidden
    return hidden


def judge(listing: Listing, page: Page, pages_max: int | None) -> Judgement | Look | None:
    """Return how the listing ends after this page, what to look at first, or None when it goes on."""
    progress = listing.progress
    if page.next is None:
        return judge_end(listing)
    judgement = verdict.going_on(
        Advance(
            pages=progress.pages,
            found=progress.visible + progress.hidden - progress.barren_hidden,
            barren=progress.barren,
            barren_hidden=progress.barren_hidden,
            repeats=progress.repeats,
            repeated=page.next == listing.cursor or digest(page.next) in (listing.cursors or ()),
            mark=page.mark,
            mark_before=progress.mark,
            limit=progress.limit,
            advertised=progress.advertised,
            pages_max=pages_max,
            page_hidden=progress.page_hidden,
        )
    )
    if page.mark is not None:
        progress.mark = page.mark if progress.mark is None else max(page.mark, progress.mark)
    if judgement is not None and judgement.is_trap:
        _doubt_hidden(listing)
    return judgement


def _doubt_hidden(listing: Listing) -> None:
    """Take back what the last pages of a trap hide: nobody knows which of them is the last of the list.

    The last page that showed something new was cut at its limit only when the count says that so many rows are there.
    """
    progress = listing.progress
    progress.hidden -= progress.page_hidden + progress.barren_hidden
    likely = min(progress.page_hidden, _missing(listing) or 0)
    progress.hidden += likely
    progress.unproved = progress.page_hidden + progress.barren_hidden - likely


def judge_end(listing: Listing) -> Judgement | Look:
    """Return how a listing ends that the service ended, or what to look at first."""
    progress = listing.progress
    return verdict.ending(
        Numbers(
            visible=progress.visible,
            hidden=progress.hidden,
            unread=progress.unread,
            last_rows=progress.last_rows,
            limit=progress.limit,
            advertised=progress.advertised,
            advertised_after=progress.advertised_after,
            counted=progress.counted,
            looked_gap=progress.looked_gap,
            wall=listing.relation.wall,
            doubt=progress.doubt,
        )
    )


def begin_look(listing: Listing, look: Look) -> None:
    """Note what is to be looked at a second time."""
    progress = listing.progress
    progress.look, progress.look_limit = look.at, look.limit
    if look.at == "rows":
        progress.looked_gap = _missing(listing) or 0


def end_look(listing: Listing, page: Page | None, new_rows: int) -> str | None:
    """Note what a look brought, None when it failed; return the cursor to follow when the end turns out to be none."""
    progress = listing.progress
    look, limit = progress.look, progress.look_limit or 0
    progress.look, progress.look_limit = None, None
    progress.looks += 1
    if look == "counts":
        progress.counted = True
        counts = (page.items[0].counts if page is not None and page.items else None) or {}
        progress.advertised_after = counts.get(listing.relation.name)
        return None
    if page is None:
        return None
    if page.doubt is None and progress.doubted_page == progress.pages:
        progress.doubt = None
    progress.visible += new_rows
    progress.last_rows += new_rows
    if page.next is None:
        return None
    whole = limit >= (progress.limit or limit)
    rows = limit if whole else limit + 1
    proven = max(0, rows - progress.last_rows)
    progress.hidden += proven
    progress.last_rows += proven
    return page.next if whole else None


def certificate(listing: Listing, ended: Ended) -> Certificate:
    """Return what is said of a listing that ended."""
    progress = listing.progress
    return Certificate(
        kind=listing.node.kind,
        id=listing.node.id,
        relation=listing.relation.name,
        source=listing.source,
        reading=progress.reading,
        verdict=ended.verdict,
        pages=progress.pages,
        visible=progress.visible,
        hidden=progress.hidden,
        hidden_bound=_hidden_bound(listing, ended),
        distinct=progress.distinct,
        duplicates=progress.duplicates,
        unread=progress.unread,
        advertised=progress.advertised,
        advertised_after=progress.advertised_after,
        missing=ended.missing,
        withdrawn=withdrawn(listing) if ended.verdict == "complete" else None,
        depth=listing.depth,
        retries=progress.retries,
        cursors=progress.chain,
        reason=ended.reason,
        first_at=progress.first_at or ended.observed_at,
        last_at=ended.observed_at,
    )


def _hidden_bound(listing: Listing, ended: Ended) -> int | None:
    progress, gap = listing.progress, _missing(listing)
    if ended.verdict in {"complete", "short"}:
        return verdict.hidden_bound(progress.last_rows, progress.limit, gap)
    if progress.unproved is None or gap is None:
        return progress.unproved
    return min(progress.unproved, gap)


def is_unchecked(relation: Relation, ended: Verdict, missing: int | None) -> bool:
    """Return whether a list is called complete on the service's word alone, because no count tells its length."""
    return ended == "complete" and missing is None and relation.edge is not None


def missing_of(listing: Listing, ended: Ended) -> int | None:
    """Return how many rows are missing from a listing that ended without its end being seen."""
    return None if ended.verdict == "gone" else _missing(listing)


def withdrawn(listing: Listing) -> list[Id] | None:
    """Return the rows that earlier readings gave and this one, which must be complete, did not show."""
    if not listing.given:
        return None
    shown = listing.keys or ()
    return [key for key in listing.given if key not in shown] or None


def key_of(listing: Listing, item: Item) -> Id:
    """Return what tells rows apart within a listing; in a second reading something that the records show as well."""
    if listing.progress.reading > 1 and listing.relation.edge == "commented":
        return f"{item.id} {item.at}"
    return item.key


def keys_of(listing: Listing, items: Sequence[Item]) -> list[Id]:
    """Return the keys of many rows (see `key_of`)."""
    if listing.progress.reading > 1 and listing.relation.edge == "commented":
        return [key_of(listing, item) for item in items]
    return [item.key for item in items]


def unseen(listing: Listing, page: Page) -> list[Item]:
    """Return the rows that this reading of the listing had not shown."""
    items = page.items
    keys = set(keys_of(listing, items))
    if listing.keys or len(keys) < len(items):
        items = _first_of_each(listing, items)
    return items


def _first_of_each(listing: Listing, items: Sequence[Item]) -> list[Item]:
    seen, here = listing.keys or IdSet(), set[Id]()
    first = []
    for item in items:
        key = key_of(listing, item)
        if key not in here and key not in seen:
            here.add(key)
            first.append(item)
    return first


def digest(cursor: str) -> bytes:
    """Return a short hash of a cursor, to know it again."""
    return hashlib.blake2b(cursor.encode(), digest_size=8).digest()


def chained(chain: str | None, cursor: str) -> str:
    """Return the hash of a chain of cursors with one more at its end."""
    return hashlib.blake2b(f"{chain or ''}\n{cursor}".encode(), digest_size=16).hexdigest()


def _missing(listing: Listing) -> int | None:
    progress = listing.progress
    wanted = verdict.expected(progress.advertised, progress.advertised_after)
    return None if wanted is None else max(0, wanted - progress.visible - progress.hidden)
