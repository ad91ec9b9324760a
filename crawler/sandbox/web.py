"""The API behind the web site, over the same world: the lists of the official dialect under other names and wrappers.

What is recorded of it: the client id is a parameter, a missing one is answered by an empty 401, and an unknown address
by 404 `{}`; every cursor is called `offset`; `next_href` keeps `limit` and loses `linked_partitioning` and the client
id, which only comments and related tracks echo; an ended list has null, or no key at all (field report, part 2).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

from crawler.sandbox import cursors
from crawler.sandbox.cursors import Grammar
from crawler.sandbox.finding import found
from crawler.sandbox.official import find_place
from crawler.sandbox.reply import JSON, Call, Reply, Route
from crawler.sandbox.web_objects import Json, WebObjects, is_album, iso
from crawler.sandbox.web_shelves import Shelves
from crawler.sandbox.world import World

PREFIX = "/v2"
LARGEST_LIMIT = 200
LARGEST_STREAM = 50
LARGEST_BATCH = 50
DEFAULT_LIMIT = 10
_HEADERS = (*JSON, ("cache-control", "private, max-age=0"), ("server", "am/2"))
_NOTHING = Reply(404, _HEADERS, b"{}")


class Plain(NamedTuple):
    """A list of the world whose rows are bare objects; `item` is their kind, `echoes` that links keep the client id."""

    relation: str
    item: str
    grammar: Grammar
    echoes: bool = False


PLAIN: dict[tuple[str, str], Plain] = {
    ("users", "followers"): Plain("followers", "user", "milliseconds"),
    ("users", "followings"): Plain("followings", "user", "milliseconds"),
    ("users", "tracks"): Plain("tracks", "track", "tracks"),
    ("users", "relatedartists"): Plain("related", "user", "offset"),
    ("users", "comments"): Plain("comments", "comment", "offset", echoes=True),
    ("tracks", "likers"): Plain("favoriters", "user", "microseconds"),
    ("tracks", "reposters"): Plain("reposters", "user", "milliseconds"),
    ("tracks", "related"): Plain("related", "track", "offset", echoes=True),
    ("tracks", "comments"): Plain("comments", "comment", "offset", echoes=True),
    ("playlists", "likers"): Plain("likers", "user", "microseconds"),
    ("playlists", "reposters"): Plain("reposters", "user", "milliseconds"),
}
CHOSEN = ("albums", "playlists_without_albums", "toptracks", "spotlight", "featured-profiles")
"""Lists that are a choice from others, paged by a number."""
WRAPPED: dict[str, tuple[str, ...]] = {
    "likes": ("likes/tracks", "likes/playlists"),
    "track_likes": ("likes/tracks",),
    "playlist_likes": ("likes/playlists",),
    "reposts": ("reposts/tracks", "reposts/playlists"),
}
"""Lists whose rows have a time of their own, and the lists of the world that they are merged from, newest first."""
KINDS = {"users": "user", "tracks": "track", "playlists": "playlist"}
SHELVES = ("charts", "featured_tracks", "mixed-selections", "system-playlists")
SEARCHES = ("users", "tracks", "albums", "playlists_without_albums")
_Answer = Callable[[Call], Reply]


class Event(NamedTuple):
    """A row of a wrapped list: when it came to be, what kind of thing it holds, and which."""

    milliseconds: int
    kind: str
    node: int


class WebDialect:
    """The routes of the web's API below `prefix`."""

    def __init__(self, world: World, prefix: str = PREFIX) -> None:
        self._world = world
        self._prefix = prefix
        self._objects = WebObjects(world)
        self._shelves = Shelves(world, self._objects)

    def route(self, call: Call) -> Route:
        """Return the route of a call whose path begins after the prefix."""
        parts = call.path.strip("/").split("/")
        family = "/".join(parts[:1] + parts[2:]) if len(parts) > 1 else parts[0]
        answer = self._find(parts)
        return Route(f"v2 {family}" if answer else "v2 unknown", lambda asked: self._checked(asked, answer))

    def _checked(self, call: Call, answer: _Answer | None) -> Reply:
        if not call.query.get("client_id"):
            return Reply(401, ())
        if call.method != "GET":
            return Reply(405, _HEADERS, b"{}")
        return _NOTHING if answer is None else answer(call)

    def _find(self, parts: list[str]) -> _Answer | None:
        head, rest = parts[0], parts[1:]
        if head in KINDS:
            return self._of_kind(head, rest)
        if head == "stream":
            is_reposts = (*rest[:1], *rest[2:]) == ("users", "reposts")
            return (lambda call: self._events(call, rest[1], "reposts", LARGEST_STREAM)) if is_reposts else None
        if head in SHELVES:
            return lambda call: self._shelves.answer(call, head, rest, self._link)
        if head == "search":
            return lambda call: self._search(call, rest)
        return self._resolve if head == "resolve" else None

    def _of_kind(self, head: str, rest: list[str]) -> _Answer | None:
        if not rest:
            return self._batch if head == "tracks" else None
        if not rest[1:]:
            return lambda _: self._one(KINDS[head], rest[0])
        return self._list_of(head, rest[0], rest[1])

    def _list_of(self, head: str, name: str, relation: str) -> _Answer | None:
        if (head, relation) in PLAIN:
            return lambda call: self._plain(call, KINDS[head], name, PLAIN[head, relation])
        if head == "users" and relation in WRAPPED and relation != "reposts":
            return lambda call: self._events(call, name, relation, LARGEST_LIMIT)
        if (head == "users" and relation in CHOSEN) or (head == "tracks" and relation in CHOSEN[:2]):
            return lambda call: self._choice(call, KINDS[head], name, relation)
        if (head, relation) == ("users", "web-profiles"):
            return lambda _: self._web_profiles(name)
        return None

    def _node(self, kind: str, name: str) -> int | None:
        digits = name.removeprefix(f"soundcloud:{kind}s:")
        known = digits.isascii() and digits.isdecimal() and len(digits) <= cursors.LONGEST_NUMBER
        return int(digits) if known and self._world.exists(kind, int(digits)) else None

    def _one(self, kind: str, name: str) -> Reply:
        node = self._node(kind, name)
        return _NOTHING if node is None else ok(self._objects.of(kind, node))

    def _plain(self, call: Call, kind: str, name: str, plain: Plain) -> Reply:
        node, limit = self._node(kind, name), limit_of(call, LARGEST_LIMIT)
        if node is None or limit is None:
            return _NOTHING if node is None else Reply(400, _HEADERS, b"{}")
        count = self._world.count(kind, node, plain.relation)
        try:
            cursor = call.query.get("offset")
            start = 0 if cursor is None else cursors.decode(plain.grammar, node, count, cursor)
        except ValueError:
            return Reply(400, _HEADERS, b"{}")
        stop = min(start + limit, count)
        rows = self._world.rows(kind, node, plain.relation, start, stop).tolist()
        page: Json = {"collection": [self._objects.of(plain.item, row) for row in rows], "query_urn": None}
        page["next_href"] = None
        if stop < count:
            onward = cursors.encode(plain.grammar, node, count, stop - 1, rows[-1])
            page["next_href"] = self._link(call, onward, limit, echoes=plain.echoes)
        elif plain.relation == "related" and not rows:
            del page["next_href"]  # recorded: an empty list of similar tracks has no such key
        return ok(page)

    def _events(self, call: Call, name: str, relation: str, most: int) -> Reply:
        node, limit = self._node("user", name), limit_of(call, most)
        if node is None or limit is None:
            return _NOTHING if node is None else Reply(400, _HEADERS, b"{}")
        events = events_of(self._world, node, WRAPPED[relation])
        cursor = call.query.get("offset", "")
        after = [event for event in events if not cursor or place_of(event, relation, node) < cursor]
        page = after[:limit]
        onward = place_of(page[-1], relation, node) if len(after) > limit else None
        shown = [self._wrapped(event, relation, node) for event in page]
        link = None if onward is None else self._link(call, onward, limit)
        return ok({"collection": shown, "next_href": link, "query_urn": None})

    def _wrapped(self, event: Event, relation: str, user: int) -> Json:
        thing = self._objects.track(event.node) if event.kind == "track" else self._objects.playlist(event.node)
        row: Json = {"created_at": iso(event.milliseconds), event.kind: thing}
        if relation != "reposts":
            return row | {"kind": "like"}
        who = self._objects.small_user(user)
        return row | {"type": f"{event.kind}-repost", "user": who, "uuid": f"{user}-{event.node}", "caption": None}

    def _choice(self, call: Call, kind: str, name: str, relation: str) -> Reply:
        node, limit = self._node(kind, name), limit_of(call, LARGEST_LIMIT)
        if node is None or limit is None:
            return _NOTHING if node is None else Reply(400, _HEADERS, b"{}")
        return self._numbered(call, chosen(self._world, kind, node, relation), limit)

    def _numbered(self, call: Call, rows: list[tuple[str, int]], limit: int, **more: Any) -> Reply:  # noqa: ANN401
        start = int(call.query.get("offset", "0") or 0)
        page: Json = {"collection": [self._objects.of(*row) for row in rows[start : start + limit]], **more}
        page["query_urn"] = None
        if start + limit < len(rows):
            page["next_href"] = self._link(call, str(start + limit), limit)
        elif not more:
            page["next_href"] = None  # the last page of a search has no such key
        return ok(page)

    def _search(self, call: Call, rest: list[str]) -> Reply:
        text, limit = call.query.get("q", ""), limit_of(call, LARGEST_LIMIT)
        if not text or limit is None or (rest and rest[0] not in SEARCHES):
            return _NOTHING if rest and rest[0] not in SEARCHES else Reply(400, _HEADERS, b"{}")
        rows = searched(self._world, text, rest[0] if rest else "everything")
        return self._numbered(call, rows, limit, total_results=len(rows))

    def _batch(self, call: Call) -> Reply:
        names = [name for name in call.query.get("ids", "").split(",") if name]
        if not names or len(names) > LARGEST_BATCH:
            return Reply(400, _HEADERS, b"{}")
        known = {node for name in names if (node := self._node("track", name)) is not None}
        return ok([self._objects.track(node) for node in sorted(known, key=lambda node: (node * 40_503 % 1009, node))])

    def _resolve(self, call: Call) -> Reply:
        place = find_place(self._world, call.query.get("url", ""))
        return _NOTHING if place is None else ok(self._objects.of(*place))

    def _web_profiles(self, name: str) -> Reply:
        node = self._node("user", name)
        if node is None:
            return _NOTHING
        rows = [
            {"network": "bandcamp", "title": "Bandcamp", "url": f"https://bandcamp.com/user-{node}", "username": None}
        ]
        return ok(rows[: node % 2])

    def _link(self, call: Call, offset: str, limit: int, *, echoes: bool = False) -> str:
        """Return a next_href: the parameters of the call, without those that the service loses."""
        lost = {"linked_partitioning", "offset", "limit"} | (set() if echoes else {"client_id"})
        kept = [f"{name}={quote(value, safe='')}" for name, value in call.query.items() if name not in lost]
        pairs = [*kept, f"offset={quote(offset, safe='')}", f"limit={limit}"]
        host = call.headers.get("host", "127.0.0.1")
        return f"http://{host}{self._prefix}{quote(call.path, safe='/:')}?{'&'.join(pairs)}"


def ok(value: object) -> Reply:
    """Return a 200 with a JSON body."""
    return Reply(200, _HEADERS, json.dumps(value).encode())


def limit_of(call: Call, most: int) -> int | None:
    """Return how many rows a page may have; None for what the service refuses."""
    text = call.query.get("limit", str(DEFAULT_LIMIT))
    return int(text) if text.isascii() and text.isdecimal() and 1 <= int(text) <= most else None


def events_of(world: World, user: int, relations: tuple[str, ...]) -> list[Event]:
    """Return what a user liked or reposted and when, newest first; the times are those of the official cursors."""
    events = []
    for relation in relations:
        count, kind = world.count("user", user, relation), relation.rpartition("/")[2].removesuffix("s")
        nodes = world.rows("user", user, relation, 0, count).tolist()
        events += [Event(cursors.row_time(user, count, row), kind, node) for row, node in enumerate(nodes)]
    return sorted(events, reverse=True)


def place_of(event: Event, relation: str, user: int) -> str:
    """Return the cursor after an event. Cursors sort as events do: the time, then what breaks ties."""
    moment = iso(event.milliseconds, fraction=True)
    if relation == "reposts":
        return f"{moment},source:{event.kind}:repost,{event.node:020}"
    return f"{moment},user-{event.kind}-likes,000-{user:020}-{event.node:020}"


def chosen(world: World, kind: str, node: int, relation: str) -> list[tuple[str, int]]:
    """Return the rows of a list that is a choice: (kind, id)."""
    if relation in CHOSEN[:2]:
        sets = world.rows(kind, node, "playlists", 0, world.count(kind, node, "playlists")).tolist()
        return [("playlist", one) for one in sets if is_album(one) == (relation == "albums")]
    if relation == "featured-profiles":
        few = min(2 if node % 5 else 0, world.count("user", node, "followings"))
        return [("user", one) for one in world.rows("user", node, "followings", 0, few).tolist()]
    tracks = world.rows("user", node, "tracks", 0, world.count("user", node, "tracks")).tolist()
    top = sorted(tracks, key=lambda track: (-world.count("track", track, "favoriters"), track))[:10]
    if relation == "toptracks":
        return [("track", track) for track in top]
    sets = world.rows("user", node, "playlists", 0, min(1, world.count("user", node, "playlists"))).tolist()
    return [*(("playlist", one) for one in sets), *(("track", track) for track in top[:3])]


def searched(world: World, text: str, what: str) -> list[tuple[str, int]]:
    """Return what a search finds: (kind, id)."""
    if what == "everything":
        kinds = [[(kind, node) for node in found(world, kind, text, 20)] for kind in ("user", "track", "playlist")]
        return [row for rows in zip(*kinds, strict=False) for row in rows]
    if what in KINDS:
        return [(KINDS[what], node) for node in found(world, KINDS[what], text)]
    return [("playlist", node) for node in found(world, "playlist", text) if is_album(node) == (what == "albums")]
