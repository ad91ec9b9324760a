"""The sandbox in a process of its own, with passing troubles, which counts what it is asked again.

    python -m tests.crash.server USERS        prints the base URL; ends when standard input closes

The first request for a page is sometimes answered 503, 429 or with half a body; the second one for the same page is
answered well. `GET /_crash/begin` begins a new start of the crawl, `/_crash/new` a new crawl, `/_crash/report` tells
what was asked, and for how long nothing was. `/_crash/slow` lets answers come slowly from the 40th of the crawl on,
until `/_crash/new` or `/_crash/fast`: whoever is to be stopped in the middle of its work is there then.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping

from crawler.sandbox.reply import JSON, Delivery, Reply
from crawler.sandbox.serve import open_world, serve
from crawler.sandbox.service import TOKEN_PATH, Sandbox

TROUBLES = {0: 503, 1: 429, 2: 200, 3: 503}
ONE_IN = 60
QUICK_ANSWERS = 40
SLOW = Delivery(seconds=0.3)


class Troubled:
    """A sandbox behind a bad network; stands where `Sandbox` does."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.new()

    def new(self) -> None:
        """Forget all that was asked."""
        self._asked: Counter[str] = Counter()
        self._read_before: set[str] = set()
        self._read_now: set[str] = set()
        self._repeated: list[int] = [0]
        self._silent_seconds: list[float] = [0.0]
        self._heard_at_seconds = time.monotonic()
        self._troubles: Counter[str] = Counter()
        self.fast()

    def slow(self) -> None:
        """Let a connection take another request only some time after each answer, once the crawl is under way."""
        self._is_slow = True

    def fast(self) -> None:
        """Answer quickly again."""
        self._is_slow = False

    def begin(self) -> None:
        """Begin a new start of the crawl: what was read until now, and is asked from now on, is repeated."""
        self._hear()
        self._read_before |= self._read_now
        self._read_now = set()
        self._repeated.append(0)
        self._silent_seconds.append(0.0)

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """Answer a request, badly now and then."""
        if target.startswith("/_crash/"):
            return self._own(target)
        self._hear()
        if target.startswith(TOKEN_PATH):
            return self._sandbox.handle(method, target, headers, body)
        self._asked[target] += 1
        if target in self._read_before:
            self._repeated[-1] += 1
        reply = self._sandbox.handle(method, target, headers, body)
        trouble = self._trouble(target) if self._asked[target] == 1 else None
        if trouble is not None:
            self._troubles[str(trouble)] += 1
            return Reply(trouble, JSON, reply.body[: len(reply.body) // 2] if trouble == 200 else b"")
        self._read_now.add(target)
        late = self._is_slow and self._asked.total() > QUICK_ANSWERS
        return reply._replace(delivery=SLOW) if late else reply

    def report(self) -> dict[str, object]:
        """Return requests in all, different ones, repeated ones and the longest silence by start, and troubles."""
        return {
            "requests": self._asked.total(),
            "pages": len(self._read_before | self._read_now),
            "repeated": self._repeated,
            "silent_seconds": self._silent_seconds,
            "troubles": dict(self._troubles),
        }

    def _hear(self) -> None:
        """Note for how long nothing was asked; what a process needs to begin and, killed, to end is part of it."""
        now = time.monotonic()
        self._silent_seconds[-1] = max(self._silent_seconds[-1], round(now - self._heard_at_seconds, 2))
        self._heard_at_seconds = now

    def _own(self, target: str) -> Reply:
        verb = target.removeprefix("/_crash/")
        if verb in {"new", "begin", "slow", "fast"}:
            getattr(self, verb)()
        return Reply(200, JSON, json.dumps(self.report()).encode())

    def _trouble(self, target: str) -> int | None:
        number = int.from_bytes(hashlib.blake2b(target.encode(), digest_size=4).digest())
        return TROUBLES[number // ONE_IN % len(TROUBLES)] if number % ONE_IN == 0 else None


def _tell(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until standard input closes."""
    troubled = Troubled(Sandbox(open_world("synthetic", int(sys.argv[1]), 1)))

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()

        def watch() -> None:
            while os.read(sys.stdin.fileno(), 4096):
                pass
            loop.call_soon_threadsafe(stop.set)

        threading.Thread(target=watch, daemon=True).start()
        await serve(troubled, "127.0.0.1", 0, ready=_tell, stop=stop)  # type: ignore[arg-type]

    asyncio.run(run())


if __name__ == "__main__":
    main()
