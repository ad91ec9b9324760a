"""Whole crawls on virtual time: a fixed set of seeds and one new one, and that the simulation itself can be trusted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest

from tests.simulation import planted
from tests.simulation.__main__ import line
from tests.simulation.loop import Deadlock, VirtualLoop
from tests.simulation.plan import Plan, plan_of, undisturbed
from tests.simulation.simulate import simulate, simulate_seed

FIXED = range(30)


@pytest.mark.parametrize("seed", FIXED)
def test_a_fixed_seed_passes_every_checker(seed: int) -> None:
    """Whatever happens in a run of this seed, its dataset is that of the world, and no promise is broken on the way."""
    simulate_seed(seed)


def test_a_new_seed_passes_every_checker(capsys: pytest.CaptureFixture[str]) -> None:
    """A seed that nobody has tried passes too; it is printed, so that it can be tried again."""
    seed = int.from_bytes(os.urandom(4))
    with capsys.disabled():
        print(f"\nsimulating a new seed: make sim SEED={seed}")  # noqa: T201 - for whoever reads the log
        print(line(simulate_seed(seed)))  # noqa: T201


@pytest.mark.parametrize("seed", [1, 2, 12])
def test_the_same_seed_gives_the_same_trace(seed: int) -> None:
    """Everything that happens, and when, follows from the seed."""
    assert simulate_seed(seed) == simulate_seed(seed)


def test_seeds_and_kinds_of_fault_give_other_traces() -> None:
    """Two seeds differ, and so does a world to which nothing happens: the hash is of what happened."""
    plans = [plan_of(1), plan_of(25), undisturbed(plan_of(1).shape)]
    assert len({simulate(plan).hash for plan in plans}) == len(plans)


def test_a_deadlock_is_an_error_and_names_who_waits() -> None:
    """When everybody waits and no timer is left, the loop says so instead of hanging."""
    loop = VirtualLoop(0.0, lambda: 0.0)

    async def wait_for_ever() -> None:
        asyncio.current_task(loop).set_name("a worker")  # type: ignore[union-attr]
        await asyncio.sleep(86_400.0)
        await loop.create_future()

    task = loop.create_task(wait_for_ever())
    with pytest.raises(Deadlock, match="a worker"):
        loop.run_until_complete(task)
    assert loop.time() > 86_400.0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()


Bug = Callable[[], AbstractContextManager[None]]
Change = Callable[[Plan], Plan]


def _same(plan: Plan) -> Plan:
    return plan


@pytest.mark.parametrize(
    "bug,change,said",
    [
        pytest.param(planted.commit_before_sync, _same, "no order is inverted", id="commit before sync"),
        pytest.param(nullcontext, planted.two_writers, "no page is committed twice", id="two writers"),
        pytest.param(planted.lost_retry, _same, "Deadlock", id="a lost retry"),
        pytest.param(
            planted.empty_page_ends_list, _same, "records equal the world", id="a list ended on an empty page"
        ),
    ],
)
def test_a_planted_bug_is_found(bug: Bug, change: Change, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The checkers find it within 100 seeds, and the one that should is the one that does."""
    seed, message = planted.found(bug, change)
    with capsys.disabled():
        print(f"\nfound at seed {seed}: {message.splitlines()[0][:160]}")  # noqa: T201 - which seed, for the log
    assert said in message
