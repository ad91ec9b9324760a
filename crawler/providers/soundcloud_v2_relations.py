"""What can be asked of the API behind SoundCloud's web site: one row per list.

The endpoints are those of the unofficial document (seed 004); `track_likes`, `playlist_likes`, `users/{}/comments` and
`system-playlists` are known from recorded answers and clients (field report, 2.2 and 2.3). Names of edges are those of
the official table, so that both give the same graph; `to_kind` "any" is a list of several kinds.
"""

from __future__ import annotations

from crawler.model import Paging, Relation
from crawler.providers.soundcloud_relations import MOST_FOLLOWINGS

LARGEST_BATCH = 50
CHART_KINDS = ("top", "trending")
GENRES = (
    *("all-music", "all-audio", "alternativerock", "ambient", "classical", "country", "danceedm", "dancehall"),
    *("deephouse", "disco", "drumbass", "dubstep", "electronic", "folksingersongwriter", "hiphoprap", "house", "indie"),
    *("jazzblues", "latin", "metal", "piano", "pop", "rbsoul", "reggae", "reggaeton", "rock", "soundtrack", "techno"),
    *("trance", "trap", "triphop", "world", "audiobooks", "business", "comedy", "entertainment", "learning"),
    *("newspolitics", "religionspirituality", "science", "sports", "storytelling", "technology"),
)
"""The genres of the charts, as the document lists them, without their prefix "soundcloud:genres:"."""

SEARCHES = ("everything", "users", "tracks", "albums", "playlists_without_albums")


def _row(
    kind: str, name: str, to_kind: str, edge: str | None, path: str, paging: Paging = "cursor", count: str | None = None
) -> Relation:
    wall = MOST_FOLLOWINGS if name == "followings" else None
    return Relation(kind, name, to_kind, edge, path, paging, count=count, wall=wall)


def _inward(kind: str, name: str, to_kind: str, edge: str, path: str, paging: Paging = "cursor") -> Relation:
    count = "followers_count" if name == "followers" else None
    return Relation(kind, name, to_kind, edge, path, paging, inward=True, count=count)


RELATIONS: tuple[Relation, ...] = (
    _inward("user", "followers", "user", "follows", "/users/{}/followers"),
    _row("user", "followings", "user", "follows", "/users/{}/followings", count="followings_count"),
    _row("user", "likes", "any", "likes", "/users/{}/likes"),
    _row("user", "track_likes", "track", "likes", "/users/{}/track_likes"),
    _row("user", "playlist_likes", "playlist", "likes", "/users/{}/playlist_likes"),
    _row("user", "reposts", "any", "reposts", "/stream/users/{}/reposts?limit=50"),  # more than 50 get an error
    _row("user", "tracks", "track", "posted", "/users/{}/tracks", count="track_count"),
    _row("user", "top_tracks", "track", "top", "/users/{}/toptracks", "offset"),
    _row("user", "spotlight", "any", "spotlights", "/users/{}/spotlight", "offset"),
    _row("user", "albums", "playlist", "posted", "/users/{}/albums", "offset"),
    _row("user", "playlists_without_albums", "playlist", "posted", "/users/{}/playlists_without_albums", "offset"),
    _row("user", "related", "user", "related", "/users/{}/relatedartists", "offset"),
    _row("user", "featured_profiles", "user", "features", "/users/{}/featured-profiles", "offset"),
    _row("user", "web_profiles", "web_profile", "links", "/users/soundcloud:users:{}/web-profiles", "none"),
    _row("user", "comments_written", "track", "commented", "/users/{}/comments", "offset"),
    _row("user", "profile", "user", None, "/users/{}", "none"),
    _inward("track", "likers", "user", "likes", "/tracks/{}/likers"),
    _inward("track", "reposters", "user", "reposts", "/tracks/{}/reposters"),
    _row("track", "related", "track", "related", "/tracks/{}/related", "offset"),
    _inward("track", "albums", "playlist", "contains", "/tracks/{}/albums", "offset"),
    _inward(
        "track", "playlists_without_albums", "playlist", "contains", "/tracks/{}/playlists_without_albums", "offset"
    ),
    _inward("track", "comments", "user", "commented", "/tracks/{}/comments?threaded=0&filter_replies=0", "offset"),
    _row("track", "profile", "track", None, "/tracks/{}", "none"),
    _inward("playlist", "likers", "user", "likes", "/playlists/{}/likers"),
    _inward("playlist", "reposters", "user", "reposts", "/playlists/{}/reposters"),
    _row("playlist", "tracks", "track", "contains", "/playlists/{}", "none"),  # the first five whole, then stubs
    _row("playlist", "profile", "playlist", None, "/playlists/{}", "none"),
    _row("system_playlist", "tracks", "track", "contains", "/system-playlists/{}", "none"),
    _row("chart", "charted", "track", "charted", "/charts?{}", "offset"),
    _row("featured", "tracks", "track", "features", "/featured_tracks/{}", "offset"),
    _row("discover", "selections", "any", "features", "/{}", "offset"),
    # No nodes but ways to ask for them: up to 50 ids, an address, a text to search for.
    _row("tracks", "profile", "track", None, "/tracks?ids={}", "none"),
    _row("url", "resolve", "any", None, "/resolve?url={}", "none"),
    _row("search", "everything", "any", None, "/search?q={}", "offset"),
    *(_row("search", name, name[:-1], None, f"/search/{name}?q={{}}", "offset") for name in ("users", "tracks")),
    *(_row("search", name, "playlist", None, f"/search/{name}?q={{}}", "offset") for name in SEARCHES[3:]),
)
"""The table. Counts of users can be trusted in lists too: recorded lists show whole users with the counts they have."""
