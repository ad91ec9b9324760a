from __future__ import annotations

from crawler.policy.blame import Blame


def traffic(blame: Blame, number: int, *families: str, at: float = 0.0) -> None:
    for count in range(number):
        blame.granted(families[count % len(families)], at)


def test_who_is_alone_is_not_tried() -> None:
    """Without others to compare it with, a refusal concerns all."""
    blame = Blame()
    assert not blame.try_alone("followers", 0.0, 10)
    traffic(blame, 1, "followers")
    assert not blame.try_alone("followers", 0.0, 10)
    traffic(blame, 100, "followers")
    assert not blame.try_alone("followers", 0.0, 10)


def test_others_that_are_granted_end_the_trial_with_a_limit_of_its_own() -> None:
    """Only grants of others that were sent since count, and as many as would empty a shared bucket."""
    blame = Blame()
    traffic(blame, 100, "followers", "likes")
    assert blame.try_alone("followers", 10.0, 40)
    traffic(blame, 200, "likes", at=9.0)
    traffic(blame, 200, "followers", at=11.0)
    traffic(blame, 59, "likes", at=11.0)
    assert blame.trial is not None
    traffic(blame, 1, "likes", at=11.0)
    assert blame.trial is None
    assert blame.try_alone("likes", 20.0, 40)


def test_trials_that_are_refuted_become_rare() -> None:
    """Where one limit is shared, of a hundred events few are tried."""
    blame, trials = Blame(), 0
    traffic(blame, 100, "followers", "likes")
    for _ in range(100):
        if blame.try_alone("followers", 0.0, 10):
            trials += 1
            blame.refuted()
    assert 2 <= trials <= 8
