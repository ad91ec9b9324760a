from __future__ import annotations

import pytest

from crawler.errors import ConfigError
from crawler.policy.rate import smoothing


def test_auto_has_no_bucket() -> None:
    """Without a ceiling there is nothing to wait for."""
    assert smoothing("auto") is None


@pytest.mark.parametrize("rate,burst", [(5.0, 1), (0.1, 3), (1000.0, 10)])
def test_rate_is_kept(rate: float, burst: int) -> None:
    """Whatever the burst, the steady rate is the one that was asked for, and no bucket is larger than its burst."""
    bucket = smoothing(rate, burst)
    assert bucket is not None
    assert bucket.requests_per_second == pytest.approx(rate)
    assert bucket.burst == burst


@pytest.mark.parametrize("rate,burst", [(0, 1), (-1, 1), (float("inf"), 1), (float("nan"), 1), ("fast", 1), (1, 0)])
def test_nonsense_is_refused(rate: float, burst: int) -> None:
    """A rate that means nothing is the operator's mistake."""
    with pytest.raises(ConfigError):
        smoothing(rate, burst)
