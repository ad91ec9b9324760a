"""The `data` of nodes that other services than SoundCloud describe: the same keys as in every line of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from crawler.model import Body, Item
from crawler.providers.charts import isrc_of
from crawler.providers.soundcloud_fields import Keep, Unfit, fitted, kept
from crawler.providers.soundcloud_objects import RawBody, Row

PERMALINK = "permalink"
ISRC = "isrc"


class Described(Struct):
    """Some described fields, by their names in `data`."""

    values: Mapping[str, Any]
    keep: Keep

    def encode(self) -> bytes:
        """Return the JSON object with every key of the level, null where nothing fits."""
        return msgspec.json.encode(
            {field.name: _fit(field.form, self.values.get(field.name)) for field in kept(self.keep)}
        )


def described(values: Mapping[str, Any], served: dict[str, Any], keep: Keep) -> Body:
    """Return the body of a node; at level `raw` the object as it was served."""
    return RawBody(served) if keep == "raw" else Described(values, keep)


def aliases_of(item: Item) -> Iterable[Item]:
    """Return the other names under which an item can be asked for: a user's permalink, a track's or song's ISRC."""
    name: str | None = None
    if item.kind == "user":
        kind, told = PERMALINK, _told(item.body, "permalink")
        name = told if isinstance(told, str) and told else None
    else:
        kind, name = ISRC, isrc_of(_told(item.body, "isrc")) if item.kind in {"track", "song"} else None
    return [] if name is None else [Item(kind, name, name, "full", None)]


def _told(body: Body | None, name: str) -> object:
    if isinstance(body, RawBody):
        return body.served.get(name)
    if isinstance(body, Described):
        return body.values.get(name)
    return getattr(body, name, None) if isinstance(body, Row) else None


def _fit(form: Any, value: Any) -> Any:  # noqa: ANN401 - from JSON to a column's type
    try:
        return fitted(form, value)
    except Unfit:
        return None
