"""Rows of Soundcharts -> nodes, points, places in charts, and other names.

What the recorded bodies prove (field report on the charts, 2.5): an artist's row for SoundCloud has the changeable name
in `identifier` and the number in `url`, so both are read in either place; an ISRC is text or an object; dates are local
midnights, so that their first ten characters are the day and UTC may be the day before; a country may be empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from crawler.model import CrossReference, Item, Point, Ranking
from crawler.providers.charts import day_of, isrc_of, permalink_of, whole_number
from crawler.providers.described import described
from crawler.providers.soundcharts_relations import PLATFORM
from crawler.providers.soundcloud_fields import Keep
from crawler.providers.soundcloud_links import read_id

_METRICS = {
    "followerCount": "followers",
    "followingCount": "followings",
    "postCount": "posts",
    "likeCount": "likes",
    "viewCount": "views",
    "value": "followers",
}
_SOUNDCLOUD = {"artist": ("user", "soundcloud_user_id"), "song": ("track", "soundcloud_track_id")}


def thing(served: object, kind: str, keep: Keep, *, whole: bool = False) -> Item | None:
    """Return an artist or a song as an item, None for what has no UUID."""
    row = served if isinstance(served, dict) else {}
    identity = row.get("uuid")
    if not isinstance(identity, str) or not identity:
        return None
    data = _artist(row) if kind == "artist" else _song(row)
    item = Item(kind, identity, identity, "full" if whole else "mini", described(data, row, keep))
    artists = row.get("artists")
    if kind == "song" and isinstance(artists, list):
        item.others = tuple(one for artist in artists if (one := thing(artist, "artist", keep)))
    return item


def _artist(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "username": row.get("name"),
        "permalink": row.get("slug"),
        "permalink_url": row.get("appUrl"),
        "avatar_url": row.get("imageUrl"),
        "country_code": row.get("countryCode") or None,
    }


def _song(row: Mapping[str, Any]) -> dict[str, Any]:
    released = day_of(row.get("releaseDate"))
    year, month, day = released.split("-") if released else (None, None, None)
    return {
        "title": row.get("name"),
        "isrc": isrc_in(row),
        "metadata_artist": row.get("creditName"),
        "label_name": row.get("label") or None,
        "permalink_url": row.get("appUrl"),
        "artwork_url": row.get("imageUrl"),
        **dict(zip(("release_year", "release_month", "release_day"), (year, month, day), strict=True)),
    }


def isrc_in(row: Mapping[str, Any]) -> str | None:
    """Return a song's ISRC, which is text in one endpoint and an object in another."""
    isrc = row.get("isrc")
    return isrc_of(isrc.get("value") if isinstance(isrc, dict) else isrc)


def points(kind: str, identity: str, row: object) -> list[Point] | None:
    """Return the points of one date, None when it has no date; a metric without a value is left out."""
    served = row if isinstance(row, dict) else {}
    date = day_of(served.get("date"))
    if date is None:
        return None
    found = []
    plots = served.get("plots")
    for plot in plots if isinstance(plots, list) else ():
        value = whole_number(plot.get("value")) if isinstance(plot, dict) else None
        if value is not None:
            found.append(Point(kind, identity, PLATFORM, "plays", _text(plot.get("identifier")), date, value))
    for name, metric in _METRICS.items():
        value = whole_number(served.get(name))
        if value is not None:
            found.append(Point(kind, identity, PLATFORM, metric, None, date, value))
    return found


def ranking(row: object, chart: str | None, song: str | None, requested: str | None) -> Ranking | None:
    """Return a place in a chart; None for what has none. A position of 0 says that it is held no longer: no place."""
    served = row if isinstance(row, dict) else {}
    told, sung = served.get("chart"), served.get("song")
    slug = chart or (told.get("slug") if isinstance(told, dict) else None)
    identity = sung.get("uuid") if isinstance(sung, dict) else song
    rank, date = whole_number(served.get("position")), day_of(served.get("rankDate")) or requested
    if not rank or rank < 0 or not date or not isinstance(slug, str) or not isinstance(identity, str):
        return None
    return Ranking(
        slug,
        "song",
        identity,
        date,
        requested if requested and requested != date else None,
        rank,
        previous_rank=whole_number(served.get("oldPosition")) or None,
        time_on_chart=whole_number(served.get("timeOnChart")),
        plays=whole_number(served.get("metric")),
    )


def is_over(row: object) -> bool:
    """Tell whether a row says that a place in a chart is held no longer."""
    return isinstance(row, dict) and row.get("position") == 0


def names(kind: str, identity: str, row: object) -> list[CrossReference] | None:
    """Return the names in one row of a list of identifiers, None when it has none."""
    served = row if isinstance(row, dict) else {}
    platform, value = served.get("platformCode"), _text(served.get("identifier"))
    if not isinstance(platform, str) or not value:
        return None
    if platform == PLATFORM:
        return list(_on_soundcloud(kind, identity, served))
    scheme, name = platform, value
    if platform == "isrc":
        name = isrc_of(value) or value
    return [CrossReference(kind, identity, scheme, name, "identifiers", _default(served))]


def _on_soundcloud(kind: str, identity: str, row: Mapping[str, Any]) -> Iterator[CrossReference]:
    is_default = _default(row)
    given = {"identifiers": _text(row.get("identifier")), "url": permalink_of(row.get("url"))}
    seen: set[str] = set()
    for evidence, value in given.items():
        if not value or value in seen:
            continue
        seen.add(value)
        scheme = _SOUNDCLOUD[kind][1] if value.isdecimal() else "soundcloud_permalink"
        yield CrossReference(kind, identity, scheme, value, evidence, is_default)


def _default(row: Mapping[str, Any]) -> bool | None:
    value = row.get("default")
    return value if isinstance(value, bool) else None


def node_of(name: CrossReference) -> Item | None:
    """Return the node of SoundCloud's graph that a name is the number of, else None."""
    kind, scheme = _SOUNDCLOUD[name.kind]
    number = read_id(name.value, kind) if name.scheme == scheme else None
    return None if number is None else Item(kind, number, number, "id", None)


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) and str(value) else None
