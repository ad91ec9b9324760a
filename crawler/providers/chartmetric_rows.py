"""A row of a Chartmetric chart -> the track, its user, its places in the chart, and its other names.

Nearly everything in a row may be null, and numbers may be text (field report on the charts, 1.3). The row's `id` is not
the track's: that is `soundcloud_track_id`, and a row without it cannot be joined to anything, so it is counted as
unread and not guessed at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from crawler.model import CrossReference, Id, Item, Ranking, Record
from crawler.providers.charts import Chart, day_of, isrc_of, permalink_of, whole_number
from crawler.providers.described import described
from crawler.providers.soundcloud_fields import Keep
from crawler.providers.soundcloud_links import read_id
from crawler.providers.soundcloud_objects import RawBody, shape

_LISTED = {
    "album_upc": "upc",
    "cm_artist": "chartmetric_artist",
    "spotify_track_ids": "spotify_track",
    "itunes_track_ids": "itunes_track",
}
_EVIDENCE = "row_inline"
SCHEMES = {
    "cm_track": "chartmetric_track",
    "chartmetric_ids": "chartmetric_track",
    "chartmetric_id": "chartmetric_track",
    "id": "chartmetric_track",
    "cm_album": "chartmetric_album",
    "cm_artist": "chartmetric_artist",
    "isrc": "isrc",
    "soundcloud_ids": "soundcloud_track_id",
    "spotify_ids": "spotify_track",
    "itunes_ids": "itunes_track",
    "deezer_ids": "deezer_track",
    "amazon_ids": "amazon_track",
    "youtube_ids": "youtube_video",
    "shazam_ids": "shazam_track",
    "tiktok_ids": "tiktok_track",
    "beatport_ids": "beatport_track",
    "qq_ids": "qq_track",
    "genius_ids": "genius_track",
}
"""What the keys of get-ids name. Its answers vary: one id or a list, a number or text, in `obj` or beside it."""


class Read(NamedTuple):
    """What a row means: an item, and what it tells besides."""

    item: Item
    records: list[Record]


def read_row(row: Any, chart: Chart, keep: Keep) -> Read | None:  # noqa: ANN401 - JSON
    """Return what a row means, None when it names no track."""
    served = row if isinstance(row, dict) else {}
    identity = served.get("soundcloud_track_id")
    track = read_id(identity, "track") if isinstance(identity, int | str) else None
    if not isinstance(track, int):
        return None
    date = day_of(served.get("added_at")) or chart.date
    item = Item("track", track, track, "mini", described(_data(served), served, keep))
    item.at = None if date is None else f"{date}T00:00:00Z"
    item.owner = _user(served.get("soundcloud_user"), keep)
    records: list[Record] = [*_rankings(served, item, chart, date), *_names(served, item)]
    return Read(item, records)


def _data(row: Mapping[str, Any]) -> dict[str, Any]:
    released = day_of(_first(row.get("release_dates")))
    year, month, day = released.split("-") if released else (None, None, None)
    return {
        "title": row.get("name"),
        "genre": row.get("genre"),
        "playback_count": whole_number(row.get("playcount_all")),
        "permalink_url": row.get("permalink_url"),
        "artwork_url": row.get("artwork_url") or row.get("image_url"),
        "description": row.get("description"),
        "isrc": isrc_of(row.get("isrc")),
        "metadata_artist": row.get("artist"),
        "label_name": _first(row.get("album_label")) or row.get("album_label"),
        **dict(zip(("release_year", "release_month", "release_day"), (year, month, day), strict=True)),
    }


def _first(value: object) -> Any:  # noqa: ANN401 - JSON
    return value[0] if isinstance(value, list) and value else None


def _user(served: object, keep: Keep) -> Item | None:
    """Read the nested user, SoundCloud's own object passed on; its inner fields were never seen, so it may be empty."""
    if not isinstance(served, dict):
        return None
    identity = next((served[key] for key in ("id", "urn") if isinstance(served.get(key), int | str)), None)
    user = read_id(identity, "user")
    if user is None:
        return None
    row = shape("user", keep).read(served)
    body = None if row is None else RawBody(served) if keep == "raw" else row
    return Item("user", user, user, "id" if body is None else "mini", body)


def _rankings(row: Mapping[str, Any], item: Item, chart: Chart, date: str | None) -> Iterator[Ranking]:
    """Yield the place of this date, and those of earlier ones that the row tells of."""
    rank = whole_number(row.get("rank"))
    if rank is not None and rank > 0 and date is not None:
        yield Ranking(
            chart.series,
            "track",
            item.id,
            date,
            None if date == chart.date else chart.date,
            rank,
            previous_rank=_place(row.get("pre_rank")),
            peak_rank=_place(row.get("peak_rank")),
            peak_date=day_of(row.get("peak_date")) if _place(row.get("peak_rank")) else None,
            time_on_chart=whole_number(row.get("time_on_chart")),
            plays=whole_number(row.get("playcount_all")),
            plays_of_week=whole_number(row.get("playcount_weekly")),
        )
    history = row.get("rankStats", row.get("rank_stats"))
    for point in history if isinstance(history, list) else ():
        day = day_of(point.get("timestp")) if isinstance(point, dict) else None
        place = _place(point.get("rank")) if day else None
        if day and place:
            yield Ranking(chart.series, "track", item.id, day, None, place, origin="history")


def _place(value: object) -> int | None:
    rank = whole_number(value)
    return rank if rank is not None and rank > 0 else None


def _names(row: Mapping[str, Any], item: Item) -> Iterator[CrossReference]:
    isrc, permalink = isrc_of(row.get("isrc")), permalink_of(row.get("permalink_url"))
    if isrc:
        yield CrossReference("track", item.id, "isrc", isrc, _EVIDENCE)
    if permalink:
        yield CrossReference("track", item.id, "soundcloud_permalink", permalink, _EVIDENCE)
    if whole_number(row.get("cm_track")):
        yield CrossReference("track", item.id, "chartmetric_track", str(whole_number(row["cm_track"])), _EVIDENCE)
    for key, scheme in _LISTED.items():
        values = row.get(key)
        for value in values if isinstance(values, list) else ():
            if value and isinstance(value, int | str):
                yield CrossReference("track", item.id, scheme, str(value), _EVIDENCE)


def named_in(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the objects with names in an answer of get-ids."""
    inner = body.get("obj", body)
    return [one for one in (inner if isinstance(inner, list) else [inner]) if isinstance(one, dict)]


def names_of(track: Id, served: Mapping[str, Any]) -> Iterator[CrossReference]:
    """Yield the names of a track in one object of get-ids."""
    for key, scheme in SCHEMES.items():
        values = served.get(key)
        for value in values if isinstance(values, list) else [values]:
            if value is None or isinstance(value, bool) or not isinstance(value, int | str) or not value:
                continue
            name = isrc_of(value) if scheme == "isrc" else str(value)
            if name:
                yield CrossReference("track", track, scheme, name, "get_ids")
