"""Exact sets of ids, and their packed form.

Integers live in a 64-bit compressed bitmap (about 2.4 bytes an id for a million ids spread over 3 billion), text in an
ordinary set. Exact, never probabilistic: a Bloom filter drops nodes that were never seen (rmax/scrapy-redis issue 56).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence

import msgspec
from pyroaring import BitMap64

from crawler.model import Id

Packed = tuple[str, bytes]


class IdSet:
    """A set of ids of one kind, integers and texts alike."""

    __slots__ = ("numbers", "texts")

    def __init__(self) -> None:
        self.numbers = BitMap64()
        self.texts: set[str] = set()

    def __contains__(self, value: Id) -> bool:
        return value in self.numbers if type(value) is int else value in self.texts

    def __len__(self) -> int:
        return len(self.numbers) + len(self.texts)

    def __bool__(self) -> bool:
        return bool(self.numbers) or bool(self.texts)

    def __iter__(self) -> Iterator[Id]:
        yield from self.numbers
        yield from sorted(self.texts)

    def add(self, value: Id) -> None:
        """Add one id."""
        if type(value) is int:
            self.numbers.add(value)
        else:
            self.texts.add(str(value))

    def discard(self, value: Id) -> None:
        """Remove one id if it is there."""
        if type(value) is int:
            self.numbers.discard(value)
        else:
            self.texts.discard(str(value))

    def update(self, values: Sequence[Id]) -> None:
        """Add many ids."""
        try:
            self.numbers.update(array("Q", values))  # type: ignore[arg-type]
        except (TypeError, OverflowError):
            for value in values:
                self.add(value)


class StoredIds(IdSet):
    """A set as it is stored, which becomes a bitmap when it is first looked at.

    Until then it takes 8 bytes an id; a bitmap of ids that lie far apart, as those of one list do, takes a hundred.
    """

    __slots__ = ("_packed",)

    def __init__(self) -> None:
        self._packed: list[Packed] = []

    def __getattr__(self, name: str) -> object:
        """Make the bitmap: Python asks here for what has no value yet."""
        if name not in IdSet.__slots__:
            raise AttributeError(name)
        super().__init__()
        for form, data in self._packed:
            self.update(unpack(form, data))
        self._packed.clear()
        return getattr(self, name)

    def store(self, form: str, data: bytes) -> None:
        """Add a page as it is stored, before anything is looked at."""
        self._packed.append((form, data))


def pack(values: Sequence[Id]) -> Packed:
    """Return (form, bytes): 8 bytes an id, little-endian, when all are integers, else a JSON array."""
    try:
        packed: array[int] = array("q", values)  # type: ignore[arg-type]
    except (TypeError, OverflowError):
        return "text", msgspec.json.encode(list(values))
    if sys.byteorder == "big":
        packed.byteswap()
    return "int64", packed.tobytes()


def unpack(form: str, data: bytes) -> Sequence[Id]:
    """Return the ids that `pack` was given."""
    if form == "text":
        return msgspec.json.decode(data, type=list[int | str])
    values = array("q")
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values
