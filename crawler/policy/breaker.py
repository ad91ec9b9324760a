"""When a family of endpoints fails again and again: nobody asks it but one trial now and then. Pure.

A storm on one family, as 504 for nine calls of ten on followers (soundcloud/api #264, #308), should neither cost
requests nor keep the others waiting. A breaker opens when failures outweigh answers: each failure weighs one, each
answer takes three away, and ten open it. While it is open one trial goes after a while that grows with the length of
the storm, so that its end is found within a twentieth of that. Three answers in a row close it.
"""

from __future__ import annotations

from msgspec import Struct

OPENS_AT = 10
_ANSWER_WEIGHS = 3
_CLOSES_AFTER = 3
_TRIAL_SECONDS = 5.0
_TRIAL_LONGEST_SECONDS = 300.0
_TRIAL_SHARE = 0.05


class Breaker(Struct):
    """What is known of one family. `since` is when it began to fail, `trial_at` when it may be asked again."""

    weight: int = 0
    answers: int = 0
    is_open: bool = False
    since: float = 0.0
    trial_at: float = 0.0
    tried_at: float = 0.0


def holds(breaker: Breaker, now: float) -> bool:
    """Tell whether nobody may ask now; when somebody may, that is the trial, and the next comes later."""
    if not breaker.is_open:
        return False
    if now < breaker.trial_at:
        return True
    breaker.tried_at = now
    breaker.trial_at = now + _interval_seconds(breaker, now)
    return False


def failed(breaker: Breaker, sent_at: float, now: float) -> None:
    """Note that a request that was sent at a moment failed."""
    if breaker.is_open:
        breaker.answers = 0 if sent_at >= breaker.tried_at else breaker.answers
        return
    if not breaker.weight:
        breaker.since = now
    breaker.weight += 1
    if breaker.weight >= OPENS_AT:
        breaker.is_open, breaker.answers = True, 0
        breaker.tried_at = now
        breaker.trial_at = now + _interval_seconds(breaker, now)


def answered(breaker: Breaker, sent_at: float, now: float) -> bool:
    """Note an answer to a request that was sent at a moment; return whether this closed the breaker."""
    if not breaker.is_open:
        breaker.weight = max(0, breaker.weight - _ANSWER_WEIGHS)
        return False
    if sent_at < breaker.tried_at:
        return False
    breaker.answers += 1
    breaker.trial_at = now
    if breaker.answers < _CLOSES_AFTER:
        return False
    breaker.is_open = False
    return True


def slept(breaker: Breaker, seconds: float) -> None:
    """Let the time for which the computer slept count as waited."""
    breaker.trial_at -= seconds


def _interval_seconds(breaker: Breaker, now: float) -> float:
    return min(max(_TRIAL_SECONDS, _TRIAL_SHARE * (now - breaker.since)), _TRIAL_LONGEST_SECONDS)
