"""Chartmetric's dialect over the world: a token, and SoundCloud's charts by week (seed 000; field report, part 1).

A chart has the same tracks week after week, in an order that turns by one place, so that the history on each row can be
checked against the charts of the weeks that it tells of. Charts are dated by Fridays from `FIRST` to `LAST`; all others
are empty, as they were seen to be. Unknown parameters are refused, in the words that clients report.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from email.utils import formatdate
from typing import Any

import numpy as np

from crawler.sandbox.finding import found
from crawler.sandbox.objects import Objects
from crawler.sandbox.reply import JSON, Call, Reply, Route
from crawler.sandbox.world import World

PREFIX = "/chartmetric"
FIRST, LAST = date(2024, 1, 5), date(2026, 5, 29)
LENGTH = 60
GENRES = ("all-music", "danceedm", "house", "soundtrack", "techno", "world")
COUNTRIES = ("AU", "DE", "GLOBAL", "IE", "US")
TOKEN_SECONDS = 3600
WINDOW_REQUESTS = 1000
_HISTORY_WEEKS = 4
_WEEK = timedelta(days=7)
_NAMES_PATH = re.compile(r"/api/track/soundcloud/(\d{1,18})/get-ids")
_KNOWN = frozenset({"country_code", "kind", "genre", "date", "latest", "offset", "raw", "chart_type"})
_ENUMS = {"kind": ("top", "trending"), "genre": GENRES, "country_code": COUNTRIES, "chart_type": ("track", "trending")}


class ChartmetricDialect:
    """The routes below `PREFIX`; `now` counts seconds, `epoch` is the date in seconds since 1970."""

    def __init__(self, world: World, now: Callable[[], float], epoch: Callable[[], float]) -> None:
        self._world = world
        self._objects = Objects(world)
        self._now = now
        self._epoch = epoch
        self._until: dict[str, float] = {}
        self.exchanged = 0

    def route(self, call: Call) -> Route:
        """Return the route of a call whose path begins after the prefix."""
        if call.path == "/api/token":
            return Route("chartmetric token", self._token)
        answers: Mapping[str, Callable[[Call], Reply]] = {
            "/api/charts/soundcloud": self._chart,
            "/api/charts/genres/soundcloud": lambda _: self._ok([{"id": n, "name": g} for n, g in enumerate(GENRES)]),
            "/api/charts/soundcloud/countries": lambda _: self._ok({"countries": list(COUNTRIES)}),
        }
        number = _NAMES_PATH.fullmatch(call.path)
        if number:
            return Route("chartmetric get-ids", self._guarded(lambda _: self._names(int(number[1]))))
        # A path that there is not, or that the plan does not hold, is answered like a dead token.
        answer = answers.get(call.path, lambda _: self._reply(401, {"error": "Unauthorized"}))
        return Route(call.path.removeprefix("/api/").replace("charts", "chartmetric charts", 1), self._guarded(answer))

    def _guarded(self, answer: Callable[[Call], Reply]) -> Callable[[Call], Reply]:
        def answered(call: Call) -> Reply:
            scheme, _, token = call.headers.get("authorization", "").partition(" ")
            if scheme != "Bearer" or self._until.get(token, float("-inf")) <= self._now():
                return self._reply(401, {"error": "Unauthorized"})
            return answer(call)

        return answered

    def _token(self, call: Call) -> Reply:
        try:
            asked = json.loads(call.body)
        except ValueError:
            asked = None
        if call.method != "POST" or not isinstance(asked, dict) or not asked.get("refreshtoken"):
            return self._reply(400, {"error": "refreshtoken is required"})
        self.exchanged += 1
        token = hashlib.blake2b(f"chartmetric {self.exchanged}".encode(), digest_size=16).hexdigest()
        self._until[token] = self._now() + TOKEN_SECONDS
        found = {"token": token, "expires_in": TOKEN_SECONDS, "refresh_token": asked["refreshtoken"], "scope": "api"}
        return self._reply(200, found)

    def _chart(self, call: Call) -> Reply:
        query = call.query
        problem = _problem(query)
        if problem:
            return self._reply(400, {"error": problem})
        day = LAST if query.get("latest") == "true" else date.fromisoformat(query["date"][:10])
        if not FIRST <= day <= LAST or (day - FIRST) % _WEEK:
            return self._ok([])
        start = int(query.get("offset", "0"))
        rows = self._rows(query, day)[start:]
        return self._ok({"length": None, "data": rows})

    def _names(self, track: int) -> Reply:
        if not self._world.exists("track", track):
            return self._ok([])
        names = {
            "isrc": None,
            "chartmetric_ids": [track % 1_000_003],
            "soundcloud_ids": [str(track)],
            "spotify_ids": [],
        }
        return self._ok([names])

    def _rows(self, query: Mapping[str, str], day: date) -> list[dict[str, Any]]:
        name = f"chart of {query['kind']} {query['genre']} {query['country_code']} {query.get('chart_type', 'track')}"
        tracks = found(self._world, "track", name, LENGTH)
        served = json.loads(b"[%b]" % self._objects.tracks(np.array(tracks, dtype=np.int64))) if tracks else []
        by_id = {thing["id"]: thing for thing in served}
        ordered = order(tracks, day)
        return [self._row(by_id[track], rank, tracks, day, query) for rank, track in enumerate(ordered, 1)]

    def _row(
        self, track: dict[str, Any], rank: int, tracks: list[int], day: date, query: Mapping[str, str]
    ) -> dict[str, Any]:
        weeks = [day - _WEEK * back for back in range(_HISTORY_WEEKS) if day - _WEEK * back >= FIRST]
        ranks = [order(tracks, week).index(track["id"]) + 1 for week in weeks]
        owner = np.array([track["user"]["id"]], dtype=np.int64)
        row = {
            "id": rank,
            "name": track["title"],
            "isrc": None,
            "image_url": None,
            "cm_track": track["id"] % 1_000_003,
            "cm_artist": [track["user"]["id"]],
            "artist_names": [track["user"]["username"]],
            "album_upc": [],
            "rank": rank,
            "pre_rank": ranks[1] if ranks[1:] else None,
            "added_at": f"{day.isoformat()}T00:00:00.000Z",
            "time_on_chart": str((day - FIRST) // _WEEK + 1),
            "genre": query["genre"],
            "kind": query["kind"],
            "soundcloud_track_id": str(track["id"]),
            "playcount_all": str(track["playback_count"]),
            "playcount_weekly": None,
            "permalink_url": track["permalink_url"],
            "soundcloud_user": json.loads(self._objects.users(owner)),
            "rankStats": [{"rank": one, "timestp": week.isoformat()} for one, week in zip(ranks, weeks, strict=True)],
        }
        if query.get("raw") == "false":
            row |= {"peak_rank": min(ranks), "peak_date": f"{day.isoformat()}T00:00:00.000Z"}
        return row

    def _ok(self, rows: object) -> Reply:
        return self._reply(200, {"obj": rows})

    def _reply(self, status: int, body: object) -> Reply:
        moment = self._epoch()
        limits = (
            ("date", formatdate(moment, usegmt=True)),
            ("x-ratelimit-limit", str(WINDOW_REQUESTS)),
            ("x-ratelimit-remaining", str(WINDOW_REQUESTS - 1)),
            ("x-ratelimit-reset", str(int(moment))),
        )
        return Reply(status, (*JSON, *limits), json.dumps(body).encode())


def order(tracks: list[int], day: date) -> list[int]:
    """Return the tracks of a chart in the order of a week: each week all move up by one, and the first goes last."""
    turn = (day - FIRST) // _WEEK % max(len(tracks), 1)
    return tracks[turn:] + tracks[:turn]


def _problem(query: Mapping[str, str]) -> str | None:
    for name in query:
        if name not in _KNOWN:
            return f"'{name}' is not allowed"
    for name, values in _ENUMS.items():
        if name not in query and name != "chart_type":
            return f"'{name}' is required"
        if query.get(name, values[0]) not in values:
            return f"'{name}' must be one of [{', '.join(values)}]"
    if not query.get("date") and query.get("latest") != "true":
        return "No date was given"
    if not query.get("offset", "0").isdecimal():
        return "'offset' must be a number"
    return None
