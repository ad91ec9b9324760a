"""Every source there is: one row each. A kind of node belongs to one network, so that (kind, id) names a node.

`docs/providers/README.md` says in seven steps how to add one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from crawler.model import Relation
from crawler.providers import chartmetric, soundcharts_service, soundcloud_service, soundcloud_v2_service
from crawler.providers.service import Service

SERVICES: tuple[Service, ...] = (
    soundcloud_service.SERVICE,
    soundcloud_v2_service.SERVICE,
    chartmetric.SERVICE,
    soundcharts_service.SERVICE,
)

Sourced = tuple[str, Relation]
"""A relation and the source that it is read from."""


def service(name: str) -> Service:
    """Return the row of a source."""
    return next(row for row in SERVICES if row.name == name)


def names() -> tuple[str, ...]:
    """Return the names of all sources."""
    return tuple(row.name for row in SERVICES)


def networks() -> dict[str, str]:
    """Return the network of every kind of node. Raises `ValueError` when two sources disagree: that is a bug."""
    found: dict[str, str] = {}
    for row in SERVICES:
        for kind, network in row.kinds.items():
            if found.setdefault(kind, network) != network:
                raise ValueError(f'the kind "{kind}" belongs to two networks, {found[kind]} and {network}')
    return found


def aliases() -> frozenset[str]:
    """Return the kinds that are no nodes of the graph but ways to ask for them."""
    return frozenset(kind for row in SERVICES for kind in row.aliases)


def inward() -> frozenset[tuple[str, str | None]]:
    """Return (relation, type of edge) of the relations whose edges run from the item to the node.

    The two must tell which end of an edge its list belongs to: `tests/providers/test_registry.py` checks that.
    """
    return frozenset(
        (relation.name, relation.edge) for row in SERVICES for relation in row.relations if relation.inward
    )


def kinds_offered() -> dict[str, tuple[str, ...]]:
    """Return the kinds of node whose relations can be chosen, and the default choice over all sources."""
    found: dict[str, dict[str, None]] = {}
    for row in SERVICES:
        for kind, relations in row.defaults.items():
            found.setdefault(kind, {}).update(dict.fromkeys(relations))
    return {kind: tuple(relations) for kind, relations in found.items()}


def offers(row: Service, kind: str) -> tuple[str, ...]:
    """Return the names that a choice for a kind of node may hold, of one source."""
    return tuple(dict.fromkeys((*row.offered.get(kind, ()), *row.defaults.get(kind, ()))))


def choices(sources: Iterable[str], kind: str) -> tuple[str, ...]:
    """Return the names that a choice may hold, with these sources in use: "followers", or "soundcloud/followers"."""
    plain: dict[str, None] = {}
    for name in sources:
        plain.update(dict.fromkeys(offers(service(name), kind)))
    full = [f"{name}/{relation}" for name in sources for relation in offers(service(name), kind)]
    return (*plain, *full)


def relations_of(sources: Sequence[str], chosen: Mapping[str, Sequence[str]]) -> dict[str, list[Sourced]]:
    """Return the listings to read by kind of node, in order, given the names chosen for each kind.

    A plain name is read from the first of the sources that offers it, "source/name" from that one. What is chosen by
    default and offered by no source in use is left out.
    """
    rows = [service(name) for name in sources]
    found: dict[str, list[Sourced]] = {}
    for kind in dict.fromkeys((*chosen, *(kind for row in rows for kind in (*row.defaults, *row.always)))):
        wanted = chosen.get(kind, kinds_offered().get(kind, ()))
        pairs = [pair for name in wanted for pair in _first(rows, kind, name)]
        always = dict.fromkeys(name for row in rows for name in row.always.get(kind, ()))
        pairs += [next((row.name, name) for row in rows if name in row.always.get(kind, ())) for name in always]
        listings = [(source, _relation(service(source), kind, name)) for source, name in dict.fromkeys(pairs)]
        if listings:
            found[kind] = listings
    return found


def _first(rows: Sequence[Service], kind: str, name: str) -> Iterator[tuple[str, str]]:
    source, slash, relation = name.rpartition("/")
    for row in rows:
        if relation in offers(row, kind) and (not slash or row.name == source):
            yield row.name, relation
            return


def _relation(row: Service, kind: str, name: str) -> Relation:
    return next(relation for relation in row.relations if (relation.kind, relation.name) == (kind, name))
