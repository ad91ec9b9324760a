"""Two starters: of two exactly one crawls, and a dead one never stands in the way. With real processes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest

from crawler.cli import main
from crawler.errors import StorageError
from crawler.frontier.lock import hold, holder
from tests.dataset.runs import killed

ROOT = Path(__file__).parent.parent.parent
PAIRS = 20
ADVICE = "stop that one first, or choose another folder"
HOLD = """
import sys, time
from pathlib import Path
from unittest import mock
from crawler.errors import ConfigError
from crawler.frontier.lock import hold
for line in sys.stdin:
    try:
        with hold(Path(line.strip()), "2026-11-21T11:00:00Z"):
            print("mine", flush=True)
            sys.stdin.readline()
    except ConfigError as error:
        print(error, flush=True)
        sys.stdin.readline()
    print("free", flush=True)
"""


class Starter:
    """A process that takes a lock when told to and holds it until told to let go."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def starters() -> object:
    """Return two processes that are ready to start; they are ended afterwards."""
    pair = (Starter(), Starter())
    yield pair
    for one in pair:
        one.end()


def test_of_two_starters_exactly_one_wins(starters: tuple[Starter, Starter], tmp_path: Path) -> None:
    """In twenty races for twenty folders one of two holds the lock, and the other is told by whom it is held."""
    for number in range(PAIRS):
        path = tmp_path / str(number) / "lock"
        path.parent.mkdir()
        for one in starters if number % 2 else starters[::-1]:
            one.say(str(path))
        answers = [one.hear() for one in starters]
        assert sorted(answer == "mine" for answer in answers) == [False, True], answers
        winner = starters[answers.index("mine")].process.pid
        refused = next(answer for answer in answers if answer != "mine")
        # Between taking the lock and writing the name there is a moment in which the holder has no name.
        assert re.search(rf"is being crawled by (process {winner} on {socket.gethostname()}|another process)", refused)
        for one in starters:
            one.say("")
            assert one.hear() == "free"


def test_the_lock_of_a_killed_process_is_taken_over_at_once(starters: tuple[Starter, Starter], tmp_path: Path) -> None:
    """Whatever a killed process left in the file, the next starter has the lock without waiting."""
    first, second = starters
    path = tmp_path / "lock"
    first.say(str(path))
    assert first.hear() == "mine"
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    assert json.loads(path.read_text(encoding="utf-8"))["process"] == first.process.pid
    assert holder(path) is None
    second.say(str(path))
    assert second.hear() == "mine"
    found = holder(path)
    assert found is not None
    assert found.process == second.process.pid


def test_the_lock_of_a_live_process_is_never_taken_over(starters: tuple[Starter, Starter], tmp_path: Path) -> None:
    """A holder that has been stopped for a while is alive: nobody takes its lock, however often it is tried."""
    first, second = starters
    path = tmp_path / "lock"
    first.say(str(path))
    assert first.hear() == "mine"
    os.kill(first.process.pid, signal.SIGSTOP)
    try:
        for _ in range(10):
            second.say(str(path))
            assert f"process {first.process.pid} on {socket.gethostname()}, since 2026-11-21T11:00:00Z" in second.hear()
            second.say("")
            assert second.hear() == "free"
            time.sleep(0.01)
    finally:
        os.kill(first.process.pid, signal.SIGCONT)


def test_who_only_looks_needs_no_right_to_write_and_stops_no_start(tmp_path: Path) -> None:
    """The lock is looked at through a file opened for reading; a start waits out the moment in which somebody looks."""
    path = tmp_path / "lock"
    path.touch()
    flags, opened = [], os.open
    with mock.patch.object(os, "open", lambda name, flag: (flags.append(flag), opened(name, flag))[1]):
        assert holder(path) is None
    assert flags == [os.O_RDONLY]
    looking = os.open(path, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    with mock.patch("time.sleep", side_effect=lambda _: fcntl.flock(looking, fcntl.LOCK_UN)), hold(path, "now"):
        assert holder(path) is not None
    os.close(looking)


def test_the_second_start_of_a_crawl_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While a crawl runs, a second start ends with 2 and a sentence with host, process and time, and writes nothing."""
    run = killed(tmp_path / "run", 60)
    (run / "config.toml").unlink()
    with Holding(run / "lock") as process:
        before = {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}
        with pytest.raises(SystemExit) as ended:
            main(["crawl", str(run), "--seed", "1"])
        said = capsys.readouterr().err
        assert {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()} == before
    assert ended.value.code == 2
    assert said == (
        f"crawler: {run} is being crawled by process {process} on {socket.gethostname()}, since 2026-11-21T11:00:00Z; "
        "stop that one first, or choose another folder\n"
    )


class Holding:
    """A process that holds a lock while the block runs."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> int:
        self._starter = Starter()
        self._starter.say(str(self._path))
        assert self._starter.hear() == "mine"
        return self._starter.process.pid

    def __exit__(self, *_: object) -> None:
        self._starter.end()


def test_two_real_crawls_of_one_folder(tmp_path: Path) -> None:
    """Of two commands given at the same moment one crawls; the other ends with 2 and names the first."""
    config = tmp_path / "slow.toml"
    config.write_text("[soundcloud]\nrequests_per_second = 0.5\n", encoding="utf-8")
    command = [sys.executable, "-m", "crawler", "crawl", str(tmp_path / "run"), "--seed", "1", "--config", str(config)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDCLOUD_")}
    crawls = [
        subprocess.Popen(
            command, cwd=tmp_path, env=clean | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    with ThreadPoolExecutor(2) as waiters:
        waits = {waiters.submit(crawl.wait, 60): crawl for crawl in crawls}
        (first, *_), _ = wait(waits, return_when=FIRST_COMPLETED)
        loser = waits.pop(first)
        (winner,) = waits.values()
        assert winner.poll() is None
        winner.kill()
    said, _ = loser.communicate()[1], winner.communicate()
    assert loser.returncode == 2, said
    since = re.search(r"since (\S+); stop that one first", said)
    assert since is None or datetime.fromisoformat(since[1]) <= datetime.now(UTC)
    assert "is being crawled by" in said


def test_a_lock_file_that_somebody_deletes_frees_nobody(starters: tuple[Starter, Starter], tmp_path: Path) -> None:
    """Whoever takes the file for a leftover and deletes it cannot start a second crawl: the folder is locked too."""
    first, second = starters
    path = tmp_path / "lock"
    first.say(str(path))
    assert first.hear() == "mine"
    path.unlink()
    second.say(str(path))
    assert second.hear() == f"{tmp_path} is being crawled by another process; {ADVICE}"
    second.say("")
    assert second.hear() == "free"
    assert not path.exists()


def test_a_lock_that_names_a_living_process_is_stale_when_nobody_holds_it(tmp_path: Path) -> None:
    """The process number of a dead holder may be somebody else's by now: only the kernel's word counts."""
    path = tmp_path / "lock"
    path.write_text(f'{{"host":"{socket.gethostname()}","process":{os.getppid()},"since":"2026-11-21T11:00:00Z"}}\n')
    assert holder(path) is None
    with hold(path, "2026-11-21T12:00:00Z"):
        assert json.loads(path.read_bytes())["process"] == os.getpid()


def test_where_nothing_can_be_locked_nobody_crawls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks ends the start with what the system says, and no word of another process."""

    def no_locks(_handle: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(StorageError, match="No locks available: could not lock"), hold(tmp_path / "lock", "now"):
        pass
