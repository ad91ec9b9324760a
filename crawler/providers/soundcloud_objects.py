"""Reads SoundCloud's objects from JSON, and writes the `data` of a node's line.

Reading has two gears. The fast one decodes a whole page straight into typed rows. When anything in the page has another
type than expected (the services vary: text for booleans, integers for text), the page is read again, row by row, and
every row that fits after conversion is kept; the others come back as None and are counted, never half-read.

Writing happens only for nodes that get a line. Every line of a level has the same keys, whatever the kind of the node,
nulls written out, and one JSON type per key: a reader that infers a schema from the first lines (pola-rs/polars #29330)
must not meet a new column later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, NamedTuple, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, defstruct

from crawler.providers.soundcloud_fields import FINISHED, SERVED_AS, Field, Form, Keep, Unfit, fitted, kept
from crawler.providers.soundcloud_links import LARGEST_ID, SECRETS, without_secrets

_DEEPEST = 32
_NO_LIST = "the body is neither a list nor an envelope"
_ALWAYS_SECRET = SECRETS | {"secret_uri", "track_authorization"}
_STREAMS = frozenset({"download_url", "stream_url"})


class Row(Struct, gc=False):
    """One object of an answer. The kept fields of its kind are attributes too, under the names of `FIELDS`.

    `url` names a web profile without an id, `user` is the uploader or commenter.
    """

    id: Annotated[int, Meta(ge=0, le=LARGEST_ID)] | str | None = None
    urn: str | None = None
    kind: str | None = None

    def encode(self) -> bytes:
        """Return `data`: overwritten for every kind and level."""
        raise NotImplementedError


class RawBody(Struct):
    """An object as it was served, in its order of keys; what could be a credential is left out when it is written."""

    served: dict[str, Any]

    def encode(self) -> bytes:
        """Return the JSON object."""
        return msgspec.json.encode(_cleaned(self.served, _DEEPEST))


class Answer(NamedTuple):
    """A body read: its rows (None for those that cannot be), its link, and for `raw` the objects as served.

    `doubt` says why the rows may not be all; `bare` tells that they came without an envelope.
    """

    rows: list[Any]
    next_href: object
    served: list[Any] | None
    doubt: str | None = None
    bare: bool = False


class Unreadable(ValueError):  # noqa: N818 - turned into BadPage where the endpoint is known
    """The body is JSON, but not what the endpoint is known to serve."""


class Shape:
    """How the objects of one kind are read at one level: a typed row, the decoder of a page, the forms of its keys."""

    def __init__(self, kind: str, keep: Keep, *, nested: str | None = None) -> None:
        """Build the types of `kind` ("comment" has only its author); `nested` names the kind of its `user`."""
        self.keep = keep
        self.nested = shape(nested, keep) if nested else None
        self.fields = tuple(field for field in kept(keep) if kind in field.kinds)
        self.row = self._row_type(kind)
        envelope = defstruct(
            "Envelope",
            [("collection", list[self.row | None] | None | UnsetType, UNSET), ("next_href", str | None, None)],  # type: ignore[name-defined]
        )
        self._envelope: Any = envelope
        self._page: Any = msgspec.json.Decoder(envelope | list[self.row | None])  # type: ignore[name-defined]
        self._object: Any = msgspec.json.Decoder(self.row)

    def _row_type(self, kind: str) -> type[Row]:
        columns: list[Any] = [(field.name, SERVED_AS[field.form], None) for field in self.fields]
        if kind == "comment":
            columns += [("created_at", str | None, None)]
            columns += [(name, SERVED_AS["integer"], None) for name in ("user_id", "track_id")]
        if kind == "web_profile" and self.keep != "profile":
            columns.append(("url", str | None, None))
        if self.nested:
            columns.append(("user", self.nested.row | None, None))
        renamed = {field.name: field.served for field in self.fields}
        made = defstruct(
            f"{kind}_row",
            columns,
            bases=(Row,),
            rename=renamed,
            gc=False,
            namespace={"encode": _writer(self.fields, self.keep)},
        )
        return cast("type[Row]", made)

    def read_page(self, body: bytes) -> Answer:
        """Read an envelope or a bare array. Raises msgspec's errors, or `Unreadable` for other JSON."""
        if self.keep != "raw":
            try:
                return self.answer(self._page.decode(body))
            except msgspec.ValidationError:
                pass  # something has another type: read it row by row, below
        return self._slowly(msgspec.json.decode(body))

    def answer(self, page: Any) -> Answer:  # noqa: ANN401 - an envelope or a list
        """Return the answer that a decoded page is. Raises `Unreadable` when it has no list."""
        if isinstance(page, list):
            return Answer(page, None, None, bare=True)
        if page.collection is UNSET:
            raise Unreadable(_NO_LIST)
        return Answer(page.collection or [], page.next_href, None, _doubt(page.collection))

    def _slowly(self, page: Any) -> Answer:  # noqa: ANN401
        envelope = {"collection": page} if isinstance(page, list) else page
        served = envelope.get("collection", UNSET) if isinstance(envelope, dict) else UNSET
        if not isinstance(served, list | None):
            raise Unreadable(_NO_LIST)
        rows = [self.read(thing) for thing in served or ()]
        if any(isinstance(thing, dict) for thing in served or ()) and not any(rows):
            raise Unreadable("no row of the page has the types that are known")
        kept_raw = served if self.keep == "raw" else None
        return Answer(rows, envelope.get("next_href"), kept_raw, _doubt(served), bare=isinstance(page, list))

    def read_object(self, body: bytes) -> tuple[Row | None, dict[str, Any] | None]:
        """Read a single object, and return it as served too when the level is `raw`. Raises msgspec's errors."""
        if self.keep != "raw":
            try:
                return self._object.decode(body), None
            except msgspec.ValidationError:
                pass
        served = msgspec.json.decode(body)
        return self.read(served), served if self.keep == "raw" else None

    def read(self, served: Any, *, lenient: bool = False) -> Row | None:  # noqa: ANN401 - any JSON
        """Return one decoded JSON value as a row, with the types of its fields converted; None when it does not fit.

        When `lenient`, a field that does not fit is null instead.
        """
        if not isinstance(served, dict):
            return None
        fit = _fitted_or_null if lenient else fitted
        try:
            values = {field.name: fit(field.form, served.get(field.served)) for field in self.fields}
            return self._completed(values, served)
        except Unfit:
            return None

    def _completed(self, values: dict[str, Any], served: Mapping[str, Any]) -> Row:
        for name in ("created_at", "user_id", "track_id", "url"):
            if name in self.row.__struct_fields__ and name not in values:
                values[name] = fitted("integer" if name.endswith("_id") else "text", served.get(name))
        if self.nested:
            values["user"] = self.nested.read(served.get("user"))
        row = self.row(**values)
        identity = served.get("id")
        row.id = identity if isinstance(identity, int | str) and not isinstance(identity, bool) else None
        row.urn = served["urn"] if isinstance(served.get("urn"), str) else None
        kind = served.get("kind")
        row.kind = kind if isinstance(kind, str | None) else "unreadable"
        return row


def _fitted_or_null(form: Form, value: Any) -> Any:  # noqa: ANN401 - from JSON to a column's type
    try:
        return fitted(form, value)
    except Unfit:
        return None


@cache
def shape(kind: str, keep: Keep) -> Shape:
    """Return the shape of a kind: of a node's, or "comment"."""
    return Shape(kind, keep, nested="user" if kind in {"comment", "playlist", "system_playlist", "track"} else None)


def _doubt(collection: object) -> str | None:
    """Return what is wrong with a collection that is null: it may be an empty list, or a failure."""
    return "the service said null instead of a list" if collection is None else None


def empty_data(keep: Keep) -> bytes:
    """Return the `data` of a node of which only the id is known: every key, all null; `{}` for raw."""
    return b"{}" if keep == "raw" else b"{" + _nulls(kept(keep)) + b"}"


def _nulls(fields: tuple[Field, ...]) -> bytes:
    return b",".join(b'"%s":null' % field.name.encode() for field in fields)


def _writer(fields: tuple[Field, ...], keep: Keep) -> Callable[[Any], bytes]:
    """Return the `encode` of a row: its own fields, then, as a constant, the keys that other kinds have."""
    if not fields:
        return Row.encode
    names = [field.name for field in fields]
    values_of = attrgetter(*names)
    finishers = [(index, FINISHED[field.form]) for index, field in enumerate(fields) if field.form in FINISHED]
    data: Any = defstruct("Data", [(name, Any) for name in names], gc=False)
    missing = _nulls(tuple(field for field in kept(keep) if field not in fields))
    end = (b"," + missing if missing else b"") + b"}"
    write = msgspec.json.Encoder().encode

    def encode(row: Any) -> bytes:  # noqa: ANN401 - a generated type
        values = list(values_of(row))
        for index, finish in finishers:
            if values[index] is not None:
                values[index] = finish(values[index])
        return write(data(*values))[:-1] + end

    return encode


def _cleaned(value: Any, levels: int) -> Any:  # noqa: ANN401
    """Return JSON without credentials; nothing in SoundCloud's objects nests as deep as is cut off here."""
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict) and levels:
        return {key: _cleaned(inner, levels - 1) for key, inner in value.items() if not _is_secret(key, inner)}
    if isinstance(value, list) and levels:
        return [_cleaned(inner, levels - 1) for inner in value]
    return None if isinstance(value, dict | list) else value


def _is_secret(key: str, value: Any) -> bool:  # noqa: ANN401
    name = key.lower()
    if name in _STREAMS:
        return isinstance(value, str) and without_secrets(value) != value
    return name in _ALWAYS_SECRET or name.endswith("_token")
