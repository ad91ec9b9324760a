"""The true dataset of a world, computed from the world itself and not from what the crawler asked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from crawler.model import Relation
from tests.simulation.plan import Shape, shape_of
from tests.simulation.service import world_of

Node = tuple[str, int]
List = tuple[str, int, str]
"""kind, id, relation"""


@dataclass
class Truth:
    """`lists` holds how many rows each list of a whole crawl has, `owners` who uploaded each track or playlist."""

    depths: dict[Node, int] = field(default_factory=dict)
    edges: Counter[tuple[object, ...]] = field(default_factory=Counter)
    lists: dict[List, int] = field(default_factory=dict)
    owners: dict[Node, int] = field(default_factory=dict)


@cache
def truth_of(number: int) -> Truth:
    """Return the truth of a shape, by its number."""
    shape, depth = shape_of(number), 0
    truth = Truth(depths={("user", seed): 0 for seed in shape.seeds})
    layer = list(truth.depths)
    while layer:
        found: dict[Node, None] = {}
        for node in layer:
            for _, relation in shape.settings.relations.get(node[0], ()):
                found |= dict.fromkeys(_read(shape, truth, node, relation))
        depth += 1
        layer = [node for node in found if node not in truth.depths]
        truth.depths |= dict.fromkeys(layer, depth)
    return truth


def _read(shape: Shape, truth: Truth, node: Node, relation: Relation) -> list[Node]:
    """Enter one list into the truth; return the nodes that it shows."""
    kind, number = node
    key = (kind, number, relation.name)
    if relation.name == "profile":
        truth.lists[key] = 0
        return []
    world, name = world_of(shape.users, shape.number), relation.path.partition("?")[0].split("{}/")[1]
    rows = world.rows(kind, number, name, 0, world.count(kind, number, name))
    truth.lists[key] = len(rows)
    shown = [(relation.to_kind, row) for row in rows.tolist()]
    for rank, other in enumerate(shown):
        src, dst = (other, node) if relation.inward else (node, other)
        truth.edges[relation.edge or "", *src, *dst, relation.name, rank] += 1
    if relation.to_kind != "user" and shown:
        owners = world.owners(relation.to_kind, np.asarray(rows)).tolist()
        truth.owners |= dict(zip(shown, owners, strict=True))
        shown += [("user", owner) for owner in owners]
    return shown
