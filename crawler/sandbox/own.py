"""What only the user behind a token sees: the uploads of those they follow, and the activities on their dashboard."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import numpy as np

from crawler.sandbox.objects import Objects
from crawler.sandbox.reply import JSON, Call, Reply
from crawler.sandbox.world import World

FEEDS = ("me/followings/tracks", "me/activities", "me/activities/tracks", "me/activities/all/own")
MOST_FOLLOWED = 50
DEFAULT_LIMIT = 50


def feed(world: World, objects: Objects, user: int, call: Call) -> Reply:
    """Answer for one of the feeds. Activities have an integer cursor, and a link to what is to come."""
    path = call.path.removeprefix("/")
    tracks = feed_tracks(world, user, own=path == FEEDS[3])
    is_activity = path != FEEDS[0]
    name = "cursor" if is_activity else "offset"
    text, start = (
        call.query.get("limit") or call.query.get("page_size") or str(DEFAULT_LIMIT),
        call.query.get(name, "0"),
    )
    if not (text.isdecimal() and start.isdecimal() and int(text)):
        return Reply(400, JSON, b'{"errors":[{"error_message":"400 - Bad Request"}]}')
    stop = int(start) + int(text)
    ids = np.array(tracks[int(start) : stop], dtype=np.int64)
    shown: list[Any] = json.loads(b"[%b]" % objects.tracks(ids)) if len(ids) else []
    host = f"http://{call.headers.get('host', '127.0.0.1')}{call.path}"
    page: dict[str, Any] = {"collection": shown}
    page["next_href"] = f"{host}?{urlencode({'page_size': text, name: stop})}" if stop < len(tracks) else None
    if is_activity:
        page["collection"] = [{"type": "track", "created_at": row["created_at"], "origin": row} for row in shown]
        page["future_href"] = f"{host}?{urlencode({'limit': text, 'uuid[to]': 0})}"
    return Reply(200, JSON, json.dumps(page).encode())


def feed_tracks(world: World, user: int, *, own: bool = False) -> list[int]:
    """Return the tracks that a feed shows: the user's own, or those of the first users that they follow."""
    followed = world.rows("user", user, "followings", 0, min(MOST_FOLLOWED, world.count("user", user, "followings")))
    users = [user] if own else followed.tolist()
    return [
        track
        for one in users
        for track in world.rows("user", one, "tracks", 0, world.count("user", one, "tracks")).tolist()
    ]
