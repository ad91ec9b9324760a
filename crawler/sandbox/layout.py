"""JSON objects of one shape, many at a time: a template of bytes with cells that numpy fills in whole columns.

A page of 200 users is 200 kB, and formatting it value by value takes longer than sending it. So every object of a shape
has the same width: a number stands in a cell that is as wide as the widest, and what is left is spaces outside of
strings, which JSON allows. A cell is written `<name:form>`:

    number   a number, spaces before it
    tail     the end of a string: digits, the closing quote, spaces after it; `tail/stream` has a text before the quote
    digits9  nine digits with leading zeros (any number of digits up to 12)
    count    column `name` of the table of counts, spaces before it
    date     YYYY/MM/DD HH:MM:SS, one of `DATES`
    choice   one of the texts that the variants give, spaces after it
    block    bytes made elsewhere, one line per object
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crawler.sandbox.world import Ids

Bytes = NDArray[np.uint8]

START_SECONDS = 1_199_145_600
"""2008-01-01: nothing in a world is older."""
END_SECONDS = 1_767_225_600
"""2026-01-01: nothing in a world is younger."""
DATE_COUNT = 1 << 14
"""How many different dates there are: looking one up is faster than formatting it."""
_ID_DIGITS = 12
_COUNT_DIGITS = 8
_LARGEST_COUNT = 10**_COUNT_DIGITS - 1
_DATE_WIDTH = len("2012/07/12 20:46:18")
_CELL = re.compile(r"<(\w+):([a-z]+)(\d*|/[a-z]+)>")


class _Cell(NamedTuple):
    name: str
    form: str
    extra: str
    columns: slice


class Values(NamedTuple):
    """What fills the cells: ids, dates (numbers of `DATES`) and blocks by name, counts, and each one's variant."""

    variants: Ids
    ids: Mapping[str, Ids]
    dates: Mapping[str, Ids] = {}
    counts: Ids | None = None
    blocks: Mapping[str, Bytes] = {}


class Layout:
    """A shape of objects. `digits` gives the most digits of each id, `blocks` the width of each block in bytes."""

    def __init__(
        self,
        template: str,
        digits: Mapping[str, int],
        variants: Sequence[Mapping[str, str]] = ({},),
        blocks: Mapping[str, int] = {},
    ) -> None:
        self._digits = digits
        self._cells: list[_Cell] = []
        pieces = _CELL.split(template)
        lines: list[list[str]] = [[] for _ in variants]
        width = 0
        pieces += [""] * 3  # no cell follows the last literal
        for literal, name, form, size in zip(*(pieces[part::4] for part in range(4)), strict=True):
            texts = _texts(name, form, variants)
            cell_width = _cell_width(name, form, size, digits, blocks, texts)
            start = width + len(literal.encode())
            width = start + cell_width
            self._cells.append(_Cell(name, form, size, slice(start, width)))
            for line, text in zip(lines, texts, strict=True):
                line += [literal, text.ljust(cell_width)]
        encoded = "".join("".join(line) for line in lines).encode()
        self._templates: Bytes = np.frombuffer(encoded, dtype=np.uint8).reshape(len(variants), width)
        self._forms = {name: {cell[1:3] for cell in self._cells if cell.name == name} for name in digits}
        self._endings = {
            (cell.name, cell.extra): _ending_table(digits[cell.name], cell.extra)
            for cell in self._cells
            if cell.form == "tail"
        }
        self.width = width

    def fill(self, values: Values) -> Bytes:
        """Return the objects, one line of bytes each."""
        lines = self._templates.take(values.variants, axis=0)
        made: dict[tuple[str, str, str], Bytes] = {}
        for name, numbers in values.ids.items():
            made.update(self._id_cells(name, numbers))
        for name, numbers in values.dates.items():
            made[name, "date", ""] = DATES.take(numbers, axis=0)
        if values.counts is not None:
            counts = count_cells(values.counts)
            made.update({(str(column), "count", ""): counts[:, column] for column in range(counts.shape[1])})
        made.update({(name, "block", ""): block for name, block in values.blocks.items()})
        for name, form, extra, columns in self._cells:
            cells = made.get((name, form, extra))
            if cells is not None:
                lines[:, columns] = cells
        return lines

    def _id_cells(self, name: str, numbers: Ids) -> dict[tuple[str, str, str], Bytes]:
        digits = self._digits[name]
        lengths = _POWERS.searchsorted(numbers, side="right") + 1
        plain = id_digits(numbers)
        left = id_digits(numbers * _TENS.take(digits - lengths))[:, _ID_DIGITS - digits :]
        cells: dict[tuple[str, str, str], Bytes] = {}
        for form, extra in self._forms[name]:
            if form == "digits":
                cells[name, form, extra] = plain[:, _ID_DIGITS - int(extra) :]
            elif form == "number":
                cells[name, form, extra] = plain[:, _ID_DIGITS - digits :] + _LEADING_SPACES[digits].take(
                    lengths, axis=0
                )
            elif form == "tail":
                tails = self._endings[name, extra].take(lengths, axis=0)
                tails[:, :digits] += left
                cells[name, form, extra] = tails
        return cells


def id_digits(numbers: Ids) -> Bytes:
    """Return twelve digits of each number, with leading zeros."""
    groups = np.empty((len(numbers), 3), dtype=np.uint32)
    upper = numbers // 10_000
    groups[:, 2] = _ZEROS.take(numbers - upper * 10_000)
    top = upper // 10_000
    groups[:, 1] = _ZEROS.take(upper - top * 10_000)
    groups[:, 0] = _ZEROS.take(top)
    return groups.view(np.uint8)


def count_cells(counts: Ids) -> Bytes:
    """Return each count in eight bytes, spaces before it."""
    groups = np.empty((*counts.shape, 2), dtype=np.uint32)
    small = np.minimum(counts, _LARGEST_COUNT).astype(np.uint32)  # half the width, twice the speed
    upper = small // 10_000
    groups[..., 0] = _SPACES_OR_NOTHING.take(upper)
    small -= upper * 10_000
    small[upper > 0] += 10_000
    groups[..., 1] = _SPACES_THEN_ZEROS.take(small)
    return groups.view(np.uint8).reshape(*counts.shape, _COUNT_DIGITS)


def _texts(name: str, form: str, variants: Sequence[Mapping[str, str]]) -> list[str]:
    return [variant[name] if form == "choice" else "" for variant in variants]


def _cell_width(
    name: str, form: str, size: str, digits: Mapping[str, int], blocks: Mapping[str, int], texts: Sequence[str]
) -> int:
    if form == "digits":
        return int(size)
    if form in ("number", "tail"):
        return digits[name] + (len(size) + 1 if form == "tail" else 0)
    if form == "block":
        return blocks[name]
    if form == "choice":
        return max(map(len, texts))
    return {"count": _COUNT_DIGITS, "date": _DATE_WIDTH, "": 0}[form]


def _table(texts: Sequence[str]) -> NDArray[np.uint32]:
    return np.frombuffer("".join(texts).encode(), dtype=np.uint32)


def _date_table() -> Bytes:
    """Return texts of moments that are spread evenly but not regularly."""
    step = (END_SECONDS - START_SECONDS) // DATE_COUNT
    places = np.arange(DATE_COUNT)
    moments = START_SECONDS + places * step + (places * 2_654_435_761 & 0xFFFFFFFF) * step // 2**32
    texts = moments.astype("datetime64[s]").astype(str).tolist()
    joined = "".join(texts).replace("-", "/").replace("T", " ")
    return np.frombuffer(joined.encode(), dtype=np.uint8).reshape(DATE_COUNT, _DATE_WIDTH)


def _ending_table(digits: int, text: str) -> Bytes:
    """Return, for each length of a number, what to add to its digits, pushed to the left and filled up with zeros.

    Digits get 0, what is beyond them becomes the text, the closing quote and spaces.
    """
    zero, ending = ord("0"), (text + '"').encode()
    table = np.full((_ID_DIGITS + 2, digits + len(ending)), ord(" "), dtype=np.int64)
    for length in range(min(digits, _ID_DIGITS) + 1):
        table[length, length : length + len(ending)] = list(ending)
        table[length, :digits] -= zero
        table[length, :length] = 0
    return table.astype(np.uint8)


def _space_tables() -> list[Bytes]:
    """Return, for each width and each length of a number, what to add to its leading zeros to make them spaces."""
    tables = []
    for digits in range(_ID_DIGITS + 1):
        table = np.zeros((_ID_DIGITS + 2, digits), dtype=np.int64)
        for length in range(digits + 1):
            table[length, : digits - length] = ord(" ") - ord("0")
        tables.append(table.astype(np.uint8))
    return tables


_ZEROS = _table([f"{n:04}" for n in range(10_000)])
_SPACES_THEN_ZEROS = _table([f"{n:4}" for n in range(10_000)] + [f"{n:04}" for n in range(10_000)])
_SPACES_OR_NOTHING = _table(["    "] + [f"{n:4}" for n in range(1, 10_000)])
_POWERS: Ids = 10 ** np.arange(1, _ID_DIGITS, dtype=np.int64)
_TENS: Ids = 10 ** np.arange(_ID_DIGITS, dtype=np.int64)
_LEADING_SPACES = _space_tables()
DATES = _date_table()
"""Dates in the official form, without the zone, rising."""
