from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import crawler
from crawler.cli import cli, main
from crawler.config import Config, load, loads
from crawler.errors import ConfigError, CrawlerError, Refused, StorageError

ROOT = Path(__file__).parent.parent
COMMANDS = [["crawl"], ["status"], ["verify"], ["sandbox"], ["resolve"], ["config"], ["config", "check"]]


class App(types.ModuleType):
    """Stands in for crawler.app; remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__("crawler.app")
        self.calls: list[tuple[Any, ...]] = []
        self.error: BaseException | None = None
        self.code = 0
        self.answers: list[tuple[str, str | None, str | None]] = []
        self.found: dict[str, Any] = {}

    def crawl(self, run: Path, **rest: Any) -> int:  # noqa: ANN401 - whatever it is asked
        self.calls.append((run, rest))
        if self.error is not None:
            raise self.error
        return self.code

    def resolve(self, urls: tuple[str, ...], config: Path | None) -> list[tuple[str, str | None, str | None]]:
        self.calls.append((urls, config))
        return self.answers

    def check_config(self, path: Path) -> Config:
        return load(path)

    def status(self, run: Path) -> dict[str, Any]:
        self.calls.append((run,))
        return self.found

    def verify(self, run: Path) -> dict[str, Any]:
        self.calls.append((run,))
        return self.found


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    """Put a stand-in in the place of crawler.app."""
    stand_in = App()
    monkeypatch.setitem(sys.modules, "crawler.app", stand_in)
    monkeypatch.setattr(crawler, "app", stand_in, raising=False)
    return stand_in


def run(*arguments: str) -> int:
    """Run the command line and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(command: list[str]) -> None:
    """--help says what the command is for, and shows an example that begins with the program's name."""
    result = CliRunner().invoke(cli, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output
    assert command == ["config"] or f"crawler {' '.join(command)}" in result.output.split("Example", 1)[1]


def test_every_option_explains_itself() -> None:
    """No option of any command is without a line of help."""
    found = []
    for name, command in cli.commands.items():
        inner = command.commands.values() if isinstance(command, click.Group) else [command]
        options = [option for one in inner for option in one.params if isinstance(option, click.Option)]
        found += [f"{name} {option.opts[0]}" for option in options if not option.help]
    assert not found


def test_help_does_not_wait_for_the_engine() -> None:
    """--help imports neither the network nor the frontier, so that it is quick."""
    code = "import sys, crawler.cli; sys.exit(any(m in sys.modules for m in ('aiohttp', 'aiosqlite', 'numpy', 'rich')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_flags_become_keys_of_the_configuration(app: App, tmp_path: Path) -> None:
    """Every flag is an override of its key; what was not given is left out."""
    flags = "--max-depth 2 --max-nodes 3 --max-requests 4 --max-seconds 5 --max-pages-per-list 6 --workers 7"
    more = ["--relations", "user=followers, followings", "--relations", "track=", "--seed", "1", "--seeds", "x.txt"]
    assert run("crawl", str(tmp_path), *flags.split(), *more, "--seed", "track:2") == 0
    (folder, rest) = app.calls[0]
    assert folder == tmp_path
    assert rest["overrides"] == {
        "crawl.max_depth": 2,
        "crawl.max_nodes": 3,
        "crawl.max_requests": 4,
        "crawl.max_seconds": 5.0,
        "crawl.max_pages_per_list": 6,
        "crawl.workers": 7,
        "crawl.relations.user": ["followers", "followings"],
        "crawl.relations.track": [],
    }
    assert (rest["seeds"], rest["seed_files"], rest["config"]) == (("1", "track:2"), (Path("x.txt"),), None)
    assert run("crawl", str(tmp_path)) == 0
    assert app.calls[1][1]["overrides"] == {}


@pytest.mark.parametrize("code", [0, 3, 4])
def test_the_exit_code_is_that_of_the_crawl(app: App, code: int, tmp_path: Path) -> None:
    """What `app.crawl` returns is what the shell sees."""
    app.code = code
    assert run("crawl", str(tmp_path)) == code


@pytest.mark.parametrize(
    "error, code",
    [
        (ConfigError("the key is unknown"), 2),
        (Refused("the client id is not accepted"), 4),
        (StorageError("the disk is full"), 5),
        (KeyboardInterrupt(), 3),
    ],
)
def test_a_failure_is_one_sentence_and_its_code(
    app: App, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, tmp_path: Path
) -> None:
    """A known failure shows no traceback: one line on standard error, nothing on standard output."""
    app.error = error
    assert run("crawl", str(tmp_path)) == code
    shown = capsys.readouterr()
    said = shown.err.removeprefix("\n")  # after a ^C the sentence begins on a new line
    assert shown.out == ""
    assert said.startswith("crawler: ")
    assert said.count("\n") == 1
    assert not isinstance(error, CrawlerError) or str(error) in said


@pytest.mark.parametrize("command, code", [("status", 0), ("verify", 5)])
def test_who_closes_the_pipe_changes_no_exit_code(command: str, code: int) -> None:
    """`crawler verify RUN | head` is no bug, and says by its code what `crawler verify RUN` says."""
    program = f"""
import sys, types
app = types.ModuleType("crawler.app")
app.status = app.verify = lambda run: {{"ok": False, "problems": ["x" * 100_000]}}
sys.modules["crawler.app"] = app
sys.argv = ["crawler", "{command}", "run", "--json"]
from crawler.cli import main
main()
"""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        told = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, stdout=pipe, stderr=subprocess.PIPE, check=False
        )
    assert (told.returncode, told.stderr) == (code, b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_crawl_looks_out_for_it(
    app: App, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM while things are still being opened end with the same sentence and exit code 3."""
    monkeypatch.setattr(app, "crawl", lambda *_, **__: signal.raise_signal(number))
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert run("crawl", "run") == 3
    finally:
        signal.signal(signal.SIGTERM, before)
    assert capsys.readouterr().err.lstrip() == "crawler: stopped; give the same command again to go on\n"


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_while_the_program_is_imported_is_told_too(number: str) -> None:
    """The same sentence and exit code when the signal comes before the command line is there, which takes a while."""
    program = f"""
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "crawler.cli":
            os.kill(os.getpid(), signal.{number})
sys.meta_path.insert(0, Finder())
from crawler.__main__ import main
main()
"""
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False)
    assert told.returncode == 3
    assert told.stderr == b"crawler: stopped; give the same command again to go on\n"


def test_a_bug_says_where_it_is(app: App, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Anything else is exit code 1 and one line that names the kind of error, a file and a line."""
    app.error = ZeroDivisionError("division by zero")
    assert run("crawl", str(tmp_path)) == 1
    said = capsys.readouterr().err
    assert said.startswith("crawler: a bug, in cli.py, line ")
    assert "ZeroDivisionError: division by zero" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["crawl"], "Missing argument 'RUN'"),
        (["crawl", "x", "--max-depth", "deep"], "'deep' is not a valid integer"),
        (["crawl", "x", "--relations", "followers"], "is not of the form user=followers,followings"),
        (["crawl", "x", "--relations", "album=tracks"], "is not of the form user=followers,followings"),
        (["craw", "x"], "No such command 'craw'"),
        (["sandbox", "--port", "70000"], "70000 is not in the range"),
        (["resolve"], "Missing argument 'URL...'"),
        (["config", "check", "absent.toml"], "absent.toml: cannot be read"),
    ],
)
def test_a_mistyped_command_is_one_sentence(
    app: App, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    """Usage errors are exit code 2 and one line; nothing was asked of the crawler."""
    assert run(*arguments) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert app.calls == []


def test_verify_tells_by_its_exit_code(app: App, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A run with problems is exit code 5, one without 0; --json prints what was found."""
    app.found = {"ok": False, "problems": ["x is missing"], "problem_count": 1, "lines": {}, "shards": 0}
    assert run("verify", str(tmp_path)) == 5
    assert "x is missing" in capsys.readouterr().out
    app.found["ok"] = True
    assert run("verify", str(tmp_path), "--json") == 0
    assert json.loads(capsys.readouterr().out) == app.found


def test_status_is_json_when_asked(app: App, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """--json prints one object."""
    app.found = {"nodes": {"user": 1}}
    assert run("status", str(tmp_path), "--json") == 0
    assert json.loads(capsys.readouterr().out) == app.found


def test_resolve_prints_urns_and_complains_of_the_rest(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    """Found ones go to standard output, the others with a reason to standard error, and the exit code is 3."""
    app.answers = [("https://soundcloud.com/a", "soundcloud:users:1", None), ("https://soundcloud.com/b", None, "gone")]
    assert run("resolve", "https://soundcloud.com/a", "https://soundcloud.com/b") == 3
    shown = capsys.readouterr()
    assert shown.out == "https://soundcloud.com/a\tsoundcloud:users:1\n"
    assert shown.err == "https://soundcloud.com/b: gone\n"


def test_config_check_prints_what_it_understood(app: App, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The output is a configuration with the same meaning, defaults filled in."""
    file = tmp_path / "my.toml"
    file.write_text("[crawl]\nworkers = 3\n", encoding="utf-8")
    assert run("config", "check", str(file)) == 0
    assert loads(capsys.readouterr().out) == load(file)
    assert app.calls == []


def test_the_program_runs_as_a_module() -> None:
    """`python -m crawler` is the same program."""
    done = subprocess.run([sys.executable, "-m", "crawler", "--help"], capture_output=True, check=True, text=True)
    assert "Usage: crawler" in done.stdout


def test_a_crawl_lives_without_its_streams(tmp_path: Path) -> None:
    """A daemon that was started with closed streams crawls like any other, and ends with its exit code."""
    command = f'exec "{sys.executable}" -m crawler crawl run --seed 1 --max-depth 0 <&- >&- 2>&-'
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDCLOUD_")}
    ended = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=tmp_path,
        env=clean | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "run" / "frontier.sqlite").exists()


def test_what_an_encoding_lacks_is_still_said(tmp_path: Path) -> None:
    """On a terminal that knows no heart, a folder named for one is spelled out, and the exit code is the same."""
    told = subprocess.run(
        [sys.executable, "-m", "crawler", "status", str(tmp_path / "\u2665")],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )
    assert told.returncode == 2
    assert b"\\u2665 is no run folder" in told.stderr


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_after_the_end_changes_nothing(number: str) -> None:
    """A second Ctrl-C that comes when all is done, while the interpreter goes down, does not change the exit code."""
    program = f"""
import atexit, os, signal, sys
atexit.register(lambda: os.kill(os.getpid(), signal.{number}))
sys.argv = ["crawler", "status", "nowhere"]
from crawler.__main__ import main
main()
"""
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False)
    assert told.returncode == 2
    assert told.stderr == b"crawler: nowhere is no run folder: it has no frontier.sqlite\n"


@pytest.mark.parametrize("command", [["crawl", "--seed", "1"], ["status"], ["verify"], ["recheck"]])
def test_a_folder_that_cannot_be_looked_at_is_no_bug(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that is too long, or a folder without permission, is one sentence, and nothing is made."""
    assert run(command[0], str(tmp_path / ("x" * 300)), *command[1:]) == 2
    assert "cannot be used: File name too long\n" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_answer_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    """A full disk behind a redirection is no bug."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "c.toml").touch()
    with Path("/dev/full").open("wb") as full:
        told = subprocess.run(
            [sys.executable, "-m", "crawler", "config", "check", str(tmp_path / "c.toml")],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert told.returncode == 5
    assert told.stderr == b"crawler: No space left on device: could not write the answer\n"
