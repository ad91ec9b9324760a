"""Soundcharts' dialect over the world: users who have uploaded something are artists, their tracks are songs.

A UUID is made of the number behind it. The series end on `LAST`, whose values are the world's own counts; a day before
each has one less. Pages, errors, the quota's header and the two ways to log in are those of the vendor's document (seed
001) and of the field report, part 2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from crawler.sandbox.finding import found
from crawler.sandbox.reply import JSON, Call, Reply, Route
from crawler.sandbox.tokens import Tokens
from crawler.sandbox.world import World

PREFIX = "/soundcharts"
LAST = date(2026, 5, 31)
SERIES_DAYS = 30
WINDOW_DAYS = 90
LARGEST_LIMIT = 100
CHART_LENGTH = 20
COUNTRIES = ("DE", "US")
FIRST_QUOTA = 1_000_000
_ARTIST, _SONG = "0000-4000-a000-aaaaaaaaaaaa", "0000-4000-b000-bbbbbbbbbbbb"
_UUID = re.compile(r"([0-9a-f]{8})-(0000-4000-[ab]000-[ab]{12})")
_SLUG = re.compile(r"user-(\d{9})")
_CHART = re.compile(r"soundcloud-top-([a-z]{2})")


class _Refusal(Exception):  # noqa: N818 - an answer, not a failure
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class SoundchartsDialect:
    """The routes below `PREFIX`."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        self._world = world
        self._tokens = tokens
        self._quota = FIRST_QUOTA

    def route(self, call: Call) -> Route:
        """Return the route of a call whose path begins after the prefix."""
        if call.path == "/oauth/token":
            return Route("soundcharts token", self._tokens.exchange)
        parts = call.path.strip("/").split("/")[2:]
        names = [part for part in parts if not re.search(r"\d", part)]
        return Route(f"soundcharts {'/'.join(names)}", lambda asked: self._answer(asked, parts))

    def _answer(self, call: Call, parts: list[str]) -> Reply:
        try:
            self._admit(call)
            body = self._found(call, parts)
        except _Refusal as refusal:
            told = [{"key": "access", "code": refusal.status, "message": str(refusal)}]
            return self._reply(refusal.status, {"errors": told})
        return self._reply(200, body | {"errors": []})

    def _admit(self, call: Call) -> None:
        if not self._is_known(call):
            raise _Refusal(401, "Unauthorized.")
        if call.method != "GET":
            raise _Refusal(405, "Method not allowed.")
        self._quota -= 1

    def _is_known(self, call: Call) -> bool:
        by_key = bool(call.headers.get("x-app-id") and call.headers.get("x-api-key"))
        return by_key or self._tokens.accepts(call.headers.get("authorization", ""))

    def _reply(self, status: int, body: object) -> Reply:
        return Reply(status, (*JSON, ("x-quota-remaining", str(self._quota))), json.dumps(body).encode())

    def _found(self, call: Call, parts: list[str]) -> dict[str, Any]:
        match parts:
            case ["artist", "by-platform", "soundcloud", slug]:
                number = _SLUG.fullmatch(slug)
                return self._artist_object(int(number[1]) if number else -1)
            case ["song", "by-platform", "soundcloud", digits]:
                return self._song_object(int(digits) if digits.isdecimal() else -1)
            case ["chart", "song", *rest]:
                return self._chart(call, rest)
            case ["artist", uuid, *rest]:
                user = _number(uuid, _ARTIST)
                return self._of_artist(call, user, rest) if rest else self._artist_object(user)
            case ["song", uuid, *rest]:
                track = _number(uuid, _SONG)
                return self._of_song(call, track, rest) if rest else self._song_object(track)
        raise _Refusal(404, "Not found.")

    def _artist_object(self, user: int) -> dict[str, Any]:
        return {"type": "artist", "object": self._artist(user)}

    def _song_object(self, track: int) -> dict[str, Any]:
        return {"type": "song", "object": self._song(track)}

    def _artist(self, user: int) -> dict[str, Any]:
        if not self._is_artist(user):
            raise _Refusal(404, "Not found.")
        return {
            "uuid": artist_uuid(user),
            "slug": f"user-{user}",
            "name": f"User {user}",
            "appUrl": f"https://app.example.test/artist/user-{user}",
            "imageUrl": None,
            "countryCode": "",
        }

    def _is_artist(self, user: int) -> bool:
        return self._world.exists("user", user) and self._world.count("user", user, "tracks") > 0

    def _song(self, track: int) -> dict[str, Any]:
        if not self._world.exists("track", track):
            raise _Refusal(404, "Not found.")
        return {
            "uuid": song_uuid(track),
            "name": f"Track {track}",
            "creditName": None,
            "isrc": None,
            "releaseDate": "2020-05-28T00:00:00+02:00",
        }

    def _of_artist(self, call: Call, user: int, rest: list[str]) -> dict[str, Any]:
        self._artist(user)
        match rest:
            case ["identifiers"]:
                name = _name("soundcloud", f"user-{user:09}", f"https://soundcloud.com/{user}")
                return _page(call, [name, _name("spotify", f"made-up-{user}", None)])
            case ["audience", "soundcloud"]:
                counts = [self._world.count("user", user, name) for name in ("followers", "followings", "tracks")]
                return _page(call, [_audience(counts, day) for day in _days(call)])
            case ["related"]:
                length = self._world.count("user", user, "related")
                near = self._world.rows("user", user, "related", 0, length).tolist()
                return _page(call, [self._artist(one) for one in near if self._is_artist(one)])
            case ["songs"]:
                length = self._world.count("user", user, "tracks")
                return _page(
                    call, [self._song(track) for track in self._world.rows("user", user, "tracks", 0, length).tolist()]
                )
            case ["charts", "song", "ranks", "soundcloud"]:
                return _page(call, [])
        raise _Refusal(404, "Not found.")

    def _of_song(self, call: Call, track: int, rest: list[str]) -> dict[str, Any]:
        self._song(track)
        match rest:
            case ["identifiers"]:
                return _page(call, [_name("soundcloud", str(track), None)])
            case ["audience", "soundcloud"]:
                likes = self._world.count("track", track, "favoriters")
                return _page(call, [_plays(track, likes, day) for day in _days(call)])
            case ["charts", "ranks", "soundcloud"]:
                return _page(
                    call,
                    [
                        entry
                        for slug in slugs()
                        for entry in self._places(slug, LAST)
                        if entry["song"]["uuid"] == song_uuid(track)
                    ],
                )
        raise _Refusal(404, "Not found.")

    def _chart(self, call: Call, rest: list[str]) -> dict[str, Any]:
        match rest:
            case ["by-platform", "soundcloud"]:
                country = call.query.get("countryCode", "").lower()
                return _page(call, [_meta(slug) for slug in slugs() if slug.endswith(country)])
            case ["by-platform", _]:
                return _page(call, [])
            case [slug, "available-rankings"] if slug in slugs():
                return _page(
                    call, [f"{(LAST - timedelta(days=7 * back)).isoformat()}T00:00:00+00:00" for back in range(3)]
                )
            case [slug, "ranking", day] if slug in slugs():
                shown = LAST if day == "latest" else _date(day)
                return _page(call, self._places(slug, shown)) | {"related": _meta(slug)}
        raise _Refusal(404, "Not found.")

    def _places(self, slug: str, day: date) -> list[dict[str, Any]]:
        tracks = found(self._world, "track", f"chart of {slug}", CHART_LENGTH)
        return [
            {
                "chart": _meta(slug),
                "song": {"uuid": song_uuid(track), "name": f"Track {track}", "creditName": None},
                "position": place,
                "oldPosition": None,
                "rankDate": _midnight(day),
                "timeOnChart": 1,
                "timeOnChartUnit": "day",
            }
            for place, track in enumerate(tracks, 1)
        ]


def artist_uuid(user: int) -> str:
    """Return the UUID of a user as an artist."""
    return f"{user:08x}-{_ARTIST}"


def song_uuid(track: int) -> str:
    """Return the UUID of a track as a song."""
    return f"{track:08x}-{_SONG}"


def slugs() -> Sequence[str]:
    """Return the names of the charts of songs."""
    return [f"soundcloud-top-{country.lower()}" for country in COUNTRIES]


def _meta(slug: str) -> dict[str, Any]:
    return {"name": slug, "type": "song", "slug": slug, "platform": "soundcloud", "frequency": "weekly"}


def _number(uuid: str, ending: str) -> int:
    match = _UUID.fullmatch(uuid)
    if match is None or match[2] != ending:
        raise _Refusal(404, "Not found.")
    return int(match[1], 16)


def _page(call: Call, rows: Sequence[Any]) -> dict[str, Any]:
    start, limit = int(call.query.get("offset", "0")), min(int(call.query.get("limit", "100")), LARGEST_LIMIT)
    stop = start + limit
    kept = [f"{name}={value}" for name, value in call.query.items() if name not in {"offset", "limit"}]
    link = f"{call.path}?{'&'.join([*kept, f'offset={stop}', f'limit={limit}'])}" if stop < len(rows) else None
    page = {"offset": start, "limit": limit, "next": link, "previous": None, "total": len(rows)}
    return {"related": {}, "items": list(rows[start:stop]), "page": page}


def _name(platform: str, identifier: str, url: str | None) -> dict[str, Any]:
    return {"platformName": platform.title(), "platformCode": platform, "identifier": identifier, "url": url}


def _days(call: Call) -> list[date]:
    end = _date(call.query["endDate"]) if "endDate" in call.query else LAST
    start = _date(call.query["startDate"]) if "startDate" in call.query else end - timedelta(days=SERIES_DAYS - 1)
    if not 0 <= (end - start).days < WINDOW_DAYS:
        raise _Refusal(400, f"at most {WINDOW_DAYS} days")
    return [
        start + timedelta(days=days) for days in range((end - start).days + 1) if start + timedelta(days=days) <= LAST
    ]


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00+00:00"


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise _Refusal(400, "not a date") from None


def _audience(counts: Sequence[int], day: date) -> dict[str, Any]:
    followers, followings, posts = (max(0, count - (LAST - day).days) for count in counts)
    told = {"followerCount": followers, "followingCount": followings, "postCount": posts}
    return {"date": _midnight(day), "likeCount": None, **told, "viewCount": None}


def _plays(track: int, likes: int, day: date) -> dict[str, Any]:
    value = max(0, 40 * likes - (LAST - day).days)
    return {"date": _midnight(day), "plots": [{"identifier": str(track), "value": value}]}
