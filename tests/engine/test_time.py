from __future__ import annotations

import pytest

from crawler.engine.supervisor import Supervisor
from tests.simulation.loop import VirtualLoop


@pytest.mark.parametrize("pause_seconds", [0.0, 5.0, 3600.0])
def test_time_paused_does_not_count(pause_seconds: float) -> None:
    """A crawl of at most ten seconds that is paused after three ends ten seconds after its start and the pause."""
    loop, drained = VirtualLoop(0.0, float), list[float]()

    class Feeder:
        def drain(self, reason: str, _grace_seconds: float) -> None:
            assert reason == "max_seconds = 10 is reached"
            drained.append(loop.time())

    class Sequencer:
        def stir(self) -> None:
            """Wake nobody."""

    def paused_seconds() -> float:
        return max(0.0, 3 + pause_seconds - loop.time()) if loop.time() >= 3 else 0.0

    supervisor = Supervisor(Sequencer(), Feeder(), None, None, 1, paused_seconds)  # type: ignore[arg-type]
    loop.run_until_complete(supervisor._time(10))
    loop.close()
    assert drained == [pytest.approx(10 + pause_seconds, abs=1.01)]
