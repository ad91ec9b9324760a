"""Whether a refusal concerns one family of endpoints only, found by a trial. Pure.

What is refused tells little: requests of one family are sent in long runs. So when a family is refused, and no other,
only that family pauses, and the others go on a quarter faster than all of them did. If they share one limit, which is
used up at that moment, they will be refused as well, and everything is as if there had been no trial. If they are
granted what they ask for, the family has a limit of its own, and keeps its own pace from then on.
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct

_LATE_MAX = 128
_SHARE_MIN = 0.1
_OTHERS_MIN = 5
_NEEDED_MIN = 20
_NEEDED_SECONDS = 1.5
BOOST = 1.25
"""How much faster the others go on: barely too fast would often be granted by chance."""

_REST_MAX = 64


class Trial(Struct):
    """Under way for a `family` since a moment, when all asked at a `rate`; the others have had `grants` of `needed`."""

    family: str
    since: float
    rate: float
    needed: int
    grants: int = 0


class Blame:
    """Remembers who is asked for, and holds the trial."""

    def __init__(self) -> None:
        self.trial: Trial | None = None
        self._late: deque[str] = deque(maxlen=_LATE_MAX)
        self._events = 0
        self._next = 1
        self._rest = 1

    def share(self, family: str) -> float:
        """Return the share of a family in what was granted of late, never none nor all."""
        return (self._late.count(family) + 1) / (len(self._late) + 2)

    def try_alone(self, family: str, now: float, requests_per_second: float) -> bool:
        """Begin a trial of a family that was refused, if there are others to compare it with; return whether."""
        self._events += 1
        others = len(self._late) - self._late.count(family)
        if (
            self.trial is not None
            or self._events < self._next
            or others < max(_OTHERS_MIN, _SHARE_MIN * len(self._late))
        ):
            return False
        self.trial = Trial(
            family, now, requests_per_second, max(_NEEDED_MIN, round(_NEEDED_SECONDS * requests_per_second))
        )
        return True

    def granted(self, family: str, sent_at: float) -> Trial | None:
        """Note whose request was granted; return the trial when this ends it, and the family keeps its own lane."""
        self._late.append(family)
        trial = self.trial
        if trial is not None and family != trial.family and sent_at >= trial.since:
            trial.grants += 1
            if trial.grants >= trial.needed:
                self.trial = None
                return trial
        return None

    def refuted(self) -> None:
        """Note that another was refused as well: the trial ends, and the next one comes later each time."""
        self.trial = None
        self._rest = min(2 * self._rest, _REST_MAX)
        self._next = self._events + self._rest
