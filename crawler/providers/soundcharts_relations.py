"""What is asked of Soundcharts: one row per list. Every endpoint has a version of its own in its path.

Paths: the vendor's client 1.3.3 and reference, as the field report on the charts has them (2.4). `{}` is the id.
Lists of points, places and names have records as rows; what they name besides are nodes to go on from.
"""

from __future__ import annotations

from crawler.model import Paging, Relation

PLATFORM = "soundcloud"
_BY_PLATFORM = f"by-platform/{PLATFORM}/{{}}"


def _row(kind: str, name: str, to_kind: str, path: str, edge: str | None = None, paging: Paging = "offset") -> Relation:
    return Relation(kind, name, to_kind, edge, path, paging)


def _records(kind: str, name: str, path: str) -> Relation:
    return Relation(kind, name, kind, None, path, "offset", rows="records")


def _one(kind: str, name: str, to_kind: str, path: str) -> Relation:
    return Relation(kind, name, to_kind, None, path, "none")


RELATIONS: tuple[Relation, ...] = (
    _one("artist", "profile", "artist", "/api/v2.9/artist/{}"),
    _records("artist", "identifiers", "/api/v2/artist/{}/identifiers"),
    _records("artist", "audience", f"/api/v2/artist/{{}}/audience/{PLATFORM}"),
    # "Fans also like", from Spotify: a likeness to compare with SoundCloud's graph, not a part of it.
    _row("artist", "related", "artist", "/api/v2/artist/{}/related", "related"),
    _row("artist", "songs", "song", "/api/v2.21/artist/{}/songs", "performs"),
    _row("artist", "song_chart_entries", "song", f"/api/v2/artist/{{}}/charts/song/ranks/{PLATFORM}?currentOnly=0"),
    _one("song", "profile", "song", "/api/v2.25/song/{}"),
    _records("song", "identifiers", "/api/v2/song/{}/identifiers"),
    _records("song", "audience", f"/api/v2/song/{{}}/audience/{PLATFORM}"),
    _records("song", "chart_entries", f"/api/v2/song/{{}}/charts/ranks/{PLATFORM}?currentOnly=0"),
    _row("song_chart", "ranking", "song", "/api/v2.14/chart/song/{}/ranking/{}", "charted"),
    _row("song_chart", "available", "song_chart", "/api/v2/chart/song/{}/available-rankings"),
    # No nodes but names to ask by. An artist or song that is not known is then looked for by the service, so these
    # submit it to a commercial index: nothing of the kind is asked unless the configuration says so.
    _row("platform", "song_charts", "song_chart", "/api/v2/chart/song/by-platform/{}"),
    _one("permalink", "artist", "artist", f"/api/v2.9/artist/{_BY_PLATFORM}"),
    _one("track", "song", "song", f"/api/v2.25/song/{_BY_PLATFORM}"),
    _one("isrc", "song", "song", "/api/v2.25/song/by-isrc/{}"),
)
