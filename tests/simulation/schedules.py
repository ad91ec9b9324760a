"""Random schedules of budgets, kills and clocks that jump: what the sandbox counts is what was allowed.

`python -m tests.simulation.schedules 10000`. Each schedule crawls a sandbox with a budget for the run, for a day, or
both, on virtual time. Processes are killed in the middle of requests, of commits and of exchanges, power cuts among
them; they are stopped in order; between and within them the date is set forward and back by up to a month; connections
fail, and answers are lost. Then what the sandbox counted is compared with the budgets: never more, and never less but
for what was in flight at each kill and each stop: a request for each worker, and one for a token. (What found no
connection need not count, and is not sent again by a start that has no page left to send it for; what was given back
after others had been told that nothing is left is there for the next start.)
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from crawler.clock import Reading
from crawler.engine.run import Disk, Run
from crawler.engine.supervisor import Ending
from crawler.engine.worker import Source
from crawler.errors import Transient, Unreached
from crawler.frontier.store import Frontier
from crawler.model import Item, Request, Response
from crawler.policy.budget import BUCKETS, DAY_SECONDS, STALE_SECONDS
from crawler.providers.oauth import OAuth
from crawler.providers.soundcloud import SoundCloud
from crawler.sandbox.service import Sandbox
from crawler.transport.allowance import DayBudget
from crawler.transport.client import Client
from crawler.transport.credentials import TokenOwner
from crawler.transport.gate import Gate
from crawler.transport.vault import Vault
from tests.simulation.disk import Dead, Rows, SimDisk, SimFiles
from tests.simulation.loop import EPOCH, VirtualLoop
from tests.simulation.plan import BASE_URL, PROVIDER_NAME, TOKEN_URL, shape_of
from tests.simulation.service import world_of
from tests.simulation.simulate import _memory, _sweep

USERS = 300
RELATIONS = ("followers", "followings", "likes_tracks", "playlists")
STARTS_MAX = 40
DAYS_MAX = 2


class Wrong(AssertionError):  # noqa: N818 - what a schedule found
    """The sandbox counted what it should not have."""


class Blind:
    """A watcher of the disk that looks at nothing."""

    def inserting(self, sql: str, rows: Rows) -> None:
        """Look away."""

    def committed(self) -> None:
        """Look away."""


class JumpyClock:
    """The date is the true one and an offset that changes; only the clock that counts from the boot tells the truth."""

    def __init__(self) -> None:
        self.seconds: Callable[[], float] = float
        self.offset = 0.0
        self.boot, self.booted_at = "first boot", 0.0

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.seconds() + self.offset)

    def epoch_seconds(self) -> float:
        return EPOCH.timestamp() + self.seconds() + self.offset

    def monotonic_seconds(self) -> float:
        return self.seconds()

    def reading(self) -> Reading:
        return Reading(self.epoch_seconds(), self.boot, self.seconds() - self.booted_at)


class Schedule:
    """One seed's. `counted` holds when the sandbox counted a request, by true time, `stops` when it was cut off."""

    def __init__(self, seed: int, folder: Path) -> None:
        chance = self.chance = random.Random(f"schedule {seed}")
        kind = chance.choice(("run", "day", "both"))
        self.run_max = None if kind == "day" else chance.randrange(1, 70)
        self.day_max = None if kind == "run" else chance.randrange(1, 40)
        self.workers = chance.choice((1, 2, 4, 8))
        self.kills_left = chance.randrange(7)
        self.rate = chance.choice((None, None, 10 ** chance.uniform(-2, 1)))
        self.reboots = chance.random() < 0.3
        self.losses = chance.choice((0.0, 0.05, 0.3))
        self.counted: list[float] = []
        self.stops: list[float] = []
        self.unreached: list[float] = []
        self.left: dict[str, float] = {}
        self.seconds = 0.0
        self.folder = folder
        self.clock = JumpyClock()
        self.disk = SimDisk(folder / "run", chance, Blind(), lambda *_: None)
        self.sandbox = Sandbox(world_of(USERS, 1), seed=seed, now=self.clock.monotonic_seconds)

    async def send(self, request: Request, *, authorization: str | None = None) -> Response:
        """Stand in for `Http`: carry a request to the sandbox, or lose it, or its answer."""
        fate = self.chance.random()
        await asyncio.sleep(10 ** self.chance.uniform(-2, 0.5))
        if fate < self.losses / 2:
            self.unreached.append(self.clock.seconds())
            raise Unreached("no connection")
        headers = {name.lower(): value for name, value in request.headers.items()}
        if authorization is not None:
            headers["authorization"] = authorization
        self.counted.append(self.clock.seconds())
        target = request.url.removeprefix(BASE_URL)
        reply = self.sandbox.handle(request.method, target, headers, request.body or b"")
        await asyncio.sleep(10 ** self.chance.uniform(-2, 0.5))
        if fate < self.losses:
            raise Transient("the answer was lost")
        return Response(reply.status, dict(reply.headers), reply.body)

    def run(self) -> None:
        """Start processes until a budget of the run is spent, or the days are over."""
        for _ in range(STARTS_MAX):
            self._between()
            ending = self._process()
            self._check_never_more()
            if ending is None:
                continue
            if ending.finished or self.seconds > DAYS_MAX * DAY_SECONDS:
                return
            if (ending.reason or "").startswith("max_requests"):
                self._check_not_less("the run", self.run_max or 0, 0.0)
                return
            if ending.until_epoch_seconds is not None:
                since = self.seconds - DAY_SECONDS - STALE_SECONDS - DAY_SECONDS / BUCKETS
                if not self.reboots:  # whoever set the date back while the computer was off waits longer
                    self._check_not_less("the day", self.day_max or 0, since)
                self.seconds += max(0.0, ending.until_epoch_seconds - self.clock.epoch_seconds()) + 1e-3

    def _between(self) -> None:
        """Let time pass and the date jump; a computer that is switched off has no date that is set forward."""
        chance = self.chance
        self.seconds += chance.choice((0.0, 1.0, 10 ** chance.uniform(0, 4)))
        if chance.random() < 0.4:
            self._jump()
        if self.reboots and chance.random() < 0.3:
            self.clock.boot, self.clock.booted_at = f"boot {chance.random()}", self.seconds

    def _jump(self) -> None:
        self.clock.offset += self.chance.uniform(-30, 0 if self.reboots else 30) * DAY_SECONDS

    def _process(self) -> Ending | None:
        """Run one process; return how it ended, None when it was killed."""
        loop, chance, disk = (
            VirtualLoop(self.seconds, lambda: 10 ** self.chance.uniform(-4, -1)),
            self.chance,
            self.disk,
        )
        self.clock.seconds = loop.time
        disk.dead, disk.operations, disk.kill_at = False, 0, None

        def die() -> None:
            disk.dead = True
            loop.stop()

        disk.die = die
        if self.kills_left > 0:
            if chance.random() < 0.5:
                disk.kill_at = int(10 ** chance.uniform(0, 2.5))
            else:
                loop.call_later(10 ** chance.uniform(-2, 3), die)
        loop.call_later(DAY_SECONDS, die)  # a list that failed waits for its date, and that may be far off after a jump
        for _ in range(chance.randrange(3)):
            loop.call_later(10 ** chance.uniform(-2, 4), self._jump)
        ending = None
        try:
            ending = loop.run_until_complete(self._crawl())
            disk.settled()
        except (RuntimeError, Dead):
            if not disk.dead:
                raise
            self.stops.append(loop.time())
            self.kills_left -= 1
        finally:
            killed, disk.dead = disk.dead, True
            if killed:
                disk.crash(power=chance.random() < 0.3)
            self.seconds = loop.time()
            _sweep(loop)
            self.clock.seconds = lambda: self.seconds
        return ending

    async def _crawl(self) -> Ending:
        clock, disk = self.clock, self.disk
        vault = Vault(self.folder / "state" / "app.json", clock.reading, address=self.folder / "state" / "address.json")
        day = [DayBudget(vault, self.day_max, "requests_per_day")] if self.day_max else []
        gate, owner = (
            Gate(self.rate or 1000.0),
            TokenOwner(OAuth("id", "secret", TOKEN_URL).exchange, clock, vault=vault),
        )
        client = Client(self, gate, owner, day)  # type: ignore[arg-type]
        source = Source(SoundCloud(BASE_URL, "graph", 20), client, gate)
        settings = replace(
            shape_of(0).settings,
            relations={"user": [(PROVIDER_NAME, row) for row in SoundCloud.relations if row.name in RELATIONS]},
            workers=self.workers,
            requests_max=self.run_max,
            seconds_max=self.chance.choice((None, None, 10 ** self.chance.uniform(0, 4))),
        )
        places = Disk(partial(SimFiles, disk), partial(Frontier, connect=disk.connect))  # type: ignore[arg-type]
        async with Run(disk.folder, settings, {PROVIDER_NAME: source}, clock, self.chance.random, places) as run:
            client.budgets = (run.budget, *day)
            run.seed([Item("user", 1, 1, "id", None)], PROVIDER_NAME, PROVIDER_NAME)
            ending = await run.crawl()
            if run.feeder.drain_reason is not None:
                self.stops.append(clock.seconds())
        self.left = {"the run": run.budget.left}
        for budget in day:
            budget.close()
            self.left["the day"] = vault.peek(self.day_max or 0).left
        return ending

    def _check_never_more(self) -> None:
        if self.run_max is not None and len(self.counted) > self.run_max:
            raise Wrong(f"{len(self.counted)} requests of {self.run_max} for the run")
        if self.day_max is not None:
            for first, last in zip(self.counted, self.counted[self.day_max :], strict=False):
                if last - first < DAY_SECONDS:
                    raise Wrong(f"more than {self.day_max} requests within {last - first:.0f} s, until {last:.0f} s")

    def _check_not_less(self, what: str, allowed: int, since: float) -> None:
        counted, stops, unreached = (_after(each, since) for each in (self.counted, self.stops, self.unreached))
        if counted + self.left[what] < allowed - stops * (self.workers + 1) - unreached:
            raise Wrong(f"only {counted} of {allowed} for {what}, {stops} stops of {self.workers} workers")


def _after(moments: list[float], since: float) -> int:
    return sum(moment >= since for moment in moments)


def tried(seed: int) -> str:
    """Run one schedule; return what is wrong, "" when nothing is."""
    with tempfile.TemporaryDirectory(prefix="schedule-", dir=_memory()) as folder:
        try:
            Schedule(seed, Path(folder)).run()
        except Exception as error:  # noqa: BLE001 - the seed is what matters
            return f"schedule {seed}: {type(error).__name__}: {error}"
    return ""


def main(first: int, number: int) -> int:
    """Run many, say which are wrong, and return how many."""
    wrong = 0
    with ProcessPoolExecutor() as pool:
        for done, found in enumerate(pool.map(tried, range(first, first + number), chunksize=20), 1):
            if done % 1000 == 0:
                print(f"{done} done, {wrong} wrong", flush=True)  # noqa: T201
            if found:
                wrong += 1
                print(found)  # noqa: T201
    print(f"{number} schedules from {first}: {wrong} wrong")  # noqa: T201
    return wrong


if __name__ == "__main__":
    sys.exit(bool(main(int((sys.argv[2:] or ["0"])[0]), int((sys.argv[1:] or ["200"])[0]))))
