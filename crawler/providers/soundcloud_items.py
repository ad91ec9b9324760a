"""From the rows of an answer to the items of a page: whose id, which owner, which date.

A row without an id, or of another kind than its list promises, becomes None and is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crawler.model import Body, Id, Item
from crawler.providers.dates import iso_utc
from crawler.providers.soundcloud_fields import Keep
from crawler.providers.soundcloud_links import read_id
from crawler.providers.soundcloud_objects import RawBody, Row, shape

Builder = Callable[[Any, dict[str, Any] | None, bool], Item | None]
"""(row, the object as served when it is kept raw, whether the edge has the row's date) -> item."""


def identity_of(row: Row, kind: str) -> Id | None:
    """Return the id of a row, from `id` or else from `urn`; None when it has none or says it is of another kind."""
    if row.kind != kind and row.kind is not None:
        return None
    identity = read_id(row.id, kind)
    return read_id(row.urn, kind) if identity is None else identity


def _body(row: Row, served: dict[str, Any] | None) -> Body:
    return row if served is None else RawBody(served)


def _user(row: Any, served: dict[str, Any] | None, _dated: bool) -> Item | None:  # noqa: ANN401, FBT001
    if served is None and row.kind == "user" and type(row.id) is int:  # nearly always, and decoding checked its range
        return Item("user", row.id, row.id, "full", row)
    identity = identity_of(row, "user")
    return None if identity is None else Item("user", identity, identity, "full", _body(row, served))


def claimed_followers(item: Item) -> int | None:
    """Return how many followers a user's row claims to have; None where it may be a false zero, or tells nothing."""
    body: Any = item.body
    claimed = (
        body.served.get("followers_count") if isinstance(body, RawBody) else getattr(body, "followers_count", None)
    )
    return claimed if item.detail == "full" and isinstance(claimed, int) and claimed > 0 else None


def _upload_of(kind: str) -> Builder:
    def build(row: Any, served: dict[str, Any] | None, dated: bool) -> Item | None:  # noqa: ANN401, FBT001
        identity = identity_of(row, kind)
        if identity is None:
            return None
        owner = _author(row, served)
        if row.user_id is None and owner and isinstance(owner.id, int):
            row.user_id = owner.id  # newer answers have only the nested user
        at = iso_utc(row.created_at) if dated and row.created_at else None
        return Item(kind, identity, identity, "full", _body(row, served), at, owner)

    return build


def _author(row: Any, served: dict[str, Any] | None) -> Item | None:  # noqa: ANN401
    """Return the nested user of a row, whose counts are false zeros, or no more than its id, or nothing."""
    user = row.user
    identity = identity_of(user, "user") if user else None
    if identity is not None:
        return Item("user", identity, identity, "mini", _body(user, served["user"] if served else None))
    identity = read_id(row.user_id, "user")
    return None if identity is None else Item("user", identity, identity, "id", None)


def _comment(row: Any, served: dict[str, Any] | None, _dated: bool) -> Item | None:  # noqa: ANN401, FBT001
    """Read a comment, an edge and no node: the item is its author, its own id tells two of one user apart."""
    key = identity_of(row, "comment")
    author = _author(row, served)
    if key is None or author is None:
        return None
    author.key = key
    author.at = iso_utc(row.created_at) if row.created_at else None
    return author


def _web_profile(row: Any, served: dict[str, Any] | None, _dated: bool) -> Item | None:  # noqa: ANN401, FBT001
    """Read a link on a profile; without an id (the web's API has none) its address names it."""
    identity = read_id(row.id, "web_profile")
    if identity is None:
        identity = row.url or None
    return None if identity is None else Item("web_profile", identity, identity, "full", _body(row, served))


def origin_of(activity: Any, keep: Keep) -> Item | None:  # noqa: ANN401 - any JSON
    """Return what an activity is about: a track, a playlist, the author of a comment; None for other things."""
    origin = activity.get("origin") if isinstance(activity, dict) else None
    if not isinstance(origin, dict):
        return None
    if "kind" not in origin and isinstance(origin.get("track"), dict):
        origin = {"kind": "track", **origin["track"]}  # a favoriting, of a small track
    kind = str(origin.get("kind"))
    row = shape(kind, keep).read(origin) if kind in {"track", "playlist", "comment", "user"} else None
    item = None if row is None else BUILDERS[kind](row, origin if keep == "raw" else None, False)  # noqa: FBT003
    if item is not None:
        item.key = f"{item.kind}:{item.key}"
    return item


BUILDERS: dict[str, Builder] = {
    "user": _user,
    "track": _upload_of("track"),
    "playlist": _upload_of("playlist"),
    "comment": _comment,
    "web_profile": _web_profile,
}
