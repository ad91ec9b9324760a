"""The k-th operation on the disk goes wrong, for every k of a small crawl and of its recovery: no record changes.

`-m slow` runs every kind of fault with every aftermath; the quick tests take turns between them.
"""

from __future__ import annotations

import sys
from itertools import count, cycle

import pytest

from tests.crash.machine import AFTERMATHS, KINDS, Aftermath, Fault, Kind
from tests.crash.sweep import compare, disturbed, every_operation, every_recovery, undisturbed

RECOVERED = (
    (Fault(20, "half"), AFTERMATHS[0]),
    (Fault(75, "lose"), AFTERMATHS[4]),
)
"""First faults that leave the recovery much to do: bytes to cut, files to set aside, shards to open again."""


def note(text: str) -> None:
    """Tell how many cases ran; pytest shows it with -s."""
    sys.stdout.write(f"{text}\n")


async def test_every_operation_once() -> None:
    """Whichever operation goes wrong, in whichever way, the crawl given again ends with the same records."""
    truth, operations = await undisturbed()
    cases = 0
    for k in count(1):
        fault, aftermath = Fault(k, KINDS[k % len(KINDS)]), AFTERMATHS[k // len(KINDS) % len(AFTERMATHS)]
        found, machines = await disturbed([(fault, aftermath)])
        compare(found, truth, machines, f"{fault}, then {aftermath}")
        if not machines[0].hit:
            break
        cases += 1
    note(f"{cases} cases, {len(operations)} operations")
    assert cases >= len(operations) - 5


@pytest.mark.parametrize("first", RECOVERED, ids=str)
async def test_every_operation_of_a_recovery_once(first: tuple[Fault, Aftermath]) -> None:
    """Whichever operation of the recovery goes wrong, the next start recovers from that too."""
    truth, _ = await undisturbed()
    cases = [name async for name in every_recovery(first, cycle(KINDS), cycle(AFTERMATHS), truth)]
    note(f"{len(cases)} cases: {', '.join(cases)}")
    assert len(cases) > 10


@pytest.mark.slow
@pytest.mark.parametrize("aftermath", AFTERMATHS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
async def test_every_operation_in_every_way(kind: Kind, aftermath: Aftermath) -> None:
    """Each operation of the crawl goes wrong in each way, with each aftermath: no record differs."""
    truth, operations = await undisturbed()
    cases = [name async for name in every_operation(kind, aftermath, truth)]
    note(f"{len(cases)} cases of {kind}, {aftermath}")
    assert len(cases) >= len(operations) - 5


@pytest.mark.slow
@pytest.mark.parametrize("start", range(4))
async def test_every_operation_of_every_recovery(start: int) -> None:
    """After each operation has gone wrong, each operation of the recovery goes wrong too: no record differs."""
    truth, operations = await undisturbed()
    kinds, aftermaths = cycle(KINDS), cycle(AFTERMATHS[:5])
    cases = 0
    for k in range(start + 1, len(operations) + 1, 4):
        first = Fault(k, KINDS[k % len(KINDS)]), AFTERMATHS[k % 5]
        cases += len([name async for name in every_recovery(first, kinds, aftermaths, truth)])
    note(f"{cases} cases")
    assert cases > 10 * len(operations) // 4


async def test_the_sweep_finds_shards_that_are_not_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that never syncs its shards is found out, so what is found of ours is worth something."""
    monkeypatch.setattr("tests.crash.machine.FaultyFiles.sync", lambda _files, _path: None)
    truth, _ = await undisturbed()
    with pytest.raises(Exception, match=r"lost|missing|differ"):
        [name async for name in every_operation("last", Aftermath("lost", 0), truth)]
