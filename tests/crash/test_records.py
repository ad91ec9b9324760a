"""Points, places and names survive every fault of the disk as edges do: each is there exactly once."""

from __future__ import annotations

import random
from itertools import cycle

import pytest

from crawler.engine.run import Run
from crawler.engine.worker import Source
from crawler.errors import StorageError
from crawler.model import Item
from crawler.transport.gate import Gate
from tests.crash import sweep
from tests.crash.machine import AFTERMATHS, KINDS, Fault, Machine, Platter
from tests.engine.test_several import Numbers, NumbersClient, settings
from tests.engine.toy import StillClock, ToyClient, ToyProvider, World
from tests.simulation.loop import VirtualLoop


def attempt(platter: Platter, machine: Machine, world: World) -> bool:
    """Start or resume a crawl of two sources, one of which tells records; return whether it finished."""

    async def main() -> bool:
        sources = {
            "toy": Source(ToyProvider(), ToyClient(world, 1), Gate()),
            "numbers": Source(Numbers(), NumbersClient(), Gate()),
        }
        platter.folder.mkdir(exist_ok=True)
        async with Run(platter.folder, settings(), sources, StillClock(), lambda: 0.0, platter.disk(machine)) as run:
            run.seed([Item("user", 3, 3, "id", None)], "soundcloud", "toy")
            return (await run.crawl()).finished

    loop = VirtualLoop(0.0, lambda: sweep.THREAD_SECONDS)
    try:
        return loop.run_until_complete(main())
    except StorageError:
        if not machine.hit:
            raise
        return False
    finally:
        loop.close()


def disturb(monkeypatch: pytest.MonkeyPatch, share: int) -> int:
    """Let one operation in `share` go wrong, each in a crawl of its own; return how many did."""
    monkeypatch.setattr(sweep, "attempt", attempt)
    truth = sweep.undisturbed(World(2, 5, 3))
    assert all(truth.records[kind] for kind in ("series", "charts", "xrefs"))
    kinds, aftermaths, hit = cycle(KINDS), cycle(AFTERMATHS), 0
    for k in range(1 + random.Random(share).randrange(share), len(truth.operations) + 1, share):
        (machine,) = sweep.disturbed([(Fault(k, next(kinds)), next(aftermaths))], truth)
        hit += machine.hit
    return hit


def test_some_faults_double_and_lose_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault at some operations on the disk, with each aftermath of a power cut, changes none of the records."""
    assert disturb(monkeypatch, 40) > 2


@pytest.mark.slow
def test_no_fault_doubles_or_loses_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same at every single operation."""
    assert disturb(monkeypatch, 1) > 40
