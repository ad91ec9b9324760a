"""Which nodes are not fully described yet, and what the line of each says: its depth, via and detail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from crawler.frontier.ids import words_of
from crawler.frontier.table import BITS, Glance, Numbers, Table
from crawler.model import Detail, Id

Place = tuple[int, str, Detail]
"""Depth, via and detail of a node's line."""

TABLE_FROM = 60_000
"""From so many ids on a table takes less memory than a dictionary, where one takes some 100 bytes."""


class Poor:
    """A mapping of ids to places. Each place has a number from 1 on; 0 says that a node is fully described."""

    __slots__ = ("_counts", "_few", "_numbers", "_places", "_table")

    def __init__(self) -> None:
        self._few: dict[Id, int] = {}
        self._table: Table | None = None
        self._places: list[Place] = []
        self._numbers: dict[Place, int] = {}
        self._counts: list[int] = [0]

    def __len__(self) -> int:
        return sum(self._counts)

    def __bool__(self) -> bool:
        return any(self._counts)

    def places(self) -> list[Place]:
        """Return the places that some node has."""
        return [place for place, count in zip(self._places, self._counts[1:], strict=True) if count]

    def place(self, number: int) -> Place:
        """Return a place by its number."""
        return self._places[number - 1]

    def number(self, place: Place) -> int:
        """Return the number of a place, a new one when it has none."""
        found = self._numbers.get(place)
        if found is None:
            self._places.append(place)
            self._counts.append(0)
            found = self._numbers[place] = len(self._places)
        return found

    def get(self, ids: Sequence[Id]) -> list[int]:
        """Return the number of each one's place, 0 for none."""
        return self.glance(ids)[0]

    def glance(self, ids: Sequence[Id], known: Glance | None = None) -> tuple[list[int], Glance | None]:
        """Return the number of each one's place; and where it is, if the table can tell it of all of them.

        `known` is where the same ids are among those known, which spares some arithmetic.
        """
        few, table = self._few, self._table
        if table is None:
            return [few.get(value, 0) for value in ids], None
        if known is not None:
            return table.glance_values(known.marks)
        words = words_of(ids)
        if words is not None and not int(words.max(initial=0)) >> BITS:
            return table.glance_values(table.marks(words))
        numbers = [few.get(value, 0) for value in ids]
        low = [place for place, value in enumerate(ids) if _is_low(value)]
        found = table.get(np.array([ids[place] for place in low], np.uint64)).tolist()
        for place, number in zip(low, found, strict=True):
            numbers[place] = number
        return numbers, None

    def change_at(self, ids: Sequence[Id], glance: Glance | None, numbers: Mapping[int, int]) -> None:
        """Give those at some places of what was looked at last these numbers; all of them had one."""
        if glance is None or self._table is None or glance.slots is None:
            self.change({ids[place]: number for place, number in numbers.items()})
            return
        slots = glance.slots.tolist()
        places = [place for place in numbers if slots[place] >= 0]
        if places:
            values = [numbers[place] for place in places]
            for had, has in zip(self._table.values_at(glance, places), values, strict=True):
                self._counts[had] -= 1
                self._counts[has] += 1
            self._counts[0] = 0
            self._table.change(glance, places, values)
        self.change({ids[place]: number for place, number in numbers.items() if slots[place] < 0})

    def change(self, numbers: Mapping[Id, int]) -> None:
        """Give ids these numbers; 0 takes an id out."""
        if not numbers:
            return
        low = {value: number for value, number in numbers.items() if self._table is not None and _is_low(value)}
        if low:
            self._put(np.array(list(low), np.uint64), np.array(list(low.values()), np.int64))
        for value, number in numbers.items():
            if value not in low:
                self._counts[self._few.pop(value, 0)] -= 1
                self._counts[number] += 1
                if number:
                    self._few[value] = number
        self._counts[0] = 0
        self._look()

    def change_words(self, words: Numbers, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        """Give many ids, each there once, these numbers; see `change`."""
        is_low = words < 1 << BITS
        if self._table is None and len(words) < TABLE_FROM:
            self.change(dict(zip(words.tolist(), numbers.tolist(), strict=True)))
            return
        if self._table is None:
            self._tabulate()
        self._put(words[is_low], numbers[is_low])
        if not is_low.all():
            self.change(dict(zip(words[~is_low].tolist(), numbers[~is_low].tolist(), strict=True)))

    def groups(self) -> Iterator[tuple[Place, list[Id]]]:
        """Yield the places in their order, with the ids that have them: numbers in order, then texts."""
        ids: dict[int, list[int]] = {}
        texts: dict[int, list[str]] = {}
        for value, number in self._few.items():
            if isinstance(value, int):
                ids.setdefault(number, []).append(value)
            else:
                texts.setdefault(number, []).append(value)
        if self._table is not None:
            words, numbers = self._table.items()
            for number in np.unique(numbers).tolist():
                ids.setdefault(number, []).extend(words[numbers == number].tolist())
        for place in sorted(self.places()):
            number = self._numbers[place]
            yield place, [*sorted(ids.get(number, ())), *sorted(texts.get(number, ()))]

    def _put(self, words: Numbers, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        assert self._table is not None, "there is no table yet"  # noqa: S101 - a bug, not a condition
        had = self._table.put(words, numbers)
        for number, count in enumerate(np.bincount(numbers, minlength=len(self._counts)).tolist()):
            self._counts[number] += count
        for number, count in enumerate(np.bincount(had, minlength=len(self._counts)).tolist()):
            self._counts[number] -= count
        self._counts[0] = 0

    def _look(self) -> None:
        if self._table is None and len(self._few) >= TABLE_FROM and sum(map(_is_low, self._few)) >= TABLE_FROM:
            self._tabulate()

    def _tabulate(self) -> None:
        self._table = Table(len(self._few), valued=True)
        low = {value: number for value, number in self._few.items() if _is_low(value)}
        self._table.put(np.array(list(low), np.uint64), np.array(list(low.values()), np.int64))
        for value in low:
            del self._few[value]


def _is_low(value: Id) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << BITS
