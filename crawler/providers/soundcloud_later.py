"""Pages of users, read in two steps: what the edges need at once, what describes the users only when it is wanted.

Most users on most pages are known already, and of a known user nothing but the id is needed. Reading ids only takes a
third of the time of reading all that `data` holds, so a user is read whole when it turns out to be new, and otherwise
never (`docs/performance.md`). It follows that what describes a user cannot cost the edge: a field of an impossible type
is null.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from crawler.providers.soundcloud_links import LARGEST_ID
from crawler.providers.soundcloud_objects import Answer, Row, Shape, empty_data

Identity = Annotated[int, Meta(ge=0, le=LARGEST_ID)] | str | None


class Whole:
    """The bytes of a page of users; cut into rows when the first of them is wanted."""

    __slots__ = ("_body", "_pieces", "_shape")

    def __init__(self, body: bytes, shape: Shape) -> None:
        self._body = body
        self._shape = shape
        self._pieces: list[msgspec.Raw] | None = None

    def data(self, place: int) -> bytes:
        """Return the `data` of the row at a place of the page. Raises nothing."""
        piece = self._piece(place)
        try:
            row, _ = self._shape.read_object(piece)
        except (ValueError, RecursionError):  # a text that is no text, as half a surrogate
            row = None
        row = row or self._leniently(piece)
        return empty_data(self._shape.keep) if row is None else row.encode()

    def followers_count(self, place: int) -> object:
        """Return the number of followers that the row at a place of the page tells. Raises nothing."""
        try:
            return _claim.decode(self._piece(place)).followers_count
        except (ValueError, RecursionError):
            return None

    def _piece(self, place: int) -> msgspec.Raw:
        if self._pieces is None:
            page = _pieces.decode(self._body)
            self._pieces = page if isinstance(page, list) else page.collection or []
        return self._pieces[place]

    def _leniently(self, piece: msgspec.Raw) -> Row | None:
        try:
            return self._shape.read(msgspec.json.decode(piece), lenient=True)
        except (ValueError, RecursionError):
            return None


class Later(Struct, gc=False, rename={"page": " page", "place": " place"}):
    """A user's identity, and where the rest is; it stands for the row as the body of an item.

    The last two are set once a page is read, whatever an answer says.
    """

    id: Identity = None
    urn: str | None = None
    kind: str | None = None
    page: Whole | None = None
    place: int = 0

    def encode(self) -> bytes:
        """Return `data`."""
        return self.page.data(self.place) if self.page is not None else b"null"

    @property
    def followers_count(self) -> object:
        """How many followers the row tells, for a crawl that may spare their list; None where it does not."""
        return self.page.followers_count(self.place) if self.page is not None else None


class Claim(Struct):
    """The one count that is wanted before a user is described."""

    followers_count: int | None = None


class Envelope(Struct):
    """A page as it is served."""

    collection: list[Later | None] | UnsetType | None = UNSET
    next_href: str | None = None


class Pieces(Struct):
    """The same page in pieces that are not read yet."""

    collection: list[msgspec.Raw] | None = None


_page = msgspec.json.Decoder(Envelope | list[Later | None])
_claim = msgspec.json.Decoder(Claim)
_pieces = msgspec.json.Decoder(Pieces | list[msgspec.Raw])


def read_users(body: bytes, shape: Shape) -> Answer:
    """Read a page of users. Raises what `Shape.read_page` raises, and `UnicodeDecodeError`."""
    if shape.keep == "raw":
        return _with_all(shape.read_page(body), body, shape)
    if not body.isascii():
        body.decode()  # what is skipped is not looked at, and a body that is no text is no page
    try:
        page: Any = _page.decode(body)
    except msgspec.ValidationError:
        return _with_all(shape.read_page(body), body, shape)
    answer = shape.answer(page)
    whole = Whole(body, shape)
    for place, row in enumerate(answer.rows):
        if row is not None:
            row.page = whole
            row.place = place
    return answer


def _with_all(answer: Answer, body: bytes, shape: Shape) -> Answer:
    """Return an answer with the rows too of which a field does not fit."""
    if None not in answer.rows:
        return answer
    page = msgspec.json.decode(body)
    served = page if isinstance(page, list) else page["collection"]
    pairs = zip(answer.rows, served, strict=True)
    return answer._replace(rows=[shape.read(one, lenient=True) if row is None else row for row, one in pairs])
