"""The command, in a process that kills itself at a named point of its work on the disk.

    python -m tests.crash.child POINT:N crawl RUN ...       the N-th time that the point is reached; "never:1" for never

Everything else is the program's own, but for shorter delays after a failed request. SIGUSR1 lets it write on standard
error where each thread and each task is, for whoever waits in vain for its end.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from crawler import app, cli
from crawler.engine.run import Disk, Run
from crawler.frontier.store import Frontier
from crawler.policy import retry
from crawler.shards.files import Files

POINTS = (
    "before-append",
    "half-append",
    "after-append",
    "after-sync",
    "after-sync-folder",
    "before-commit",
    "half-commit",
    "after-commit",
    "before-rename",
    "after-rename",
    "before-recovery",
    "after-truncate",
)


class Doom:
    """Counts how often the point is reached, and kills the process the n-th time."""

    def __init__(self, text: str) -> None:
        self.point, _, left = text.partition(":")
        self._left = int(left)

    def reach(self, point: str) -> None:
        """Say that a point is reached."""
        if point == self.point:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)

    def next(self, point: str) -> bool:
        """Tell whether the process is to die the next time that the point is reached."""
        return point == self.point and self._left == 1


class DoomedFiles(Files):
    """The disk of a process that will be killed."""

    def __init__(self, doom: Doom) -> None:
        super().__init__()
        self._doom = doom

    def append(self, path: Path, data: bytes) -> None:
        self._doom.reach("before-append")
        super().append(path, data[: len(data) // 2] if self._doom.next("half-append") else data)
        self._doom.reach("half-append")
        self._doom.reach("after-append")

    def sync(self, path: Path) -> None:
        super().sync(path)
        self._doom.reach("after-sync")

    def sync_folder(self, folder: Path) -> None:
        super().sync_folder(folder)
        self._doom.reach("after-sync-folder")

    def rename(self, old: Path, new: Path) -> None:
        self._doom.reach("before-rename")
        super().rename(old, new)
        self._doom.reach("after-rename")

    def truncate(self, path: Path, length_bytes: int) -> None:
        super().truncate(path, length_bytes)
        self._doom.reach("after-truncate")

    def length_bytes(self, path: Path) -> int | None:
        self._doom.reach("before-recovery")
        return super().length_bytes(path)


class DoomedFrontier(Frontier):
    """The database of a process that will be killed."""

    def __init__(self, path: Path, doom: Doom) -> None:
        super().__init__(path)
        self._doom = doom

    async def _write(self, statements: Iterable[tuple[str, list[Any]]]) -> None:
        self._doom.reach("before-commit")
        statements = list(statements)
        if self._doom.next("half-commit") and self._writer is not None:
            await self._writer.execute("BEGIN IMMEDIATE")
            for sql, rows in statements[: len(statements) // 2 + 1]:
                await self._writer.executemany(sql, rows)
        self._doom.reach("half-commit")
        await super()._write(statements)
        self._doom.reach("after-commit")


def tell_tasks(*_: object) -> None:
    """Write where each task of the running loop is, down to what it waits for; no traceback shows what is suspended."""
    for task in asyncio.all_tasks():
        sys.stderr.write(f"task {task.get_name()}\n")
        inner: Any = task.get_coro()
        while (frame := getattr(inner, "cr_frame", None)) is not None:
            sys.stderr.write(f"  {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}\n")
            inner = inner.cr_await
        sys.stderr.write(f"  waits for {inner!r}\n")
    sys.stderr.flush()


def main() -> None:
    """Run the command line after the first argument."""
    signal.signal(signal.SIGUSR1, tell_tasks)
    faulthandler.register(signal.SIGUSR1, all_threads=True, chain=True)
    doom = Doom(sys.argv.pop(1))
    disk = Disk(lambda: DoomedFiles(doom), lambda path: DoomedFrontier(path, doom))
    app.Run = partial(Run, disk=disk)  # type: ignore[assignment, attr-defined]
    retry.IN_PLACE_SECONDS, retry.PAUSE_SECONDS = (0.05, 0.1), 0.1
    cli.main()


if __name__ == "__main__":
    main()
