from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from typing import Any, Literal

import pytest

from crawler.errors import Resting
from crawler.sandbox.limits import Limit, parse_limits
from crawler.transport.gate import AWAY_LONGEST_SECONDS, Gate, Outcome

from .virtual import run

ONE, TWO = "users/followers", "users/followings"


class Hidden:
    """A service with hidden limits, and workers that ask it through a gate for as long as a test lets them."""

    def __init__(self, gate: Gate, limits: str, *, retry_after: float | None = None, seed: int = 1) -> None:
        self.gate = gate
        self.limits = [Limit(rule) for rule in parse_limits(limits)]
        self.retry_after = retry_after
        self.sent: list[float] = []
        self.granted: Counter[str] = Counter()
        self.refused: list[float] = []
        self._chance = random.Random(seed)

    async def ask(self, family: str) -> None:
        """Ask once, and tell the gate of it as client and worker do."""
        await self.gate.enter(family)
        sent = self.gate.time()
        self.sent.append(sent)
        await asyncio.sleep(self._chance.uniform(0.02, 0.05))
        now = self.gate.time()
        limits = [each for each in self.limits if each.rule.family in (None, family)]
        passes = all(each.wait_seconds(now) <= 0 for each in limits)
        for each in limits:
            each.take(now) if passes else each.refuse(now)
        await asyncio.sleep(self._chance.uniform(0.02, 0.05))
        self.gate.left(family, sent, "granted" if passes else "silent")
        if passes:
            self.granted[family] += 1
            return
        self.refused.append(sent)
        named = self.retry_after is not None
        self.gate.pause(self.retry_after or 2.0, family=family, sent_at_seconds=sent, named=named)

    async def work(self, seconds: float, *families: str, workers: int = 16) -> None:
        """Let workers ask for so many seconds, each one family."""
        until = self.gate.time() + seconds

        async def worker(family: str) -> None:
            while self.gate.time() < until:
                await self.ask(family)

        tasks = [asyncio.create_task(worker(families[n % len(families)])) for n in range(workers)]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def learnt(gate: Gate, limits: str, seconds: float, *families: str, **options: Any) -> Hidden:  # noqa: ANN401 - as above
    service = Hidden(gate, limits, **options)
    run(service.work(seconds, *families))
    return service


@pytest.mark.parametrize("limits,retry_after", [("bucket:40/s,burst=10", 1.0), ("bucket:40/s,burst=40", None)])
def test_a_hidden_limit_is_found_and_used(limits: str, retry_after: float | None) -> None:
    """After half a minute nine tenths of what is allowed are had, with few refusals."""
    service = Hidden(Gate("auto"), limits, retry_after=retry_after)

    async def main() -> tuple[int, int]:
        await service.work(30, ONE)
        granted, refused = service.granted.total(), len(service.refused)
        await service.work(60, ONE)
        return service.granted.total() - granted, len(service.refused) - refused

    granted, refused = run(main())
    rule = service.limits[0].rule
    assert granted >= 0.9 * 60 * rule.number / rule.seconds
    assert refused <= 0.01 * granted


def test_after_a_pause_one_goes_first() -> None:
    """Nobody follows the scout before it came back, and when it is refused there is another pause, a longer one."""

    async def main() -> None:
        gate, sent = Gate(), list[float]()

        async def worker() -> None:
            await gate.enter(ONE)
            sent.append(gate.time())

        gate.pause(10, family=ONE, sent_at_seconds=gate.time())
        tasks = [asyncio.create_task(worker()) for _ in range(5)]
        await asyncio.sleep(60)
        assert len(sent) == 1
        gate.left(ONE, sent[0], "silent")
        gate.pause(2, family=ONE, sent_at_seconds=sent[0])
        assert gate.pause_left(ONE) >= 4
        await asyncio.sleep(60)
        assert len(sent) == 2
        gate.left(ONE, sent[1], "granted")
        await asyncio.gather(*tasks)

    run(main())


def test_a_family_with_a_limit_of_its_own_holds_nobody_back() -> None:
    """The slow family gets its own lane, and the fast one most of what it may, learning included."""
    gate = Gate("auto")
    service = learnt(gate, f"bucket:40/s,burst=20,family={ONE};bucket:5/s,burst=5,family={TWO}", 120, ONE, TWO)
    assert service.granted[ONE] >= 0.7 * 40 * 120
    assert service.granted[TWO] >= 0.7 * 5 * 120
    assert TWO in gate.learned(0.0)


def test_one_refusal_in_a_lull_does_not_hold_a_family_back() -> None:
    """Where no limit was met, a family tried alone starts no slower than any source does, however little was asked."""

    async def main() -> float:
        gate = Gate()
        for number in range(12):
            family = TWO if number % 4 else ONE
            await gate.enter(family)
            sent = gate.time()
            await asyncio.sleep(20)
            gate.left(family, sent, "granted")
        await gate.enter(ONE)
        sent = gate.time()
        await asyncio.sleep(0.1)
        gate.left(ONE, sent, "silent")
        gate.pause(2, family=ONE, sent_at_seconds=sent)
        refused_at = gate.time()
        for _ in range(40):
            await gate.enter(ONE)
            sent = gate.time()
            await asyncio.sleep(0.01)
            gate.left(ONE, sent, "granted")
        return gate.time() - refused_at

    assert run(main()) < 15


def test_one_refusal_in_the_first_second_does_not_hold_a_family_back() -> None:
    """What was asked since the start counts, not only seconds that are over: the family goes on at about that pace."""

    async def main() -> float:
        gate = Gate()
        for number in range(80):
            family = TWO if number % 4 else ONE
            await gate.enter(family)
            sent = gate.time()
            await asyncio.sleep(0.01)
            gate.left(family, sent, "granted")
        gate.pause(2, family=ONE, sent_at_seconds=gate.time())
        return gate.learned(0.0)[ONE]["requests_per_second"]  # type: ignore[no-any-return]

    assert run(main()) > 15


@pytest.mark.parametrize("ceiling", [4.0, "auto"])
def test_a_family_that_was_seldom_asked_for_is_not_held_back(ceiling: float | Literal["auto"]) -> None:
    """One refusal of a family that was one request in two hundred does not make it as slow as that from then on."""
    gate = Gate(ceiling)

    async def ask(family: str, outcome: Outcome = "granted") -> None:
        await gate.enter(family)
        sent = gate.time()
        await asyncio.sleep(0.05)
        gate.left(family, sent, outcome)
        if outcome == "silent":
            gate.pause(2, family=family, sent_at_seconds=sent)

    async def others() -> None:
        while True:
            await ask(TWO)

    async def main() -> float:
        for number in range(200):
            await ask(TWO if number else ONE)
        await ask(ONE, "silent")
        refused_at = gate.time()
        background = asyncio.create_task(others())
        for _ in range(20):
            await ask(ONE)
        background.cancel()
        return gate.time() - refused_at

    assert run(main()) < 15
    assert ONE in gate.learned(0.0)


@pytest.mark.parametrize("others", [0, 60])
def test_grants_that_come_late_are_not_all_that_was_asked(others: int) -> None:
    """Where nobody counted before the first refusal, the few answers under way then do not tell how fast it was."""

    async def main() -> float:
        gate = Gate()

        async def ask(family: str, outcome: Any, seconds: float = 0.01) -> float:  # noqa: ANN401 - a literal
            await gate.enter(family)
            sent = gate.time()
            await asyncio.sleep(seconds)
            gate.left(family, sent, outcome)
            return sent

        for number in range(80):
            await ask(TWO if number < others else ONE, "granted")
        late = asyncio.create_task(ask(ONE, "granted", 0.1))
        for _ in range(2):  # the refusal, and that of the scout
            gate.pause(2, family=ONE, sent_at_seconds=await ask(ONE, "silent"))
            await late
        await ask(ONE, "granted")
        name = ONE if others else "all"
        assert gate.learned(0.0)[name]["form"] == "penalty"
        return gate.learned(0.0)[name]["requests_per_second"]  # type: ignore[no-any-return]

    assert run(main()) > 10


@pytest.mark.parametrize("seed", range(3))
def test_a_shared_limit_stays_shared(seed: int) -> None:
    """Two families that share a limit get nearly all of it together, whichever of them is refused."""
    service = learnt(Gate("auto"), "bucket:30/s,burst=10", 120, ONE, TWO, seed=seed)
    assert service.granted.total() >= 0.8 * 30 * 120
    assert len(service.refused) <= 0.02 * len(service.sent)


def test_a_ceiling_holds_over_all_lanes() -> None:
    """However many lanes there are, no window sees more than the configured rate and its burst."""
    gate = Gate(20.0, burst=4)
    service = learnt(gate, f"bucket:3/s,burst=3,family={TWO}", 60, ONE, TWO)
    assert gate.learned(0.0).keys() == {"all", TWO}
    sent = service.sent
    for start in range(len(sent)):
        assert len([each for each in sent[start : start + 120] if each < sent[start] + 1]) <= 20 + 4 + 1
    assert len(sent) >= 0.9 * 20 * 60


def test_a_restart_neither_bursts_nor_learns_anew() -> None:
    """What was learned survives as JSON; the next start asks at that rate from the first second, and is not refused."""
    first = Gate("auto")
    learnt(first, "bucket:40/s,burst=5", 60, ONE, retry_after=1.0)

    async def again() -> tuple[Hidden, Gate]:
        gate = Gate("auto")
        gate.recall(remembered, 0.0)
        service = Hidden(gate, "bucket:40/s,burst=5")
        await service.work(10, ONE)
        return service, gate

    async def export() -> Any:  # noqa: ANN401 - JSON
        return json.loads(json.dumps(first.learned(0.0)))

    first._loop = None
    remembered = run(export())
    service, gate = run(again())
    assert not service.refused
    assert service.granted.total() >= 0.9 * 40 * 10
    assert gate.why == first.why


def test_a_pause_outlives_its_process() -> None:
    """Who was told to wait until a date waits for it after a restart too."""

    async def main() -> None:
        gate = Gate()
        gate.pause(600, family=ONE, sent_at_seconds=gate.time(), named=True)
        remembered = json.loads(json.dumps(gate.learned(1e9)))
        later = Gate()
        later.recall(remembered, 1e9 + 100)
        assert later.pause_left(ONE) == pytest.approx(500, abs=1.5)

    run(main())


def test_a_date_that_was_set_back_makes_no_pause_longer() -> None:
    """A minute's pause is at most a minute for the next start, though the computer's date is a day earlier by then."""

    async def main() -> None:
        gate = Gate()
        gate.pause(60, family=ONE, sent_at_seconds=gate.time(), named=True)
        remembered = json.loads(json.dumps(gate.learned(1e9)))
        later = Gate()
        later.recall(remembered, 1e9 - 86_400)
        assert 0 < later.pause_left(ONE) <= 67

    run(main())


def test_a_network_that_is_away_is_waited_for() -> None:
    """Three requests that do not arrive shut the door for all; one at a time tries, until one arrives."""

    async def main() -> None:
        gate, back_at = Gate(), 1000.0 + 3600
        tried: list[float] = []
        answered: list[float] = []

        async def worker(family: str) -> None:
            while not answered or gate.time() < answered[0] + 5:
                await gate.enter(family)
                sent = gate.time()
                tried.append(sent)
                await asyncio.sleep(0.2)
                if sent < back_at:
                    gate.left(family, sent, "unreached", "names are not found")
                else:
                    gate.left(family, sent, "granted")
                    answered.append(sent)

        workers = [asyncio.create_task(worker(f"family {n}")) for n in range(8)]
        await asyncio.sleep(300)
        assert gate.state.startswith("the network is away (names are not found), trying again in ")
        await asyncio.gather(*workers)
        away = [each for each in tried if each < back_at]
        assert len(away) <= 8 + 3600 / AWAY_LONGEST_SECONDS + 10
        assert answered[0] < back_at + 1.2 * AWAY_LONGEST_SECONDS
        assert gate.state == ""

    run(main())


def test_a_family_that_fails_rests_and_the_others_go_on() -> None:
    """While it rests nothing of it is sent but trials; when it answers again, whoever wants to know is told."""

    async def main() -> None:
        gate, returned, sent = Gate(), list[str](), Counter[str]()
        gate.on_return = returned.append

        async def ask(family: str, *, fails: bool) -> bool:
            try:
                await gate.enter(family)
            except Resting:
                return False
            sent[family] += 1
            await asyncio.sleep(0.1)
            gate.left(family, gate.time() - 0.1, "failed" if fails else "granted")
            return True

        for _ in range(600):
            await ask(ONE, fails=True)
            assert await ask(TWO, fails=False)
            await asyncio.sleep(0.9)
        assert sent[ONE] < 80
        assert sent[TWO] == 600
        assert "users/followers fails, trying again in " in gate.state
        for _ in range(60):
            await ask(ONE, fails=False)
            await asyncio.sleep(1)
        assert returned == [ONE]
        assert gate.state == ""

    run(main())


def test_sleep_counts_as_waiting() -> None:
    """A pause of an hour is over when the computer slept for an hour."""

    async def main() -> None:
        gate = Gate()
        gate.pause(3600, family=ONE, sent_at_seconds=gate.time(), named=True)
        gate.slept(3600)
        assert gate.pause_left(ONE) <= 1.0

    run(main())
