"""Where workers wait before they send: for the pace of the second, and for pauses that all of them share.

What follows from a refusal or a failure is decided in `policy`: pace, refusal, blame, breaker. All time here is the
event loop's, so a test can run it on a loop of its own time. This file is the only importer of aiolimiter, which is
good for the second and nothing longer.

A gate has one *lane* for all endpoints, until refusals show that they concern one family only: then that family gets a
lane of its own. It has a *breaker* for each family that fails, and a door that shuts when the network is away.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, CancelledError, Task, current_task, get_running_loop
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from crawler.errors import Resting, Spent
from crawler.policy import breaker as breakers
from crawler.policy import pace as paces
from crawler.policy import refusal
from crawler.policy.blame import BOOST, Blame, Trial
from crawler.policy.breaker import Breaker
from crawler.policy.pace import Learned
from crawler.policy.rate import DEFAULT_BURST, RequestsPerSecond, smoothing
from crawler.transport.lane import NEVER, Door, Lane, Spacing

SHARED = "all"
"""The name of the lane of all families that have none of their own."""

AWAY_AFTER = 3
"""Requests in a row that did not reach the service, before the network is called away."""

AWAY_SECONDS = 2.0
AWAY_LONGEST_SECONDS = 30.0
_JITTER = 0.1
_RECALLED_SECONDS = 3600.0
"""The longest pause that is believed of a run which did not keep how long its pause was."""

Outcome = Literal["granted", "failed", "lost", "unreached", "silent", "unsent"]
"""What became of a request that entered: answered; answered with 5xx; sent, and no answer came; never arrived there;
answered from in front of the service (403, 429), about which `pause` may be told; not sent."""

_FAILURES = frozenset({"failed", "lost"})


class Gate:
    """One gate for one source. A pause is one event, however many answers tell of it.

    `requests_per_second` None has no limit until the service shows one, "auto" finds it from below, a number is a
    ceiling. `jitter` returns a number from 0 up to 1, so that those who share a service do not return together.
    `on_return` is called with the family that can be asked again.
    """

    def __init__(
        self,
        requests_per_second: RequestsPerSecond | None = None,
        burst: int = DEFAULT_BURST,
        jitter: Callable[[], float] = float,
    ) -> None:
        self._asked = requests_per_second
        self._ceiling = None if requests_per_second is None else smoothing(requests_per_second, burst)
        self._spacing = Spacing()
        self._jitter = jitter
        self._shared = Lane(paces.new_pace(requests_per_second))
        self._lanes: dict[str, Lane] = {}
        self._breakers: dict[str, Breaker] = {}
        self._resting: set[str] = set()
        self._blame = Blame()
        self._network = Door()
        self._unreached = 0
        self._away_since = NEVER
        self._loop: AbstractEventLoop | None = None
        self._waiting: set[Task[Any] | None] = set()
        self._closed = ""
        self.on_return: Callable[[str], object] = lambda _family: None
        self.reason = ""
        self.away = ""
        self.pauses = 0

    @property
    def rate_in_force(self) -> float | None:
        """Return the requests a second that may be sent, over all lanes, None without a limit."""
        rates = [lane.pace.rate for lane in self._all()]
        if None in rates:
            return None
        ceiling = float("inf") if self._ceiling is None else self._ceiling.requests_per_second
        return min(ceiling, sum(each for each in rates if each is not None))

    @property
    def why(self) -> str:
        """Return why the rate is as it is."""
        if not self._lanes:
            return self._shared.pace.why
        return "; ".join(f"{name}: {lane.pace.why}" for name, lane in self._named())

    @property
    def paused_until(self) -> float | None:
        """Return the end of the longest pause by the loop's time, None while the gate is open."""
        until = max(lane.door.until for lane in self._all())
        return until if until > self.time() else None

    @property
    def pause_left_seconds(self) -> float:
        """Return how long the gate stays shut for everybody, 0 while anybody may pass; for display."""
        return max(0.0, min(lane.door.until for lane in self._all()) - self.time())

    def pause_left(self, family: str) -> float:
        """Return for how many seconds nobody may pass who asks this family of endpoints."""
        return max(0.0, self._lanes.get(family, self._shared).door.until - self.time())

    @property
    def state(self) -> str:
        """Return what a person should know: that the network is away, or that a family waits; else nothing."""
        now = self.time()
        if self.away:
            return f"the network is away ({self.away}), {_again(self._network.until - now)}"
        waits = [
            f"{name} is paused, {_again(lane.door.until - now)}"
            for name, lane in sorted(self._lanes.items())
            if lane.door.until > now
        ]
        rests = [f"{name} fails, {_again(self._breakers[name].trial_at - now)}" for name in sorted(self._resting)]
        return "; ".join([*waits, *rests])

    def time(self) -> float:
        """Return the loop's time in seconds, by which `sent_at_seconds` and `paused_until` are told."""
        if self._loop is None:
            self._loop = get_running_loop()
        return self._loop.time()

    async def enter(self, family: str) -> None:
        """Return when a request may be sent. Without a limit and a pause this does not give up the turn.

        Whoever entered must say how it ended (`left`). Raises `Resting` while the family fails again and again, and
        `Spent` once the gate is closed.
        """
        if self._closed:
            raise Spent(self._closed)
        if family in self._resting:
            self._refuse_rest(family)
        lane = self._lanes.get(family, self._shared)
        if lane.is_free and not self._network.is_shut:
            return
        me = current_task()
        self._waiting.add(me)
        try:
            while not await self._turn(lane, family):
                lane = self._lanes.get(family, self._shared)
        except CancelledError:
            # Woken by `close`, unless somebody else wants this task to end: then that goes first.
            if me is not None and self._closed and not me.uncancel():
                raise Spent(self._closed) from None
            raise
        finally:
            self._waiting.discard(me)

    def close(self, reason: str) -> None:
        """Let nobody pass any more, because the crawl ends: who waits is told so (`Spent`), however long the pause."""
        self._closed = reason
        for task in list(self._waiting):
            if task is not None:
                task.cancel()

    def left(self, family: str, sent_at_seconds: float, outcome: Outcome, reason: str = "") -> None:
        """Be told how a request ended that had entered, when it was sent, and why it did not reach the service."""
        lane = self._lanes.get(family, self._shared)
        if self._unreached or outcome == "unreached":
            self._note_network(sent_at_seconds, outcome, reason)
        if outcome in _FAILURES or family in self._breakers:
            self._note_failure(family, sent_at_seconds, outcome)
        if lane.door.is_shut:
            self._return(lane, sent_at_seconds, outcome)
        if outcome == "granted":
            trial = self._blame.granted(family, sent_at_seconds)
            if trial is not None and self._shared.pace.rate is not None:
                paces.set_rate(self._shared.pace, trial.rate)
            paces.granted(lane.pace, sent_at_seconds, self.time())

    def pause(
        self,
        seconds: float,
        *,
        family: str = "",
        reason: str = "",
        sent_at_seconds: float | None = None,
        named: bool = False,
        is_blocked: bool = False,
        is_refusal: bool = True,
    ) -> bool:
        """Shut the lane of a family for all, and return whether this changed anything.

        An answer to a request that was sent (`sent_at_seconds`, see `time`) before the last pause began tells of the
        event that caused it, and does not prolong it, unless the service named the date (`named`): then the latest
        date counts. Answering every 429 of a burst with a longer pause is how a crawler stalls
        (apify/crawlee-python #2125). How long to wait when no date is named is longer after every scout that was
        refused: `seconds`, or what the pace guesses, whichever is more. `is_blocked`: by a firewall. Not `is_refusal`:
        the request was granted, but the next one would not be, and nothing is to be learned from it.
        """
        lane = self._lanes.get(family, self._shared)
        now = self.time()
        told_before = sent_at_seconds is not None and sent_at_seconds <= lane.began
        is_refusal = is_refusal and sent_at_seconds is not None and seconds > 0
        if is_refusal:
            if lane is self._shared and not told_before:
                lane = self._accused(family, is_blocked=is_blocked)
            self._refused(lane, sent_at_seconds or now, is_late=told_before, is_blocked=is_blocked)
        if told_before and not named:
            return False
        if named:
            lane.pace.named_until = now + seconds
        elif seconds > 0:
            seconds = max(seconds, refusal.guessed_pause_seconds(lane.pace))
        if is_refusal:
            seconds += min(1.0, _JITTER * seconds) * self._jitter()
        if now + seconds <= max(lane.door.until, now):
            return False
        if not told_before:
            lane.began = now
            self.pauses += 1
        lane.door.until = now + seconds
        self.reason = reason
        return True

    def _refused(self, lane: Lane, sent_at: float, *, is_late: bool, is_blocked: bool) -> None:
        if is_late:
            refusal.refused_too(lane.pace, sent_at)
            return
        refusal.refused(lane.pace, sent_at, self.time(), is_blocked=is_blocked)
        lane.door.is_shut = True

    def learned(self, epoch_seconds: float) -> dict[str, Any]:
        """Return what is worth remembering over a restart, ready for JSON; `epoch_seconds` is the date of now."""
        now = self.time()
        return {
            name: {
                **msgspec.to_builtins(paces.learned_from(lane.pace)),
                "paused_until": epoch_seconds + lane.door.until - now if lane.door.until > now else None,
                "pause_seconds": max(0.0, lane.door.until - now),
            }
            for name, lane in self._named()
        }

    def recall(self, remembered: Mapping[str, Any], epoch_seconds: float) -> None:
        """Go on with what an earlier start learned; a ceiling that was set meanwhile holds."""
        now = self.time()
        for name, values in remembered.items():
            lane = self._shared
            if name != SHARED:
                lane = self._lanes[name] = Lane(paces.new_pace(self._asked))
            paces.recall(lane.pace, msgspec.convert(values, Learned), now)
            until = values.get("paused_until")
            if until is not None and until > epoch_seconds:
                # A date that was set back must not make a minute a day: no more is left than was left then.
                lane.door.until = now + min(until - epoch_seconds, values.get("pause_seconds", _RECALLED_SECONDS))
                self.reason = "an earlier start was told to wait"

    def slept(self, seconds: float) -> None:
        """Let the time for which the computer slept count as waited: the loop's clock stood still meanwhile."""
        for lane in self._all():
            lane.door.until -= seconds
        self._network.until -= seconds
        for each in self._breakers.values():
            breakers.slept(each, seconds)

    async def _turn(self, lane: Lane, family: str) -> bool:
        async with lane.turn:
            return await self._passed(lane, family)

    async def _passed(self, lane: Lane, family: str) -> bool:
        """Wait for one's turn; return False when the family got another lane meanwhile."""
        while True:
            await lane.door.open(self.time)
            await self._network.open(self.time)
            await lane.smooth()
            if self._ceiling is not None:
                await self._spacing.wait(self._ceiling)
            if self._closed:
                raise Spent(self._closed)
            if self._lanes.get(family, self._shared) is not lane:
                return False
            now = self.time()
            if lane.door.is_open(now) and self._network.is_open(now):
                lane.door.passed()
                self._network.passed()
                return True

    def _return(self, lane: Lane, sent_at: float, outcome: Outcome) -> None:
        """Note how the scout ended; what was sent before the pause is none."""
        if sent_at <= lane.began:
            return
        is_well = outcome in {"granted", "failed"}
        lane.door.back(is_well=is_well)
        if is_well:
            refusal.resumed(lane.pace, sent_at, self.time())

    def _accused(self, family: str, *, is_blocked: bool) -> Lane:
        """Return the lane that a refusal in the shared one concerns: its family's own, for a trial, or all."""
        blame, shared = self._blame, self._shared
        if blame.trial is not None:
            self._merge(blame.trial)
            blame.refuted()
        was = paces.offered_rate(shared.pace, self.time())
        if is_blocked or not family or not blame.try_alone(family, self.time(), was):
            return shared
        # A small share says that the family was seldom asked for: from there it takes many minutes to any useful rate.
        alone = max(blame.share(family) * was, min(was, paces.FIRST_RATE))
        lane = self._lanes[family] = Lane(paces.parted(shared.pace, alone))
        if shared.pace.rate is not None:
            paces.set_rate(shared.pace, BOOST * was)
        return lane

    def _merge(self, trial: Trial) -> None:
        """Put a family back into the shared lane, with the pause that it was given."""
        lane = self._lanes.pop(trial.family)
        if self._shared.pace.rate is not None:
            paces.set_rate(self._shared.pace, trial.rate)
        self._shared.door.until = max(self._shared.door.until, lane.door.until)
        lane.door.reopen()

    def _note_network(self, sent_at: float, outcome: Outcome, reason: str) -> None:
        """Shut the door when requests do not reach the service at all; one that does reopens it for everybody."""
        door = self._network
        is_late = door.is_shut and sent_at <= self._away_since
        if outcome in {"unsent", "lost"} or (outcome == "unreached" and is_late):
            if door.is_shut and not is_late:
                door.back(is_well=False)
        elif outcome == "unreached":
            self._unreached += 1
            if self._unreached >= AWAY_AFTER:
                self._go_away(reason)
        else:
            self._unreached, self.away = 0, ""
            if door.is_shut:
                door.reopen()
                for family in list(self._breakers):
                    self._close(family)

    def _go_away(self, reason: str) -> None:
        seconds = min(AWAY_SECONDS * 2.0 ** min(self._unreached - AWAY_AFTER, 10), AWAY_LONGEST_SECONDS)
        self.away, self._away_since = reason or "no connection", self.time()
        self._network.until = self._away_since + seconds * (1 + _JITTER * self._jitter())
        self._network.back(is_well=False)
        self._network.is_shut = True

    def _note_failure(self, family: str, sent_at: float, outcome: Outcome) -> None:
        breaker = self._breakers.setdefault(family, Breaker())
        if outcome in _FAILURES:
            breakers.failed(breaker, sent_at, self.time())
            if breaker.is_open:
                self._resting.add(family)
        elif outcome == "granted":
            closed = breakers.answered(breaker, sent_at, self.time())
            if closed or not breaker.weight:
                self._close(family)

    def _close(self, family: str) -> None:
        """Forget that a family failed."""
        del self._breakers[family]
        if family in self._resting:
            self._resting.remove(family)
            self.on_return(family)

    def _refuse_rest(self, family: str) -> None:
        breaker, now = self._breakers[family], self.time()
        if breakers.holds(breaker, now):
            raise Resting(f"{family} fails again and again, {_again(breaker.trial_at - now)}")

    def _all(self) -> list[Lane]:
        return [self._shared, *self._lanes.values()]

    def _named(self) -> list[tuple[str, Lane]]:
        return [(SHARED, self._shared), *self._lanes.items()]


def _again(seconds: float) -> str:
    return f"trying again in {max(1, round(seconds)):,} s" if seconds > 0 else "trying now"
