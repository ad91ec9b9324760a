"""An exact set of millions of whole numbers in about three bytes each, in which a page of them is looked up at once.

In a compressed bitmap of ten million ids that lie far apart, each look-up is a walk through four or five places of
memory of which none is in a cache. Here it is one place: a *bucket*, 32 slots of 16 bits, one line of the cache.

A number's *mark* is its place in a permutation of all numbers of so many bits, so marks are spread evenly whatever the
numbers are. The marks in their order are dealt out to the buckets, so many to each; a slot holds how far a mark is from
its bucket's first one. Bucket and distance give back the mark, and the mark the number: nothing is approximate. What
finds its bucket full is kept in a bitmap beside the table, some in a thousand.

It grows by a seventh at a time and in small parts, from the last bucket down, while it is used: marks below a boundary
are still where the old number of buckets puts them.

A table may hold a small number, a *value*, with each number. 0 is none: what has it is dropped when its bucket moves.
"""

from __future__ import annotations

from array import array
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

Numbers = NDArray[np.uint64]
Values = NDArray[np.uint8] | NDArray[np.uint16]

BITS = 32
"""Ids of the service are below 2 ** 32 (users up to 1.5 billion, tracks up to 2.2: the field report, 1.1)."""

_SLOTS = 32
_EMPTY = 0xFFFF
_FILL_FIRST = 22.0
_FILL_MAX = 23.0
"""Numbers in a bucket, on average, at first and before the table grows: at 23 one in 400 finds its bucket full."""
_GROWTH = 1.15
_MOVES_PER_NUMBER = 0.5
"""Buckets moved for each number that is added: a growth ends long before the next one has to begin."""
_BLOCK = 8192
"""Numbers handled at once: their buckets are half a megabyte, which stays in a cache."""
_FIRST_FACTOR, _SECOND_FACTOR = 0x9E3779B1, 0x85EBCA6B
_LOW = np.uint64((1 << 32) - 1)
_LOWEST_SAFE = 16
"""The lowest buckets are moved together: there, a bucket's new place may be its old one."""


class Glance(NamedTuple):
    """Where some numbers are, or would be; true until something is added. `slots` holds -1 where there is none."""

    marks: Numbers
    buckets: NDArray[np.int64]
    distances: NDArray[np.uint16]
    slots: NDArray[np.int64] | None = None


class Table:
    """A set of numbers below 2 ** bits, at most 32, that only grows (`add`); or, `valued`, a mapping (`put`).

    `expected` is how many numbers there will be soon: room is made for them at once. `moved_at_once` is how many
    buckets move in one part of a growth; 1,024 take about 2 ms.
    """

    def __init__(self, expected: int = 0, *, valued: bool = False, bits: int = BITS, moved_at_once: int = 1024) -> None:
        self._bits, self._half, self._mask = np.uint64(bits), np.uint64((bits + 1) // 2), np.uint64((1 << bits) - 1)
        least = (1 << bits) // _EMPTY + 1  # else a distance would need more than 16 bits
        self._old = self._new = max(least, round(expected / _FILL_FIRST) + 1)
        self._boundary = self._top = 0
        self._rows = np.full((self._new, _SLOTS), _EMPTY, np.uint16)
        self._taken = np.zeros(self._new, np.uint8)
        self._values: Values | None = np.zeros((self._new, _SLOTS), np.uint8) if valued else None
        self._rest = BitMap64()
        self._rest_values: dict[int, int] = {}
        self._count = 0
        self._owed = 0.0
        self._moved_at_once = moved_at_once

    def __len__(self) -> int:
        return self._count

    @property
    def size_bytes(self) -> int:
        """Return the memory of the table, without the bitmap beside it."""
        return self._rows.nbytes + self._taken.nbytes + (0 if self._values is None else self._values.nbytes)

    @property
    def beside(self) -> int:
        """Return how many numbers found their bucket full."""
        return len(self._rest)

    def has(self, numbers: Numbers) -> NDArray[np.bool_]:
        """Tell of each number whether it is there. All must be below 2 ** bits."""
        if len(numbers) <= _BLOCK:
            return np.array(self.glance(self.marks(numbers))[0], np.bool_)
        parts = [self.has(numbers[first : first + _BLOCK]) for first in range(0, len(numbers), _BLOCK)]
        return np.concatenate(parts)

    def glance(self, marks: Numbers) -> tuple[list[bool], Glance]:
        """Tell of each mark whether it is there, and where: what is new can then be added without another look."""
        buckets, distances = self._places(marks)
        found = _holds(self._rows[buckets], distances)
        if self._rest:
            # Whatever is in the bitmap has a full bucket: only for few numbers of a page it has to be asked.
            for place in (~found & (self._taken[buckets] == _SLOTS)).nonzero()[0].tolist():
                found[place] = int(marks[place]) in self._rest
        known: list[bool] = found.tolist()
        return known, Glance(marks, buckets, distances)

    def add_new(self, glance: Glance, places: list[int]) -> None:
        """Add those at some places of what was looked at last: new ones, each there once."""
        buckets = glance.buckets[places]
        slots, ordered = self._taken[buckets].astype(np.int64), np.sort(buckets)
        if (ordered[1:] == ordered[:-1]).any() or int(slots.max()) == _SLOTS:
            self._count += self._enter(np.sort(glance.marks[places]))
        else:
            self._rows[buckets, slots] = glance.distances[places]
            self._taken[buckets] = slots + 1
            self._count += len(places)
        self._grow(len(places))

    def glance_values(self, marks: Numbers) -> tuple[list[int], Glance]:
        """Return the value of each mark, and where it is: it can then be changed without another look."""
        buckets, distances = self._places(marks)
        values, slots = self._look(marks, buckets, distances)
        numbers: list[int] = values.tolist()
        return numbers, Glance(marks, buckets, distances, slots)

    def values_at(self, glance: Glance, places: list[int]) -> list[int]:
        """Return the values at some places of what was looked at last, as they are now."""
        assert glance.slots is not None, "it was no look at values"  # noqa: S101 - a bug, not a condition
        values: list[int] = self._valued[glance.buckets[places], glance.slots[places]].tolist()
        return values

    def change(self, glance: Glance, places: list[int], values: list[int]) -> None:
        """Change the values at some places of what was looked at last; all of them have a slot."""
        self._widen(max(values))
        assert glance.slots is not None, "it was no look at values"  # noqa: S101 - a bug, not a condition
        self._valued[glance.buckets[places], glance.slots[places]] = values

    def add(self, numbers: Numbers) -> None:
        """Add numbers below 2 ** bits; those that are there already, and doubles, change nothing."""
        marks = np.sort(self.marks(numbers).astype(np.uint32)).astype(np.uint64)  # 32 bits are sorted faster than 64
        is_first = _changes(marks)
        if not is_first.all():
            marks = marks[is_first]
        for first in range(0, len(marks), _BLOCK):
            block = marks[first : first + _BLOCK]
            self._grow(len(block))
            self._count += self._enter(block)

    def get(self, numbers: Numbers) -> NDArray[np.int64]:
        """Return the value of each number, 0 for none."""
        found: NDArray[np.int64] = np.zeros(len(numbers), np.int64)
        for first in range(0, len(numbers), _BLOCK):
            marks = self.marks(numbers[first : first + _BLOCK])
            found[first : first + _BLOCK] = self._look(marks, *self._places(marks))[0]
        return found

    def put(self, numbers: Numbers, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give numbers, each there once, these values; return those that they had."""
        self._widen(int(values.max(initial=0)))
        had: NDArray[np.int64] = np.zeros(len(numbers), np.int64)
        marks = self.marks(numbers)
        if not values.any():
            # Nothing is entered, so nothing need be sorted.
            order = np.arange(len(marks))
        else:
            # Numbers are sorted faster than places by their numbers.
            order = (np.sort(marks << np.uint64(32) | np.arange(len(marks), dtype=np.uint64)) & _LOW).astype(np.int64)
        for first in range(0, len(order), _BLOCK):
            block = order[first : first + _BLOCK]
            self._grow(len(block))
            had[block] = self._put(marks[block], values[block])
        return had

    def items(self) -> tuple[Numbers, NDArray[np.int64]]:
        """Return all numbers that have a value, and the values."""
        rows, slots = np.nonzero(self._valued)
        buckets = np.where(rows >= self._top, self._new, self._old) if self._boundary else np.full(len(rows), self._new)
        begins = ((rows.astype(np.uint64) << self._bits) + (buckets - 1).astype(np.uint64)) // buckets.astype(np.uint64)
        beside = {mark: value for mark, value in self._rest_values.items() if value}
        marks = np.append(begins + self._rows[rows, slots], np.array(list(beside), np.uint64))
        values = np.append(self._valued[rows, slots].astype(np.int64), np.array(list(beside.values()), np.int64))
        return self._numbers(marks), values

    @property
    def _valued(self) -> Values:
        assert self._values is not None, "the table has no values"  # noqa: S101 - a bug, not a condition
        return self._values

    def _widen(self, largest: int) -> None:
        if largest > np.iinfo(self._valued.dtype).max:
            self._values = self._valued.astype(np.uint16)

    def _look(
        self, marks: Numbers, buckets: NDArray[np.int64], distances: NDArray[np.uint16]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the value of each mark, and its slot, -1 for none; what is beside the table has none."""
        rows = self._rows[buckets]
        found = _holds(rows, distances)
        values, slots = np.zeros(len(marks), np.int64), np.full(len(marks), -1)
        there = found.nonzero()[0]
        if len(there):
            taken = slots[there] = (rows[there] == distances[there, None]).argmax(axis=1)
            values[there] = self._valued[buckets[there], taken]
        if self._rest_values:
            for place in (~found & (self._taken[buckets] == _SLOTS)).nonzero()[0].tolist():
                values[place] = self._rest_values.get(int(marks[place]), 0)
        return values, slots

    def _put(self, marks: Numbers, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Set the values of marks, which are sorted and each there once; return those before."""
        buckets, distances = self._places(marks)
        had, slots = self._look(marks, buckets, distances)
        found = slots >= 0
        if found.any():
            self._valued[buckets[found], slots[found]] = values[found]
        is_new = ~found & (values != 0)
        for place in np.flatnonzero(~found).tolist() if self._rest_values else ():
            if (mark := int(marks[place])) in self._rest_values:
                self._rest_values[mark] = int(values[place])
                is_new[place] = False
        if is_new.any():
            self._count += self._enter(marks[is_new], values[is_new])
        return had

    def marks(self, numbers: Numbers) -> Numbers:
        """Return the places of numbers in the permutation: each step of it can be undone, so no two get one place."""
        half, mask = self._half, self._mask
        marks = numbers ^ (numbers >> half)
        marks = marks * np.uint64(_FIRST_FACTOR) & mask
        marks ^= marks >> half
        marks = marks * np.uint64(_SECOND_FACTOR) & mask
        marks ^= marks >> half
        return marks

    def _numbers(self, marks: Numbers) -> Numbers:
        """Return the numbers of marks, by the same steps backwards: a shift by half of the bits undoes itself."""
        half, mask, size = self._half, self._mask, int(self._mask) + 1
        numbers = marks ^ (marks >> half)
        numbers = numbers * np.uint64(pow(_SECOND_FACTOR, -1, size)) & mask
        numbers ^= numbers >> half
        numbers = numbers * np.uint64(pow(_FIRST_FACTOR, -1, size)) & mask
        numbers ^= numbers >> half
        return numbers

    def _places(self, marks: Numbers) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
        """Return bucket and distance of each mark."""
        buckets: Numbers | np.uint64 = np.uint64(self._new)
        if self._boundary:
            buckets = np.where(marks >= np.uint64(self._boundary), buckets, np.uint64(self._old))
        product = marks * buckets
        return (product >> self._bits).astype(np.int64), ((product & self._mask) // buckets).astype(np.uint16)

    def _enter(self, marks: Numbers, values: NDArray[np.int64] | None = None) -> int:
        """Enter marks, which are sorted and each there once, with their values; return how many were new."""
        buckets, distances = self._places(marks)
        slots = self._taken[buckets].astype(np.int64)
        is_known = _holds(self._rows[buckets], distances)
        if self._rest:
            for place in np.flatnonzero(~is_known & (slots == _SLOTS)).tolist():
                is_known[place] = int(marks[place]) in self._rest
        if is_known.any():
            is_new = ~is_known
            marks, buckets, distances, slots = marks[is_new], buckets[is_new], distances[is_new], slots[is_new]
            values = None if values is None else values[is_new]
        begins = _changes(buckets)
        if not begins.all():
            places = np.arange(len(buckets))
            slots += places - np.maximum.accumulate(np.where(begins, places, 0))
        fits = slots < _SLOTS
        if not fits.all():
            self._rest.update(_words(marks[~fits]))
            buckets, distances, slots = buckets[fits], distances[fits], slots[fits]
            if values is not None:
                self._rest_values.update(zip(marks[~fits].tolist(), values[~fits].tolist(), strict=True))
                values = values[fits]
        self._rows[buckets, slots] = distances
        if values is not None:
            self._valued[buckets, slots] = values
        # The highest slot of a bucket comes last, and of several values for one place the last one stays.
        self._taken[buckets] = slots + 1
        return len(marks)

    def _grow(self, numbers: int) -> None:
        """Make room for more numbers, as far as it is time to."""
        if not self._boundary:
            if self._count + numbers <= _FILL_MAX * self._new:
                return
            self._old, self._new = self._new, int(self._new * _GROWTH) + 1
            # The allocator moves pages, not bytes, where it can: the table is never there twice.
            self._rows.resize((self._new, _SLOTS), refcheck=False)
            self._rows[self._old :] = _EMPTY
            self._taken.resize(self._new, refcheck=False)
            if self._values is not None:
                self._values.resize((self._new, _SLOTS), refcheck=False)
            self._boundary, self._top = int(self._mask) + 1, self._new
        self._owed += numbers * _MOVES_PER_NUMBER
        while self._boundary and self._owed >= self._moved_at_once:
            self._owed -= self._moved_at_once
            self._move()

    def _move(self) -> None:
        """Move what belongs into the highest buckets that are not filled yet, and lower the boundary to their first.

        These buckets are free: the old number of buckets puts each mark into the same one or a lower one.
        """
        low = self._top - self._moved_at_once
        low = low if low >= _LOWEST_SAFE else 0
        boundary, bits = self._boundary, int(self._bits)
        new_boundary = _first_mark(low, self._new, bits)
        first, last = (new_boundary * self._old) >> bits, ((boundary - 1) * self._old) >> bits
        rows = self._rows[first : last + 1]
        is_taken = rows != _EMPTY
        of_row = np.arange(first, last + 1, dtype=np.uint64) << self._bits
        begins = (of_row + np.uint64(self._old - 1)) // np.uint64(self._old)
        marks = np.repeat(begins, self._taken[first : last + 1]) + rows[is_taken]
        values = None
        if self._values is not None:
            values = self._values[first : last + 1][is_taken].astype(np.int64)
            self._values[first : last + 1] = 0
        rows[:] = _EMPTY
        self._taken[first : last + 1] = 0
        # Those that found a bucket full get another chance, or the bitmap would not say that it still is.
        beside = self._rest & BitMap64(range(_first_mark(first, self._old, bits), boundary))
        if beside:
            self._rest -= beside
            pulled = list(beside)
            marks = np.append(marks, np.array(pulled, dtype=np.uint64))
            if values is not None:
                values = np.append(values, [self._rest_values.pop(mark) for mark in pulled])
        self._boundary, self._top = new_boundary, low
        if not low:
            self._old, self._owed = self._new, 0.0
        if values is None:
            self._enter(np.sort(marks))
            return
        order = np.argsort(marks)
        order = order[values[order] != 0]
        self._count -= len(marks) - len(order)
        self._enter(marks[order], values[order])


def _holds(rows: NDArray[np.uint16], distances: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Tell of each row whether it holds a distance; 32 answers are four words, which is much faster than `any`."""
    words = (rows == distances[:, None]).view(np.uint64)
    found: NDArray[np.bool_] = (words[:, 0] | words[:, 1] | words[:, 2] | words[:, 3]) != 0
    return found


def _changes(values: NDArray[np.uint64] | NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell of each of some sorted values whether it is not the one before."""
    changes = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=changes[1:])
    return changes


def _first_mark(bucket: int, buckets: int, bits: int) -> int:
    return -((-bucket << bits) // buckets)


def _words(marks: Numbers) -> array[int]:
    words = array("Q")
    words.frombytes(np.ascontiguousarray(marks).tobytes())
    return words
