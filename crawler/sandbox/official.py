"""The official API, as SoundCloud's documents, its public tracker and recorded answers have it.

A table says which list has which path, paging and cursor. Where the evidence is silent the choice is ours: a list that
is paged by an offset ends without `next_href`, one paged by a cursor with null; playlists in the lists of likes and
reposts come without their tracks unless `show_tracks` asks for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import numpy as np

from crawler.sandbox import cursors
from crawler.sandbox.cursors import Grammar
from crawler.sandbox.objects import Objects
from crawler.sandbox.own import FEEDS, feed
from crawler.sandbox.reply import JSON, TEXT, Call, Reply, Route
from crawler.sandbox.searching import matching, onward
from crawler.sandbox.tokens import Tokens
from crawler.sandbox.world import Ids, World

LARGEST_LIMIT = 200
DEFAULT_LIMIT = 50
LARGEST_BATCH = 50
_HEADERS = (*JSON, ("cache-control", "private, max-age=0"), ("server", "am/2"))
_LINK = "https://developers.soundcloud.com/docs/api/explorer/open-api"
_MESSAGES = {400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}


class Listing(NamedTuple):
    """One list: whose it is, what its rows are, how its cursor reads.

    `enveloped` lists have their envelope also without `linked_partitioning`: the specification does not name that
    parameter for them. `shows_tracks` is the default of `show_tracks`.
    """

    kind: str
    relation: str
    item: str
    grammar: Grammar
    enveloped: bool = False
    shows_tracks: bool = False


LISTINGS: tuple[Listing, ...] = (
    Listing("user", "followers", "user", "milliseconds", enveloped=True),
    Listing("user", "followings", "user", "milliseconds", enveloped=True),
    Listing("user", "likes/tracks", "track", "track-likes"),
    Listing("user", "likes/playlists", "playlist", "playlist-likes"),
    Listing("user", "reposts/tracks", "track", "track-reposts"),
    Listing("user", "reposts/playlists", "playlist", "playlist-reposts"),
    Listing("user", "tracks", "track", "tracks"),
    Listing("user", "playlists", "playlist", "playlists", shows_tracks=True),
    Listing("user", "related", "user", "offset"),
    Listing("track", "favoriters", "user", "microseconds"),
    Listing("track", "reposters", "user", "milliseconds", enveloped=True),
    Listing("track", "related", "track", "offset"),
    Listing("track", "comments", "comment", "offset"),
    Listing("playlist", "tracks", "track", "offset"),
    Listing("playlist", "reposters", "user", "milliseconds", enveloped=True),
)
BY_PATH = {(f"{listing.kind}s", listing.relation): listing for listing in LISTINGS}
KINDS = {"users": "user", "tracks": "track", "playlists": "playlist"}
_REMOVED = ("/me/recommended/tracks", "/me/conversations")
_PLACE = re.compile(r"/user-(\d{9})(?:/(?:track-|sets/set-)(\d{10}))?/?")


_Answer = Callable[[Call], Reply]
_TOO_LARGE = Reply(500, TEXT)
"""What a limit above 200 gets: an empty text (soundcloud/api issue 170)."""


class Refusal(Exception):  # noqa: N818 - an answer, not a failure
    """Ends a handler with a reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class OfficialDialect:
    """The routes of the official API over one world."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        self._world = world
        self._tokens = tokens
        self._objects = Objects(world)
        self._fixed = {
            "/oauth/token": Route("token", self._token),
            "/authorize": Route("authorize", tokens.authorize),
            "/oembed": Route("oembed", self._oembed),
            "/resolve": Route("resolve", self._guarded(self._resolve)),
            **{path: Route("removed", self._guarded(lambda _: problem(405))) for path in _REMOVED},
        }

    def route(self, call: Call) -> Route:
        """Return the route of a call; what asks for data needs a token first."""
        fixed = self._fixed.get(call.path)
        if fixed is not None:
            return fixed
        if call.path == "/me" or call.path.startswith("/me/"):
            return self._own_route(call)
        collection, *names = call.path.removeprefix("/").split("/", 2)
        if collection in KINDS:
            return self._data_route(collection, names)
        return Route("unknown", self._guarded(_missing))

    def _own_route(self, call: Call) -> Route:
        """Return the route of what a user sees of themself: their lists, and what only they have."""
        family = call.path.removeprefix("/")
        user = self._tokens.user_of(call.headers.get("authorization", ""))
        if user is None:
            # An application's token reads what is public; there is no "me" behind it (soundcloud/api issues 84, 378).
            return Route(family, lambda _: Reply(401, ()))
        if family == "me":
            return Route(family, self._guarded(lambda _: Reply(200, _HEADERS, self._objects.users(np.array([user])))))
        if family in FEEDS:
            return Route(family, self._guarded(lambda asked: feed(self._world, self._objects, user, asked)))
        route = self._list_route("users", str(user), family.removeprefix("me/"))
        return Route(family if route.family != "unknown" else "unknown", route.answer)

    def _data_route(self, collection: str, names: list[str]) -> Route:
        kind = KINDS[collection]
        if not names:
            return Route(collection, self._guarded(lambda call: self._batch(call, kind)))
        if not names[1:]:
            return Route(f"{collection}/one", self._guarded(lambda call: self._one(call, kind, names[0])))
        return self._list_route(collection, *names)

    def _list_route(self, collection: str, name: str, relation: str) -> Route:
        listing = BY_PATH.get((collection, relation))
        if listing is not None:
            return Route(f"{collection}/{relation}", self._guarded(lambda call: self._list(call, listing, name)))
        if (collection, relation) == ("users", "web-profiles"):
            return Route("users/web-profiles", self._guarded(lambda call: self._web_profiles(call, name)))
        return Route("unknown", self._guarded(_missing))

    def _token(self, call: Call) -> Reply:
        return self._tokens.exchange(call) if call.method == "POST" else problem(405)

    def _guarded(self, answer: _Answer) -> _Answer:
        def answered(call: Call) -> Reply:
            if not self._tokens.accepts(call.headers.get("authorization", "")):
                return Reply(401, ())
            if call.method != "GET":
                return problem(405)
            try:
                return answer(call)
            except Refusal as refusal:
                return refusal.reply

        return answered

    def _one(self, call: Call, kind: str, name: str) -> Reply:
        node = self._node(kind, name)
        return Reply(
            200, _HEADERS, self._items(kind, np.array([node]), node, shows_tracks=_shows_tracks(call, default=True))
        )

    def _web_profiles(self, _call: Call, name: str) -> Reply:
        return Reply(200, _HEADERS, self._objects.web_profiles(self._node("user", name)))

    def _list(self, call: Call, listing: Listing, name: str) -> Reply:
        limit = page_limit(call.query)
        node = self._node(listing.kind, name)
        count = self._world.count(listing.kind, node, listing.relation)
        start = first_row(call, listing, node, count)
        stop = min(start + limit, count)
        rows = self._world.rows(listing.kind, node, listing.relation, start, stop)
        body = self._items(listing.item, rows, node, shows_tracks=_shows_tracks(call, default=listing.shows_tracks))
        if not (listing.enveloped or is_linked(call)):
            return Reply(200, _HEADERS, b"[%b]" % body)
        if stop < count:
            cursor = cursors.encode(listing.grammar, node, count, stop - 1, int(rows[-1]))
            end = b'],"next_href":"%b"}' % next_href(call, listing, cursor, limit).encode()
        else:
            end = b"]}" if listing.grammar == "offset" else b'],"next_href":null}'
        return Reply(200, _HEADERS, b"".join((b'{"collection":[', body, end)))

    def _batch(self, call: Call, kind: str) -> Reply:
        names = call.query.get("urns") or call.query.get("ids")
        if not names:
            if not call.query.get("q"):
                raise Refusal(problem(400, "a search needs q"))  # soundcloud/api issue 249
            return self._search(call, kind)
        wanted = [node_number(kind, name) for name in names.split(",")]
        if len(wanted) > LARGEST_BATCH:
            raise Refusal(problem(400, f"at most {LARGEST_BATCH} urns"))
        found = [node for node in dict.fromkeys(wanted) if node is not None and self._world.exists(kind, node)]
        body = self._items(kind, np.array(found, dtype=np.int64), 0, shows_tracks=_shows_tracks(call, default=False))
        shape = b'{"collection":[%b],"next_href":null}' if is_linked(call) else b"[%b]"
        return Reply(200, _HEADERS, shape % body)

    def _search(self, call: Call, kind: str) -> Reply:
        limit = page_limit(call.query)
        rows = matching(self._world, self._objects, kind, call.query)
        start = int(call.query.get("offset", "0"))
        page: dict[str, object] = {"collection": rows[start : start + limit]}
        if not is_linked(call):
            return Reply(200, _HEADERS, json.dumps(page["collection"]).encode())
        if start + limit < len(rows):
            page["next_href"] = onward(call, start + limit, limit)
        return Reply(200, _HEADERS, json.dumps(page).encode())

    def _resolve(self, call: Call) -> Reply:
        found = find_place(self._world, call.query.get("url", ""))
        if found is None:
            return Reply(404, _HEADERS, b'{"errors":[{"error_message":"404 - Not Found"}]}')
        location = f"http://{_host(call)}/{found[0]}s/soundcloud:{found[0]}s:{found[1]}"
        body = json.dumps({"status": "302 - Found", "location": location}).encode()
        return Reply(302, (*_HEADERS, ("location", location)), body)

    def _oembed(self, call: Call) -> Reply:
        """Answer what soundcloud.com/oembed does: how to embed a player, without any token."""
        found = find_place(self._world, call.query.get("url", ""))
        if found is None:
            return Reply(404, JSON, b"{}")
        shown = quote(f"https://api.soundcloud.com/{found[0]}s/{found[1]}", safe="")
        frame = f'<iframe width="100%" height="166" src="https://w.soundcloud.com/player/?visual=true&url={shown}"></iframe>'
        answer = {"version": 1.0, "type": "rich", "provider_name": "SoundCloud", "height": 166, "width": "100%"}
        return Reply(200, JSON, json.dumps(answer | {"title": f"{found[0]} {found[1]}", "html": frame}).encode())

    def _node(self, kind: str, name: str) -> int:
        node = node_number(kind, name)
        if node is None or not self._world.exists(kind, node):
            raise Refusal(problem(404))
        return node

    def _items(self, kind: str, ids: Ids, parent: int, *, shows_tracks: bool) -> bytes:
        if not len(ids):
            return b""
        if kind == "user":
            return self._objects.users(ids)
        if kind == "track":
            return self._objects.tracks(ids)
        if kind == "comment":
            return self._objects.comments(ids, parent)
        return self._objects.playlists(ids, with_tracks=shows_tracks)


def find_place(world: World, url: str) -> tuple[str, int] | None:
    """Return the kind and id behind an address on soundcloud.com, None when it leads nowhere."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    place = _PLACE.fullmatch(parts.path)
    if parts.hostname not in ("soundcloud.com", "www.soundcloud.com", "m.soundcloud.com") or place is None:
        return None
    user = int(place[1])
    if place[2] is None:
        return ("user", user) if world.exists("user", user) else None
    kind, item = ("playlist" if "/sets/" in parts.path else "track"), int(place[2])
    if not world.exists(kind, item) or int(world.owners(kind, np.array([item]))[0]) != user:
        return None
    return kind, item


def problem(status: int, message: str = "") -> Reply:
    """Return the error object of the specification, with its deprecated keys."""
    text = message or _MESSAGES[status]
    line = f"{status} - {_MESSAGES[status]}"
    errors = {
        "code": status,
        "message": text,
        "link": _LINK,
        "status": line,
        "errors": [{"error_message": line}],
        "error": None,
    }
    return Reply(status, _HEADERS, json.dumps(errors).encode())


def _missing(_call: Call) -> Reply:
    return problem(404)


def node_number(kind: str, name: str) -> int | None:
    """Read `42` or `soundcloud:users:42`."""
    digits = name.removeprefix(f"soundcloud:{kind}s:")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= cursors.LONGEST_NUMBER else None


def page_limit(query: Mapping[str, str]) -> int:
    """Return how many rows a page may have. Raises `Refusal`."""
    text = query.get("page_size") or query.get("limit") or str(DEFAULT_LIMIT)
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise Refusal(problem(400, "limit must be a number from 1 to 200"))
    if int(text) > LARGEST_LIMIT:
        raise Refusal(_TOO_LARGE)
    return int(text)


def first_row(call: Call, listing: Listing, node: int, count: int) -> int:
    """Return the row that a call's cursor begins at. Raises `Refusal`."""
    cursor = call.query.get("offset" if listing.grammar == "offset" else "cursor")
    try:
        return 0 if cursor is None else cursors.decode(listing.grammar, node, count, cursor)
    except (ValueError, OverflowError) as error:
        raise Refusal(problem(400, str(error))) from None


def is_linked(call: Call) -> bool:
    """Return whether a call asks for pages that link to each other."""
    return call.query.get("linked_partitioning", "false").lower() in ("true", "1", "")


def _shows_tracks(call: Call, *, default: bool) -> bool:
    return call.query.get("show_tracks", str(default)).lower() == "true"


def _host(call: Call) -> str:
    return call.headers.get("host", "127.0.0.1")


def next_href(call: Call, listing: Listing, cursor: str, limit: int) -> str:
    """Return the address of the page after a cursor, as the service writes it."""
    name = "offset" if listing.grammar == "offset" else "cursor"
    pairs = [f"page_size={limit}", f"{name}={cursor}"]
    if listing.grammar not in ("milliseconds", "microseconds"):
        pairs.reverse()
    pairs += [
        f"{key}={quote(call.query[key], safe=',')}"
        for key in ("access", "show_tracks", "linked_partitioning")
        if key in call.query
    ]
    return f"http://{_host(call)}{quote(call.path, safe='/:')}?{'&'.join(pairs)}"
