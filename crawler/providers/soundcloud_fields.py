"""Which fields of SoundCloud's objects a record keeps, as a table, and what each of them may look like.

Field names and types: the API's OpenAPI document; what real bodies do with them: the field report, 1.6. `graph` keeps
counts, times and categories; `profile` adds what the people of SoundCloud wrote: names, texts, links.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta

from crawler.providers.dates import iso_utc
from crawler.providers.soundcloud_links import LARGEST_ID, without_tracking

Keep = Literal["graph", "profile", "raw"]
Kind = Literal["user", "track", "playlist", "system_playlist", "web_profile"]
Form = Literal["text", "loose_text", "link", "moment", "integer", "number", "flag"]

Integer = Annotated[int, Meta(ge=-LARGEST_ID - 1, le=LARGEST_ID)]

SERVED_AS: dict[Form, Any] = {
    "text": str | None,
    "loose_text": str | int | None,
    "link": str | None,
    "moment": str | None,
    "integer": Integer | None,
    "number": float | None,
    "flag": bool | str | None,
}
"""The JSON types that are read at full speed; what differs from them is read row by row, by `FITTED`."""


_DIGITS = re.compile(r"-?[0-9]{1,19}")


class Unfit(ValueError):  # noqa: N818 - never leaves the providers
    """A value that cannot be what its field says, as an object where a number belongs."""


class Field(NamedTuple):
    """One key of `data`: its form, from which level on it is kept, in which kinds, and its name in their JSON."""

    name: str
    form: Form
    keep: Keep
    kinds: frozenset[Kind]
    served: str


def _field(name: str, form: Form, keep: Keep, *kinds: Kind, served: str | None = None) -> Field:
    return Field(name, form, keep, frozenset(kinds), served or name)


FIELDS: tuple[Field, ...] = (
    _field("created_at", "moment", "graph", "user", "track", "playlist", "web_profile"),
    _field("last_modified", "moment", "graph", "user", "track", "playlist"),
    _field("display_date", "moment", "graph", "track", "playlist"),  # this and the next ones: the web's API only
    _field("country_code", "text", "graph", "user"),
    _field("verified", "flag", "graph", "user"),
    _field("playlist_likes_count", "integer", "graph", "user"),
    _field("full_duration_ms", "integer", "graph", "track", served="full_duration"),
    _field("policy", "text", "graph", "track"),
    _field("monetization_model", "text", "graph", "track"),
    _field("is_album", "flag", "graph", "playlist"),
    _field("set_type", "text", "graph", "playlist"),
    _field("country", "text", "graph", "user"),
    _field("plan", "text", "graph", "user"),
    _field("followers_count", "integer", "graph", "user"),
    _field("followings_count", "integer", "graph", "user"),
    _field("public_favorites_count", "integer", "graph", "user"),
    _field("comments_count", "integer", "graph", "user"),
    _field("playlist_count", "integer", "graph", "user"),
    _field("track_count", "integer", "graph", "user", "playlist"),
    _field("likes_count", "integer", "graph", "user", "track", "playlist", "system_playlist"),
    _field("reposts_count", "integer", "graph", "user", "track", "playlist"),
    _field("playback_count", "integer", "graph", "track"),
    _field("download_count", "integer", "graph", "track"),
    _field("favoritings_count", "integer", "graph", "track"),
    _field("comment_count", "integer", "graph", "track"),
    _field("user_id", "integer", "graph", "track", "playlist"),
    _field("duration_ms", "integer", "graph", "track", "playlist", served="duration"),
    _field("genre", "text", "graph", "track", "playlist"),
    _field("license", "text", "graph", "track", "playlist"),
    _field("sharing", "text", "graph", "track", "playlist"),
    _field("access", "text", "graph", "track"),
    _field("streamable", "flag", "graph", "track", "playlist"),
    _field("downloadable", "flag", "graph", "track", "playlist"),  # text in the document, a boolean in the bodies
    _field("commentable", "flag", "graph", "track"),
    _field("playlist_type", "text", "graph", "playlist", "system_playlist"),
    _field("service", "text", "graph", "web_profile"),
    _field("username", "text", "profile", "user", "web_profile"),
    _field("first_name", "text", "profile", "user"),
    _field("last_name", "text", "profile", "user"),
    _field("full_name", "text", "profile", "user"),
    _field("city", "text", "profile", "user"),
    _field("website", "text", "profile", "user"),
    _field("website_title", "text", "profile", "user"),
    _field("discogs_name", "text", "profile", "user"),
    _field("avatar_url", "link", "profile", "user"),
    _field("permalink", "text", "profile", "user", "track", "playlist", "system_playlist"),
    _field("permalink_url", "link", "profile", "user", "track", "playlist", "system_playlist"),
    _field("description", "text", "profile", "user", "track", "playlist", "system_playlist"),
    _field("title", "text", "profile", "track", "playlist", "system_playlist", "web_profile"),
    _field("tag_list", "text", "profile", "track", "playlist"),
    _field("artwork_url", "link", "profile", "track", "playlist", "system_playlist"),
    _field("waveform_url", "link", "profile", "track"),
    _field("isrc", "text", "profile", "track"),
    _field("bpm", "number", "profile", "track"),
    _field("key_signature", "text", "profile", "track"),
    _field("metadata_artist", "text", "profile", "track"),
    _field("release", "loose_text", "profile", "track", "playlist"),  # a catalogue number: text, or digits unquoted
    _field("release_year", "integer", "profile", "track", "playlist"),
    _field("release_month", "integer", "profile", "track", "playlist"),
    _field("release_day", "integer", "profile", "track", "playlist"),
    _field("label_name", "text", "profile", "track", "playlist"),
    _field("label_id", "integer", "profile", "track", "playlist"),
    _field("ean", "loose_text", "profile", "playlist"),
    _field("purchase_title", "text", "profile", "track", "playlist"),
    _field("purchase_url", "text", "profile", "track", "playlist"),
    _field("embeddable_by", "text", "profile", "track", "playlist"),
    _field("url", "text", "profile", "web_profile"),
)
"""The table: the keys of `data`, whatever the kind of the node."""


def kept(keep: Keep) -> tuple[Field, ...]:
    """Return the fields of a level; `raw` needs the graph's to read counts and times."""
    return tuple(field for field in FIELDS if field.keep == "graph" or keep == "profile")


def fitted(form: Form, value: Any) -> Any:  # noqa: ANN401 - from JSON to a column's type
    """Return a value of some other JSON type as its field's type. Raises `Unfit` when that would be guessing."""
    return None if value is None else FITTED[form](value)


def _text(value: Any) -> str:  # noqa: ANN401
    if not isinstance(value, str | int | float):
        raise Unfit
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _integer(value: Any) -> int:  # noqa: ANN401
    if (isinstance(value, str) and _DIGITS.fullmatch(value)) or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -LARGEST_ID <= value <= LARGEST_ID:
        raise Unfit
    return value


def _number(value: Any) -> float:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unfit
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise Unfit from None
    if not math.isfinite(number):
        raise Unfit
    return number


_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def _flag(value: Any) -> bool:  # noqa: ANN401
    flag = _FLAGS.get(_text(value).lower())
    if flag is None:
        raise Unfit
    return flag


FITTED: dict[Form, Callable[[Any], Any]] = {
    "text": _text,
    "loose_text": _text,
    "link": _text,
    "moment": _text,
    "integer": _integer,
    "number": _number,
    "flag": _flag,
}


def _known_flag(value: bool | str) -> bool | None:  # noqa: FBT001 - a flag is the value itself
    return value if isinstance(value, bool) else _FLAGS.get(value.lower())


FINISHED: dict[Form, Callable[[Any], Any]] = {
    "loose_text": str,
    "link": without_tracking,
    "moment": iso_utc,
    "flag": _known_flag,
}
"""What is done to a value when its line is written, so that a column has one type and one spelling."""
