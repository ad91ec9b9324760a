"""A seeded world of 1 to 100 million users that stores no list: each is computed when asked for, in either direction.

What is plausible in it: a few users have most of the followers (rank r has a share of about r**-0.9, so that the number
of users with k followers falls like k**-2.1), a few follow many, one in seven follows nobody, nobody follows more than
2,000 (soundcloud/api issues 56 and 479), and who follows much also likes and uploads much. What is not: friends of
friends are no more friends than strangers are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from crawler.sandbox.shuffle import Shuffle
from crawler.sandbox.weave import Classes, Weave
from crawler.sandbox.world import COUNTED, Ids

TRACKS_PER_USER = 4
TRACK_BASE = 2_200_000_000
"""Track ids start here: they passed 2**31 in 2025."""
PLAYLIST_BASE = 1_700_000_000
COMMENT_BASE = 2_400_000_000
LARGEST_USERS = 100_000_000

_ACTIVITY = (
    # share of the users, followings of each
    (0.0002, 1500),
    (0.0008, 500),
    (0.004, 200),
    (0.015, 90),
    (0.05, 40),
    (0.13, 15),
    (0.25, 6),
    (0.41, 2),
    (0.14, 0),
)
_PER_FOLLOWING = {
    "likes/tracks": 1.2,
    "likes/playlists": 0.15,
    "reposts/tracks": 0.4,
    "reposts/playlists": 0.06,
    "comments": 0.5,
}
_RELATED = 10
_FAME_EXPONENT = 0.9
_OUT = ("followings", *(name for name in COUNTED["user"] if name in _PER_FOLLOWING))
_LISTS = {
    # (kind, relation): (which weave, whether the list is that of a target)
    ("user", "followers"): ("followings", True),
    ("user", "followings"): ("followings", False),
    ("user", "likes/tracks"): ("likes/tracks", False),
    ("user", "likes/playlists"): ("likes/playlists", False),
    ("user", "reposts/tracks"): ("reposts/tracks", False),
    ("user", "reposts/playlists"): ("reposts/playlists", False),
    ("user", "related"): ("related users", False),
    ("user", "comments"): ("comments", False),
    ("track", "favoriters"): ("likes/tracks", True),
    ("track", "reposters"): ("reposts/tracks", True),
    ("track", "comments"): ("comments", True),
    ("track", "related"): ("related tracks", False),
    ("track", "playlists"): ("contents", True),
    ("playlist", "likers"): ("likes/playlists", True),
    ("playlist", "reposters"): ("reposts/playlists", True),
    ("playlist", "tracks"): ("contents", False),
}
_TARGETS = {
    "followings": "user",
    "likes/tracks": "track",
    "likes/playlists": "playlist",
    "reposts/tracks": "track",
    "reposts/playlists": "playlist",
    "comments": "track",
    "contents": "track",
    "related users": "user",
    "related tracks": "track",
}
_SAME_KIND = ("followings", "related users", "related tracks")
"""Where a node could meet itself. It is taken out of its list, and out of the counts."""
_RECENT_LISTS = 4096


class _List(NamedTuple):
    """A list before its node is taken out of it: `full` rows, of which `hole` (-1: none) is the node itself."""

    rank: int
    full: int
    hole: int
    shift: int


class Holdings:
    """Who owns which item: every item has one owner, active users own more of them."""

    def __init__(self, owners: Classes, total: int, key: str) -> None:
        weights = owners.sizes * np.sqrt(np.array([_activity_of(a, owners)[1] for a in range(len(owners.sizes))]) + 0.5)
        self._owners = owners
        self._ends: Ids = np.rint(np.cumsum(weights) / weights.sum() * total).astype(np.int64)
        self._starts: Ids = np.concatenate((np.zeros(1, dtype=np.int64), self._ends[:-1]))
        self._shuffle = Shuffle(total, key)
        sizes = self._ends - self._starts
        self.floor: Ids = sizes // owners.sizes
        self.rest: Ids = sizes % owners.sizes

    def owners(self, items: Ids) -> Ids:
        """Return the rank of the owner of each item."""
        places = self._shuffle.forward(items)
        a = self._ends.searchsorted(places, side="right")
        found: Ids = (places - self._starts[a]) % self._owners.sizes[a] + self._owners.starts[a]
        return found

    def items(self, rank: int, start: int, stop: int) -> Ids:
        """Return the items in rows `start` to `stop` of an owner's list."""
        a = int(self._owners.ends.searchsorted(rank, side="right"))
        step = int(self._owners.sizes[a])
        first = int(self._starts[a]) + rank - int(self._owners.starts[a])
        return self._shuffle.backward(np.arange(start, stop) * step + first)

    def count(self, rank: int) -> int:
        """Return the number of items of an owner."""
        a = int(self._owners.ends.searchsorted(rank, side="right"))
        return int(self.floor[a]) + (rank - int(self._owners.starts[a]) < int(self.rest[a]))


class SyntheticWorld:
    """`users` users with the ids 1 to `users`, four tracks and one playlist for each; `seed` decides the rest."""

    def __init__(self, users: int, seed: int) -> None:
        if not 1 <= users <= LARGEST_USERS:
            message = f"a synthetic world has 1 to {LARGEST_USERS} users, not {users}"
            raise ValueError(message)
        self.name = f"synthetic, {users} users, seed {seed}"
        self._totals = {"user": users, "track": users * TRACKS_PER_USER, "playlist": users}
        self._bases = {"user": 1, "track": TRACK_BASE, "playlist": PLAYLIST_BASE}
        self._activity = Shuffle(users, f"{seed} activity")
        # A user's fame is one more round over the activity, for speed; the ranks are strangers all the same.
        self._fame = {
            kind: Shuffle(total, f"{seed} fame of {kind}s", rounds=1 if kind == "user" else 2)
            for kind, total in self._totals.items()
        }
        self._actives = _active_classes(users)
        self._famous = {kind: _fame_classes(total) for kind, total in self._totals.items()}
        self._weaves = self._woven()
        nobody = np.empty(0, dtype=np.int64)
        self._last_users = nobody, nobody
        self._recent: dict[tuple[str, int, str], _List] = {}
        self._held = {
            kind: Holdings(self._actives, self._totals[kind], f"{seed} owners of {kind}s")
            for kind in ("track", "playlist")
        }
        self._out_floor, self._out_rest = self._out_tables()
        self.largest: Mapping[str, int] = {
            "user": users,
            "track": TRACK_BASE + self._totals["track"],
            "playlist": PLAYLIST_BASE + self._totals["playlist"],
            "comment": COMMENT_BASE + self._weaves["comments"].edges,
        }

    def exists(self, kind: str, node: int) -> bool:
        """Whether the id lies in the range of its kind."""
        base = self._bases[kind]
        return base <= node < base + self._totals[kind]

    def count(self, kind: str, node: int, relation: str) -> int:
        """Return the number of rows in a list."""
        if kind == "user" and relation in ("tracks", "playlists"):
            return self._held[relation[:-1]].count(self._activity.forward(node - 1))
        found = self._list(kind, node, relation)
        return found.full - (found.hole >= 0)

    def rows(self, kind: str, node: int, relation: str, start: int, stop: int) -> Ids:
        """Return the ids in some rows of a list."""
        if kind == "user" and relation in ("tracks", "playlists"):
            items = self._held[relation[:-1]].items(self._activity.forward(node - 1), start, stop)
            return items + self._bases[relation[:-1]]
        name, inward = _LISTS[kind, relation]
        found = self._list(kind, node, relation)
        # The list starts somewhere in the middle of its own circle: else the most famous would always come first.
        positions = np.arange(start, stop) + found.shift
        if found.hole >= 0:
            positions += positions >= found.hole + (found.hole < found.shift) * found.full
        return self._linked(name, found.rank, positions % max(found.full, 1), inward=inward)

    def counts(self, kind: str, nodes: Ids) -> Ids:
        """Return the lengths of the lists of many nodes, columns as in `COUNTED`."""
        if kind == "user":
            return self._user_counts(nodes)
        places = self._famous[kind].locate(self._fame[kind].forward(nodes - self._bases[kind]))
        if kind == "track":
            columns = [self._weaves[name].in_counts(places) for name in ("likes/tracks", "reposts/tracks", "comments")]
        else:
            contents = self._weaves["contents"]
            columns = [contents.out_floor[places[0]] + (places[1] < contents.out_rest[places[0]])]
            columns += [self._weaves[name].in_counts(places) for name in ("reposts/playlists", "likes/playlists")]
        return np.stack(columns, axis=1)

    def owners(self, kind: str, nodes: Ids) -> Ids:
        """Return the ids of the owners."""
        if kind == "comment":
            ranks = self._weaves["comments"].edge_sources(nodes - COMMENT_BASE)
        else:
            ranks = self._held[kind].owners(nodes - self._bases[kind])
        return self._activity.backward(ranks) + 1

    def commented(self, comments: Ids) -> Ids:
        """Return the tracks that comments are on."""
        ranks = self._weaves["comments"].edge_targets(comments - COMMENT_BASE)
        return self._fame["track"].backward(ranks) + TRACK_BASE

    def _woven(self) -> dict[str, Weave]:
        users, famous = self._actives, self._famous
        limit = max(1, users.total // 4)
        followings = [min(_activity_of(a, users)[1], limit) for a in range(len(users.sizes))]
        shares = {kind: _fame_shares(classes) for kind, classes in famous.items()}
        weaves = {"followings": Weave(users, famous["user"], followings, shares["user"])}
        for name, factor in _PER_FOLLOWING.items():
            kind = _TARGETS[name]
            weaves[name] = Weave(users, famous[kind], [factor * degree for degree in followings], shares[kind])
        sizes = [min(60.0, 8.0 + 400.0 / (10 + start)) for start in famous["playlist"].starts.tolist()]
        weaves["contents"] = Weave(famous["playlist"], famous["track"], sizes, shares["track"])
        for kind in ("user", "track"):
            everyone = Classes([self._totals[kind]])
            weaves[f"related {kind}s"] = Weave(everyone, famous[kind], [_RELATED], shares[kind])
        return weaves

    def _out_tables(self) -> tuple[Ids, Ids]:
        """Return, by class of activity and column of the user's counts, the count and how many have one more."""
        held = [(self._held[kind].floor, self._held[kind].rest) for kind in ("track", "playlist")]
        woven = [(self._weaves[name].out_floor, self._weaves[name].out_rest) for name in _OUT]
        tables = [woven[0], *held, *woven[1:]]
        return np.stack([floor for floor, _ in tables], axis=1), np.stack([rest for _, rest in tables], axis=1)

    def _user_counts(self, nodes: Ids) -> Ids:
        follows, active = self._weaves["followings"], self._active_ranks(nodes)
        source = self._actives.locate(active)
        target = self._famous["user"].locate(self._fame["user"].forward(active))
        counts = np.empty((len(nodes), len(COUNTED["user"])), dtype=np.int64)
        counts[:, 0] = follows.in_counts(target)
        counts[:, 1:] = self._out_floor.take(source[0], axis=0)
        counts[:, 1:] += source[1][:, None] < self._out_rest.take(source[0], axis=0)
        counts[:, :2] -= follows.are_linked(source, target)[:, None]
        return counts

    def _active_ranks(self, nodes: Ids) -> Ids:
        """Return the ranks of users by activity; those of the list that was asked for last are still known."""
        if nodes is self._last_users[0]:
            return self._last_users[1]
        return self._activity.forward(nodes - 1)

    def _list(self, kind: str, node: int, relation: str) -> _List:
        """Return what a list is made of. The last few thousand are kept: a long list is asked for page by page."""
        found = self._recent.get((kind, node, relation))
        if found is None:
            if len(self._recent) >= _RECENT_LISTS:
                self._recent.clear()
            found = self._recent[kind, node, relation] = self._made_list(kind, node, relation)
        return found

    def _made_list(self, kind: str, node: int, relation: str) -> _List:
        name, inward = _LISTS[kind, relation]
        weave, index = self._weaves[name], node - self._bases[kind]
        active = self._activity.forward(index) if kind == "user" else index
        fame = self._fame[kind].forward(active)
        source = active if kind == "user" else fame
        full = weave.in_count(fame) if inward else weave.out_count(source)
        hole = -1
        if name in _SAME_KIND:
            positions = weave.edge_positions(source, fame)
            hole = -1 if positions is None else positions[inward]
        return _List(fame if inward else source, full, hole, node * 2_654_435_761 % max(full, 1))

    def _linked(self, name: str, rank: int, positions: Ids, *, inward: bool) -> Ids:
        weave = self._weaves[name]
        if name == "comments":
            edges = weave.edges_at(rank, positions) if inward else weave.out_edges_at(rank, positions)
            return edges + COMMENT_BASE
        if inward and name == "contents":
            return self._fame["playlist"].backward(weave.in_at(rank, positions)) + PLAYLIST_BASE
        if inward:
            ranks = weave.in_at(rank, positions)
            self._last_users = self._activity.backward(ranks) + 1, ranks
            return self._last_users[0]
        kind = _TARGETS[name]
        found = self._fame[kind].backward(weave.out_at(rank, positions))
        return (self._activity.backward(found) if kind == "user" else found) + self._bases[kind]


def _active_classes(users: int) -> Classes:
    ends, total = [], 0.0
    for share, _ in _ACTIVITY:
        total += share
        ends.append(round(total * users))
    sizes = np.diff([0, *ends[:-1], users]).tolist()
    return Classes([size for size in sizes if size > 0])


def _activity_of(a: int, classes: Classes) -> tuple[float, float]:
    """Return the row of the table that a class came from: small worlds lack the most active ones."""
    middle = (int(classes.starts[a]) + int(classes.ends[a])) / 2 / classes.total
    total = 0.0
    for share, degree in _ACTIVITY:
        total += share
        if middle < total:
            return share, degree
    return _ACTIVITY[-1]


def _fame_classes(total: int) -> Classes:
    sizes, left, size = [], total, 1.0
    while left > 0:
        sizes.append(min(left, int(size)))
        left -= sizes[-1]
        size = max(1.0, 0.3 * (total - left))
    return Classes(sizes)


def _fame_shares(classes: Classes) -> list[float]:
    middles = (classes.starts + classes.ends - 1) / 2 + 1
    shares: list[float] = (classes.sizes * middles**-_FAME_EXPONENT).tolist()
    return shares
