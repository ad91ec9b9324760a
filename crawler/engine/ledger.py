"""The ledger: what one outcome means for the records and for the frontier. No waiting, no disk, no network.

Every verb takes a listing and what became of its page, changes the listing, and returns the `Entry` that a commit makes
true.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from msgspec.structs import replace

from crawler.engine.flight import Ended, Landed, Postponed
from crawler.frontier.ids import IdSet
from crawler.frontier.known import Known, Sighting
from crawler.frontier.rows import Listing, ListingPage, Position, Run
from crawler.model import Certificate, Detail, Id, Item, NodeId, Page, Verdict
from crawler.shards import codec
from crawler.shards.writer import Lines

BARREN_PAGES_MAX = 50
"""A listing that shows nothing new for so many pages in a row makes no progress (soundcloud/api issue 505)."""

Tally = tuple[str, ...]


@dataclass(slots=True)
class Entry:
    """What one applied page moves; `step` is False for what is no page.

    `tally` adds to the totals, by their path: ("edges", "follows") -> 17.
    """

    position: Position
    step: bool = False
    nodes: list[bytes] = field(default_factory=list)
    edges: list[Lines] = field(default_factory=list)
    lists: list[bytes] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    listing: Listing | None = None
    ended: int = 0
    page: ListingPage | None = None
    counts: dict[NodeId, dict[str, int]] = field(default_factory=dict)
    settled: list[NodeId] = field(default_factory=list)
    tally: Counter[Tally] = field(default_factory=Counter)


class Ledger:
    """Turns outcomes into entries. `pages_max` caps a listing, None for no cap."""

    def __init__(
        self, known: Known, last_row: int, last_listing: int, pages_max: int | None, empty_data: bytes
    ) -> None:
        self.known = known
        self.last_row = last_row
        self.unresolved: list[tuple[str, str]] = []
        self._last_listing = last_listing
        self._pages_max = pages_max
        self._empty_data = empty_data

    def seeds(self, items: Sequence[Item], network: str, source: str, stamp: tuple[str, Position]) -> Entry:
        """Enter seeds not known yet: nodes at depth 0, URLs one step before it; `stamp` is (time, position)."""
        observed_at, position = stamp
        entry = Entry(position)
        sightings = [
            sighting
            for item in items
            for sighting in self.known.sight(network, [item], -1 if item.kind == "url" else 0, "seed")
        ]
        self._record(entry, sightings, (network, source, observed_at))
        return entry

    def batches(self, network: str, kind: str, texts: Sequence[str], position: Position) -> Entry:
        """Queue batches of nodes to be described; they are no nodes themselves and get no line."""
        entry = Entry(position)
        items = [Item(kind, text, text, "full", None) for text in texts]
        self._log(entry, network, self.known.sight(network, items, -1, "hydrate"))
        return entry

    def page(self, listing: Listing, landed: Landed, entry: Entry) -> Entry:
        """Enter one page: its new edges and nodes, and either the listing's next turn or its certificate."""
        page, progress = landed.page, listing.progress
        progress.first_at = progress.first_at or landed.observed_at
        progress.pages += 1
        self._retried(listing, landed.retries, entry)
        items = self._unseen(listing, page)
        self._enter(listing, page, items, landed.observed_at, entry)
        entry.tally["pages",] += 1
        verdict = self._verdict(listing, page)
        if verdict is None:
            self._continue(listing, page, items, entry)
        else:
            self.end(listing, Ended(verdict, progress.reason, landed.observed_at), entry)
        return entry

    def skip(self, listing: Listing, observed_at: str, entry: Entry) -> Entry:
        """Certify a listing that a trusted count knows to be empty; it was never asked for."""
        listing.progress.advertised = 0
        entry.tally["skipped",] += 1
        return self.end(listing, Ended("complete", "known to be empty", observed_at), entry)

    def end(self, listing: Listing, ended: Ended, entry: Entry) -> Entry:
        """Write the listing's certificate. A failed one keeps its place in the frontier, for the next start."""
        progress = listing.progress
        self._retried(listing, ended.retries, entry)
        entry.lists.append(codec.certificate_line(_certificate(listing, ended)))
        entry.tally["lists", ended.verdict] += 1
        entry.tally["relations", listing.relation.name, ended.verdict] += 1
        if progress.failed:
            entry.tally["lists", "failed"] -= 1
            entry.tally["relations", listing.relation.name, "failed"] -= 1
        if listing.relation.name == "resolve" and ended.verdict != "complete":
            self.unresolved.append((str(listing.node.id), ended.reason or ended.verdict))
        progress.failed = ended.verdict == "failed"
        if progress.failed:
            listing.state = "parked"
            self._keep(listing, entry)
        else:
            entry.ended = listing.id
        return entry

    def postpone(self, listing: Listing, postponed: Postponed, not_before: float, entry: Entry) -> Entry:
        """Set a listing aside until `not_before`, in seconds since the epoch."""
        progress = listing.progress
        progress.first_at = progress.first_at or postponed.observed_at
        progress.set_asides += 1
        self._retried(listing, postponed.retries, entry)
        listing.state = "waiting"
        listing.not_before = not_before
        entry.tally["set_aside",] += 1
        self._keep(listing, entry)
        return entry

    def _retried(self, listing: Listing, retries: int, entry: Entry) -> None:
        if retries:
            listing.progress.retries += retries
            entry.tally["retries",] += retries

    def _unseen(self, listing: Listing, page: Page) -> list[Item]:
        """Return the rows that this listing had not shown, and count the others as duplicates."""
        items, progress = page.items, listing.progress
        keys = {item.key for item in items}
        if listing.keys or len(keys) < len(items):
            items = _first_of_each(items, listing.keys or IdSet())
        progress.duplicates += len(page.items) - len(items)
        return items

    def _enter(self, listing: Listing, page: Page, items: list[Item], observed_at: str, entry: Entry) -> None:
        relation, progress, network = listing.relation, listing.progress, listing.node.network
        tally, rows = entry.tally, len(page.items) + page.unread
        hidden = max(0, page.limit - rows) if page.next is not None and page.limit else 0
        progress.visible += len(items) + page.unread
        progress.hidden += hidden
        progress.unread += page.unread
        progress.barren = 0 if items else progress.barren + 1
        for name, number in (("hidden", hidden), ("unread", page.unread), ("duplicates", len(page.items) - len(items))):
            if number:
                tally[name,] += number
        if relation.edge is not None and items:
            edges = codec.edge_lines(relation, listing.node, items, progress.rank, (listing.source, observed_at))
            entry.edges.append(edges)
            progress.distinct += edges.count
            tally["edges", relation.edge] += edges.count
        progress.rank += len(items)
        via = "seed" if relation.name == "resolve" else relation.name
        self._discover(listing, items, via, (network, listing.source, observed_at), entry)

    def _discover(
        self, listing: Listing, items: list[Item], via: str, stamp: tuple[str, str, str], entry: Entry
    ) -> None:
        network, depth = listing.node.network, listing.depth + 1
        sightings = self.known.sight(network, items, depth, via)
        self._record(entry, sightings, stamp)
        owners = [item.owner for item in items if item.owner is not None]
        if owners:
            self._record(entry, self.known.sight(network, owners, depth, via), stamp)
        self._posted(listing, sightings, stamp, entry)
        for item in items:
            if item.counts is not None:
                entry.counts[NodeId(network, item.kind, item.id)] = dict(item.counts)
        if listing.node.kind in {"tracks", "users"}:
            self._settle(listing, items, entry)

    def _posted(self, listing: Listing, sightings: list[Sighting], stamp: tuple[str, str, str], entry: Entry) -> None:
        """Give the uploader's edge, once, with the node's line; the list of a user's own uploads gives it anyway."""
        if listing.relation.edge == "posted":
            return
        owned = [sighting.item for sighting in sightings if sighting.item.owner is not None]
        if owned:
            entry.edges.append(codec.posted_lines(owned, listing.relation.name, stamp[1:]))
            entry.tally["edges", "posted"] += len(owned)

    def _settle(self, listing: Listing, items: list[Item], entry: Entry) -> None:
        """Note which of a batch were not described: missing ids are dropped silently, and would be asked for ever."""
        described = {item.id for item in items}
        wanted: list[Id] = [int(text) if text.isdigit() else text for text in str(listing.node.id).split(",")]
        missing = [value for value in wanted if value not in described]
        runs = self.known.settle(listing.node.network, listing.node.kind[:-1], missing)
        for run in runs:
            self._append_run(entry, run)

    def _record(self, entry: Entry, sightings: list[Sighting], stamp: tuple[str, str, str]) -> None:
        for sighting in sightings:
            item = sighting.item
            if item.kind == "url":
                continue
            entry.nodes.append(codec.node_line(item, sighting.depth, sighting.via, stamp, self._empty_data))
            if sighting.fresh:
                entry.tally["nodes", item.kind] += 1
                entry.tally["depths", str(sighting.depth)] += 1
        self._log(entry, stamp[0], sightings)

    def _log(self, entry: Entry, network: str, sightings: list[Sighting]) -> None:
        """Add the sightings to the log: one row for each run of the same kind, place and detail."""
        for place, group in groupby(sightings, _place):
            kind, depth, via, detail, fresh = place
            ids = [sighting.item.id for sighting in group]
            self._append_run(entry, Run(network, kind, depth, via, detail, fresh, ids))

    def _append_run(self, entry: Entry, run: Run) -> None:
        self.last_row += 1
        run.row = self.last_row
        entry.runs.append(run)

    def _verdict(self, listing: Listing, page: Page) -> Verdict | None:
        progress = listing.progress
        if page.next is None and progress.unread:
            progress.reason = f"{progress.unread} rows could not be read"
            return "short"
        if page.next is None:
            return "complete"
        if self._pages_max is not None and progress.pages >= self._pages_max:
            progress.reason = f"stopped after max_pages_per_list = {self._pages_max}"
            return "capped"
        if page.next == listing.cursor or _digest(page.next) in (listing.cursors or ()):
            progress.reason = "the service named a cursor that it had named before"
            return "looped"
        if progress.barren >= BARREN_PAGES_MAX:
            progress.reason = f"nothing new on {progress.barren} pages in a row"
            return "looped"
        return None

    def _continue(self, listing: Listing, page: Page, items: list[Item], entry: Entry) -> None:
        listing.cursor = page.next
        listing.keys = listing.keys or IdSet()
        listing.cursors = listing.cursors or set()
        keys = [item.key for item in items]
        digest = _digest(page.next or "")
        listing.keys.update(keys)
        listing.cursors.add(digest)
        self._identify(listing, entry)
        entry.page = ListingPage(listing.id, listing.progress.pages, digest, keys)

    def _keep(self, listing: Listing, entry: Entry) -> None:
        self._identify(listing, entry)
        entry.listing = snapshot(listing)

    def _identify(self, listing: Listing, entry: Entry) -> None:
        if not listing.id:
            entry.tally["last_listing",] += 1
            self._last_listing += 1
            listing.id = self._last_listing


def snapshot(listing: Listing) -> Listing:
    """Return a copy that a commit may write while the crawl goes on changing the listing."""
    return replace(listing, progress=replace(listing.progress))


def _place(sighting: Sighting) -> tuple[str, int, str, Detail, bool]:
    item, depth, via, fresh = sighting
    return item.kind, depth, via, item.detail, fresh


def _first_of_each(items: Sequence[Item], seen: IdSet) -> list[Item]:
    here: set[Id] = set()
    first = []
    for item in items:
        if item.key not in here and item.key not in seen:
            here.add(item.key)
            first.append(item)
    return first


def _digest(cursor: str) -> bytes:
    return hashlib.blake2b(cursor.encode(), digest_size=8).digest()


def _certificate(listing: Listing, ended: Ended) -> Certificate:
    progress = listing.progress
    return Certificate(
        kind=listing.node.kind,
        id=listing.node.id,
        relation=listing.relation.name,
        source=listing.source,
        verdict=ended.verdict,
        pages=progress.pages,
        visible=progress.visible,
        hidden=progress.hidden,
        distinct=progress.distinct,
        duplicates=progress.duplicates,
        unread=progress.unread,
        advertised=progress.advertised,
        depth=listing.depth,
        retries=progress.retries,
        reason=ended.reason,
        first_at=progress.first_at or ended.observed_at,
        last_at=ended.observed_at,
    )
