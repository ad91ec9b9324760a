"""Exact sets of ids, and their packed form.

Integers live in a 64-bit compressed bitmap, many of them in a table (`frontier.table`), text in an ordinary set.
Exact, never probabilistic: a Bloom filter drops nodes that were never seen (rmax/scrapy-redis issue 56).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec
import numpy as np
from pyroaring import BitMap64

from crawler.frontier.table import BITS, Glance, Numbers, Table
from crawler.model import Id

Packed = tuple[str, bytes]

TABLE_FROM = 200_000
"""From so many ids on a table takes less memory than a bitmap, where one that lies far from others takes 26 bytes."""

SPARSE_SHARE = 0.03
"""Of the numbers in its reach a bitmap holds so many at least, or a table finds them sooner and takes less memory."""

_SAMPLE = 20_000
_RUN_BITS = 16
_BELOW = 1 << BITS


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


class KnownIds:
    """A set of ids that only grows, to millions: a page of them is looked up, and added, at once.

    Texts, numbers of 32 bits and more, and all numbers while there are few, are in an `IdSet` beside the table.
    `expected` is how many numbers there are going to be, if anybody knows.
    """

    __slots__ = ("_others", "_table", "_until_look", "expected")

    def __init__(self) -> None:
        self._others = IdSet()
        self._table: Table | None = None
        self._until_look = TABLE_FROM
        self.expected: int | None = None

    def __contains__(self, value: Id) -> bool:
        return self.has([value])[0]

    def __len__(self) -> int:
        return len(self._others) + (0 if self._table is None else len(self._table))

    def has(self, values: Sequence[Id]) -> list[bool]:
        """Tell of each id whether it is there."""
        return self.glance(values)[0]

    def glance(self, values: Sequence[Id]) -> tuple[list[bool], Glance | None]:
        """Tell of each id whether it is there; and where, if the table can tell it of all of them."""
        others, table = self._others, self._table
        if table is None:
            return [value in others.numbers if type(value) is int else value in others.texts for value in values], None
        words = words_of(values)
        if words is not None and int(words.max(initial=0)) < _BELOW:
            return table.glance(table.marks(words))
        low = [place for place, value in enumerate(values) if type(value) is int and 0 <= value < _BELOW]
        found = [value in others for value in values]
        marks = table.marks(np.array([values[place] for place in low], np.uint64))
        for place, is_there in zip(low, table.glance(marks)[0], strict=True):
            found[place] = is_there
        return found, None

    def add_new(self, values: Sequence[Id], glance: Glance | None, places: list[int]) -> None:
        """Add those at some places of what was looked at last: new ones, each there once."""
        if glance is None or self._table is None:
            self.update([values[place] for place in places])
        else:
            self._table.add_new(glance, places)

    def add(self, value: Id) -> None:
        """Add one id."""
        self.update([value])

    def update(self, values: Sequence[Id]) -> None:
        """Add many ids."""
        if self._table is None:
            for value in values:  # for some hundred, a bitmap of them costs more
                self._others.add(value)
            self._look(len(values))
            return
        words = words_of(values)
        if words is not None:
            self.update_words(words)
            return
        self._others.texts.update(str(value) for value in values if type(value) is not int)
        self.update_words(np.array([value for value in values if type(value) is int], dtype=np.uint64))

    def update_words(self, words: Numbers) -> None:
        """Add many numbers."""
        expected = self.expected or 0
        if self._table is None and expected >= TABLE_FROM and len(words) >= _SAMPLE and _is_sparse(words, expected):
            self._tabulate(expected)
        if self._table is None:
            self._others.numbers.update(_array(np.sort(words)))
            self._look(len(words))
            return
        is_low = words < _BELOW
        if is_low.all():
            self._table.add(words)
            return
        self._table.add(words[is_low])
        self._others.numbers.update(_array(words[~is_low]))

    def _look(self, added: int) -> None:
        """Make a table when there are enough numbers for one; to count those of a bitmap is not for every page."""
        self._until_look -= added
        if self._until_look > 0:
            return
        numbers = self._others.numbers
        low = numbers.rank(_BELOW - 1)
        lowest = np.array(list(islice(numbers, _SAMPLE)), np.uint64)
        if low >= TABLE_FROM and _is_sparse(lowest, len(lowest)):
            self._tabulate(low)
        self._until_look = max(TABLE_FROM - low, len(numbers))

    def _tabulate(self, expected: int) -> None:
        self._table = Table(expected)
        low = self._others.numbers & BitMap64(range(_BELOW))
        if low:
            self._others.numbers -= low
            self._table.add(np.array(list(low), dtype=np.uint64))


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


def _is_sparse(words: Numbers, expected: int) -> bool:
    """Tell whether so many numbers, spread as these are, lie far apart."""
    reach = len(np.unique(words[words < _BELOW] >> np.uint64(_RUN_BITS))) << _RUN_BITS
    return expected < SPARSE_SHARE * reach


def words_of(values: Sequence[Id]) -> Numbers | None:
    """Return ids as numbers of 64 bits, None when one is none."""
    try:
        numbers: array[int] = array("Q", values)  # type: ignore[arg-type]
        return np.frombuffer(numbers, dtype=np.uint64)
    except (TypeError, OverflowError):
        return None


def _array(words: Numbers) -> array[int]:
    values = array("Q")
    values.frombytes(np.ascontiguousarray(words).tobytes())
    return values
