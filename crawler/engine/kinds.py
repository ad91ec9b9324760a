"""What the ledger must know of kinds of node, beyond what a page shows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from msgspec import Struct

from crawler.model import Item


class Kinds(Struct, frozen=True):
    """What kinds of node a run has.

    `networks` gives the network of a kind that may be another than that of the node whose list shows it. `unwritten`
    are no nodes of the graph but ways to ask for them: they get no line. `named` returns the other names of a node that
    was found and that something is asked by, as its permalink; None when the run asks nothing so.
    """

    networks: Mapping[str, str] = {}
    unwritten: Collection[str] = ("url", "users", "tracks")
    named: Callable[[Item], Iterable[Item]] | None = None


PLAIN = Kinds()
