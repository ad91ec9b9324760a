"""How much of a hidden limit the crawler uses once it has learned it, and how often it is refused meanwhile.

The real workers, client, gate, provider and token owner against the sandbox's limits, on virtual time: a request is 15
to 45 ms on its way and 35 to 155 ms at the service. What is measured begins after 30 s; the best possible is what a
client that knows the limit could have got from then on, given what had been used up before.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import random
import selectors
import sys
from collections import Counter, deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from crawler.engine.flight import Landed
from crawler.engine.worker import Crew, Source
from crawler.model import NodeId, Request, Response, Task
from crawler.providers.oauth import OAuth
from crawler.providers.soundcloud import SoundCloud
from crawler.sandbox.limits import Limit, parse_limits
from crawler.sandbox.service import Sandbox
from crawler.sandbox.synthetic import SyntheticWorld
from crawler.transport.client import Client
from crawler.transport.credentials import TokenOwner
from crawler.transport.gate import Gate

BASE = "http://sandbox.invalid"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
LEARNING_SECONDS = 30.0
WORKERS = 32
MINUTE, HOUR = 60.0, 3600.0


class Case(NamedTuple):
    """A hidden limit, how long the crawl is, and what is demanded of it."""

    name: str
    limits: str
    seconds: float
    least_share: float = 0.90
    relations: tuple[str, ...] = ("followers",)


CASES = (
    Case("50/s, burst 50, Retry-After 1", "bucket:50/s,burst=50,retry_after=1", 10 * MINUTE, 0.97),
    Case("50/s, burst 10, Retry-After 5", "bucket:50/s,burst=10,retry_after=5", 10 * MINUTE, 0.93),
    Case("50/s, burst 50, no header", "bucket:50/s,burst=50", 10 * MINUTE),
    Case("600 in 10 min, no header", "sliding:600/10m,form=edge", 2 * HOUR),
    Case("27,500 an hour, no header", "fixed:27500/1h,form=long", 4 * HOUR),
    Case(
        "50/s, then 20/s, then 50/s",
        "bucket:50/s,retry_after=1,until=300;bucket:20/s,retry_after=1,from=300,until=600;"
        "bucket:50/s,retry_after=1,from=600",
        15 * MINUTE,
    ),
    Case(
        "40/s and 10/s, by family",
        "bucket:40/s,burst=20,family=users/followers;bucket:10/s,burst=10,family=users/followings",
        10 * MINUTE,
        relations=("followers", "followings"),
    ),
    Case("WAF: 60 s after 10 in a second", "waf:10/s,block=60", 60 * MINUTE),
    Case("200 in 10 s, reset_time", "fixed:200/10s,form=dated", 10 * MINUTE),
    Case("300 a minute, sliding, gateway", "sliding:300/1m", 30 * MINUTE),
)


class Jumping(selectors.DefaultSelector):
    """Never waits: what the loop would have slept is added to its time."""

    seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Jump to the next timer; a little passes at every turn, as it does in reality."""
        assert timeout is not None, "everybody waits for somebody"
        self.seconds += timeout + 1e-6
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time."""

    def __init__(self) -> None:
        self.jumping = Jumping()
        super().__init__(self.jumping)

    def time(self) -> float:
        """Return the virtual time."""
        return self.jumping.seconds


class LoopClock:
    """The loop's time as a clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        """Return the virtual date."""
        return datetime.fromtimestamp(self.epoch_seconds(), UTC)

    def epoch_seconds(self) -> float:
        """Return the virtual date in seconds."""
        return EPOCH + self._loop.time()

    def monotonic_seconds(self) -> float:
        """Return the virtual time."""
        return self._loop.time()


class SlowHttp:
    """The sandbox behind a network that takes its time; it counts answers by what they are, after the learning."""

    def __init__(self, sandbox: Sandbox, chance: random.Random) -> None:
        self._sandbox = sandbox
        self._chance = chance
        self.statuses: Counter[int] = Counter()
        self.learning: Counter[int] = Counter()

    async def send(self, request: Request, *, authorization: str | None = None) -> Response:
        """Answer a request after a while."""
        await asyncio.sleep(self._chance.uniform(0.015, 0.045))
        headers = {**{name.lower(): value for name, value in request.headers.items()}, "host": "sandbox.invalid"}
        if authorization is not None:
            headers["authorization"] = authorization
        reply = self._sandbox.handle(request.method, request.url.removeprefix(BASE), headers, request.body or b"")
        after = asyncio.get_running_loop().time() >= LEARNING_SECONDS
        (self.statuses if after else self.learning)[reply.status] += 1
        await asyncio.sleep(self._chance.uniform(0.035, 0.155))
        return Response(reply.status, dict(reply.headers), reply.body)


class Listing:
    """As much of a listing as a worker looks at."""

    source = "soundcloud"

    class progress:  # noqa: N801, D106 - an attribute
        set_asides = 0


class Page:
    """A page that is to be had, as the workers see a flight."""

    listing = Listing()

    def __init__(self, task: Task, ended: Counter[str]) -> None:
        self.task = task
        self.tries = self.pauses = self.rests = self.bugs = 0
        self.name = "a page"
        self._ended = ended

    def land(self, outcome: object) -> None:
        """Note what became of the page."""
        self._ended["landed" if isinstance(outcome, Landed) else "lost"] += 1

    def fail(self, error: BaseException) -> None:
        """Note a page that will never come."""
        self._ended["lost"] += 1
        raise error


class Silent:
    """A witness that tells nobody."""

    def failed(self, *_: object) -> None:
        """Note nothing."""

    def unreadable(self, *_: object) -> None:
        """Keep nothing."""


class Endless:
    """A feeder that always has another page until it is closed."""

    drain_reason = None

    def __init__(self, provider: SoundCloud, relation: str) -> None:
        self._relation = next(each for each in provider.relations if (each.kind, each.name) == ("user", relation))
        self._again: deque[Page] = deque()
        self.asked = 0
        self.ended: Counter[str] = Counter()
        self.is_closed = False

    async def ready(self) -> Page:
        """Return a page: one that failed before, else a new one."""
        while True:
            if self._again:
                return self._again.popleft()
            if not self.is_closed:
                self.asked += 1
                return Page(Task(NodeId("soundcloud", "user", 1 + self.asked % 4), self._relation), self.ended)
            await asyncio.sleep(0.1)

    def offer(self, page: Page) -> None:
        """Take a page back that failed."""
        self._again.append(page)


class Result(NamedTuple):
    """What came of a case."""

    share: float
    refused_share: float
    lost: int
    refused_learning: int
    whole_share: float
    why: str


def best(limits: list[Limit], start: float, stop: float) -> int:
    """Return how many requests a client that knows the limits could have got between two moments."""
    families = {limit.rule.family for limit in limits}
    return sum(
        _greedy([copy.deepcopy(each) for each in limits if each.rule.family == f], start, stop) for f in families
    )


def _greedy(limits: list[Limit], start: float, stop: float) -> int:
    moment, passed = start, 0
    while moment < stop:
        now = [each for each in limits if each.rule.from_seconds <= moment < each.rule.until_seconds]
        wait = max(each.wait_seconds(moment) for each in now)
        if wait <= 0:
            for each in now:
                each.take(moment)
            passed += 1
        moment += max(0.0, wait)
    return passed


async def run(case: Case, seed: int, *, verbose: bool) -> Result:
    """Crawl one case."""
    loop = asyncio.get_running_loop()
    chance = random.Random(seed)
    clock = LoopClock(loop)
    sandbox = Sandbox(SyntheticWorld(5, 1), now=loop.time, epoch=clock.epoch_seconds, limits=parse_limits(case.limits))
    http: Any = SlowHttp(sandbox, chance)
    gate = Gate("auto", jitter=chance.random)
    owner = TokenOwner(OAuth("id", "secret", token_url=f"{BASE}/oauth/token").exchange, clock)
    client = Client(http, gate, owner)
    provider = SoundCloud(BASE, "graph")
    feeders = [Endless(provider, name) for name in case.relations]
    workers = []
    for feeder in feeders:
        crew = Crew(feeder, {"soundcloud": Source(provider, client, gate)}, clock, chance.random, Silent())  # type: ignore[arg-type]
        workers += [asyncio.create_task(crew.work()) for _ in range(WORKERS // len(feeders))]
    fresh = copy.deepcopy(sandbox.limits)
    if verbose:
        await _watch(gate, http, LEARNING_SECONDS)
    await asyncio.sleep(LEARNING_SECONDS - loop.time())
    known = copy.deepcopy(sandbox.limits)
    if verbose:
        await _watch(gate, http, case.seconds)
    await asyncio.sleep(case.seconds - loop.time())
    got, statuses = http.statuses[200], http.statuses.copy()
    for feeder in feeders:
        feeder.is_closed = True
    while sum(feeder.asked - feeder.ended.total() for feeder in feeders):  # noqa: ASYNC110 - virtual time
        await asyncio.sleep(1)
    for worker in workers:
        worker.cancel()
    refused = statuses[429] + statuses[403]
    return Result(
        share=got / best(known, LEARNING_SECONDS, case.seconds),
        refused_share=refused / statuses.total(),
        lost=sum(feeder.asked - feeder.ended["landed"] for feeder in feeders),
        refused_learning=http.learning[429] + http.learning[403],
        whole_share=(got + http.learning[200]) / best(fresh, 0.0, case.seconds),
        why=gate.why,
    )


async def _watch(gate: Gate, http: SlowHttp, stop: float) -> None:
    loop = asyncio.get_running_loop()
    before = None
    while loop.time() < stop:
        lane = gate._shared  # noqa: SLF001 - for whoever tunes it
        seen = (lane.pace.phase, lane.pace.form, lane.pace.events, round(gate.rate_in_force or 0, 1), lane.door.is_shut)
        if seen != before:
            print(f"  {loop.time():8.1f} {seen} {gate.why} {dict(http.statuses)}")
            before = seen
        await asyncio.sleep(0.5)


def main() -> None:
    """Print the table; exit with 1 when something is less than demanded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only cases with this in their name")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    head = ("hidden limit", "share of best", "refused", "lost", "refused at first 30 s", "share with learning", "")
    print("| " + " | ".join(head) + " |\n|---|---|---|---|---|---|---|")
    failed = False
    for case in CASES:
        if options.only not in case.name:
            continue
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            result = runner.run(run(case, options.seed, verbose=options.verbose))
        ok = result.share >= case.least_share and result.refused_share <= 0.005 and not result.lost
        failed = failed or not ok
        cells = (
            case.name,
            f"{result.share:.1%}",
            f"{result.refused_share:.2%}",
            str(result.lost),
            str(result.refused_learning),
            f"{result.whole_share:.1%}",
            "" if ok else f"less than {case.least_share:.0%}, or too many refusals",
        )
        print("| " + " | ".join(cells) + " |", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
