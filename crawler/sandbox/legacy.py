"""The old HTTP API (seed 002) over the same world: a client id for a token, and arrays without links.

A page is asked for with `limit` and `offset`; the end is an array without rows. The document has `/favorites` for the
tracks that somebody likes, and a user's comments, which the API has no more.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from crawler.sandbox.objects import Objects
from crawler.sandbox.official import KINDS, find_place, node_number
from crawler.sandbox.reply import JSON, Call, Reply, Route
from crawler.sandbox.searching import matching
from crawler.sandbox.world import World

PREFIX = "/legacy"
LARGEST_LIMIT = 200
DEFAULT_LIMIT = 50
LISTS: dict[tuple[str, str], tuple[str, str]] = {
    ("users", "tracks"): ("tracks", "track"),
    ("users", "playlists"): ("playlists", "playlist"),
    ("users", "followings"): ("followings", "user"),
    ("users", "followers"): ("followers", "user"),
    ("users", "favorites"): ("likes/tracks", "track"),
    ("users", "comments"): ("comments", "comment"),
    ("tracks", "comments"): ("comments", "comment"),
    ("tracks", "favoriters"): ("favoriters", "user"),
    ("tracks", "related"): ("related", "track"),
}
"""By path: the list of the world, and the kind of its rows."""
_NOT_FOUND = Reply(404, JSON, b'{"errors":[{"error_message":"404 - Not Found"}]}')


class LegacyDialect:
    """The routes of the old API below `prefix`."""

    def __init__(self, world: World, prefix: str = PREFIX) -> None:
        self._world = world
        self._prefix = prefix
        self._objects = Objects(world)

    def route(self, call: Call) -> Route:
        """Return the route of a call whose path begins after the prefix."""
        parts = call.path.strip("/").split("/")
        family = "/".join(parts[:1] + parts[2:]) + ("/one" if len(parts) == len(("users", "1")) else "")
        return Route(f"legacy {family}", lambda asked: self._answer(asked, parts))

    def _answer(self, call: Call, parts: list[str]) -> Reply:
        if not call.query.get("client_id"):
            return Reply(401, JSON, b'{"errors":[{"error_message":"401 - Unauthorized"}]}')
        if parts == ["resolve"]:
            return self._resolve(call)
        kind = KINDS.get(parts[0])
        if kind is None:
            return _NOT_FOUND
        return self._of_node(call, kind, parts) if parts[1:] else self._many(call, kind)

    def _of_node(self, call: Call, kind: str, parts: list[str]) -> Reply:
        node = node_number(kind, parts[1])
        if node is None or not self._world.exists(kind, node):
            return _NOT_FOUND
        if not parts[2:]:
            return Reply(200, JSON, self._shown(kind, [node], node))
        if (parts[0], parts[2]) == ("users", "web-profiles"):
            return Reply(200, JSON, self._objects.web_profiles(node))
        return self._list(call, (parts[0], parts[2]), node)

    def _list(self, call: Call, path: tuple[str, str], node: int) -> Reply:
        cut = _cut(call)
        if path not in LISTS or cut is None:
            return _NOT_FOUND if cut is not None else Reply(400, JSON, b"{}")
        relation, item = LISTS[path]
        kind = KINDS[path[0]]
        count = self._world.count(kind, node, relation)
        rows = self._world.rows(kind, node, relation, min(cut[0], count), min(sum(cut), count)).tolist()
        return Reply(200, JSON, b"[%b]" % self._shown(item, rows, node))

    def _shown(self, kind: str, ids: list[int], parent: int) -> bytes:
        if not ids:
            return b""
        numbers = np.array(ids, dtype=np.int64)
        if kind == "comment":
            tracks = self._world.commented(numbers).tolist()
            return b",".join(
                self._objects.comments(numbers[place : place + 1], track) for place, track in enumerate(tracks)
            )
        if kind == "playlist":
            return self._objects.playlists(numbers, with_tracks=ids == [parent])
        return self._objects.users(numbers) if kind == "user" else self._objects.tracks(numbers)

    def _many(self, call: Call, kind: str) -> Reply:
        cut = _cut(call)
        if cut is None:
            return Reply(400, JSON, b"{}")
        if call.query.get("ids"):
            names = [node_number(kind, name) for name in call.query["ids"].split(",")]
            rows: Any = [node for node in names if node is not None and self._world.exists(kind, node)]
            return Reply(200, JSON, b"[%b]" % self._shown(kind, rows, 0))
        rows = matching(self._world, self._objects, kind, call.query)
        return Reply(200, JSON, json.dumps(rows[cut[0] : sum(cut)]).encode())

    def _resolve(self, call: Call) -> Reply:
        place = find_place(self._world, call.query.get("url", ""))
        if place is None:
            return _NOT_FOUND
        location = f"http://{call.headers.get('host', '127.0.0.1')}{self._prefix}/{place[0]}s/{place[1]}"
        location += f"?client_id={call.query['client_id']}"
        body = json.dumps({"status": "302 - Found", "location": location}).encode()
        return Reply(302, (*JSON, ("location", location)), body)


def _cut(call: Call) -> tuple[int, int] | None:
    """Return the first row and the number of rows that a call asks for."""
    limit, offset = call.query.get("limit", str(DEFAULT_LIMIT)), call.query.get("offset", "0")
    if not (limit.isdecimal() and offset.isdecimal() and 1 <= int(limit) <= LARGEST_LIMIT):
        return None
    return int(offset), int(limit)
