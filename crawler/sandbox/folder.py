"""A world read from a folder of edge lists, gzipped text, one edge a line, ids of at most nine digits from 0.

    follows.txt.gz       source target          source follows target
    friends.txt.gz       one other              both follow each other
    user_tags.txt.gz     user item              the user likes the track `item`
    user_tracks.txt.gz   user track             the user likes the track
    lists.txt.gz         list owner member      a playlist, its owner and one of its tracks, in order
    related.txt.gz       user related rank      related users, in order

Any of them may be absent; its lists are then empty. Rows that repeat an edge, and users who follow themselves, are
dropped. These files name no uploaders, so every track is given one by a fixed rule. A million edges take some 100 MB
while they are read and 16 MB afterwards.
"""

from __future__ import annotations

import gzip
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from crawler.errors import ConfigError
from crawler.sandbox.world import COUNTED, Ids

_COLUMNS = {
    "follows.txt.gz": 2,
    "friends.txt.gz": 2,
    "user_tags.txt.gz": 2,
    "user_tracks.txt.gz": 2,
    "lists.txt.gz": 3,
    "related.txt.gz": 3,
}
_NOTHING: Ids = np.empty(0, dtype=np.int64)
_LARGEST_ID = 999_999_999


class Lists:
    """One relation: for each node up to a largest id, its rows one after another in one array."""

    def __init__(self, sources: Ids, targets: Ids, nodes: int) -> None:
        order = sources.argsort(kind="stable")
        self.rows: Ids = targets[order]
        self.starts: Ids = np.concatenate((np.zeros(1, np.int64), np.bincount(sources, minlength=nodes).cumsum()))

    def count(self, node: int) -> int:
        """Return the length of a node's list."""
        return int(self.starts[node + 1]) - int(self.starts[node])

    def counts(self) -> Ids:
        """Return the length of the list of each node."""
        return np.diff(self.starts)


class FolderWorld:
    """The world of a folder; `ConfigError` when it has no such files or they cannot be read."""

    def __init__(self, path: Path) -> None:
        files = _read(path)
        self.name = path.name
        follows, likes = _follows(files), _likes(files)
        related = _distinct(files["related.txt.gz"][:, :2])
        playlists = files["lists.txt.gz"]
        members = _distinct(playlists[:, [0, 2]])
        self._present = {
            "user": _present(follows[:, 0], follows[:, 1], likes[:, 0], playlists[:, 1], related[:, 0], related[:, 1]),
            "track": _present(likes[:, 1], members[:, 1]),
            "playlist": _present(playlists[:, 0]),
        }
        if not self._present["user"].any():
            message = f"the world {path} names no user: its edge lists are empty"
            raise ConfigError(message)
        self._owners = {"track": self._uploaders(), "playlist": self._makers(playlists)}
        self._lists = self._indexed(follows, likes, members, related)
        self._counts = {kind: self._counted(kind) for kind in COUNTED}
        self.largest: Mapping[str, int] = {kind: max(1, len(there)) for kind, there in self._present.items()} | {
            "comment": 1
        }

    def exists(self, kind: str, node: int) -> bool:
        """Whether a file names the node."""
        there = self._present[kind]
        return 0 <= node < len(there) and bool(there[node])

    def count(self, kind: str, node: int, relation: str) -> int:
        """Return the number of rows in a list."""
        lists = self._lists.get((kind, relation))
        return 0 if lists is None else lists.count(node)

    def rows(self, kind: str, node: int, relation: str, start: int, stop: int) -> Ids:
        """Return the ids in some rows of a list."""
        lists = self._lists.get((kind, relation))
        if lists is None:
            return _NOTHING
        first = int(lists.starts[node])
        return lists.rows[first + start : first + stop]

    def counts(self, kind: str, nodes: Ids) -> Ids:
        """Return the lengths of the lists of many nodes, columns as in `COUNTED`."""
        return self._counts[kind].take(nodes, axis=0)

    def owners(self, kind: str, nodes: Ids) -> Ids:
        """Return the ids of the owners; these worlds have no comments."""
        return self._owners[kind].take(nodes)

    def commented(self, comments: Ids) -> Ids:  # noqa: ARG002 - see above
        """Return the tracks that comments are on: there are no comments."""
        return _NOTHING

    def _uploaders(self) -> Ids:
        users = self._present["user"].nonzero()[0]
        tracks = np.arange(len(self._present["track"]))
        # A multiplicative hash: neighbours in number get uploaders far apart, some get several tracks, some none.
        chosen: Ids = users[(tracks * 2_654_435_761 % 2**32) * len(users) >> 32]
        return chosen

    def _makers(self, playlists: Ids) -> Ids:
        makers = np.zeros(len(self._present["playlist"]), dtype=np.int64)
        makers[playlists[::-1, 0]] = playlists[::-1, 1]
        return makers

    def _indexed(self, follows: Ids, likes: Ids, members: Ids, related: Ids) -> dict[tuple[str, str], Lists]:
        edges = {
            ("user", "followings"): follows,
            ("user", "followers"): follows[:, ::-1],
            ("user", "likes/tracks"): likes,
            ("track", "favoriters"): likes[:, ::-1],
            ("playlist", "tracks"): members,
            ("track", "playlists"): members[:, ::-1],
            ("user", "related"): related,
        }
        for kind, owners in self._owners.items():
            items = self._present[kind].nonzero()[0]
            edges["user", f"{kind}s"] = np.stack((owners[items], items), axis=1)
        sizes = {kind: len(there) for kind, there in self._present.items()}
        return {key: Lists(pairs[:, 0], pairs[:, 1], sizes[key[0]]) for key, pairs in edges.items() if len(pairs)}

    def _counted(self, kind: str) -> Ids:
        table = np.zeros((len(self._present[kind]), len(COUNTED[kind])), dtype=np.int64)
        for column, relation in enumerate(COUNTED[kind]):
            if (kind, relation) in self._lists:
                table[:, column] = self._lists[kind, relation].counts()
        return table


def check_folder(path: Path) -> None:
    """Raise `ConfigError` for what is no folder of edge lists, without reading them."""
    if not path.is_dir():
        message = f"there is no folder {path} to make a world of"
        raise ConfigError(message)
    if not any((path / name).is_file() for name in _COLUMNS):
        message = f"the folder {path} has none of the edge lists that make a world: {', '.join(_COLUMNS)}"
        raise ConfigError(message)


def _read(path: Path) -> dict[str, Ids]:
    check_folder(path)
    return {name: _table(path / name, columns) for name, columns in _COLUMNS.items()}


def _table(path: Path, columns: int) -> Ids:
    if not path.is_file():
        return np.empty((0, columns), dtype=np.int64)
    try:
        text = gzip.decompress(path.read_bytes()).decode("ascii")
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error"
            )  # numpy only warns when it meets something that is no number, and stops there
            table: Ids = np.fromstring(text, dtype=np.int64, sep=" ").reshape(-1, columns)
    except (OSError, EOFError, zlib.error, ValueError, DeprecationWarning) as error:
        message = f"the edge list {path} is not gzipped text with {columns} numbers a line: {error}"
        raise ConfigError(message) from error
    if len(table) and not 0 <= table.min() <= table.max() <= _LARGEST_ID:
        message = f"the edge list {path} has an id outside of 0 to {_LARGEST_ID}"
        raise ConfigError(message)
    return table


def _follows(files: dict[str, Ids]) -> Ids:
    friends = files["friends.txt.gz"]
    pairs = np.concatenate((files["follows.txt.gz"], friends, friends[:, ::-1]))
    return _distinct(pairs[pairs[:, 0] != pairs[:, 1]])


def _likes(files: dict[str, Ids]) -> Ids:
    return _distinct(np.concatenate((files["user_tags.txt.gz"], files["user_tracks.txt.gz"])))


def _distinct(pairs: Ids) -> Ids:
    """Drop all but the first of equal rows, keeping the order."""
    keys = pairs[:, 0] << 32 | pairs[:, 1]
    _, first = np.unique(keys, return_index=True)
    distinct: Ids = pairs[np.sort(first)]
    return distinct


def _present(*columns: Ids) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    named = np.concatenate(columns)
    there = np.zeros(int(named.max()) + 1 if len(named) else 0, dtype=np.bool_)
    there[named] = True
    return there
