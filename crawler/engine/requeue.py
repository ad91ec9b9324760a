"""Queueing lists again that have ended: one transaction, after which the next start of the run reads them.

A second reading begins at the first page. Edges that earlier readings gave are not given twice; what a complete reading
did not show is named in its certificate (`withdrawn`), and nothing that was written is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from crawler.engine.certify import is_unchecked
from crawler.frontier.rows import GIVEN_PAGE, Change, Listing, ListingPage, Progress
from crawler.frontier.store import Frontier
from crawler.model import Certificate, Id, NodeId, Relation


class Ended(Protocol):
    """A list that ended: its last certificate, the rows whose edges it gave, and the rank of its next edge."""

    @property
    def certificate(self) -> Certificate:
        """How its last reading ended."""
        ...

    @property
    def given(self) -> Sequence[Id]:
        """The rows whose edges its readings gave."""
        ...

    @property
    def next_rank(self) -> int:
        """The rank of the next edge."""
        ...


async def requeue(
    frontier: Frontier,
    relations: Mapping[tuple[str, str, str], Relation],
    networks: Mapping[str, str],
    ended: Iterable[Ended],
) -> int:
    """Queue lists again; those that are in the frontier already are passed over. Return how many were queued.

    Raises `StorageError`, and then nothing was changed.
    """
    start = await frontier.start(relations)
    waiting = {(listing.node, listing.relation.name, listing.source) for listing in start.listings}
    change = Change(start.position, [], [], [], [], {}, [], [], b"")
    totals = start.totals
    for again in ended:
        certificate = again.certificate
        node = NodeId(networks[certificate.kind], certificate.kind, certificate.id)
        if (node, certificate.relation, certificate.source) in waiting:
            continue
        totals["last_listing"] = number = totals.get("last_listing", 0) + 1
        relation = relations[certificate.source, certificate.kind, certificate.relation]
        given = certificate.distinct if relation.rows == "records" else len(again.given)
        progress = _progress(certificate, given, again.next_rank)
        change.listings.append(
            Listing(node, relation, certificate.source, certificate.depth, id=number, progress=progress)
        )
        change.pages.append(ListingPage(number, GIVEN_PAGE, b"", again.given))
        _take_out(totals, certificate, relation)
    if change.listings:
        change.totals = msgspec.json.encode(totals)
        await frontier.commit(change)
    return len(change.listings)


def _progress(certificate: Certificate, given: int, next_rank: int) -> Progress:
    advertised = certificate.advertised_after
    return Progress(
        distinct=given,
        rank=next_rank,
        reading=certificate.reading + 1,
        advertised=certificate.advertised if advertised is None else advertised,
    )


def _take_out(totals: dict[str, Any], certificate: Certificate, relation: Relation) -> None:
    """Take an end out of the totals; the next one is counted instead."""
    name = f"{certificate.kind}/{certificate.relation}"
    for counts in (totals.get("lists", {}), totals.get("relations", {}).get(name, {})):
        counts[certificate.verdict] = counts.get(certificate.verdict, 0) - 1
    unchecked = is_unchecked(relation, certificate.verdict, certificate.missing)
    for count, less in (("missing", certificate.missing or 0), ("unchecked", int(unchecked))):
        counts = totals.setdefault(count, {})
        counts[name] = counts.get(name, 0) - less
    totals["rechecked"] = totals.get("rechecked", 0) + 1
