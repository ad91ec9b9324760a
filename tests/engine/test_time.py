from __future__ import annotations

from pathlib import Path

import pytest

from crawler.engine.run import Disk, Run
from crawler.engine.supervisor import Ending, Supervisor
from crawler.engine.worker import Source
from crawler.frontier.store import Frontier
from crawler.model import Item, Request, Response
from crawler.transport.gate import Gate
from tests.engine.toy import ToyClient, ToyProvider, World, settings
from tests.engine.virtual import _connect
from tests.simulation.loop import VirtualClock, VirtualLoop


@pytest.mark.parametrize("pause_seconds", [0.0, 5.0, 3600.0])
def test_time_paused_does_not_count(pause_seconds: float) -> None:
    """A crawl of at most ten seconds that is paused after three ends ten seconds after its start and the pause."""
    loop, drained = VirtualLoop(0.0, float), list[float]()

    class Feeder:
        def drain(self, reason: str, _grace_seconds: float) -> None:
            assert reason == "max_seconds = 10 is reached"
            drained.append(loop.time())

    class Crew:
        def close(self, reason: str) -> None:
            assert reason == "max_seconds = 10 is reached"

    class Sequencer:
        def stir(self) -> None:
            """Wake nobody."""

    def paused_seconds() -> float:
        return max(0.0, 3 + pause_seconds - loop.time()) if loop.time() >= 3 else 0.0

    supervisor = Supervisor(Sequencer(), Feeder(), None, Crew(), 1, paused_seconds)  # type: ignore[arg-type]
    loop.run_until_complete(supervisor._time(10))
    loop.close()
    assert drained == [pytest.approx(10 + pause_seconds, abs=1.01)]


def test_a_stop_sends_nothing_that_still_waits_for_its_rate(tmp_path: Path) -> None:
    """At one request in ten seconds, a crawl that is stopped between two sends no further one, and does not wait."""
    loop = VirtualLoop(0.0, lambda: 1e-4)
    gate = Gate(0.1, burst=1)

    class Gated(ToyClient):
        async def ask(self, request: Request) -> Response:
            await gate.enter(request.family)
            return await super().ask(request)

    client = Gated(World(1, 50, 10), 1)

    async def crawl() -> Ending:
        disk = Disk(frontier=lambda path: Frontier(path, _connect))
        chosen = settings(empty_data=b"{}", seconds_max=44.0)
        async with Run(
            tmp_path, chosen, {"toy": Source(ToyProvider(), client, gate)}, VirtualClock(loop), float, disk
        ) as run:
            run.seed([Item("user", 3, 3, "id", None)], "soundcloud", "toy")
            return await run.crawl()

    ending = loop.run_until_complete(crawl())
    assert ending.reason == "max_seconds = 44 is reached"
    assert loop.time() == pytest.approx(44, abs=0.1)
    assert len(client.asked) == 5
    loop.close()
