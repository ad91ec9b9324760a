"""One simulation: processes start, are stopped in every way there is, and start again, until the crawl is finished."""

from __future__ import annotations

import asyncio
import random
import signal
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from crawler.engine.run import Disk, Run
from crawler.engine.supervisor import Ending
from crawler.engine.worker import Source
from crawler.errors import Refused, StorageError
from crawler.frontier.store import Frontier
from crawler.model import Item
from crawler.providers.oauth import OAuth
from crawler.providers.soundcloud import SoundCloud
from crawler.transport.client import Client
from crawler.transport.credentials import TokenOwner
from crawler.transport.gate import Gate
from tests.simulation.checkers import (
    Violation,
    budgets_kept,
    no_list_left_in_flight,
    no_order_inverted,
    no_page_committed_twice,
    records_equal_the_world,
)
from tests.simulation.disk import Dead, Rows, SimDisk, SimFiles
from tests.simulation.loop import VirtualClock, VirtualLoop
from tests.simulation.network import Network, SimHttp, Weather
from tests.simulation.plan import BASE_URL, PROVIDER_NAME, TOKEN_URL, Plan, plan_of, shape_of, undisturbed
from tests.simulation.service import Service
from tests.simulation.trace import Trace

STARTS_MAX = 80
STOPS = ("kills", "power cuts", "signals", "full disks")


class Report(Struct):
    """What a simulation was. `seconds` is the virtual time that passed."""

    seed: int
    hash: str
    seconds: float
    requests: int
    starts: int
    stops: dict[str, int]
    kinds: list[str]
    events: dict[str, int]


class Failed(AssertionError):  # noqa: N818 - what the simulation has
    """A simulation found something: the message holds the seed, the kinds of fault and the last events."""


class Simulation:
    """The world of one seed while it runs. `stops` counts how processes came to their ends."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.trace = Trace()
        self.seconds = 0.0
        self.starts = 0
        self.stops: dict[str, int] = {}
        self.chance = random.Random(f"fate {plan.seed}")
        self.pages = no_page_committed_twice.Pages()
        self.disk = SimDisk(folder, self.chance, self, self.note)
        self._shards: Rows = ()
        self._stop = ""
        self._power_failed = False
        self._span = 300 / plan.requests_per_second + 600
        self._loop: VirtualLoop | None = None
        self.network = Network(plan, Weather(plan, self._span), Service(plan.shape, self.now), self.note)
        self.requests = budgets_kept.Requests(plan.requests_max)

    def now(self) -> float:
        """Return the virtual time."""
        return self._loop.time() if self._loop is not None else self.seconds

    def note(self, event: str, *details: object) -> None:
        """Add to the trace, unless a dead process is being swept up."""
        if not self.disk.dead:
            self.trace.note(self.now(), event, *details)

    def inserting(self, sql: str, rows: Rows) -> None:
        """Look at rows before they are written."""
        self.pages.inserting(sql, rows)
        if "INTO shards" in sql:
            self._shards = rows
        elif "INTO totals" in sql:
            self.requests.counting(self.pages.state, self.network.sent)

    def committed(self) -> None:
        """Look at the disk after a commit."""
        shards, self._shards = self._shards, ()
        self.note("committed", *((row[0], row[3]) for row in shards))
        no_order_inverted.check_commit(shards, self.disk.synced)

    def run(self) -> None:
        """Start processes until one ends as finished with nothing parked."""
        while self.starts < STARTS_MAX:
            self.starts += 1
            ended = self._process()
            self.requests.check(self.network.sent)
            if ended is None:
                continue
            ending, failed, set_aside = ended
            if ending.finished:
                no_list_left_in_flight.check(self.disk.folder, failed=failed)
                if not failed:
                    return self._check_records(ordered=not set_aside)
            elif ending.reason is not None and ending.reason.startswith("max_requests"):
                self.requests.spent(self.network.sent, self.starts - 1, self.plan.workers + 1)
        raise Violation(f"the crawl comes to an end: after {self.starts} starts it has not")

    def _check_records(self, *, ordered: bool) -> None:
        shape, run = self.plan.shape, self.disk.folder
        records_equal_the_world.check(run, shape)
        if ordered:
            no_order_inverted.check_depths(run, shape)
            if self.plan.kinds:
                no_order_inverted.check_dataset(run, reference(shape.number))

    def _process(self) -> tuple[Ending, int, int] | None:
        """Run one process; return how it ended, with the failed lists and the set-asides so far, None when it died."""
        self.seconds += self.chance.choice((0.0, 1.0, 10 ** self.chance.uniform(0, 4)))
        self._shards = ()
        self.note("start", self.starts)
        loop = self._loop = VirtualLoop(self.seconds, self._delay)
        self.disk.dead = False
        self.network.api_sent_at.clear()
        self._stop = self._arm(loop)
        ended = None
        try:
            ended = loop.run_until_complete(_together([self._crawl(loop) for _ in range(self.plan.writers)]))
            self.disk.settled()
        except (StorageError, Refused) as error:
            self._excused(error)
            self.disk.settled()
        except (RuntimeError, Dead):
            if not self.disk.dead:
                raise
        finally:
            died = self.disk.dead
            self.disk.dead = True
            if died:
                power = self._stop == "power cuts"
                self._power_failed |= power
                self.disk.crash(power=power)
            self.seconds = loop.time()
            _sweep(loop)
            self.disk.dead = False
            self._loop = None
        budgets_kept.check_rate(self.plan, self.network.api_sent_at)
        return ended

    @property
    def _repeated_max(self) -> int | None:
        """How many requests the last stop may make a crawl repeat; None when answers failed or commits were lost."""
        calm = self.plan.kinds <= {*STOPS, "slow disk", "budget"}
        return budgets_kept.in_flight_max(self.plan) if calm and not self._power_failed else None

    def _excused(self, error: Exception) -> None:
        """Let a process end with an error only when something in this run explains it."""
        explained = self.disk.failed if isinstance(error, StorageError) else "revoked tokens" in self.plan.kinds
        if not explained:
            raise Violation(f"a start that nothing disturbs works: {type(error).__name__}: {error}") from error
        self.note("ended", type(error).__name__)

    def _arm(self, loop: VirtualLoop) -> str:
        """Draw whether, when and how this process will be stopped; return how."""
        disk = self.disk
        disk.operations, disk.kill_at, disk.fail_at, disk.failed = 0, None, None, False
        ways = [way for way in STOPS if way in self.plan.kinds]
        if not ways or sum(self.stops.values()) >= self.plan.stops_max:
            return ""
        way = self.chance.choice(ways)
        after = self._span * self.chance.random() ** 4
        operation = int(10 ** self.chance.uniform(0, 2.8))

        def die() -> None:
            self._stopped(way)
            disk.dead = True
            loop.stop()

        disk.die, disk.fails = die, partial(self._stopped, way)
        if way == "signals":
            for number in range(self.chance.choice((1, 1, 2))):
                loop.call_later(after + number * self.chance.choice((0.0, 1.0)), self._signal, loop)
        elif way == "full disks":
            disk.fail_at = operation
        elif self.chance.random() < 0.5:
            disk.kill_at = operation
        else:
            loop.call_later(after, die)
        return way

    def _stopped(self, way: str) -> None:
        self.note("stopped", way)
        self.stops[way] = self.stops.get(way, 0) + 1

    def _signal(self, loop: VirtualLoop) -> None:
        handler = loop.handlers.get(signal.SIGTERM)
        if handler is not None and not self.disk.dead:
            self._stopped("signals")
            handler()

    def _delay(self) -> float:
        return 10 ** self.chance.uniform(-3, 1.5) if "slow disk" in self.plan.kinds else 0.001

    async def _crawl(self, loop: VirtualLoop) -> tuple[Ending, int, int]:
        plan, clock = self.plan, VirtualClock(loop)

        gate = Gate(plan.requests_per_second)
        owner = TokenOwner(OAuth("client", "secret", TOKEN_URL).exchange, clock)
        client = Client(SimHttp(self.network, lambda: self.disk.dead), gate, owner)  # type: ignore[arg-type]
        source = Source(SoundCloud(BASE_URL, "graph", plan.shape.page_limit), client, gate)
        settings = replace(plan.shape.settings, workers=plan.workers, requests_max=self.requests.allowed)
        disk = Disk(partial(SimFiles, self.disk), partial(Frontier, connect=self.disk.connect))  # type: ignore[arg-type]
        run = Run(self.disk.folder, settings, {PROVIDER_NAME: source}, clock, self.chance.random, disk)
        async with run:
            client.budgets = (run.budget,)
            self.pages.resumed(run.sequencer.position, run.ledger.last_row)
            self.requests.resumed(self.pages.state, self.network.sent, run.requests, self._repeated_max)
            self._power_failed = False
            await run.note_start()
            run.seed([Item("user", seed, seed, "id", None) for seed in plan.shape.seeds], PROVIDER_NAME, PROVIDER_NAME)
            ending = await run.crawl()
        totals = run.committer.totals
        self.note("ended", ending.reason)
        return ending, totals.get("lists", {}).get("failed", 0), totals.get("set_aside", 0)


async def _together(mains: list[Coroutine[Any, Any, tuple[Ending, int, int]]]) -> tuple[Ending, int, int]:
    if len(mains) == 1:
        return await mains[0]
    return (await asyncio.gather(*mains))[0]


def _sweep(loop: VirtualLoop) -> None:
    """Let the tasks of a process that is gone end, without effect on anything."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    with suppress(BaseException):
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()


def simulate(plan: Plan) -> Report:
    """Run a plan to its end. Raises `Failed`."""
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=_memory()) as folder:
        return _simulate(plan, Path(folder))


def _simulate(plan: Plan, folder: Path) -> Report:
    (folder / "runs").mkdir()  # a name that is always the same, for the trace
    simulation = Simulation(plan, folder / "runs" / "run")
    try:
        simulation.run()
    except Exception as error:
        tail = "\n  ".join(simulation.trace.tail)
        kinds = ", ".join(sorted(plan.kinds)) or "nothing"
        text = f"seed {plan.seed} ({kinds}), start {simulation.starts}: {type(error).__name__}: {error}\n  {tail}"
        raise Failed(text) from error
    return Report(
        plan.seed,
        simulation.trace.hash,
        simulation.seconds,
        simulation.network.sent,
        simulation.starts,
        simulation.stops,
        sorted(plan.kinds),
        dict(simulation.trace.counts),
    )


def simulate_seed(seed: int) -> Report:
    """Run the plan of a seed."""
    return simulate(plan_of(seed))


@cache
def reference(number: int) -> no_order_inverted.Dataset:
    """Return the dataset of an undisturbed crawl of a world."""
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=_memory()) as folder:
        _simulate(undisturbed(shape_of(number)), Path(folder))
        return no_order_inverted.dataset(Path(folder) / "runs" / "run")


def _memory() -> str | None:
    """Return a folder that lives in memory, where there is one."""
    shared = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    return str(shared) if shared.is_dir() else None
