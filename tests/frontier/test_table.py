"""The table of known numbers is a set: exact whatever is added, in whatever order, while it grows and moves."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from crawler.frontier import ids
from crawler.frontier.ids import KnownIds
from crawler.frontier.table import Numbers, Table
from crawler.model import Id


def numbers(values: list[int] | range) -> Numbers:
    """Return numbers as a table takes them."""
    return np.array(values, dtype=np.uint64)


def check(table: Table, truth: set[int], others: list[int]) -> None:
    """Compare a table with a set, for all in the set and for some others."""
    assert len(table) == len(truth)
    assert table.has(numbers(sorted(truth))).all()
    assert table.has(numbers(others)).tolist() == [other in truth for other in others]


@settings(max_examples=40)
@given(some.integers(0, 1 << 30), some.integers(12, 24), some.integers(1, 40), some.sampled_from([1, 3, 64]))
def test_whatever_is_added_is_there_and_nothing_else(seed: int, bits: int, batches: int, moved_at_once: int) -> None:
    """Batches of new, known and doubled numbers, with growths in small parts under way, are in it, and no others."""
    chance = random.Random(seed)
    table, truth = Table(bits=bits, moved_at_once=moved_at_once), set[int]()
    step = chance.choice([1, 1, 2, 64])
    for _ in range(batches):
        start = chance.randrange(1 << bits)
        batch = [(start + step * n) % (1 << bits) for n in range(chance.randrange(60))]
        batch += [chance.randrange(1 << bits) for _ in range(chance.randrange(400))]
        batch += batch[: chance.randrange(9)]
        if batch and chance.random() < 0.5:
            known, glance = table.glance(table.marks(numbers(batch)))
            assert known == [value in truth for value in batch]
            new = {value: place for place, value in enumerate(batch) if not known[place]}
            if new:
                table.add_new(glance, list(new.values()))
        else:
            table.add(numbers(batch))
        truth.update(batch)
        check(table, truth, [chance.randrange(1 << bits) for _ in range(50)])


@settings(max_examples=40)
@given(some.integers(0, 1 << 30), some.integers(12, 24), some.integers(1, 30), some.sampled_from([1, 3, 64]))
def test_a_number_has_the_value_that_it_was_given_last(seed: int, bits: int, batches: int, moved_at_once: int) -> None:
    """Values given, changed and taken away, with growths under way, are those of a dictionary."""
    chance = random.Random(seed)
    table, truth = Table(valued=True, bits=bits, moved_at_once=moved_at_once), dict[int, int]()
    largest = chance.choice([3, 255, 400])
    for _ in range(batches):
        batch = {chance.randrange(1 << bits): chance.randrange(largest + 1) for _ in range(chance.randrange(400))}
        for value in chance.sample(sorted(truth), len(truth) // 2):
            batch[value] = chance.choice([0, 0, 1, largest])
        had = table.put(numbers(list(batch)), np.array(list(batch.values()), np.int64))
        assert had.tolist() == [truth.get(value, 0) for value in batch]
        truth.update(batch)
        sample = [
            *chance.sample(sorted(truth), min(len(truth), 200)),
            *(chance.randrange(1 << bits) for _ in range(50)),
        ]
        assert table.get(numbers(sample)).tolist() == [truth.get(value, 0) for value in sample]
        keys, values = table.items()
        found = dict(zip(keys.tolist(), values.tolist(), strict=True))
        assert len(found) == len(keys)
        assert found == {key: value for key, value in truth.items() if value}


@pytest.mark.parametrize("moved_at_once", [7, 5000])
def test_every_number_has_a_place_of_its_own(moved_at_once: int) -> None:
    """All numbers of 16 bits, in any order, are 65,536 different ones: no two share a place, and none is lost."""
    order = list(range(1 << 16))
    random.Random(moved_at_once).shuffle(order)
    table = Table(bits=16, moved_at_once=moved_at_once)
    for first in range(0, len(order), 997):
        table.add(numbers(order[first : first + 997]))
        assert len(table) == min(first + 997, len(order))
        assert not table.has(numbers(order[first + 997 : first + 1500])).any()
    assert table.has(numbers(range(1 << 16))).all()


def test_few_find_their_bucket_full_and_memory_stays_small() -> None:
    """While a table grows to thirty times its first size, it takes at most 3.5 bytes a number, one in 100 beside it."""
    chance = np.random.default_rng(1)
    table = Table(bits=24, moved_at_once=8)
    for number in range(300):
        table.add(chance.integers(0, 1 << 24, size=700, dtype=np.uint64))
        if number > 20:
            assert table.size_bytes <= 3.5 * len(table)
            assert table.beside <= 0.01 * len(table)


def test_room_for_those_who_are_expected_is_made_at_once() -> None:
    """A table of the size that it was made for has not grown on the way."""
    table = Table(100_000, bits=24)
    before = table.size_bytes
    table.add(numbers(range(7, 700_007, 7)))
    assert (len(table), table.size_bytes) == (100_000, before)


@settings(max_examples=40)
@given(
    some.lists(
        some.lists(
            some.integers(0, 300) | some.integers(0, 1 << 33) | some.integers(0, (1 << 62) - 1) | some.text(max_size=2),
            max_size=30,
        ),
        max_size=20,
    ),
    some.sampled_from([1, 20, 1000]),
    some.sampled_from([None, 100]),
)
def test_ids_of_every_form_are_known_with_and_without_a_table(
    pages: list[list[Id]], table_from: int, expected: int | None
) -> None:
    """Small numbers, numbers beyond the table and texts are known exactly, before, while and after a table is made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ids, "TABLE_FROM", table_from)
        patch.setattr(ids, "SPARSE_SHARE", 1e9)
        known, truth = KnownIds(), set[Id]()
        known.expected = expected
        for page in pages:
            assert known.has(page) == [value in truth for value in page]
            if expected and all(type(value) is int for value in page):
                known.update_words(np.array(page, dtype=np.uint64))
            else:
                known.update(page)
            truth.update(page)
            assert len(known) == len(truth)
            assert known.has(sorted(truth, key=str)) == [True] * len(truth)


@pytest.mark.parametrize("step,is_table", [(7000, True), (3, False)])
@pytest.mark.parametrize("expected", [None, 250_000])
def test_ids_that_lie_close_stay_in_a_bitmap(expected: int | None, step: int, *, is_table: bool) -> None:
    """A table is made of ids that lie far apart only, whether they come at once or page by page."""
    known = KnownIds()
    known.expected = expected
    chance = np.random.default_rng(3)
    words = (np.arange(250_000, dtype=np.uint64) * np.uint64(step))[chance.permutation(250_000)]
    for part in np.array_split(words, 25 if expected else 2500):
        known.update_words(part)
    assert (known._table is not None) is is_table
    assert len(known) == len(words)
    assert all(known.has(words[:300].tolist()))
    assert not any(known.has((words[:300] + np.uint64(1)).tolist()))


@pytest.mark.slow
def test_at_its_true_size_a_table_is_a_set() -> None:
    """Eight million numbers of 32 bits in steps that let it grow often: numpy's own sets say the same."""
    chance = np.random.default_rng(2)
    pool = np.unique(chance.integers(0, 1 << 32, size=9_000_000, dtype=np.uint64))
    chance.shuffle(pool)
    inside, outside = pool[:8_000_000], pool[8_000_000:]
    table = Table()
    for part in np.array_split(inside, 2000):
        table.add(part)
    assert len(table) == len(inside)
    assert table.has(inside).all()
    assert not table.has(outside).any()
    assert table.size_bytes <= 3.5 * len(table)
