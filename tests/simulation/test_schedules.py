from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from crawler.engine.budget import RunBudget
from crawler.policy import budget
from tests.simulation.schedules import tried

FEW = range(4)


@pytest.mark.parametrize("seed", FEW)
def test_the_sandbox_counts_what_was_allowed(seed: int) -> None:
    """Whatever is killed, and wherever the date jumps to: never more, and never less but for what was in flight."""
    assert not tried(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(len(FEW), 200))
def test_many_schedules(seed: int) -> None:
    """The same for many more; `make budgets` runs ten thousand."""
    assert not tried(seed)


def _found(seeds: int) -> str:
    return next(filter(None, map(tried, range(seeds))), "")


@pytest.mark.slow
def test_a_budget_that_forgets_what_a_kill_left_open_is_found() -> None:
    """Without reservations the sandbox counts more than was allowed, and the schedules see it."""
    rightly = RunBudget.__init__

    def wrongly(self: RunBudget, totals: dict[str, Any], *rest: Any) -> None:  # noqa: ANN401 - as it is called
        rightly(self, {**totals, "reserved": 0, "unsettled": 0}, *rest)

    with patch.object(RunBudget, "__init__", wrongly):
        assert "requests of" in _found(40)


@pytest.mark.slow
def test_a_day_that_believes_the_date_is_found() -> None:
    """Told by the date alone, a day begins anew when the date is set forward, and the schedules see it."""

    def wrongly(time: budget.Time, reading: budget.Reading) -> float:
        time.seconds = reading.epoch_seconds
        return time.seconds

    with patch.object(budget, "advance", wrongly):
        assert "more than" in _found(40)
