"""Real processes, stopped in every way there is: the dataset is that of the crawl which nobody stopped.

The long form is `make crash`. Whoever waits here waits for a process or for what it writes, with a bound.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crawler.errors import CrawlerError
from crawler.frontier.state import read_state
from tests.crash.child import POINTS
from tests.crash.kills import (
    HASTY_SECONDS_MAX,
    Records,
    Report,
    Service,
    begin,
    chain,
    dooms,
    finish,
    service,
    undisturbed,
)

USERS = 14
PATIENCE_SECONDS = 30.0
FROZEN_SECONDS = 1.5
TIMEOUT_SECONDS = 0.5
COMMITTED_PAGES = 20
LARGEST_FILE_BYTES = 60_000
AT_EVERY_POINT = (
    "half-append:2",
    "after-truncate:1",
    "before-append:2",
    "after-append:3",
    "after-sync:2",
    "after-sync-folder:1",
    "before-commit:2",
    "half-commit:2",
    "after-commit:2",
    "before-recovery:2",
    "before-rename:1",
    "after-rename:1",
)


@pytest.fixture(scope="module")
def where() -> Iterator[Service]:
    with service(USERS) as found:
        yield found


@pytest.fixture(scope="module")
def truth(where: Service, tmp_path_factory: pytest.TempPathFactory) -> Records:
    return undisturbed(tmp_path_factory.mktemp("truth"), where)


def committed_pages(run: Path) -> int:
    try:
        return int(read_state(run / "frontier.sqlite")["totals"].get("pages", 0))
    except CrawlerError:
        return 0


def begin_in_the_middle(where: Service, run: Path, config: Path) -> subprocess.Popen[bytes]:
    """Start a crawl against answers that become slow, and return when some pages are committed and many are to come."""
    where.ask("new")
    where.ask("slow")
    process = begin(run, config)
    until = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and committed_pages(run) < COMMITTED_PAGES and time.monotonic() < until:
        time.sleep(0.005)
    assert process.poll() is None
    return process


def same(run: Path, truth: Records) -> bool:
    """Tell whether a finished run is the undisturbed one."""
    report = Report()
    report.take(run, truth)
    return report.good


def test_killed_in_the_middle_of_the_commit(where: Service, truth: Records, tmp_path: Path) -> None:
    """The real command, killed at three points of its commit, ends with the same records and few repeated requests."""
    report = Report()
    chosen = ("half-append:2", "half-commit:2", "before-rename:1")
    chain(tmp_path / "run", where, chosen, random.Random(7), report)
    report.take(tmp_path / "run", truth)
    assert report.good, vars(report)
    assert set(report.points) == {doom.partition(":")[0] for doom in chosen}


@pytest.mark.slow
def test_killed_at_every_point(where: Service, truth: Records, tmp_path: Path) -> None:
    """One crawl, killed once at each point of its commit and of its recovery, is the undisturbed one."""
    report = Report()
    chain(tmp_path / "run", where, AT_EVERY_POINT, random.Random(7), report)
    report.take(tmp_path / "run", truth)
    assert report.good, vars(report)
    assert dict(report.points) == dict.fromkeys(POINTS, 1)


@pytest.mark.slow
def test_killed_again_and_again(where: Service, truth: Records, tmp_path: Path) -> None:
    """At points and moments drawn anew at each run, printed for whoever wants to try them again, all is well."""
    seed = int.from_bytes(os.urandom(4))
    chance, report = random.Random(seed), Report()
    for number in range(3):
        chain(tmp_path / str(number), where, dooms(chance, 5), chance, report, HASTY_SECONDS_MAX)
        report.take(tmp_path / str(number), truth)
    assert report.good, (seed, vars(report))
    assert report.kills >= 3


@pytest.mark.slow
@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT]], ids=["SIGTERM", "two SIGINTs"])
def test_stopped_by_signals(where: Service, truth: Records, tmp_path: Path, signals: list[signal.Signals]) -> None:
    """A stop by signals ends with exit code 3, and the same command goes on to the same records."""
    run, config = tmp_path / "run", where.config(tmp_path / "config.toml")
    process = begin_in_the_middle(where, run, config)
    for number in signals:
        process.send_signal(number)
    code, said = finish(process)
    assert code == 3, said
    assert "Traceback" not in said
    where.ask("fast")
    code, said = finish(begin(run, config, None))
    assert code == 0, said
    assert same(run, truth)


@pytest.mark.slow
def test_frozen_for_longer_than_any_timeout(where: Service, truth: Records, tmp_path: Path) -> None:
    """A process that is stopped and continued finds its requests timed out, asks again, and loses nothing."""
    run, config = tmp_path / "run", where.config(tmp_path / "config.toml", TIMEOUT_SECONDS)
    process = begin_in_the_middle(where, run, config)
    process.send_signal(signal.SIGSTOP)
    time.sleep(FROZEN_SECONDS)
    where.ask("fast")
    process.send_signal(signal.SIGCONT)
    code, said = finish(process)
    assert code == 0, said
    assert same(run, truth)


@pytest.mark.slow
def test_a_start_that_does_not_end_tells_where_it_is(where: Service, tmp_path: Path) -> None:
    """Who waits too long is told in which lines threads and tasks are, of a process that is then ended."""
    process = begin_in_the_middle(where, tmp_path / "run", where.config(tmp_path / "config.toml"))
    code, said = finish(process, 0.1)
    assert code == -signal.SIGKILL
    assert "did not end within" in said
    assert "most recent call first" in said
    assert "engine/worker.py" in said


@pytest.mark.slow
def test_a_last_start_that_takes_too_long_is_no_success(where: Service, tmp_path: Path) -> None:
    """A chain whose last start does not end in time is not good, however sound what it has written."""
    report = Report()
    chain(tmp_path / "run", where, (), random.Random(7), report, last_seconds_max=0.3)
    assert not report.good
    assert len(report.last_seconds) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Give a file system of its own, of so many kilobytes; mounting it needs root."""
    folder = tmp_path / "small"
    folder.mkdir()

    def mount(kilobytes: int) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"NOT TESTED: nothing can be mounted here: {done.stderr.decode().strip()}")
        return folder

    if os.geteuid() or shutil.which("mount") is None:
        pytest.skip("NOT TESTED: mounting a small disk needs root")
    yield mount
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [16, 64, 400])
def test_a_full_disk_that_is_freed(
    where: Service, truth: Records, tmp_path: Path, small_disk: Callable[[int], Path], kilobytes: int
) -> None:
    """On a full disk the crawl ends with exit code 5 and one sentence, each time; freed, it goes on to the end."""
    disk = small_disk(kilobytes)
    run, config = disk / "run", where.config(tmp_path / "config.toml")
    where.ask("new")
    for _ in range(2):
        code, said = finish(begin(run, config))
        assert code == 5, said
        assert said.count("crawler: ") == 1, said
        assert "the disk is full" in said
        assert "Traceback" not in said
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    code, said = finish(begin(run, config, None))
    assert code == 0, said
    assert same(run, truth)


@pytest.mark.slow
def test_files_that_may_not_grow_until_they_may(where: Service, truth: Records, tmp_path: Path) -> None:
    """Where nothing can be mounted, a limit on the size of files stands for a full disk: the same end, and then on."""
    run, config = tmp_path / "run", where.config(tmp_path / "config.toml")
    where.ask("new")
    for _ in range(2):
        process = begin(run, config)
        limits = LARGEST_FILE_BYTES, LARGEST_FILE_BYTES
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
        code, said = finish(process)
        assert code == 5, said
        assert said.count("crawler: ") == 1, said
        assert "Traceback" not in said
    code, said = finish(begin(run, config, None))
    assert code == 0, said
    assert same(run, truth)
