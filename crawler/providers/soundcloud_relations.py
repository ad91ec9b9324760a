"""What can be asked of SoundCloud's official API: one row per list, the endpoints of its OpenAPI document.

`path` carries the parameters that belong to the list itself; `{}` is where the node's id goes. The names of the edges
are canonical: a follow runs from the follower to the followed, whichever of the two lists showed it.
"""

from __future__ import annotations

from crawler.model import Paging, Relation

_ACCESS = "access=playable,preview,blocked"
"""All three, because the default leaves out "blocked", whose rows then vanish without a trace (soundcloud/api #439)."""

MOST_FOLLOWINGS = 2000
"""Nobody can follow more accounts (soundcloud/api issues 56, 479); a list that long may have been cut there."""

OWN = frozenset({"followers", "followings", "likes_tracks", "likes_playlists", "tracks", "playlists", "profile"})
"""The relations of a user that are also below /me."""
ACTIVITIES = {
    "activities": "/me/activities",
    "activities_tracks": "/me/activities/tracks",
    "activities_own": "/me/activities/all/own",
}

_BATCH = "linked_partitioning=true"


def _row(
    kind: str,
    name: str,
    to_kind: str,
    edge: str | None,
    path: str,
    count: str | None = None,
    *,
    paging: Paging = "cursor",
) -> Relation:
    wall = MOST_FOLLOWINGS if name == "followings" else None
    return Relation(kind, name, to_kind, edge, path, paging, count=count, wall=wall)


def _inward(
    kind: str, name: str, edge: str, path: str, count: str | None = None, paging: Paging = "cursor"
) -> Relation:
    return Relation(kind, name, "user", edge, path, paging, inward=True, count=count)


RELATIONS: tuple[Relation, ...] = (
    # Counts that can be trusted are those of /users/{} only, and of these not all. public_favorites_count adds up
    # tracks, playlists and albums (a maintainer in #59), so no list has its length; reposts_count was seen null, and
    # comments_count has been 0 since 2022 (#66). A wrong 0 would make the crawler skip a list that has rows.
    _inward("user", "followers", "follows", "/users/{}/followers", "followers_count"),
    _row("user", "followings", "user", "follows", "/users/{}/followings", "followings_count"),
    _row("user", "likes_tracks", "track", "likes", f"/users/{{}}/likes/tracks?{_ACCESS}"),
    _row("user", "likes_playlists", "playlist", "likes", "/users/{}/likes/playlists"),
    _row("user", "reposts_tracks", "track", "reposts", f"/users/{{}}/reposts/tracks?{_ACCESS}"),
    _row("user", "reposts_playlists", "playlist", "reposts", "/users/{}/reposts/playlists"),
    _row("user", "tracks", "track", "posted", f"/users/{{}}/tracks?{_ACCESS}", "track_count"),
    _row("user", "playlists", "playlist", "posted", "/users/{}/playlists?show_tracks=false", "playlist_count"),
    _row("user", "related", "user", "related", "/users/{}/related", paging="offset"),
    _row("user", "web_profiles", "web_profile", "links", "/users/{}/web-profiles"),
    _row("user", "profile", "user", None, "/users/{}", paging="none"),
    _inward("track", "favoriters", "likes", "/tracks/{}/favoriters"),
    _inward("track", "reposters", "reposts", "/tracks/{}/reposters"),
    _row("track", "related", "track", "related", f"/tracks/{{}}/related?{_ACCESS}", paging="offset"),
    _inward("track", "comments", "commented", "/tracks/{}/comments", paging="offset"),
    _row("track", "profile", "track", None, f"/tracks?urns={{}}&{_ACCESS}&{_BATCH}", paging="none"),
    _row("playlist", "tracks", "track", "contains", f"/playlists/{{}}/tracks?{_ACCESS}", paging="offset"),
    _inward("playlist", "reposters", "reposts", "/playlists/{}/reposters"),
    _row("playlist", "profile", "playlist", None, "/playlists/{}?show_tracks=false", paging="none"),
    # Not nodes of the graph but ways to ask for them: up to 50 ids joined by commas, and the address of a page.
    _row("tracks", "profile", "track", None, f"/tracks?urns={{}}&{_ACCESS}&{_BATCH}", paging="none"),
    _row("users", "profile", "user", None, f"/users?urns={{}}&{_BATCH}", paging="none"),
    _row("url", "resolve", "any", None, "/resolve?url={}", paging="none"),
    # The user who consented: the id first, then what only they see. Their lists are asked for below /me.
    _row("me", "resolve", "any", None, "/me", paging="none"),
    _row("me", "feed", "track", None, f"/me/followings/tracks?{_ACCESS}", paging="offset"),
    *(_row("me", name, "any", None, f"{path}?{_ACCESS}") for name, path in ACTIVITIES.items()),
    # A search gives nodes, as seeds.
    _row("search", "users", "user", None, "/users?q={}", paging="offset"),
    _row("search", "tracks", "track", None, "/tracks?q={}", paging="offset"),
    _row("search", "playlists", "playlist", None, "/playlists?q={}&show_tracks=false", paging="offset"),
)
"""The table. A track's profile goes the way of the batches: `/tracks?urns=` serves the same object for one or fifty."""
