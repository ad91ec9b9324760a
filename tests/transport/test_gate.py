from __future__ import annotations

import asyncio

import pytest

from crawler.errors import Spent
from crawler.transport.gate import Gate

from .virtual import run


async def moments(gate: Gate, requests: int) -> list[float]:
    """Return when each of so many workers entered, counted from now."""
    start = gate.time()
    entered: list[float] = []

    async def worker() -> None:
        await gate.enter("users/followers")
        entered.append(gate.time() - start)

    await asyncio.gather(*(worker() for _ in range(requests)))
    return sorted(entered)


def test_without_a_ceiling_nobody_waits() -> None:
    """The open gate takes no time and does not even give up the turn."""

    async def main() -> None:
        gate = Gate()
        assert max(await moments(gate, 100)) < 1e-5
        coroutine = gate.enter("x")
        with pytest.raises(StopIteration):
            coroutine.send(None)
        assert (gate.rate_in_force, gate.paused_until) == (None, None)

    run(main())


def test_ceiling_holds_in_every_window() -> None:
    """No window of T seconds sees more than rate * T + burst requests."""

    async def main() -> None:
        gate = Gate(10.0, burst=3)
        entered = await moments(gate, 60)
        assert gate.rate_in_force == pytest.approx(10.0)
        for start in entered:
            for seconds in (0.5, 1.0, 2.0):
                assert len([each for each in entered if start <= each < start + seconds]) <= 10 * seconds + 3 + 1e-3
        assert entered[-1] == pytest.approx(5.7, abs=0.3)

    run(main())


@pytest.mark.parametrize("rate", [None, 1000.0])
def test_pause_holds_everybody(rate: float | None) -> None:
    """A pause is shared by all workers of the source, and is over for all."""

    async def main() -> None:
        gate = Gate(rate, burst=5)
        assert gate.pause(30, reason="429")
        assert gate.paused_until == pytest.approx(gate.time() + 30)
        assert gate.reason == "429"
        entered = await moments(gate, 20)
        assert entered[0] >= 30
        assert entered[-1] < 30.1
        assert gate.paused_until is None

    run(main())


def test_no_crowd_leaves_at_the_end_of_a_pause() -> None:
    """Those for whom a slot comes while the gate is shut do not leave together when it opens."""

    async def main() -> None:
        gate = Gate(10.0, burst=3)
        waiting = asyncio.create_task(moments(gate, 12))
        await asyncio.sleep(0.05)
        gate.pause(30)
        entered = await waiting
        assert entered[0] < 0.1
        assert len([each for each in entered if 30 <= each < 30.09]) <= 3
        assert entered[-1] == pytest.approx(30.8, abs=0.2)

    run(main())


def test_pause_that_grows_holds_those_who_wait() -> None:
    """Who waits for the end of a pause waits for its new end."""

    async def main() -> None:
        gate = Gate()
        gate.pause(10)
        waiting = asyncio.create_task(moments(gate, 3))
        await asyncio.sleep(5)
        assert gate.pause(20)
        assert await waiting == pytest.approx([25, 25, 25], abs=1e-3)

    run(main())


def test_one_pause_per_event() -> None:
    """Late answers to requests of before the pause tell nothing new; the first one sent after it does."""

    async def main() -> None:
        gate = Gate()
        sent = gate.time()
        await asyncio.sleep(1)
        assert gate.pause(10, sent_at_seconds=sent)
        await asyncio.sleep(5)
        assert not gate.pause(10, sent_at_seconds=sent)
        assert gate.pause_left_seconds == pytest.approx(5, abs=1e-3)
        assert gate.pauses == 1
        await asyncio.sleep(7)
        assert not gate.pause(10, sent_at_seconds=sent)
        assert gate.pause(10, sent_at_seconds=gate.time())
        assert gate.pauses == 2

    run(main())


def test_a_named_date_always_counts() -> None:
    """When the service names a date, the latest date counts, whichever answer told it; it never shortens a pause."""

    async def main() -> None:
        gate = Gate()
        sent = gate.time()
        await asyncio.sleep(1)
        gate.pause(10, sent_at_seconds=sent)
        assert gate.pause(600, sent_at_seconds=sent, named=True)
        assert not gate.pause(30, named=True)
        assert gate.pause_left_seconds == pytest.approx(600, abs=1e-3)
        assert gate.pauses == 1

    run(main())


def test_no_pause_of_no_length() -> None:
    """Zero seconds are no pause."""

    async def main() -> None:
        gate = Gate()
        assert not gate.pause(0)
        assert gate.pauses == 0

    run(main())


@pytest.mark.parametrize("rate, pause_seconds", [(0.01, 0.0), (None, 3600.0), (50.0, 3600.0)])
def test_who_waits_at_a_gate_that_closes_is_sent_home_at_once(rate: float | None, pause_seconds: float) -> None:
    """Behind a slow rate as behind a pause: nobody passes any more, and nobody waits; who is told to end, ends."""

    async def main() -> None:
        gate = Gate(rate, burst=1)
        await gate.enter("first")
        gate.pause(pause_seconds)
        start = gate.time()
        waiting = [asyncio.create_task(gate.enter("users/followers")) for _ in range(5)]
        await asyncio.sleep(1)
        gate.close("by a signal")
        waiting[2].cancel()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert gate.time() - start == pytest.approx(1, abs=0.01)
        assert [type(end) for end in ends] == [Spent, Spent, asyncio.CancelledError, Spent, Spent]
        assert not waiting[0].cancelling()
        with pytest.raises(Spent, match="by a signal"):
            await gate.enter("another")

    run(main())
