"""What happens after a failed request, as a pure function: nobody sleeps here, and nothing is remembered here.

    failure                  tries in place             then                                      after two hours
    Transient, BadPage       2, after about 1 s, 4 s    set aside: 30 s, or an eighth of the      finished, "failed"
                             (none after a set-aside)   time it has been failing for
    Removed                  2, as above                finished, "failed": every list of its kind would wait in vain
    Unreached                any number, each after about 1 s; the gate waits for the network, and nothing is counted
    Throttled                any number, after a pause that all workers share; never the page's fault
    Resting                  as Transient, but nothing is sent: its family of endpoints fails (`policy.breaker`)
    Gone, Denied             none                       finished, "gone" or "denied"
    Refused                  none                       the source stops: its credential is out

In place means that the listing keeps its turn and its place in the order; set aside, it holds nobody back. An eighth,
because storms on the social endpoints last from minutes to hours (soundcloud/api #264, #308): whatever the length of
one, every list it hit is asked for again within 15 % of that length after its end, and not 40 times in two hours.
"""

from __future__ import annotations

from typing import NamedTuple

from crawler.errors import Denied, Gone, ProviderError, Refused, Removed, Throttled, Unreached
from crawler.model import Verdict

IN_PLACE_SECONDS = (1.0, 4.0)
SET_ASIDE_SECONDS = 30.0
SET_ASIDE_SHARE = 0.12
FAILING_SECONDS = 7200.0
"""How long a page may fail before its listing has failed, counted in set-asides."""
PAUSE_SECONDS = 2.0
LONGEST_GUESSED_PAUSE_SECONDS = 60.0
DATE_SECONDS = 1.0
"""Dates are in whole seconds, and may be up to one too early."""
LONGEST_NAMED_PAUSE_SECONDS = 86_400.0
"""No window longer than a day is documented (field report, 1.3): a date beyond it is a mistake, asked about daily."""


def _set_asides() -> tuple[float, ...]:
    delays: list[float] = []
    while sum(delays) < FAILING_SECONDS:
        delays.append(max(SET_ASIDE_SECONDS, SET_ASIDE_SHARE * sum(delays)))
    return tuple(delays)


SET_ASIDES_SECONDS = _set_asides()
"""How long a listing is set aside for the first time, the second, and so on."""


class Again(NamedTuple):
    """Ask for the same page again after a delay, holding its turn."""

    delay_seconds: float


class SetAside(NamedTuple):
    """Ask for the same page again after a delay, and let the others go on meanwhile."""

    delay_seconds: float


class Pause(NamedTuple):
    """Nobody asks before the delay is over; then the same page again. `named`: the service told how long."""

    delay_seconds: float
    named: bool


class Stop(NamedTuple):
    """Nobody asks this source any more: a person has to renew its credential."""

    reason: str


class Finish(NamedTuple):
    """The listing ends here, with this verdict in its certificate."""

    verdict: Verdict
    reason: str


Decision = Again | SetAside | Pause | Stop | Finish


def decide(
    error: ProviderError, tries: int, set_asides: int, jitter: float, now_epoch_seconds: float | None = None
) -> Decision:
    """Return what to do about a failed page.

    `tries` counts the requests of this page that were repeated in place before this failure (0 at the first failure,
    and again after a set-aside); `set_asides` counts how often the listing was set aside for this page. `jitter` is
    a random number in [0, 1), so that what failed together does not return together. `now_epoch_seconds` turns a reset
    date into a delay; without it a date is not used.
    """
    if isinstance(error, Gone | Denied):
        return Finish("gone" if isinstance(error, Gone) else "denied", str(error))
    if isinstance(error, Refused):
        return Stop(str(error))
    if isinstance(error, Throttled):
        return _pause(error, tries, now_epoch_seconds)
    if isinstance(error, Unreached):
        return Again(_spread(IN_PLACE_SECONDS[0], jitter))
    return _later(error, tries, set_asides, jitter)


def _later(error: ProviderError, tries: int, set_asides: int, jitter: float) -> Decision:
    if not set_asides and tries < len(IN_PLACE_SECONDS):
        return Again(_spread(IN_PLACE_SECONDS[tries], jitter))
    if set_asides < len(SET_ASIDES_SECONDS) and not isinstance(error, Removed):
        return SetAside(_spread(SET_ASIDES_SECONDS[set_asides], jitter))
    return Finish("failed", f"{type(error).__name__}: {error}")


def _spread(seconds: float, jitter: float) -> float:
    """Return a delay between three quarters and five quarters of its nominal length."""
    return seconds * (0.75 + jitter / 2)


def _pause(error: Throttled, tries: int, now_epoch_seconds: float | None) -> Pause:
    """Wait as long as the service says; when it says nothing, which is usual, 2 s, 4 s, 8 s, up to a minute."""
    waits = [error.wait_seconds or 0.0]
    if error.until_epoch_seconds is not None and now_epoch_seconds is not None:
        left_seconds = error.until_epoch_seconds - now_epoch_seconds
        waits.append(left_seconds + DATE_SECONDS if left_seconds > 0 else 0.0)
    named = max(waits)
    if named > 0:
        return Pause(min(named, LONGEST_NAMED_PAUSE_SECONDS), named=True)
    growing = PAUSE_SECONDS * 2 ** min(tries, 10)
    return Pause(min(growing, LONGEST_GUESSED_PAUSE_SECONDS), named=False)
