"""Kill the real command again and again, and compare what it writes with a crawl that was left in peace.

    make crash                          500 kills; `make crash KILLS=50` for fewer
    python -m tests.crash.kills --kills 500 [--seed 1]

The service is the sandbox in a process of its own, behind a network that answers 503, 429 or half a page now and then.
A chain is one crawl, started and killed with SIGKILL up to ten times: at random moments, the command itself and the
command in `tests/crash/child.py`, or at a named point of its work on the disk. Then it is left to end, and everything
is compared. The end has to come within `LAST_SECONDS_MAX`; a start that hangs first tells where.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from crawler.dataset.reader import lines
from crawler.dataset.verify import verify
from crawler.engine.feeder import window_of
from tests.crash.child import POINTS

ROOT = Path(__file__).resolve().parent.parent.parent
WORKERS = 8
WINDOW = window_of(WORKERS)
USERS = 60
KILLS_IN_A_CHAIN = 10
CREDENTIALS = {"CRASH_CLIENT_ID": "crash", "CRASH_CLIENT_SECRET": "crash"}
NEVER = "never:1"
NO_POINT = (None, NEVER)
RANDOM_MOMENT = "a random moment"
NOT_REACHED = "its point was not reached in time"
POINT_SECONDS_MAX = 60.0
HASTY_SECONDS_MAX = 5.0
"""How long a process may live that dies at a point; where points are drawn, some are never reached, and it is hasty."""
LAST_SECONDS_MAX = 90.0
"""What an undisturbed crawl needs many times over: a last start that takes longer is one that hangs."""
TELL_SECONDS = 2.0
SAID_CHARACTERS_MAX = 20_000
CONFIG = """
[crawl]
workers = {workers}

[soundcloud]
base_url = "{url}"
token_url = "{url}/oauth/token"
client_id_env = "CRASH_CLIENT_ID"
client_secret_env = "CRASH_CLIENT_SECRET"
timeout_seconds = {timeout_seconds}

[sandbox]
enabled = false

[shards]
bytes_max = 30000
"""
TIMES = {"observed_at", "first_at", "last_at"}
LOST_WITH_A_KILL = {"retries"}
"""How often a page was asked again is no longer known when the process dies before the page is committed."""

Records = dict[str, list[str]]


class Service:
    """The sandbox behind a bad network; `ask("new")`, `ask("begin")` and `ask("report")` return its report."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, verb: str) -> dict[str, Any]:
        """Tell the service something, and return its report."""
        with urllib.request.urlopen(f"{self.url}/_crash/{verb}", timeout=10) as answer:  # noqa: S310 - on this computer
            found: dict[str, Any] = json.load(answer)
            return found

    def config(self, path: Path, timeout_seconds: float = 30.0) -> Path:
        """Write a configuration that asks this service."""
        text = CONFIG.format(url=self.url, workers=WORKERS, timeout_seconds=timeout_seconds)
        path.write_text(text, encoding="utf-8")
        return path


@contextmanager
def service(users: int = USERS) -> Iterator[Service]:
    """Start the service, and end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.server", str(users)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        yield Service(process.stdout.readline().decode().strip())
    process.wait(10)


def begin(run: Path, config: Path, doom: str | None = NEVER) -> subprocess.Popen[bytes]:
    """Give the command: the real one for None, else the one that dies at a point."""
    module = ["crawler"] if doom is None else ["tests.crash.child", doom]
    return subprocess.Popen(
        [sys.executable, "-m", *module, "crawl", str(run), "--config", str(config), "--seed", "1"],
        cwd=ROOT,
        env={**os.environ, **CREDENTIALS, "XDG_STATE_HOME": str(config.parent / "state")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes], seconds_max: float = 300.0) -> tuple[int, str]:
    """Wait for the end of a process; return its exit code and what it said on standard error.

    One that does not end in time is asked where it is, before it is killed.
    """
    try:
        said = process.communicate(timeout=seconds_max)[1]
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGUSR1)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=TELL_SECONDS)
        process.kill()
        said = process.communicate()[1] + f"\n(did not end within {seconds_max:.0f} s)".encode()
    return process.returncode, said.decode()[-SAID_CHARACTERS_MAX:]


def records(run: Path) -> tuple[Records, int]:
    """Return the records by kind, in their order, times left out, and how many lines nobody can read."""
    found: Records = {}
    unreadable = 0
    for kind in ("nodes", "edges", "lists"):
        found[kind] = []
        for line in lines(run, kind):
            try:
                one = msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.DecodeError:
                unreadable += 1
                continue
            kept = {key: value for key, value in one.items() if key not in TIMES | LOST_WITH_A_KILL}
            found[kind].append(msgspec.json.encode(kept).decode())
    return found, unreadable


@dataclass
class Report:
    """What all chains together showed. `repeated_at_most` is the largest number of pages that one start asked again.

    `silent_seconds_at_most` is the longest time in which a start asked for nothing, `last_seconds` how long the last
    start of each chain took.
    """

    kills: int = 0
    chains: int = 0
    missing: int = 0
    doubled: int = 0
    surplus: int = 0
    unreadable: int = 0
    in_another_order: int = 0
    verify_problems: int = 0
    ended_badly: list[str] = field(default_factory=list)
    repeated: int = 0
    repeated_at_most: int = 0
    chains_beyond_the_bound: int = 0
    silent_seconds_at_most: float = 0.0
    last_seconds: list[float] = field(default_factory=list)
    troubles: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)

    @property
    def good(self) -> bool:
        """Tell whether nothing was lost, doubled, broken or asked too often."""
        bad = (self.missing, self.doubled, self.surplus, self.unreadable, self.in_another_order, self.verify_problems)
        return not any(bad) and not self.ended_badly and not self.chains_beyond_the_bound

    def take(self, run: Path, truth: Records) -> None:
        """Compare a finished run with the undisturbed one."""
        found, unreadable = records(run)
        self.unreadable += unreadable
        self.verify_problems += verify(run)["problem_count"]
        for kind, wanted in truth.items():
            there, want = Counter(found[kind]), Counter(wanted)
            self.missing += (want - there).total()
            self.doubled += sum(there[line] - want[line] for line in there if 0 < want[line] < there[line])
            self.surplus += sum(number for line, number in there.items() if not want[line])
            self.in_another_order += found[kind] != wanted and there == want

    def asked(self, service_report: dict[str, Any], kills: int) -> None:
        """Check how many pages were asked again, in a chain of so many kills."""
        repeated = service_report["repeated"]
        self.repeated += sum(repeated)
        self.repeated_at_most = max(self.repeated_at_most, *repeated)
        self.chains_beyond_the_bound += sum(repeated) > kills * (WINDOW + 1)
        self.silent_seconds_at_most = max(self.silent_seconds_at_most, *service_report["silent_seconds"])
        self.troubles.update(service_report["troubles"])


def undisturbed(folder: Path, where: Service) -> Records:
    """Return the records of a crawl that is left in peace."""
    where.ask("new")
    code, said = finish(begin(folder / "whole", where.config(folder / "config.toml")))
    assert code == 0, said
    return records(folder / "whole")[0]


def chain(
    run: Path,
    where: Service,
    dooms: Iterable[str | None],
    chance: random.Random,
    report: Report,
    point_seconds_max: float = POINT_SECONDS_MAX,
    last_seconds_max: float = LAST_SECONDS_MAX,
) -> None:
    """Start one crawl with each doom in turn, until it ends; then let it end. A doom without a point is a moment."""
    config, kills = where.config(run.with_suffix(".toml")), 0
    where.ask("new")
    for doom in dooms:
        process, place = begin(run, config, doom), str(doom).partition(":")[0]
        try:
            process.wait(chance.uniform(0.3, 1.2) if doom in NO_POINT else point_seconds_max)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            place = RANDOM_MOMENT if doom in NO_POINT else NOT_REACHED
        code, said = finish(process)
        if code != -signal.SIGKILL:
            if code:
                report.ended_badly.append(f"exit code {code}: {said}")
            break
        kills += 1
        report.points[place] += 1
        where.ask("begin")
    began = time.perf_counter()
    code, said = finish(begin(run, config), last_seconds_max)
    report.last_seconds.append(round(time.perf_counter() - began, 1))
    if code:
        report.ended_badly.append(f"the last start ended with exit code {code}: {said}")
    report.kills += kills
    report.chains += 1
    report.asked(where.ask("report"), kills)


def dooms(chance: random.Random, kills_max: int) -> Iterator[str | None]:
    """Yield dooms at random: the real command, the one that waits for its end, or one that dies at a point."""
    for _ in range(kills_max):
        yield chance.choice((*NO_POINT, *(f"{point}:{_number(point, chance)}" for point in POINTS)))


def _number(point: str, chance: random.Random) -> int:
    """Return a time at which the point is likely to be reached in a short life."""
    rare = point.endswith(("rename", "truncate", "recovery", "sync-folder"))
    return chance.randint(1, 3) if rare else chance.randint(1, 40)


def main() -> None:
    """Run chains until there were enough kills; print the report; exit with 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    chance, report, began = random.Random(seed), Report(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, service() as where:
        truth = undisturbed(Path(folder), where)
        while report.kills < arguments.kills and report.good:
            run = Path(folder) / f"chain-{report.chains}"
            kills_max = min(chance.randint(5, KILLS_IN_A_CHAIN), arguments.kills - report.kills)
            chain(run, where, dooms(chance, kills_max), chance, report, HASTY_SECONDS_MAX)
            report.take(run, truth)
            state = "all well" if report.good else "NOT WELL"
            sys.stderr.write(f"{report.kills} kills, {state}; the last start took {report.last_seconds[-1]} s\n")
    figures = {**vars(report), "bound_per_kill": WINDOW + 1, "seed": seed, "records": sum(map(len, truth.values()))}
    sys.stdout.write(json.dumps({**figures, "seconds": round(time.perf_counter() - began)}, indent=1) + "\n")
    sys.exit(0 if report.good else 1)


if __name__ == "__main__":
    main()
