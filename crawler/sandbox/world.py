"""What the sandbox needs to know of a world, however the world knows it: who is linked to whom, and in which order.

Kinds are "user", "track", "playlist" and "comment". A *list* is one relation of one node; its rows have an order,
newest first, that never changes. Relations are named as in the official paths:

    user      followers, followings, tracks, playlists, likes/tracks, likes/playlists, reposts/tracks,
              reposts/playlists, related, comments
    track     favoriters, reposters, related, comments, playlists
    playlist  tracks, reposters, likers

A track's playlists are those that hold it; they, a playlist's likers and a user's comments are in no list of the
official API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

COUNTED: Mapping[str, tuple[str, ...]] = {
    "user": (
        "followers",
        "followings",
        "tracks",
        "playlists",
        "likes/tracks",
        "likes/playlists",
        "reposts/tracks",
        "reposts/playlists",
    ),
    "track": ("favoriters", "reposters", "comments"),
    "playlist": ("tracks", "reposters", "likers"),
}
"""The columns of `World.counts`. "likers" of a playlist is only a number: the official API has no such list."""


class World(Protocol):
    """A social graph that never changes. Lists agree from both sides, name no row twice and no node itself."""

    name: str
    largest: Mapping[str, int]
    """The largest id of each kind that may ever be shown: it sets the width of numbers in the answers."""

    def exists(self, kind: str, node: int) -> bool:
        """Whether there is such a user, track or playlist."""
        ...

    def count(self, kind: str, node: int, relation: str) -> int:
        """Return the number of rows in a list of a node that exists."""
        ...

    def rows(self, kind: str, node: int, relation: str, start: int, stop: int) -> Ids:
        """Return the ids in rows `start` to `stop` of a list, newest first; `0 <= start <= stop <= count`."""
        ...

    def counts(self, kind: str, nodes: Ids) -> Ids:
        """Return the lengths of the lists of many nodes: one line per node, columns as in `COUNTED`."""
        ...

    def owners(self, kind: str, nodes: Ids) -> Ids:
        """Return the user who uploaded each track, made each playlist, or wrote each comment."""
        ...

    def commented(self, comments: Ids) -> Ids:
        """Return the track that each comment is on."""
        ...
