"""Which lists of followers need not be read, because the followings of all these followers have shown the same edges.

For every user whose list of followers is still to come: how many followers the user's row claims, and how many were
seen, each in a list of followings of its own. Nothing here is durable by itself: what is told is returned as runs for
the log, under kinds that no relation reads, and the log rebuilds it. It takes about 100 bytes a user.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

from crawler.frontier.ids import unpack
from crawler.frontier.known import RICHEST, Sighting
from crawler.frontier.rows import LogRow, Run
from crawler.model import Id, Item, NodeId
from crawler.policy import order

CLAIMED, SHOWN = "claimed followers", "shown followers"
"""Kinds in the log: ids, each with its claim behind it; and ids, each with one more follower seen."""
NOTES = (f": {CLAIMED}", f": {SHOWN}")
"""How the kinds of such rows end."""
_CLAIM_BITS = 32
_SEEN = (1 << _CLAIM_BITS) - 1

Claim = Callable[[Item], int | None]
"""How many followers a user's row claims, None where it does not tell."""


class Cover:
    """Counts followers. `kinds` are those whose followers are deferred, none by default; see `Backlog`.

    Nodes at `depth_max` have no lists read.
    """

    def __init__(
        self, kinds: Collection[str] = (), claim: Claim = lambda _item: None, depth_max: int | None = None
    ) -> None:
        self.kinds = frozenset(kinds)
        self._claim = claim
        self._depth_max = depth_max
        self._undecided: defaultdict[tuple[str, str], dict[Id, int]] = defaultdict(dict)

    def covered(self, node: NodeId) -> int:
        """Return how many followers a user has if all were seen, else 0."""
        count = self._undecided[node.network, node.kind].get(node.id, 0)
        claimed, seen = count >> _CLAIM_BITS, count & _SEEN
        return claimed if order.is_covered(claimed, seen) else 0

    def forget(self, node: NodeId) -> None:
        """Its list of followers was read, or spared."""
        self._undecided[node.network, node.kind].pop(node.id, None)

    def found(self, network: str, sightings: Sequence[Sighting], depth: int) -> list[Run]:
        """Take note of new users; return what the log must know of them."""
        if not self.kinds or (self._depth_max is not None and depth >= self._depth_max):
            return []
        claims: dict[str, list[Id]] = {}
        for item, _depth, _via, fresh in sightings:
            if not fresh or item.kind not in self.kinds:
                continue
            claimed = self._claim(item) or 0
            self._undecided[network, item.kind][item.id] = claimed << _CLAIM_BITS
            if claimed > 0:
                claims.setdefault(item.kind, []).extend((item.id, claimed))
        return [_run(network, kind, CLAIMED, ids, depth) for kind, ids in claims.items()]

    def told(self, node: NodeId, claimed: int | None, depth: int) -> list[Run]:
        """Take a better claim, that of the user's own object."""
        undecided = self._undecided[node.network, node.kind]
        if not claimed or node.id not in undecided:
            return []
        undecided[node.id] = claimed << _CLAIM_BITS | undecided[node.id] & _SEEN
        return [_run(node.network, node.kind, CLAIMED, [node.id, claimed], depth)]

    def shown(self, network: str, items: Sequence[Item], depth: int) -> list[Run]:
        """Count one more follower of each of these users, whom a list of followings shows."""
        runs = []
        for kind in self.kinds:
            undecided = self._undecided[network, kind]
            counted = [item.id for item in items if item.kind == kind and item.id in undecided]
            for value in counted:
                undecided[value] += 1
            if counted:
                runs.append(_run(network, kind, SHOWN, counted, depth))
        return runs

    def replay(self, row: LogRow, undecided_from: int | None) -> None:
        """Take in a row of the log, of which the nodes from `undecided_from` on are still to be decided, None: none."""
        kind, _, what = row.kind.partition(": ")
        if row.fresh and row.kind in self.kinds:
            if undecided_from is not None:
                ids = unpack(row.form, row.ids)[undecided_from:]
                self._undecided[row.network, row.kind].update(dict.fromkeys(ids, 0))
        elif what == SHOWN:
            users = self._undecided[row.network, kind]
            for value in unpack(row.form, row.ids):
                if value in users:
                    users[value] += 1
        elif what == CLAIMED:
            users, ids = self._undecided[row.network, kind], unpack(row.form, row.ids)
            for value, claimed in zip(ids[::2], ids[1::2], strict=True):
                if value in users:
                    users[value] = int(claimed) << _CLAIM_BITS | users[value] & _SEEN


def _run(network: str, kind: str, what: str, ids: Sequence[Id], depth: int) -> Run:
    return Run(network, f"{kind}: {what}", depth, order.COVERING, RICHEST, fresh=False, ids=ids)
