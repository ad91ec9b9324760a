"""The trace of a simulation: everything that happened, in its order, as one hash."""

from __future__ import annotations

import hashlib
from collections import Counter, deque

TAIL = 40


class Trace:
    """Two runs of one seed have the same hash. `tail` holds the last events, `counts` how many there were of each."""

    def __init__(self) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.counts: Counter[str] = Counter()
        self._hash = hashlib.blake2b(digest_size=8)

    def note(self, seconds: float, event: str, *details: object) -> None:
        """Add an event."""
        line = f"{seconds:.6f} {event} {details}"
        self.counts[event] += 1
        self.tail.append(line)
        self._hash.update(line.encode())

    @property
    def hash(self) -> str:
        """Return the hash of all events so far."""
        return self._hash.hexdigest()
