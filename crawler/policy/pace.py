"""How fast to ask, learned from what was granted and refused. Pure: no clock, no chance, no waiting.

`transport.gate` tells a `Pace` what happened, and asks it for `rate`. A pace is plain data, in one of four phases:

    open     no limit was met, none is set: nobody waits, and next to nothing is computed
    ramp     no refusal yet: from 4 a second on, doubling every second while the rate is used up
    search   one or two refusals: on from well below, slowly, so that the next refusal tells more
    hold     the limit is known: just below it, with a look upward now and then, the more rarely the dearer a refusal is

What a refusal tells is worked out in `policy.refusal`. Seconds are those of the one who tells.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from crawler.policy.rate import RequestsPerSecond

FIRST_RATE = 4.0
FASTEST_RATE = 5000.0
LOWEST_RATE = 1 / 600
STAMPS_MAX = 2500
"""Grants of which the moment is remembered: enough for two runs, and to be looked through in some 30 ms."""

PROBE_FIRST_SECONDS = 30.0
PROBE_CHANGED_SECONDS = 12.0
PROBE_STEP = 0.01
_PROBE_STEP_SECONDS = 2.0
_PROBE_WINDOWS = 2.1
_TICK_SECONDS = 0.5
_TICK_REQUESTS = 4
_SHORTEST_SECONDS = 0.1
_BUSY = 0.7
_SEARCH_GROWTH = {1: 1.05, 2: 1.015}
_DEAR_GROWTH = 1.005
_ESCAPED = 1.4
_SLOW_FACTOR = 3.0
_SLOW_SECONDS = 0.25
_SLOWER = 0.9
CEILING = "the ceiling of the configuration"

Phase = Literal["open", "ramp", "search", "hold"]
Form = Literal["", "bucket", "quota", "penalty"]


class Window(Struct, frozen=True):
    """So many requests were granted until the end of a pause, so many seconds after the run before it began.

    `requests_per_second` is how fast they were sent, at the end.
    """

    granted: int
    seconds: float
    requests_per_second: float


class Learned(Struct, frozen=True):
    """What is worth remembering of a pace when the process ends, and worth telling a person.

    `refused_rate` is at which the last refusal came, while more are needed to know the limit; None once it is known.
    """

    requests_per_second: float | None
    why: str
    form: Form = ""
    refusals: int = 0
    probe_seconds: float = PROBE_FIRST_SECONDS
    window: Window | None = None
    refused_rate: float | None = None


class Pace(Struct):
    """What is known of one limit. `rate` is in force (None: none), `why` says why; the rest is memory.

    `since` is when the run began, `granted` what it was granted. `stamps` are the moments at which requests that were
    granted were sent, `refusals` those of each event's first refusal. `is_shut`: an event is not over; `misses` counts
    those who tried since, `missed_at` is the last. `burst` is that of the bucket, once known. `good_rate` is what was
    kept before the look upward that is under way. `is_fresh`: what was asked before the first stamp is not known.
    """

    ceiling: float | None = None
    rate: float | None = None
    why: str = "no limit was met"
    phase: Phase = "open"
    form: Form = ""
    events: int = 0
    since: float | None = None
    granted: int = 0
    tick_at: float = 0.0
    tick_granted: int = 0
    measured: float = 0.0
    stamps: list[float] = []
    refusals: list[float] = []
    refused_rate: float = FIRST_RATE
    refused_at: float = 0.0
    missed_at: float = 0.0
    misses: int = 0
    is_shut: bool = False
    is_blocked: bool = False
    named_until: float | None = None
    was_named: bool = False
    run_granted: int = 0
    run_seconds: float = 0.0
    window: Window | None = None
    is_fresh: bool = False
    burst: float | None = None
    quota_seconds: float = 0.0
    alike: int = 0
    is_quota_sure: bool = False
    is_quota_refuted: bool = False
    good_rate: float = 0.0
    is_probing: bool = False
    probe_step: float = PROBE_STEP
    probe_seconds: float = PROBE_FIRST_SECONDS
    probe_at: float = float("inf")
    latency_seconds: float = 0.0
    usual_latency_seconds: float = 0.0


def new_pace(ceiling: RequestsPerSecond | None) -> Pace:
    """Return the pace to begin with: None has no limit until one is met, "auto" ramps up, a number is a ceiling."""
    if ceiling is None:
        return Pace()
    if ceiling == "auto":
        return Pace(rate=FIRST_RATE, phase="ramp", why="no limit was met yet")
    return Pace(ceiling=float(ceiling), rate=float(ceiling), phase="ramp", why=CEILING)


def parted(pace: Pace, requests_per_second: float) -> Pace:
    """Return the pace of a part of what had one pace, to go on from a rate; what was learned together is forgotten."""
    part = Pace(
        ceiling=pace.ceiling,
        phase="ramp",
        why="a limit of its own",
        since=pace.since,
        tick_at=pace.tick_at,
        is_fresh=True,
    )
    set_rate(part, requests_per_second)
    return part


def recall(pace: Pace, learned: Learned, now: float) -> None:
    """Go on with what an earlier start learned: the same rate at once, and no look upward soon.

    A search goes on: to keep to what one refusal seemed to tell would be slower than not to have been stopped.
    """
    if not learned.refusals or learned.requests_per_second is None:
        return
    pace.events, pace.form, pace.window = learned.refusals, learned.form, learned.window
    pace.probe_seconds, pace.is_fresh = learned.probe_seconds, True
    hold(pace, now, learned.requests_per_second, learned.why)
    if learned.refused_rate is not None:
        pace.phase, pace.refused_rate = "search", learned.refused_rate


def offered_rate(pace: Pace, now: float) -> float:
    """Return how many requests a second are asked: the rate in force, or what this second and the last one saw."""
    if pace.rate is not None:
        return pace.rate
    this_tick = pace.tick_granted / max(now - pace.tick_at, _SHORTEST_SECONDS)
    return max(pace.measured, this_tick, FIRST_RATE)


def learned_from(pace: Pace) -> Learned:
    """Return what is worth remembering."""
    rate = pace.good_rate if pace.is_probing else pace.rate
    searched = pace.refused_rate if pace.phase == "search" else None
    return Learned(rate, pace.why, pace.form, pace.events, pace.probe_seconds, pace.window, searched)


def granted(pace: Pace, sent_at: float, now: float) -> None:
    """Note an answer that was no refusal, to a request that was sent at a moment."""
    if pace.since is None:
        pace.since, pace.tick_at = sent_at, now
    if pace.is_shut:
        pace.run_granted += 1
        pace.stamps.append(sent_at)
        return
    pace.granted += 1
    pace.tick_granted += 1
    if pace.phase == "open":
        if now - pace.tick_at >= 1.0:
            _measure(pace, now)
        return
    _note_latency(pace, now - sent_at)
    pace.stamps.append(sent_at)
    if len(pace.stamps) > 2 * STAMPS_MAX:
        forget_before(pace, pace.stamps[-STAMPS_MAX])
    if now - pace.tick_at >= max(_TICK_SECONDS, _TICK_REQUESTS / (pace.rate or 1.0)):
        _tick(pace, now)


def set_rate(pace: Pace, requests_per_second: float) -> None:
    """Put a rate in force, as far as the ceiling allows."""
    highest = FASTEST_RATE * 2 if pace.ceiling is None else pace.ceiling
    pace.rate = min(max(requests_per_second, LOWEST_RATE), highest)


def hold(pace: Pace, now: float, requests_per_second: float, why: str) -> None:
    """Keep to a rate until it is time to look upward."""
    set_rate(pace, requests_per_second)
    pace.phase, pace.why = "hold", why
    pace.is_probing, pace.good_rate = False, pace.rate or requests_per_second
    pace.probe_step, pace.probe_at = PROBE_STEP, now + pace.probe_seconds


def begin_anew(pace: Pace) -> None:
    """Forget which limit it was, but not whether the idea of a quota was wrong."""
    pace.form, pace.events, pace.window, pace.burst = "", 0, None, None
    pace.is_quota_sure, pace.quota_seconds, pace.probe_seconds = False, 0.0, PROBE_CHANGED_SECONDS


def forget_before(pace: Pace, moment: float) -> None:
    """Forget the moments before one."""
    pace.stamps = [stamp for stamp in pace.stamps if stamp >= moment]
    pace.refusals = [refusal for refusal in pace.refusals if refusal >= moment]


def is_slow(pace: Pace) -> bool:
    """Tell whether answers take much longer than usual, so that asking faster would not help."""
    return pace.latency_seconds > _SLOW_FACTOR * pace.usual_latency_seconds + _SLOW_SECONDS


def _note_latency(pace: Pace, seconds: float) -> None:
    if not pace.latency_seconds:
        pace.latency_seconds = pace.usual_latency_seconds = seconds
    pace.latency_seconds += (seconds - pace.latency_seconds) * 0.05
    pace.usual_latency_seconds += (seconds - pace.usual_latency_seconds) * 0.001
    pace.usual_latency_seconds = min(pace.usual_latency_seconds, pace.latency_seconds)


def _measure(pace: Pace, now: float) -> float:
    """Close a tick, and return its seconds."""
    seconds = now - pace.tick_at
    pace.measured = pace.tick_granted / seconds
    pace.tick_at, pace.tick_granted = now, 0
    return seconds


def _tick(pace: Pace, now: float) -> None:
    """Look at the time since the last tick, and perhaps go faster."""
    seconds, rate = _measure(pace, now), pace.rate or FIRST_RATE
    if pace.phase == "hold":
        if now >= pace.probe_at and not is_slow(pace) and pace.measured >= _BUSY * rate:
            _probe(pace, now)
    elif is_slow(pace):
        hold(pace, now, _SLOWER * rate, "answers became slower")
    elif pace.measured >= _BUSY * rate and rate != pace.ceiling:
        _grow(pace, rate, min(seconds, 1.0))


def _grow(pace: Pace, rate: float, seconds: float) -> None:
    """Go faster, after so many seconds at a rate: twice as fast a second on the ramp, by little in a search."""
    if pace.phase == "ramp" and rate > FASTEST_RATE:
        pace.phase, pace.rate, pace.why, pace.stamps = "open", None, "no limit was met", []
        return
    searching = _DEAR_GROWTH if pace.form == "penalty" else _SEARCH_GROWTH.get(pace.events, 1.015)
    growth: float = 2.0 if pace.phase == "ramp" else searching
    set_rate(pace, rate * growth**seconds)
    if pace.phase == "search" and rate > _ESCAPED * pace.refused_rate:
        _escape(pace)


def _probe(pace: Pace, now: float) -> None:
    """Go a little faster, each time twice as much more; what was found good before is remembered."""
    if pace.good_rate == pace.ceiling:
        hold(pace, now, pace.good_rate, CEILING)
        return
    pace.is_probing = True
    set_rate(pace, pace.good_rate * (1 + pace.probe_step))
    pace.probe_step *= 2
    # A step has to last a whole window of a quota, wherever that begins.
    is_quota = pace.form == "quota" and pace.quota_seconds
    pace.probe_at = now + (_PROBE_WINDOWS * pace.quota_seconds if is_quota else _PROBE_STEP_SECONDS)
    if pace.rate == pace.ceiling:
        hold(pace, now, pace.rate or pace.good_rate, CEILING)
    elif (pace.rate or 0.0) > _ESCAPED * pace.good_rate:
        _escape(pace)


def _escape(pace: Pace) -> None:
    """Begin anew from here: the limit that was known is no more."""
    pace.is_quota_refuted = pace.is_quota_refuted or pace.form == "quota"
    begin_anew(pace)
    pace.phase, pace.is_probing, pace.why = "ramp", False, "the limit that was known is gone"
    pace.stamps, pace.refusals, pace.is_fresh = pace.stamps[-1:], [], True
