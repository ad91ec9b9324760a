"""What a refusal tells about the limit behind it, and how fast to go on. Pure.

A refusal is an *event*: everything that was under way is refused with it, and tells nothing new. The event is over
with the first grant after its pause, and how it ended tells which limit it was:

    after a pause of some seconds       a token bucket: its rate is inferred (`policy.bucket`), whatever its burst
    after long, and after many          a quota of n requests in a window: its length is seen, and n / length is kept
    after long, and after few, or 403   a penalty for being too fast: back to well below that, upward very slowly
    twice the same n and length         a quota as well, however short, if it was slower the second time

How long it took counts only where it was found by asking. A date or Retry-After says when to come back, not when the
limit is over: many services name 60 s for a bucket that has something after a twentieth of a second. And a refusal
in a lull, when much less was asked than the rate in force, tells nothing of speed or number.
"""

from __future__ import annotations

from crawler.policy.bucket import Bounds, Estimate, infer
from crawler.policy.pace import (
    FIRST_RATE,
    PROBE_CHANGED_SECONDS,
    PROBE_FIRST_SECONDS,
    PROBE_STEP,
    STAMPS_MAX,
    Pace,
    Window,
    begin_anew,
    forget_before,
    hold,
    offered_rate,
    set_rate,
)

KNOWN_EVENTS = 3
"""Refusals after which a bucket is known: two with runs of different speed, and one to be exact."""

_LONG_SECONDS = 10.0
_SOON_SECONDS = 10.0
_LULL_SECONDS = 10.0
_LULL = 0.25
_MANY = 100
_SLOWER = 0.85
_BACK = 0.7
_ONCE = 0.85
_OFFERED_MARGIN = 1.05
_SECOND = 0.93
_BUCKET_MARGIN = 0.985
_QUOTA_MARGIN = 0.985
_PENALTY_MARGIN = 0.97
_PROVED_MARGIN = 0.99
_MISFIT_MAX = 8.0
_PROBE_COSTS = 40.0
_PROBE_PENALTY_COSTS = 120.0
_PROBE_WINDOWS = 6.0
_PROBE_LONGEST_SECONDS = 4 * 3600.0
_PAUSE_SECONDS = 2.0
_PAUSE_LONGEST_SECONDS = 60.0


def refused(pace: Pace, sent_at: float, now: float, *, is_blocked: bool = False) -> None:
    """Note the first refusal of an event, or that a try after its pause was refused; `is_blocked` by a firewall."""
    if pace.is_shut:
        pace.misses += 1
        pace.was_named = pace.was_named or pace.named_until is not None
        pace.missed_at, pace.named_until = now, None
        return
    pace.was_named = False
    pace.refused_rate = offered_rate(pace, now)
    pace.refusals.append(sent_at)
    pace.refused_at = pace.missed_at = sent_at
    pace.run_granted, pace.run_seconds = pace.granted, sent_at - (sent_at if pace.since is None else pace.since)
    pace.is_shut, pace.is_blocked, pace.misses, pace.named_until = True, is_blocked, 0, None


def refused_too(pace: Pace, sent_at: float) -> None:
    """Note another refusal of the same event; the one that was sent first is nearest to the moment of the limit."""
    if pace.refusals and sent_at < pace.refusals[-1]:
        pace.refusals[-1] = sent_at


def guessed_pause_seconds(pace: Pace) -> float:
    """Return how long to wait when the service does not say: longer after each try that was refused."""
    first = _PAUSE_SECONDS / 4 if pace.was_named else _PAUSE_SECONDS  # it cannot be long any more
    return min(first * 2.0 ** min(pace.misses, 10), _PAUSE_LONGEST_SECONDS)


def resumed(pace: Pace, sent_at: float, now: float) -> None:
    """Note the first grant after a pause, sent at a moment: the event is over, and tells which limit it was."""
    window, before = _window(pace, sent_at), pace.window
    paused_seconds = sent_at - pace.refused_at
    is_found = pace.misses > 0 or not (pace.was_named or pace.named_until is not None)
    is_long = pace.misses > 0 or paused_seconds >= _LONG_SECONDS
    must_be_slower = pace.is_quota_refuted or (is_long and not is_found)
    pace.alike = pace.alike + 1 if before is not None and _is_alike(window, before, must_be_slower) else 0
    is_same = pace.alike > (0 if is_long else 1)
    was_proved = pace.is_quota_sure and pace.is_probing
    is_long = is_long and is_found
    pace.events += 1
    pace.window = window
    is_many = window.granted >= _MANY and not (pace.is_quota_refuted or pace.is_blocked or pace.form == "penalty")
    if _is_lull(pace, window):
        _keep_on(pace, now, paused_seconds)
    elif is_same or pace.is_quota_sure or (is_long and is_many):
        pace.is_quota_sure = True
        _keep_quota(pace, now, before if is_same else None, was_proved=was_proved)
    elif is_long or pace.is_blocked:
        _keep_below_penalty(pace, now, paused_seconds)
    else:
        _keep_bucket(pace, now, paused_seconds)
    pace.since, pace.granted, pace.misses, pace.is_shut = sent_at, 0, 0, False
    pace.tick_at, pace.tick_granted = now, 0


def _window(pace: Pace, sent_at: float) -> Window:
    """Return how many were granted in how long; the end is what the service named, or between the last two tries."""
    if pace.misses:
        end = (pace.missed_at + sent_at) / 2
    else:
        end = sent_at if pace.named_until is None else min(pace.named_until, sent_at)
    last = sum(1 for stamp in pace.stamps if pace.refused_at - 1.0 < stamp <= pace.refused_at)
    # Without a limit no moments are kept, and a new lane has none: answers that came after the refusal are not all.
    are_all = not (pace.phase == "open" or pace.is_fresh) or min(pace.stamps, default=sent_at) < pace.refused_at - 1.0
    rate = min(pace.refused_rate, last + 1.0) if pace.stamps and are_all else pace.refused_rate
    return Window(pace.run_granted, pace.run_seconds + end - pace.refused_at, rate)


def _is_alike(window: Window, other: Window, must_be_slower: bool) -> bool:  # noqa: FBT001 - a condition
    """Tell whether two events ended alike: a slower run of few that ends so too was ended by a number, not by speed."""
    is_slower = window.requests_per_second <= _SLOWER * other.requests_per_second
    is_telling = is_slower or (window.granted >= _MANY and not must_be_slower)
    is_near = abs(window.granted - other.granted) <= 0.1 * other.granted + 1
    return is_telling and is_near and abs(window.seconds - other.seconds) <= 0.1 * other.seconds


def _is_lull(pace: Pace, window: Window) -> bool:
    """Tell whether much less was asked, at the end of a run, than the rate in force."""
    return pace.run_seconds >= _LULL_SECONDS and window.requests_per_second < _LULL * pace.refused_rate


def _keep_on(pace: Pace, now: float, paused_seconds: float) -> None:
    """Stay close to the rate in force after a refusal in a lull."""
    if pace.phase == "hold":
        hold(pace, now, _PENALTY_MARGIN * pace.refused_rate, pace.why)
    else:
        _keep_bucket(pace, now, paused_seconds)


def _note_cost(pace: Pace, least_seconds: float) -> None:
    """Say when to look upward next: the dearer the refusal the later, twice as late after a look that was refused."""
    least = max(PROBE_FIRST_SECONDS, least_seconds)
    seconds = max(least, 2 * pace.probe_seconds) if pace.is_probing else least
    pace.probe_seconds = min(seconds, max(least, _PROBE_LONGEST_SECONDS))


def _keep_quota(pace: Pace, now: float, before: Window | None, *, was_proved: bool) -> None:
    window = pace.window or Window(1, 1.0, FIRST_RATE)
    number, seconds, offered = window.granted, window.seconds, pace.refused_rate
    if before is not None:
        number, seconds = number + before.granted, seconds + before.seconds
    rate = min(_QUOTA_MARGIN * number / seconds, offered) if number else offered / 2
    if was_proved:
        # The step before the refused one was kept for a window, and that counts more than how long a pause seemed.
        proved = pace.good_rate * (1 + pace.probe_step / 4) if pace.probe_step > 2 * PROBE_STEP else pace.good_rate
        rate = max(rate, _PROVED_MARGIN * proved)
    pace.form = "quota"
    if not pace.quota_seconds or before is not None or window.seconds < pace.quota_seconds:
        pace.quota_seconds = window.seconds
    _note_cost(pace, _PROBE_WINDOWS * pace.quota_seconds)
    hold(pace, now, rate, f"{window.granted:,} requests were granted in {window.seconds:,.0f} s")


def _keep_below_penalty(pace: Pace, now: float, paused_seconds: float) -> None:
    again = pace.form == "penalty"
    offered = pace.window.requests_per_second if pace.window else pace.refused_rate
    pace.form = "penalty"
    _note_cost(pace, _PROBE_PENALTY_COSTS * paused_seconds)
    why = f"at {offered:.3g}/s the service shut the door for {paused_seconds:,.0f} s"
    if again:
        hold(pace, now, _PENALTY_MARGIN * offered, why)
    else:
        pace.phase, pace.why = "search", why
        set_rate(pace, _BACK * offered)


def _keep_bucket(pace: Pace, now: float, paused_seconds: float) -> None:
    offered, was_wrong = pace.refused_rate, pace.phase == "hold" and not pace.is_probing
    _note_cost(pace, _PROBE_COSTS * paused_seconds)
    if was_wrong:
        pace.burst = None
    pace.form, pace.why = "bucket", f"refused at {offered:.3g}/s"
    if pace.is_fresh:
        _forget(pace)
    estimate = _bucket_rate(pace, offered)
    if estimate.misfit > _MISFIT_MAX + 0.1 * offered or (was_wrong and pace.run_seconds < _SOON_SECONDS):
        _change(pace)
    if pace.events == 1 or not pace.stamps:
        pace.phase = "search"
        set_rate(pace, _BACK * offered)
    elif len(pace.refusals) < 2:  # noqa: PLR2004 - one fits everything
        pace.phase = "search"
        set_rate(pace, _ONCE * offered)
    elif pace.events < KNOWN_EVENTS:
        pace.phase = "search"
        set_rate(pace, min(_SECOND * estimate.middle, _PENALTY_MARGIN * offered))
    else:
        pace.burst = None if was_wrong else estimate.burst
        highest = _PENALTY_MARGIN * offered if was_wrong else offered
        hold(pace, now, min(_BUCKET_MARGIN * estimate.middle, highest), pace.why)


def _bucket_rate(pace: Pace, offered: float) -> Estimate:
    forget_before(pace, sorted(pace.stamps)[-STAMPS_MAX:][0] if pace.stamps else 0.0)
    if not pace.stamps or not pace.refusals:
        return Estimate(offered, offered, 0.0, 1.0)
    return infer(pace.stamps, pace.refusals, Bounds(offered / 6, offered * _OFFERED_MARGIN, pace.burst))


def _forget(pace: Pace) -> None:
    """Forget all moments: how much of the burst was used up before them is not known, and after a pause none of it."""
    pace.stamps, pace.refusals, pace.is_fresh = [], [], False


def _change(pace: Pace) -> None:
    """Let only this run count: what was refused now fits no limit of before. Looks upward come soon."""
    _forget(pace)
    form = pace.form
    begin_anew(pace)
    pace.form, pace.events, pace.probe_seconds = form, 1, PROBE_CHANGED_SECONDS
