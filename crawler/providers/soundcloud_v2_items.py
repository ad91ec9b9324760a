"""From the rows of the web's API to the items of a page: wrappers opened, stubs and deleted users told from the rest.

A like, a repost and a row of a chart are wrappers around the thing itself, with a date of their own. A *stub* has an id
and little else: it is an item of detail "id", and is asked for in batches at the end. Shapes: field report, 2.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import msgspec
from msgspec import defstruct

from crawler.model import Body, Detail, Id, Item
from crawler.providers.dates import iso_utc
from crawler.providers.soundcloud_fields import Keep
from crawler.providers.soundcloud_items import identity_of
from crawler.providers.soundcloud_links import read_id
from crawler.providers.soundcloud_objects import RawBody, Row, Unreadable, shape

THINGS = ("track", "playlist", "user")
"""What a wrapper may hold, in the order in which it is looked for: a repost names its user besides."""
KINDS: Mapping[str, str] = {
    "user": "user",
    "track": "track",
    "playlist": "playlist",
    "system-playlist": "system_playlist",
}
"""What the service calls a thing -> the kind of its node."""

Lengths = Callable[[Any], dict[str, int] | None]
"""Given a whole user, returns the lengths of its lists."""


class Row2(NamedTuple):
    """A row that was read: what it is, the object as served when it is kept raw, and the date of the wrapper."""

    kind: str
    row: Any
    served: dict[str, Any] | None = None
    at: str | None = None


class Rows(NamedTuple):
    """The rows of an answer; `total` counts all that it had, also those that could not be read."""

    read: list[Row2]
    total: int
    next_href: object
    doubt: str | None = None
    bare: bool = False


def read_rows(body: bytes, kind: str, keep: Keep, *, wrapped: bool) -> Rows:
    """Read an envelope or an array of one kind, or of several ("any"), each row bare or in a wrapper."""
    if wrapped and keep != "raw":
        try:
            return _typed(_wrappers(keep).decode(body))
        except msgspec.ValidationError:
            pass  # something has another type: read it row by row, below
    if wrapped or kind in {"any", "web_profile"}:
        return _mixed(msgspec.json.decode(body), kind, keep)
    answer = shape(kind, keep).read_page(body)
    served = answer.served or [None] * len(answer.rows)
    read = [Row2(kind, row, thing) for row, thing in zip(answer.rows, served, strict=True) if row is not None]
    return Rows(read, len(answer.rows), answer.next_href, answer.doubt, answer.bare)


@cache
def _wrappers(keep: Keep) -> Any:  # noqa: ANN401 - a decoder of a generated type
    """Return the decoder of a page of likes or reposts: what they hold is read straight into typed rows."""
    columns: list[Any] = [("created_at", str | None, None)]
    columns += [(thing, shape(thing, keep).row | None, None) for thing in THINGS[:2]]
    wrapper = defstruct("Wrapper", columns, gc=False)
    envelope = defstruct("Envelope", [("collection", list[wrapper | None] | None), ("next_href", str | None, None)])  # type: ignore[valid-type]
    return msgspec.json.Decoder(envelope)


def _typed(page: Any) -> Rows:  # noqa: ANN401 - a generated type
    read = []
    for wrapper in page.collection or ():
        for kind in THINGS[:2]:
            row = getattr(wrapper, kind) if wrapper is not None else None
            if row is not None:
                read.append(Row2(kind, row, None, wrapper.created_at))
                break
    return Rows(read, len(page.collection or ()), page.next_href, _doubt(page.collection))


def _mixed(page: Any, kind: str, keep: Keep) -> Rows:  # noqa: ANN401 - any JSON
    bare = isinstance(page, list)
    envelope = {"collection": page} if bare else page
    if not isinstance(envelope, dict) or not isinstance(envelope.get("collection", ...), list | None):
        raise Unreadable("the body is neither a list nor an envelope")
    served = envelope["collection"]
    read = [row for thing in served or () if (row := read_thing(thing, kind, keep)) is not None]
    return Rows(read, len(served or ()), envelope.get("next_href"), _doubt(served), bare)


def _doubt(collection: object) -> str | None:
    return "the service said null instead of a list" if collection is None else None


def read_thing(served: Any, kind: str, keep: Keep) -> Row2 | None:  # noqa: ANN401 - any JSON
    """Read one row, opening its wrapper if it is in one; None when it is of another kind than its list promises."""
    if not isinstance(served, dict):
        return None
    at, thing = None, served
    for name in THINGS:
        if isinstance(served.get(name), dict) and str(served.get("kind")) not in KINDS and "id" not in served:
            thing, at = {"kind": name, **served[name]}, served.get("created_at")
            break
    if kind == "web_profile":
        thing = {**thing, "service": thing.get("service", thing.get("network"))}
        found: str | None = kind
    else:
        found = KINDS.get(str(thing.get("kind")))
    if found is None or kind not in {"any", found}:
        return None
    renamed = {**thing, "kind": found}
    row = shape(found, keep).read(renamed)
    return (
        None if row is None else Row2(found, row, thing if keep == "raw" else None, at if isinstance(at, str) else None)
    )


def item_of(found: Row2, lengths: Lengths, *, dated: bool, mixed: bool) -> Item | None:
    """Return the item of a row. `dated` tells that the edge came to be with the thing, `mixed` that ids may collide."""
    kind, row, served, at = found
    if kind == "web_profile":
        identity: Id | None = read_id(row.id, kind)
        identity = row.url or None if identity is None else identity
    else:
        identity = identity_of(row, kind)
    if identity is None:
        return None
    key: Id = f"{kind}:{identity}" if mixed else identity
    if kind == "user":
        return _user(row, served, identity, key, lengths)
    if kind == "web_profile":
        return Item(kind, identity, key, "full", _body(row, served))
    return _upload(found, identity, key, dated=dated, at=at)


def _user(row: Any, served: dict[str, Any] | None, identity: Id, key: Id, lengths: Lengths) -> Item:  # noqa: ANN401
    detail = detail_of(row, "user")
    counts = lengths(row) if detail == "full" else None
    return Item(
        "user", identity, key, detail, _body(row, served) if detail != "id" else None, None, None, counts=counts
    )


def _upload(found: Row2, identity: Id, key: Id, *, dated: bool, at: str | None) -> Item:
    kind, row, served, _ = found
    owner = author(row, served)
    detail = detail_of(row, kind)
    if getattr(row, "user_id", None) is None and owner and isinstance(owner.id, int) and hasattr(row, "user_id"):
        row.user_id = owner.id
    moment = row.created_at if dated else at
    item = Item(kind, identity, key, detail, _body(row, served) if detail != "id" else None)
    item.at = iso_utc(moment) if moment else None
    item.owner = owner if kind != "system_playlist" else None
    if kind == "playlist" and row.track_count is not None and detail == "full":
        item.counts = {"tracks": row.track_count}
    return item


def author(row: Any, served: dict[str, Any] | None) -> Item | None:  # noqa: ANN401 - a generated type
    """Return the nested user of a row, or no more than its id (a deleted one has nothing else), or nothing."""
    user = row.user
    identity = identity_of(user, "user") if user else None
    if identity is None:
        identity = read_id(getattr(row, "user_id", None), "user")
        return None if identity is None else Item("user", identity, identity, "id", None)
    detail = detail_of(user, "user")
    body = _body(user, served["user"] if served else None) if detail != "id" else None
    return Item("user", identity, identity, detail, body)


def detail_of(row: Any, kind: str) -> Detail:  # noqa: ANN401 - a generated type
    """Tell a whole object from a small one and from a stub, by the dates that these lack (observed fields)."""
    if kind == "system_playlist" or row.created_at is not None:
        return "full"
    return "mini" if kind == "user" and row.last_modified is not None else "id"


def _body(row: Row, served: dict[str, Any] | None) -> Body:
    return row if served is None else RawBody(served)


def shelved(body: bytes) -> Iterator[tuple[Any, bool]]:
    """Yield the things on all shelves of the discover page; (None, False) for a shelf that cannot be read."""
    page = msgspec.json.decode(body)
    shelves = page.get("collection") if isinstance(page, dict) else None
    if not isinstance(shelves, list):
        raise Unreadable("the body is no envelope")
    for shelf in shelves:
        items = shelf.get("items") if isinstance(shelf, dict) else None
        things = items.get("collection") if isinstance(items, dict) else None
        if not isinstance(things, list):
            yield None, False
            continue
        for thing in things:
            yield thing, True
