from __future__ import annotations

import random

import pytest

from crawler.policy.bucket import Bounds, infer


def asked(rate: float, burst: float, speeds: list[float], seed: int) -> tuple[list[float], list[float]]:
    """Ask a bucket at one speed after another, until it refuses; return the moments of grants and refusals."""
    chance, now, level, granted, refused = random.Random(seed), 0.0, 0.0, [], []
    for speed in speeds:
        while True:
            step = (0.8 + 0.4 * chance.random()) / speed
            now += step
            level = max(0.0, level - rate * step)
            if level + 1 > burst:
                refused.append(now)
                break
            level += 1
            granted.append(now)
        now += 5.0
        level = max(0.0, level - 5.0 * rate)
    return granted, refused


@pytest.mark.parametrize("rate,burst", [(50, 50), (50, 5), (8, 30), (200, 20)])
@pytest.mark.parametrize("seed", range(3))
def test_the_rate_is_found_whatever_the_burst(rate: float, burst: float, seed: int) -> None:
    """Runs at three speeds are enough to know the rate within 3 %, and what was seen fits it."""
    granted, refused = asked(rate, burst, [1.6 * rate, 1.2 * rate, 1.05 * rate], seed)
    estimate = infer(granted, refused, Bounds(rate / 6, rate * 1.3))
    assert estimate.middle == pytest.approx(rate, rel=0.02)
    assert estimate.low <= rate * 1.03
    assert estimate.misfit < 1.5


def test_a_bucket_that_changed_does_not_fit() -> None:
    """Moments that no bucket explains say so."""
    before, refused_before = asked(50, 10, [80, 60], 1)
    start = max(refused_before) + 10
    after, refused_after = asked(15, 10, [40, 20], 1)
    moments = before + [start + each for each in after]
    refusals = refused_before + [start + each for each in refused_after]
    assert infer(moments, refusals, Bounds(20 / 6, 20 * 1.2)).misfit > 8
