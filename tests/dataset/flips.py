"""Damage at random: flipped bits, truncations and swapped files, of which each must be found or be without any effect.

`python -m tests.dataset.flips 10000 [SEED]` (or `make flips`) prints what became of each kind of damage.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

from crawler import app
from crawler.dataset.reader import lines
from crawler.errors import CrawlerError
from crawler.frontier.checks import TABLES
from tests.dataset.runs import crawled, killed

Content = dict[str, list[object]]
TAIL = b"never committed"


def littered(run: Path, *, checkpointed: bool) -> Path:
    """Return a killed run after adding to it what a kill may leave: tails behind what was committed, and a stray."""
    for path in (run / "shards").glob("*.open"):
        path.write_bytes(path.read_bytes() + TAIL)
    (run / "shards" / "nodes-000009.ndjson.open").write_bytes(TAIL)
    if checkpointed:
        with closing(sqlite3.connect(run / "frontier.sqlite")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return run


def runs(folder: Path) -> list[Path]:
    """Return the runs to be damaged."""
    finished = crawled(folder / "finished")
    return [
        finished,
        littered(killed(folder / "packed", 60, shard_bytes_max=700), checkpointed=True),
        littered(killed(folder / "plain", 60, shard_bytes_max=5000, compression="none"), checkpointed=False),
    ]


def content(run: Path) -> Content:
    """Return all that a run says: its committed lines, and every row of its frontier without the checks."""
    found: Content = {kind: list(lines(run, kind)) for kind in ("nodes", "edges", "lists")}
    with closing(sqlite3.connect(f"file:{run}/frontier.sqlite?mode=ro", uri=True)) as connection:
        for table in TABLES:
            found[table] = [row[:-1] for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608
    return found


def damage(run: Path, chance: random.Random) -> str:
    """Damage one file of the dataset, or swap two; return what was done to which kind of file."""
    files = [path for path in sorted([*run.glob("shards/*"), *run.glob("frontier.sqlite*")]) if path.stat().st_size]
    path = chance.choice(files)
    kind = "shard" if path.parent.name == "shards" else path.name
    what = chance.choice(("flip", "flip", "truncate", "swap"))
    data = bytearray(path.read_bytes())
    if what == "flip":
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif what == "truncate":
        del data[chance.randrange(len(data)) :]
    else:
        path, other = chance.sample([one for one in files if one.parent.name == "shards"], 2)
        kind, data = "shard", bytearray(path.read_bytes())
        data, taken = bytearray(other.read_bytes()), bytes(data)
        other.write_bytes(taken)
    path.write_bytes(data)
    return f"{what} {kind}"


def earlier(now: Content, before: Content) -> bool:
    """Tell whether the run is one of its own earlier commits: all lines there are the first ones of before."""
    kinds = ("nodes", "edges", "lists", "log")
    return all(now[kind] == before[kind][: len(now[kind])] for kind in kinds)


def judge(run: Path, before: Content, what: str, *, repair: bool) -> str:
    """Return "found", "harmless" (nothing that is said has changed), "earlier" (an earlier commit), or "LIE"."""
    try:
        if not app.verify(run, repair=repair)["ok"]:
            return "found"
        now = content(run)
    except CrawlerError:
        return "found"
    if now == before:
        return "harmless"
    return "earlier" if what.endswith("-wal") and earlier(now, before) else "LIE"


def trials(count: int, seed: int, folder: Path) -> Counter[tuple[str, str, str]]:
    """Damage runs so many times; count (what, the verdict, the verdict after a repair)."""
    pristine = runs(folder)
    known = {run: content(run) for run in pristine}
    outcomes: Counter[tuple[str, str, str]] = Counter()
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        original = chance.choice(pristine)
        (original / "frontier.sqlite-shm").unlink(missing_ok=True)
        run = shutil.copytree(original, folder / "damaged")
        what = damage(run, chance)
        outcome = (
            what,
            judge(run, known[original], what, repair=False),
            judge(run, known[original], what, repair=True),
        )
        outcomes[outcome] += 1
        if "LIE" in outcome:
            sys.stdout.write(f"a lie: seed {seed}, trial {number}: {outcome} in {original.name}\n")
        shutil.rmtree(run)
    return outcomes


def main() -> None:
    """Print a table of what became of the damage."""
    count = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30)
    with tempfile.TemporaryDirectory() as name:
        outcomes = trials(count, seed, Path(name))
    sys.stdout.write(
        f"{count} times damaged, seed {seed}\n| damage | found | after --repair | times |\n| --- | --- | --- | --- |\n"
    )
    for (what, found, repaired), times in sorted(outcomes.items()):
        sys.stdout.write(f"| {what} | {found} | {repaired} | {times} |\n")
    sys.exit(any("LIE" in outcome for outcome in outcomes))


if __name__ == "__main__":
    main()
