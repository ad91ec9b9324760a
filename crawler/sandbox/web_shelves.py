"""Charts, featured tracks and the discover page of the web's API: what belongs to no user."""

from __future__ import annotations

import json
from collections.abc import Callable

from crawler.sandbox.finding import found
from crawler.sandbox.reply import JSON, Call, Reply
from crawler.sandbox.web_objects import Json, WebObjects
from crawler.sandbox.world import World

CHART_LENGTH = 50
FEATURED_LENGTH = 40
_GENRES = "soundcloud:genres:"
_REGIONS = "soundcloud:regions:"
_KINDS = ("top", "trending")
_SHELVES = {"charts-top": ("all-music", "hiphoprap"), "curated": ("chill", "party")}
_LAST_UPDATED = "2026-02-20T06:38:12Z"
_LARGEST_LIMIT = 200
_DEFAULT_LIMIT = 10

Link = Callable[[Call, str, int], str]
"""(call, offset, limit) -> next_href."""


class Shelves:
    """What is shown to everybody."""

    def __init__(self, world: World, objects: WebObjects) -> None:
        self._world = world
        self._objects = objects

    def answer(self, call: Call, head: str, rest: list[str], link: Link) -> Reply:
        """Answer a call for one of the four."""
        text = call.query.get("limit", str(_DEFAULT_LIMIT))
        offset = call.query.get("offset", "0")
        if not (text.isdecimal() and 1 <= int(text) <= _LARGEST_LIMIT and offset.isdecimal()):
            return Reply(400, JSON, b"{}")
        if head == "charts":
            return self._chart(call, int(offset), int(text), link)
        if head == "featured_tracks":
            return self._featured(call, rest, (int(offset), int(text)), link)
        if head == "mixed-selections":
            shelves = [self._shelf(name, genres) for name, genres in _SHELVES.items()]
            return _ok({"collection": shelves, "next_href": None, "query_urn": "soundcloud:selections:made-up"})
        return self._system_playlist("/".join(rest))

    def _chart(self, call: Call, start: int, limit: int, link: Link) -> Reply:
        kind, genre, region = (call.query.get(name, "") for name in ("kind", "genre", "region"))
        place = region.removeprefix(_REGIONS)
        if region and (place == region or len(place) != len("DE") or not place.isupper() or place == "XX"):
            return Reply(404, JSON, b"{}")
        if kind not in _KINDS or not genre.startswith(_GENRES):
            return Reply(400, JSON, b"{}")
        tracks = chart(self._world, kind, genre.removeprefix(_GENRES), place)
        rows = [{"score": 1000.0 - rank, "track": self._objects.track(node)} for rank, node in enumerate(tracks)]
        page: Json = {"genre": genre, "kind": kind, "last_updated": _LAST_UPDATED}
        page |= {"collection": rows[start : start + limit], "query_urn": "soundcloud:charts:made-up", "next_href": None}
        if start + limit < len(rows):
            page["next_href"] = link(call, str(start + limit), limit)
        return _ok(page)

    def _featured(self, call: Call, rest: list[str], cut: tuple[int, int], link: Link) -> Reply:
        """Answer as the service does: after a few pages they are empty, and their links go on for ever (seed 004)."""
        if len(rest) != len(("kind", "genre")) or rest[0] not in _KINDS:
            return Reply(404, JSON, b"{}")
        start, limit = cut
        tracks = found(self._world, "track", f"featured {rest}", FEATURED_LENGTH)
        page: Json = {"collection": [self._objects.track(node) for node in tracks[start : start + limit]]}
        page |= {"kind": rest[0], "genre": rest[1], "query_urn": None}
        return _ok(page | {"next_href": link(call, str(start + limit), limit)})

    def _shelf(self, name: str, genres: tuple[str, ...]) -> Json:
        things = [self._system(f"{name}:{genre}") for genre in genres]
        urn = f"soundcloud:selections:{name}"
        items = {"collection": things, "next_href": None, "query_urn": None}
        return {
            "kind": "selection",
            "urn": urn,
            "id": urn,
            "title": name,
            "last_updated": _LAST_UPDATED,
            "items": items,
        }

    def _system(self, name: str, *, whole: bool = False) -> Json:
        tracks = found(self._world, "track", name, 12)
        urn = f"soundcloud:system-playlists:{name}"
        shown = self._objects.some_stubs(tracks) if whole else [self._objects.stub(node) for node in tracks]
        return {
            "kind": "system-playlist",
            "id": urn,
            "urn": urn,
            "permalink": name,
            "permalink_url": f"https://soundcloud.com/discover/sets/{name}",
            "title": name,
            "description": "made up",
            "playlist_type": "PLAYLIST",
            "last_updated": _LAST_UPDATED,
            "artwork_url": None,
            "likes_count": len(tracks),
            "is_public": True,
            "made_for": None,
            "user": None,
            "tracks": shown,
        }

    def _system_playlist(self, urn: str) -> Reply:
        name = urn.removeprefix("soundcloud:system-playlists:")
        known = {f"{shelf}:{genre}" for shelf, genres in _SHELVES.items() for genre in genres}
        return _ok(self._system(name, whole=True)) if name in known else Reply(404, JSON, b"{}")


def chart(world: World, kind: str, genre: str, region: str = "") -> list[int]:
    """Return the tracks of a chart, from the first place on."""
    return found(world, "track", f"chart of {kind} {genre} {region}", CHART_LENGTH)


def _ok(value: object) -> Reply:
    return Reply(200, JSON, json.dumps(value).encode())
