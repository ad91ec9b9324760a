"""The ledger: what one outcome means for the records and for the frontier. No waiting, no disk, no network.

Every verb takes a listing and what became of its page, changes the listing, and returns the `Entry` that a commit makes
true.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from msgspec.structs import replace

from crawler.engine import certify
from crawler.engine.cover import Cover
from crawler.engine.flight import Ended, Landed, Postponed
from crawler.engine.kinds import PLAIN, Kinds
from crawler.frontier import told
from crawler.frontier.ids import IdSet
from crawler.frontier.known import RICHEST, Known, Sighting
from crawler.frontier.rows import Listing, ListingPage, Position, Run
from crawler.model import Detail, Id, Item, NodeId, Page, Record
from crawler.policy import order
from crawler.policy.verdict import Judgement, Look
from crawler.shards import codec
from crawler.shards.writer import Lines

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
    records: dict[str, list[bytes]] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    listing: Listing | None = None
    ended: int = 0
    page: ListingPage | None = None
    counts: dict[NodeId, dict[str, int]] = field(default_factory=dict)
    settled: list[NodeId] = field(default_factory=list)
    tally: Counter[Tally] = field(default_factory=Counter)


class Ledger:
    """Turns outcomes into entries. `pages_max` caps a listing, None for no cap; `kinds` tells what nodes there are."""

    def __init__(
        self,
        known: Known,
        last_row: int,
        last_listing: int,
        pages_max: int | None,
        empty_data: bytes,
        kinds: Kinds = PLAIN,
    ) -> None:
        self.known = known
        self.last_row = last_row
        self.unresolved: list[tuple[str, str]] = []
        self.cover = Cover()
        self._last_listing = last_listing
        self._pages_max = pages_max
        self._empty_data = empty_data
        self._kinds = kinds

    def seeds(self, items: Sequence[Item], network: str, source: str, stamp: tuple[str, Position]) -> Entry:
        """Enter seeds not known yet: nodes at depth 0, URLs one step before it; `stamp` is (time, position)."""
        observed_at, position = stamp
        entry = Entry(position)
        sightings = [
            sighting
            for item in items
            for sighting in self.known.sight(network, [item], -1 if item.kind in self._kinds.unwritten else 0, "seed")
        ]
        self._record(entry, sightings, (network, source, observed_at))
        self._append_runs(entry, self.cover.found(network, sightings, 0))
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
        progress.set_asides = 0
        self._retried(listing, landed.retries, entry)
        if progress.look is not None:
            return self._looked(listing, landed, entry)
        items = certify.unseen(listing, page)
        hidden_before, duplicates = progress.hidden, len(page.items) - len(items)
        new = self._tell(listing, page.records, landed.observed_at, entry) if page.records else 0
        if listing.relation.rows == "records":
            progress.distinct += new
            duplicates = len(page.records) - new
            shown = new if progress.reading == 1 else len(page.records)
            certify.note_page(listing, page, shown, len(page.records))
        else:
            certify.note_page(listing, page, len(items))
        progress.duplicates += duplicates
        entry.tally["pages",] += 1
        entry.tally["unread",] += page.unread
        entry.tally["duplicates",] += duplicates
        self._enter(listing, items, landed.observed_at, entry)
        self._settle_batch(listing, page, entry)
        judged = certify.judge(listing, page, self._pages_max)
        self._remember(listing, items, judged, page.next, entry)
        entry.tally["hidden",] += progress.hidden - hidden_before
        return self._judged(listing, judged, landed.observed_at, entry)

    def skip(self, listing: Listing, covered: int, observed_at: str, entry: Entry) -> Entry:
        """Certify a listing that was never asked for: it is known to be empty, or all its rows were seen elsewhere."""
        listing.progress.advertised = covered
        entry.tally["skipped",] += 1
        reason = f"its {covered} followers were all seen in their own followings" if covered else "known to be empty"
        return self.end(listing, Ended("complete", reason, observed_at, missing=0), entry)

    def end(self, listing: Listing, ended: Ended, entry: Entry) -> Entry:
        """Write the listing's certificate. A failed one keeps its place in the frontier, for the next start.

        When only a second look at it failed, and by no bug of ours, the listing is judged without.
        """
        progress = listing.progress
        self._retried(listing, ended.retries, entry)
        if progress.look is not None and not ended.bug:
            certify.end_look(listing, None, 0)
            return self._judged(listing, certify.judge_end(listing), ended.observed_at, entry)
        if ended.verdict not in {"complete", "short"} and ended.missing is None:
            ended = replace(ended, missing=certify.missing_of(listing, ended))
        entry.lists.append(codec.certificate_line(certify.certificate(listing, ended)))
        self._count_end(listing, ended, entry)
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
        progress.set_asides += not postponed.paused
        self._retried(listing, postponed.retries, entry)
        listing.state = "waiting"
        listing.not_before = not_before
        entry.tally["set_aside",] += 1
        self._keep(listing, entry)
        return entry

    def withhold(self, listing: Listing, entry: Entry) -> Entry:
        """Keep a listing for the next start; it ends nothing and says nothing of the list."""
        listing.state = "parked"
        entry.tally["withheld",] += 1
        self._keep(listing, entry)
        return entry

    def _tell(self, listing: Listing, records: Sequence[Record], observed_at: str, entry: Entry) -> int:
        """Enter the records that were not told before; return how many."""
        keys: dict[str, list[Id]] = {}
        for record in records:
            name, key = told.name_of(record, listing.source)
            known = self.known.kind(told.NETWORK, name).known
            if key in known:
                continue
            known.add(key)
            keys.setdefault(name, []).append(key)
            shard = told.shard_of(record)
            line = codec.record_line(record, listing.relation.name, (listing.source, observed_at))
            entry.records.setdefault(shard, []).append(line)
            entry.tally["records", shard] += 1
        for name, values in keys.items():
            run = Run(told.NETWORK, name, listing.depth, listing.relation.name, RICHEST, fresh=True, ids=values)
            self._append_runs(entry, [run])
        return sum(len(values) for values in keys.values())

    def _retried(self, listing: Listing, retries: int, entry: Entry) -> None:
        if retries:
            listing.progress.retries += retries
            entry.tally["retries",] += retries

    def _count_end(self, listing: Listing, ended: Ended, entry: Entry) -> None:
        """Add the end to the totals, and take out what an earlier certificate of the same listing had added."""
        progress, tally = listing.progress, entry.tally
        name = f"{listing.relation.kind}/{listing.relation.name}"
        tally["lists", ended.verdict] += 1
        tally["relations", name, ended.verdict] += 1
        if (ended.missing or 0) != progress.told_missing:
            tally["missing", name] += (ended.missing or 0) - progress.told_missing
        if certify.is_unchecked(listing.relation, ended.verdict, ended.missing):
            tally["unchecked", name] += 1
        if progress.failed:
            tally["lists", "failed"] -= 1
            tally["relations", name, "failed"] -= 1
            tally["bugs",] -= progress.failed_by_bug
        tally["bugs",] += ended.bug
        progress.told_missing, progress.failed_by_bug = ended.missing or 0, ended.bug

    def _judged(self, listing: Listing, judged: Judgement | Look | None, observed_at: str, entry: Entry) -> Entry:
        """Do what the judgement says: nothing when the listing goes on, look a second time, or certify."""
        if isinstance(judged, Look):
            certify.begin_look(listing, judged)
            entry.tally["looks",] += 1
            self._remember(listing, [], judged, None, entry)
        elif judged is not None:
            self.end(listing, Ended(judged.verdict, judged.reason, observed_at, missing=judged.missing), entry)
        return entry

    def _looked(self, listing: Listing, landed: Landed, entry: Entry) -> Entry:
        """Enter the answer of a second look; its rows were served before, so only new ones count."""
        page, rows = landed.page, listing.progress.look == "rows"
        items = certify.unseen(listing, page) if rows else []
        hidden = listing.progress.hidden
        cursor = certify.end_look(listing, page, len(items))
        entry.tally["hidden",] += listing.progress.hidden - hidden
        self._enter(listing, items, landed.observed_at, entry)
        judged = certify.judge_end(listing) if cursor is None else None
        self._remember(listing, items, judged, cursor, entry)
        return self._judged(listing, judged, landed.observed_at, entry)

    def _enter(self, listing: Listing, items: list[Item], observed_at: str, entry: Entry) -> None:
        """Enter rows that the listing had not shown: as edges, unless an earlier reading gave them, and as nodes."""
        relation, progress, network = listing.relation, listing.progress, listing.node.network
        given = listing.given
        new = items if not given else [item for item in items if certify.key_of(listing, item) not in given]
        if relation.edge is not None and new:
            edges = codec.edge_lines(relation, listing.node, new, progress.rank, (listing.source, observed_at))
            entry.edges.append(edges)
            progress.distinct += edges.count
            entry.tally["edges", relation.edge] += edges.count
        progress.rank += len(new)
        via = "seed" if relation.name == "resolve" else relation.name
        self._discover(listing, items, via, (network, listing.source, observed_at), entry)
        if relation.name == order.COVERING:
            network = self._kinds.networks.get(relation.to_kind, network)
            self._append_runs(entry, self.cover.shown(network, new, listing.depth))

    def _discover(
        self, listing: Listing, items: list[Item], via: str, stamp: tuple[str, str, str], entry: Entry
    ) -> None:
        depth = listing.depth + 1
        sightings = self._sight(items, depth, via, stamp, entry)
        owners = [item.owner for item in items if item.owner is not None]
        if owners:
            self._sight(owners, depth, via, stamp, entry)
        others = [other for item in items if item.others for other in item.others]
        if others:
            self._sight(others, depth, via, stamp, entry)
        self._posted(listing, sightings, stamp, entry)
        for item in items:
            if item.counts is not None:
                node = NodeId(self._kinds.networks.get(item.kind, stamp[0]), item.kind, item.id)
                entry.counts[node] = dict(item.counts)
                self._append_runs(entry, self.cover.told(node, item.counts.get(order.COVERED), depth))

    def _sight(
        self, items: Sequence[Item], depth: int, via: str, stamp: tuple[str, str, str], entry: Entry
    ) -> list[Sighting]:
        """Enter the items that are new or fuller, each in the network of its kind."""
        found = []
        kinds = dict.fromkeys([item.kind for item in items])
        networks = dict.fromkeys([self._kinds.networks.get(kind, stamp[0]) for kind in kinds])
        for network in networks:
            some = items
            if len(networks) > 1:
                some = [item for item in items if self._kinds.networks.get(item.kind, stamp[0]) == network]
            sightings = self.known.sight(network, some, depth, via)
            self._record(entry, sightings, (network, *stamp[1:]))
            self._append_runs(entry, self.cover.found(network, sightings, depth))
            found += sightings
        if self._kinds.named is not None and found:
            self._name(found, stamp, entry)
        return found

    def _name(self, sightings: Sequence[Sighting], stamp: tuple[str, str, str], entry: Entry) -> None:
        """Queue the other names of nodes, at their nodes' depth: what answers to them is one step farther."""
        named = self._kinds.named or (lambda _item: ())
        for sighting in sightings:
            for alias in named(sighting.item):
                network = self._kinds.networks.get(alias.kind, stamp[0])
                self._log(entry, network, self.known.sight(network, [alias], sighting.depth, sighting.via))

    def _settle_batch(self, listing: Listing, page: Page, entry: Entry) -> None:
        if listing.node.kind in {"tracks", "users"}:
            self._settle(listing, page.items, entry)

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
        self._append_runs(entry, runs)

    def _record(self, entry: Entry, sightings: list[Sighting], stamp: tuple[str, str, str]) -> None:
        for sighting in sightings:
            item = sighting.item
            if item.kind in self._kinds.unwritten:
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
            self._append_runs(entry, [Run(network, kind, depth, via, detail, fresh, ids)])

    def _append_runs(self, entry: Entry, runs: Iterable[Run]) -> None:
        for run in runs:
            self.last_row += 1
            run.row = self.last_row
            entry.runs.append(run)

    def _remember(
        self, listing: Listing, items: list[Item], judged: Judgement | Look | None, cursor: str | None, entry: Entry
    ) -> None:
        """Keep what the listing has shown, as long as it goes on, and the cursor to follow, if it was not judged."""
        progress = listing.progress
        if isinstance(judged, Judgement) and not listing.given:
            return
        listing.keys = listing.keys or IdSet()
        listing.cursors = listing.cursors or set()
        keys = certify.keys_of(listing, items)
        listing.keys.update(keys)
        if judged is None and cursor is not None:
            listing.cursor = cursor
            progress.chain = certify.chained(progress.chain, cursor)
        if not isinstance(judged, Judgement) and entry.page is None:
            self._identify(listing, entry)
            followed = certify.digest(listing.cursor or "")
            listing.cursors.add(followed)
            entry.page = ListingPage(listing.id, progress.pages + progress.looks, followed, keys)

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
