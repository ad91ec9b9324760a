"""The sweep: a small crawl in which the k-th operation on the disk goes wrong, for every k, and again in its recovery.

A case is a list of faults, one for each start, each followed by what a power cut left; then the crawl is given once
more, undisturbed, and must end with the records of the crawl that never was disturbed.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from crawler.dataset.reader import records
from crawler.errors import StorageError
from crawler.frontier.state import read_state
from tests.crash.machine import Aftermath, Fault, Kind, Machine, Platter
from tests.engine.toy import ToyClient, World, crawl, settings

WORLD = World(1, 8, 5)
SEEDS = [3]
TIMES = {"observed_at", "first_at", "last_at"}
Records = dict[str, list[dict[str, Any]]]
Disturbance = tuple[Fault, Aftermath]


async def attempt(platter: Platter, machine: Machine) -> bool:
    """Start or resume the crawl; return whether it finished. Anything but a `StorageError` is raised."""
    chosen = settings(workers=4, shard_bytes_max=400)
    try:
        ending = await crawl(platter.folder, ToyClient(WORLD, 1), SEEDS, chosen, platter.disk(machine))
    except StorageError:
        if not machine.hit:
            raise
        return False
    return ending.finished


async def undisturbed() -> tuple[Records, list[str]]:
    """Return the records of the crawl that nothing disturbs, and its operations."""
    with tempfile.TemporaryDirectory() as folder:
        platter, machine = Platter(Path(folder) / "run"), Machine()
        assert await attempt(platter, machine)
        return everything(platter.folder), machine.operations


async def disturbed(disturbances: Sequence[Disturbance]) -> tuple[Records, list[Machine]]:
    """Crawl with a fault in each of the first starts, then without; return the records and the disturbed starts."""
    with tempfile.TemporaryDirectory() as folder:
        platter, machines = Platter(Path(folder) / "run"), []
        for fault, aftermath in disturbances:
            machines.append(Machine(fault))
            await attempt(platter, machines[-1])
            platter.power_cut(aftermath, random.Random(repr((fault, aftermath))))
        assert await attempt(platter, Machine())
        return everything(platter.folder), machines


def everything(run: Path) -> Records:
    """Return the committed records in their order, times left out; every file must be known, sealed and unchanged."""
    shards = read_state(run / "frontier.sqlite")["shards"]
    assert sorted(path.name for path in (run / "shards").iterdir()) == sorted(shard.name for shard in shards)
    for shard in shards:
        assert hashlib.sha256((run / "shards" / shard.name).read_bytes()).hexdigest() == shard.sha256, shard.name
    return {
        kind: [{key: value for key, value in one.items() if key not in TIMES} for one in records(run, kind)]
        for kind in ("nodes", "edges", "lists")
    }


async def every_operation(kind: Kind, aftermath: Aftermath, truth: Records) -> AsyncIterator[str]:
    """Let each operation of the crawl go wrong once, in a crawl of its own; yield what each was."""
    for k in count(1):
        found, machines = await disturbed([(Fault(k, kind), aftermath)])
        compare(found, truth, machines, f"{kind}, then {aftermath}")
        if not machines[0].hit:
            return
        yield machines[0].operations[k - 1]


async def every_recovery(
    first: Disturbance, kinds: Iterator[Kind], aftermaths: Iterator[Aftermath], truth: Records
) -> AsyncIterator[str]:
    """After a first fault, let each operation of the recovery go wrong once; yield what each was."""
    for j in count(1):
        second = Fault(j, next(kinds)), next(aftermaths)
        found, machines = await disturbed([first, second])
        compare(found, truth, machines, f"{first}, then {second}")
        if not machines[1].hit or not recovering(machines[1]):
            return
        yield machines[1].operations[j - 1]


def recovering(machine: Machine) -> bool:
    """Tell whether a start had not yet written anything of its own."""
    return not any(name.startswith(("append", "commit")) for name in machine.operations)


def compare(found: Records, truth: Records, machines: Sequence[Machine], what: str) -> None:
    """Fail, with the operations that went wrong, when the records are not those of the undisturbed crawl."""
    if found != truth:
        where = [f"{machine.operations[-1]} ({len(machine.operations)})" for machine in machines]
        lines = {kind: (len(found[kind]), len(truth[kind])) for kind in truth}
        raise AssertionError(f"{what}, at {where}: the records differ; lines found and wanted: {lines}")
