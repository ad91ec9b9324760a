"""The k-th operation on the disk goes wrong, for every k of a small crawl and of its recovery: no record changes.

`-m slow` runs every kind of fault with every aftermath; the quick tests take turns between them, in a smaller world.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from itertools import cycle, repeat

import pytest

from crawler.errors import StorageError
from tests.crash.machine import AFTERMATHS, KINDS, Aftermath, Fault, Kind
from tests.crash.sweep import Disturbance, Truth, every_operation, every_recovery, undisturbed
from tests.engine.toy import World

RECOVERED = (
    (Fault(20, "half"), AFTERMATHS[0]),
    (Fault(75, "lose"), AFTERMATHS[4]),
)
"""First faults that leave the recovery much to do: bytes to cut, files to set aside, shards to open again."""


@cache
def small() -> Truth:
    """Return the crawl of the quick tests."""
    return undisturbed(World(1, 7, 2))


@cache
def larger() -> Truth:
    """Return the crawl of the slow tests."""
    return undisturbed(World(1, 8, 5))


def in_turns() -> Iterator[Disturbance]:
    """Give every kind of fault with every aftermath, again and again."""
    return cycle([(Fault(0, kind), aftermath) for aftermath in AFTERMATHS for kind in KINDS])


def note(text: str) -> None:
    """Tell how many cases ran; pytest shows it with -s."""
    sys.stdout.write(f"{text}\n")


def test_every_operation_once() -> None:
    """Whichever operation goes wrong, in whichever way, the crawl given again ends with the same records."""
    cases = list(every_operation(in_turns(), small()))
    note(f"{len(cases)} cases")
    assert cases == small().operations


@pytest.mark.parametrize("first", RECOVERED, ids=str)
def test_every_operation_of_a_recovery_once(first: Disturbance) -> None:
    """Whichever operation of the recovery goes wrong, the next start recovers from that too."""
    cases = list(every_recovery(first, in_turns(), small()))
    note(f"{len(cases)} cases: {', '.join(cases)}")
    assert len(cases) > 10


@pytest.mark.slow
@pytest.mark.parametrize("aftermath", AFTERMATHS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_every_operation_in_every_way(kind: Kind, aftermath: Aftermath) -> None:
    """Each operation of the crawl goes wrong in each way, with each aftermath: no record differs."""
    cases = list(every_operation(repeat((Fault(0, kind), aftermath)), larger()))
    note(f"{len(cases)} cases of {kind}, {aftermath}")
    assert cases == larger().operations


@pytest.mark.slow
@pytest.mark.parametrize("start", range(4))
def test_every_operation_of_every_recovery(start: int) -> None:
    """After each operation has gone wrong, each operation of the recovery goes wrong too: no record differs."""
    truth, disturbances, cases = larger(), in_turns(), 0
    for k in range(start + 1, len(truth.operations) + 1, 4):
        first = Fault(k, KINDS[k % len(KINDS)]), AFTERMATHS[k % 5]
        cases += len(list(every_recovery(first, disturbances, truth)))
    note(f"{cases} cases")
    assert cases > 10 * len(truth.operations) // 4


def test_the_sweep_finds_shards_that_are_not_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that never syncs its shards is found out, so what is found of ours is worth something."""
    monkeypatch.setattr("tests.crash.machine.FaultyFiles.sync", lambda _files, _path: None)
    cases = every_operation(repeat((Fault(0, "last"), Aftermath("lost", 0))), small())
    with pytest.raises((StorageError, AssertionError), match=r"lost|missing|differ"):
        list(cases)
