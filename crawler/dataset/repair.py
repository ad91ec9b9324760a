"""Mending a run without crawling: what the next start would do to its shards, and nothing else."""

from __future__ import annotations

from pathlib import Path

from crawler.errors import StorageError
from crawler.frontier.checks import damage
from crawler.frontier.state import read_state
from crawler.shards.files import Files
from crawler.shards.recovery import recover
from crawler.shards.writer import Shard


def repair(run: Path) -> list[str]:
    """Do what recovery would, and return a sentence for each thing done, or for why nothing was.

    The caller holds the run's lock. Damage is not mended: only what was never committed is cut off or set aside, and a
    renaming that a kill interrupted is finished. Raises `ConfigError` when there is no run, `StorageError` when its
    frontier cannot be read.
    """
    broken = next(damage(run / "frontier.sqlite"), None)
    if broken:
        return [f"nothing was repaired: {broken}"]
    shards = [Shard(*row) for row in read_state(run / "frontier.sqlite")["shards"]]
    with Files() as files:
        files.make_folder(run / "shards")
        try:
            return recover(files, run / "shards", shards, run / "set-aside")
        except StorageError as error:
            return [f"nothing was repaired: {error}"]
