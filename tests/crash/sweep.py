"""The sweep: a small crawl in which the k-th operation on the disk goes wrong, for every k, and again in its recovery.

A case is a list of faults, one for each start, each followed by what a power cut left; then the crawl is given once
more, undisturbed, and must end with the records of the crawl that never was disturbed. Everything runs without a thread
on a virtual loop, so the k-th operation of a crawl is the same one every time, and none is left out.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from crawler.dataset.reader import records
from crawler.errors import StorageError
from crawler.frontier.state import read_state
from crawler.shards.writer import KINDS
from tests.crash.machine import Aftermath, Fault, Machine, Platter
from tests.engine.toy import ToyClient, World, crawl, settings
from tests.simulation.loop import VirtualLoop

SEEDS = [3]
SHARD_BYTES_MAX = 400
THREAD_SECONDS = 3e-6
"""How long the work of a thread takes: three turns of the loop, so that commits of one page and of several occur."""
TIMES = {"observed_at", "first_at", "last_at"}
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it

Records = dict[str, list[dict[str, Any]]]
Disturbance = tuple[Fault, Aftermath]


class Truth(NamedTuple):
    """A crawl that nothing disturbs: its world, its records and its operations on the disk."""

    world: World
    records: Records
    operations: list[str]


def attempt(platter: Platter, machine: Machine, world: World) -> bool:
    """Start or resume the crawl; return whether it finished. Anything but a `StorageError` is raised."""
    chosen = settings(workers=4, shard_bytes_max=SHARD_BYTES_MAX)
    loop = VirtualLoop(0.0, lambda: THREAD_SECONDS)
    try:
        ending = loop.run_until_complete(
            crawl(platter.folder, ToyClient(world, 1), SEEDS, chosen, platter.disk(machine))
        )
    except StorageError:
        if not machine.hit:
            raise
        return False
    finally:
        loop.close()
    return ending.finished


def undisturbed(world: World) -> Truth:
    """Crawl a world once, undisturbed."""
    with _folder() as folder:
        platter, machine = Platter(Path(folder) / "run"), Machine()
        assert attempt(platter, machine, world)
        return Truth(world, everything(platter.folder), machine.operations)


def disturbed(disturbances: Sequence[Disturbance], truth: Truth) -> list[Machine]:
    """Crawl with a fault in each of the first starts, then without, and compare; return the disturbed starts."""
    with _folder() as folder:
        platter, machines = Platter(Path(folder) / "run"), []
        for fault, aftermath in disturbances:
            machines.append(Machine(fault))
            attempt(platter, machines[-1], truth.world)
            platter.power_cut(aftermath, random.Random(repr((fault, aftermath))))
        assert attempt(platter, Machine(), truth.world)
        compare(everything(platter.folder), truth.records, machines, f"{disturbances}")
        return machines


def everything(run: Path) -> Records:
    """Return the committed records in their order, times left out; every file must be known, sealed and unchanged."""
    shards = read_state(run / "frontier.sqlite")["shards"]
    assert sorted(path.name for path in (run / "shards").iterdir()) == sorted(shard.name for shard in shards)
    for shard in shards:
        assert hashlib.sha256((run / "shards" / shard.name).read_bytes()).hexdigest() == shard.sha256, shard.name
    return {
        kind: [{key: value for key, value in one.items() if key not in TIMES} for one in records(run, kind)]
        for kind in KINDS
    }


def every_operation(disturbances: Iterator[Disturbance], truth: Truth) -> Iterator[str]:
    """Let each operation of the crawl go wrong once, in a crawl of its own; yield what each was.

    Of a disturbance that is drawn only the kind and the aftermath count.
    """
    for k, name in enumerate(truth.operations, 1):
        fault, aftermath = next(disturbances)
        (machine,) = disturbed([(fault._replace(at=k), aftermath)], truth)
        assert machine.hit
        assert machine.operations[k - 1] == name
        yield name


def every_recovery(first: Disturbance, disturbances: Iterator[Disturbance], truth: Truth) -> Iterator[str]:
    """After a first fault, let each operation of the recovery go wrong once; yield what each was."""
    for j in count(1):
        fault, aftermath = next(disturbances)
        machine = disturbed([first, (fault._replace(at=j), aftermath)], truth)[1]
        if not machine.hit or not recovering(machine):
            return
        yield machine.operations[j - 1]


def recovering(machine: Machine) -> bool:
    """Tell whether a start had not yet written anything of its own."""
    return not any(name.startswith(("append", "commit")) for name in machine.operations)


def compare(found: Records, wanted: Records, machines: Sequence[Machine], what: str) -> None:
    """Fail, with the operations that went wrong, when the records are not those of the undisturbed crawl."""
    if found != wanted:
        where = [f"{machine.operations[-1]} ({len(machine.operations)})" for machine in machines]
        lines = {kind: (len(found[kind]), len(wanted[kind])) for kind in wanted}
        raise AssertionError(f"{what}, at {where}: the records differ; lines found and wanted: {lines}")


def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder in memory where there is one: what is not synced is played, so no disk is needed."""
    return tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
