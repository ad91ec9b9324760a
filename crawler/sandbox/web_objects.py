"""The JSON of users, tracks, playlists and comments as the API behind the web site has it.

Keys and nulls come from the recorded answers (observed fields, "api-v2-2026"): a whole user has 33 keys and the counts
that it has, a small one 19; a playlist has no `urn`; a stub has four keys. The same node has the same dates here and in
the official dialect. Objects are built one by one: these lists are for crawls that are compared, not for speed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crawler.sandbox.layout import DATES
from crawler.sandbox.objects import dates_of, mixed_of
from crawler.sandbox.world import COUNTED, World

Json = dict[str, Any]
FIRST_WHOLE = 5
"""So many tracks of a playlist come whole, the others as stubs."""
_POLICIES = (("MONETIZE", "AD_SUPPORTED"), ("ALLOW", "NOT_APPLICABLE"), ("SNIP", "SUB_HIGH_TIER"))
_PLACES = (("Berlin", "DE"), ("S\u00e3o Paulo", "BR"), (None, None), ("Lagos", "NG"))
_SITE = "https://soundcloud.com"
_API = "https://api.soundcloud.com"


class WebObjects:
    """The objects of a world, as dictionaries."""

    def __init__(self, world: World) -> None:
        self._world = world

    def user(self, node: int) -> Json:
        """Return a whole user, with the counts that it has."""
        counts = dict(zip(COUNTED["user"], self._world.counts("user", np.array([node]))[0].tolist(), strict=True))
        return self.small_user(node) | {
            "comments_count": self._world.count("user", node, "comments"),
            "created_at": _dates(node)[0],
            "creator_subscriptions": [{"product": {"id": "free"}}],
            "creator_subscription": {"product": {"id": "free"}},
            "description": None,
            "followings_count": counts["followings"],
            "groups_count": 0,
            "likes_count": counts["likes/tracks"],
            "playlist_likes_count": counts["likes/playlists"],
            "playlist_count": counts["playlists"],
            "reposts_count": None,
            "track_count": counts["tracks"],
            "visuals": None,
            "date_of_birth": None,
        }

    def small_user(self, node: int) -> Json:
        """Return the user inside of other objects."""
        city, country = _PLACES[_mixed(node) >> 30]
        return {
            "avatar_url": f"https://i1.sndcdn.com/avatars-{node:09}-sandbx-large.jpg",
            "city": city,
            "country_code": country,
            "first_name": "",
            "followers_count": self._world.count("user", node, "followers"),
            "full_name": "",
            "id": node,
            "kind": "user",
            "last_modified": _dates(node)[1],
            "last_name": "",
            "permalink": f"user-{node:09}",
            "permalink_url": f"{_SITE}/user-{node:09}",
            "uri": f"{_API}/users/soundcloud%3Ausers%3A{node}",
            "urn": f"soundcloud:users:{node}",
            "username": f"User {node}",
            "verified": False,
            "badges": {"pro": False, "creator_mid_tier": False, "pro_unlimited": False, "verified": False},
            "station_urn": f"soundcloud:system-playlists:artist-stations:{node}",
            "station_permalink": f"artist-stations:{node}",
        }

    def track(self, node: int) -> Json:
        """Return a whole track, with a small user."""
        owner = int(self._world.owners("track", np.array([node]))[0])
        created, modified = _dates(node)
        policy, model = _POLICIES[_mixed(node) >> 30 & 1 if node % 7 else 2]
        duration = 30_000 + (_mixed(node) >> 14)
        return {
            "artwork_url": None,
            "caption": None,
            "commentable": True,
            "comment_count": self._world.count("track", node, "comments"),
            "created_at": created,
            "description": None,
            "downloadable": False,
            "download_count": 0,
            "duration": 30_000 if policy == "SNIP" else duration,
            "full_duration": duration,
            "embeddable_by": "all",
            "genre": "Techno",
            "has_downloads_left": False,
            "id": node,
            "kind": "track",
            "label_name": None,
            "last_modified": modified,
            "license": "all-rights-reserved",
            "likes_count": self._world.count("track", node, "favoriters"),
            "permalink": f"track-{node:010}",
            "permalink_url": f"{_SITE}/user-{owner:09}/track-{node:010}",
            "playback_count": 40 * self._world.count("track", node, "favoriters"),
            "public": True,
            "publisher_metadata": None,
            "purchase_title": None,
            "purchase_url": None,
            "release_date": None,
            "reposts_count": self._world.count("track", node, "reposters"),
            "secret_token": None,
            "sharing": "public",
            "state": "finished",
            "streamable": True,
            "tag_list": "",
            "title": f"Track {node}",
            "uri": f"{_API}/tracks/soundcloud%3Atracks%3A{node}",
            "urn": f"soundcloud:tracks:{node}",
            "user_id": owner,
            "visuals": None,
            "waveform_url": f"https://wave.sndcdn.com/{node:010}_m.json",
            "display_date": created,
            "media": {"transcodings": []},
            "station_urn": f"soundcloud:system-playlists:track-stations:{node}",
            "station_permalink": f"track-stations:{node}",
            "track_authorization": "made-up",
            "monetization_model": model,
            "policy": policy,
            "user": self.small_user(owner),
        }

    def stub(self, node: int) -> Json:
        """Return what a playlist shows of all but its first tracks."""
        return {"id": node, "kind": "track", "monetization_model": "NOT_APPLICABLE", "policy": "ALLOW"}

    def playlist(self, node: int, *, with_tracks: bool = True) -> Json:
        """Return a playlist; its first tracks come whole, the others as stubs."""
        owner = int(self._world.owners("playlist", np.array([node]))[0])
        created, modified = _dates(node)
        count = self._world.count("playlist", node, "tracks")
        shown: Json = {
            "artwork_url": None,
            "created_at": created,
            "duration": _mixed(node) >> 10,
            "id": node,
            "kind": "playlist",
            "last_modified": modified,
            "likes_count": self._world.count("playlist", node, "likers"),
            "managed_by_feeds": False,
            "permalink": f"set-{node:010}",
            "permalink_url": f"{_SITE}/user-{owner:09}/sets/set-{node:010}",
            "public": True,
            "reposts_count": self._world.count("playlist", node, "reposters"),
            "secret_token": None,
            "sharing": "public",
            "title": f"Set {node}",
            "track_count": count,
            "uri": f"{_API}/playlists/soundcloud%3Aplaylists%3A{node}",
            "user_id": owner,
            "set_type": "album" if is_album(node) else "",
            "is_album": is_album(node),
            "published_at": created,
            "release_date": None,
            "display_date": created,
            "user": self.small_user(owner),
        }
        if with_tracks:
            tracks = self._world.rows("playlist", node, "tracks", 0, count).tolist()
            shown |= {"tracks": self.some_stubs(tracks), "genre": "", "tag_list": "", "embeddable_by": "all"}
            shown |= dict.fromkeys(("description", "label_name", "purchase_title", "purchase_url"))
            shown["license"] = "all-rights-reserved"
        return shown

    def some_stubs(self, tracks: list[int]) -> list[Json]:
        """Return tracks as a playlist shows them."""
        return [self.track(node) if i < FIRST_WHOLE else self.stub(node) for i, node in enumerate(tracks)]

    def comment(self, node: int) -> Json:
        """Return a comment, with a small user."""
        owner = int(self._world.owners("comment", np.array([node]))[0])
        return {
            "kind": "comment",
            "id": node,
            "body": f"Comment {node}",
            "created_at": _dates(node)[0],
            "timestamp": _mixed(node) >> 15,
            "track_id": int(self._world.commented(np.array([node]))[0]),
            "user_id": owner,
            "self": {"urn": f"soundcloud:comments:{node}"},
            "user": self.small_user(owner),
        }

    def of(self, kind: str, node: int) -> Json:
        """Return the whole object of a kind."""
        whole = {"user": self.user, "track": self.track, "playlist": self.playlist, "comment": self.comment}
        return whole[kind](node)


def is_album(playlist: int) -> bool:
    """Tell the albums of a world from its other playlists: every third one."""
    return playlist % 3 == 0


def iso(milliseconds: int, *, fraction: bool = False) -> str:
    """Return a moment as the web's API writes it."""
    text = str(np.datetime64(milliseconds, "ms"))
    return f"{text}Z" if fraction else f"{text.partition('.')[0]}Z"


def _mixed(node: int) -> int:
    return int(mixed_of(np.array([node]))[0])


def _dates(node: int) -> tuple[str, str]:
    """Return when a node was made and changed; the official dialect shows the same moments."""
    places = dates_of(mixed_of(np.array([node])))
    return _iso_date(int(places["created"][0])), _iso_date(int(places["modified"][0]))


def _iso_date(place: int) -> str:
    text = DATES[place].tobytes().decode()
    return f"{text.replace('/', '-').replace(' ', 'T')}Z"
