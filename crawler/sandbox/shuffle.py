"""A keyed permutation of 0..size-1 whose inverse costs the same: order without a table.

Rounds (two, usually) of an affine map modulo `size`, each followed by an exclusive or inside aligned blocks of a power
of two, with a mask that depends on the block. Every step is a bijection of 0..size-1 for any size, so nothing has to be
retried. It hides regularity; it is no cipher. The same code takes an int or an array of int64.
"""

from __future__ import annotations

import math
import random
from typing import TypeVar

from crawler.sandbox.world import Ids

IntOrIds = TypeVar("IntOrIds", int, Ids)

LARGEST_SIZE = 2**31
"""Products of two numbers below this fit into 63 bits."""


class Shuffle:
    """The permutation of `size` numbers that belongs to `key`."""

    def __init__(self, size: int, key: str, rounds: int = 2) -> None:
        if not 0 < size <= LARGEST_SIZE:
            message = f"a shuffle holds 1 to {LARGEST_SIZE} numbers, not {size}"
            raise ValueError(message)
        source = random.Random(key)  # noqa: S311 - a world, no secret
        self._size = size
        self._block_bits = size.bit_length() // 2
        self._mask = (1 << self._block_bits) - 1
        self._limit = size & ~self._mask
        self._rounds = [_round(size, source) for _ in range(rounds)]

    def forward(self, value: IntOrIds) -> IntOrIds:
        """Return the place of a number."""
        for factor, _, shift, mixer in self._rounds:
            value = self._mixed((value * factor + shift) % self._size, mixer)
        return value

    def backward(self, place: IntOrIds) -> IntOrIds:
        """Return the number at a place."""
        for _, inverse, shift, mixer in reversed(self._rounds):
            place = (self._mixed(place, mixer) - shift) % self._size * inverse % self._size
        return place

    def _mixed(self, value: IntOrIds, mixer: int) -> IntOrIds:
        block_mask = ((value >> self._block_bits) * mixer >> 15) & self._mask
        return value ^ block_mask * (value < self._limit)


def _round(size: int, source: random.Random) -> tuple[int, int, int, int]:
    factor = source.randrange(size)
    while math.gcd(factor, size) != 1:
        factor = source.randrange(size)
    inverse = pow(factor, -1, size) if size > 1 else 0
    return factor, inverse, source.randrange(size), source.randrange(1 << 30, 1 << 31) | 1
