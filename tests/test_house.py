"""The house rules that no linter knows. Each failure says what to do."""

from __future__ import annotations

import ast
import re
import shutil
import statistics
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from crawler.cli import cli
from crawler.config import Config, dumps

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "crawler").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))

FUNCTION_LINES_MAX = 60
NINE_IN_TEN_LINES_MAX = 25
MEDIAN_LINES_MAX = 9
MODULE_LINES_MAX = 400
PARAMETERS_MAX = 7

ROOMS = {"policy", "providers", "transport", "frontier", "shards", "engine", "sandbox", "dataset"}
PURE = {"model", "errors", "policy", "providers"}
IMPURE_IMPORTS = {"asyncio", "sqlite3", "time", "random", "pathlib", "os", "aiohttp"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str:
    """Return the first name below the package: "policy" for crawler/policy/rate.py, "model" for crawler/model.py."""
    return path.relative_to(ROOT / "crawler").with_suffix("").parts[0]


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


def lines_of(function: Function) -> int:
    """Return the lines of a function's body, its docstring not counted: explaining is free."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def imports(path: Path) -> Iterator[str]:
    """Yield the full names of what a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def tracked() -> list[Path]:
    """Return the files of the repository, or of the folder where there is no git."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return [path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts]
    names = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [path for name in names.decode().split("\0") if name and (path := ROOT / name).is_file()]


def prose() -> str:
    """Return all that a reader is told: the README and the documents."""
    return "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_and_modules_are_small(path: Path) -> None:
    """No function is over 60 lines or 7 parameters, no module over 400 lines: split what has become two things."""
    found = []
    for function in functions(path):
        arguments = function.args
        names = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        count = len([name for name in names if name not in {"self", "cls"}])
        if lines_of(function) > FUNCTION_LINES_MAX:
            found.append(f"{function.name}, line {function.lineno}: {lines_of(function)} lines")
        if count > PARAMETERS_MAX:
            found.append(f"{function.name}, line {function.lineno}: {count} parameters")
    length_lines = path.read_text(encoding="utf-8").count("\n")
    if length_lines > MODULE_LINES_MAX:
        found.append(f"the module: {length_lines} lines")
    assert not found, f"{name_of(path)}: split what is too large: {found}"


def test_most_functions_are_very_small() -> None:
    """Half of all functions have at most 9 lines, nine in ten at most 25."""
    lengths = sorted(lines_of(function) for path in MODULES for function in functions(path))
    assert statistics.median(lengths) <= MEDIAN_LINES_MAX
    assert lengths[len(lengths) * 9 // 10] <= NINE_IN_TEN_LINES_MAX


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) in PURE], ids=name_of)
def test_what_decides_is_pure(path: Path) -> None:
    """Model, errors, policy and providers get time, chance and files as arguments; they never fetch them."""
    found = {name for name in imports(path) if name.split(".")[0] in IMPURE_IMPORTS}
    assert not found, f"{name_of(path)} imports {found}: take what it gives as an argument instead"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_transport_has_a_network_client(path: Path) -> None:
    """`aiohttp` is imported in transport alone; the sandbox may import `aiohttp.web`, which only serves."""
    found = {name for name in imports(path) if name.split(".")[0] == "aiohttp"}
    if room_of(path) == "sandbox":
        found = {name for name in found if not name.startswith("aiohttp.web")}
    assert room_of(path) == "transport" or not found, f"{name_of(path)} imports {found}: ask through crawler.transport"


def test_the_second_is_smoothed_in_one_place() -> None:
    """`aiolimiter` has one importer: two limiters for one service are twice its limit."""
    importers = {name_of(path) for path in MODULES if any(name.split(".")[0] == "aiolimiter" for name in imports(path))}
    assert importers <= {"crawler/transport/lane.py"}, f"{importers}: wait through crawler.transport.gate"


def test_rooms_are_the_nouns_of_the_sentence() -> None:
    """A new folder needs a place in docs/ARCHITECTURE.md and in the layers of pyproject.toml; no utils, no core."""
    folders = {path.name for path in (ROOT / "crawler").iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders == ROOMS, f"unknown {folders - ROOMS}, missing {ROOMS - folders}"


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_every_test_states_its_property(path: Path) -> None:
    """The docstring of a test is the one property that it checks."""
    silent = [one.name for one in functions(path) if one.name.startswith("test_") and not ast.get_docstring(one)]
    assert not silent, f"{name_of(path)}: say in a docstring what holds when these pass: {silent}"


def commands() -> list[str]:
    """Return every command as it is typed."""
    found = []
    for name, command in cli.commands.items():
        inner = command.commands if isinstance(command, click.Group) else {"": command}
        found += [f"crawler {name} {below}".strip() for below in inner]
    return found


@pytest.mark.parametrize("command", commands())
def test_every_command_is_in_the_documents(command: str) -> None:
    """A command that is nowhere explained does not exist."""
    assert command in prose(), f"explain `{command}` in README.md"


def keys() -> list[str]:
    """Return the name of every key of the configuration."""
    found: list[str] = []

    def walk(section: object) -> None:
        for name in section.__struct_fields__:  # type: ignore[attr-defined]
            value = getattr(section, name)
            found.append(name)
            if hasattr(value, "__struct_fields__"):
                walk(value)

    walk(Config())
    return sorted(set(found))


@pytest.mark.parametrize("key", keys())
def test_every_key_is_in_the_documents_and_in_the_shipped_file(key: str) -> None:
    """A key that is nowhere explained does not exist; config.toml shows every key, if only in a comment."""
    assert f"`{key}`" in prose() or f"| [{key}]" in prose(), f"explain `{key}` in README.md"
    assert key in (ROOT / "config.toml").read_text(encoding="utf-8"), f"show {key} in config.toml"


def test_no_file_names_a_machine() -> None:
    """Nothing that is committed names a folder of somebody's computer, or an address in a lock file."""
    folder = re.compile(r"(?<![\w.:/])/(?:work|home|root|Users|opt|mnt)/[\w.-]+")
    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" in data:
            continue
        text = data.decode("utf-8", "replace")
        found += [f"{name_of(path)}: {match[0]}" for match in folder.finditer(text)]
        if path.suffix == ".lock":
            found += [
                f"{name_of(path)}: {match[0]}" for match in re.finditer(r"https?://\S+|--\S*index\S*|file:", text)
            ]
    assert not found, f"take these out: {found}"


def test_the_lock_holds_every_dependency() -> None:
    """What pyproject.toml asks for is in the lock with hashes; `make lock` brings them together again."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    wanted = [re.split(r"[>=; ]", text)[0] for text in project["project"]["dependencies"]]
    missing = [name for name in wanted if f"\n{name}==" not in f"\n{locked}"]
    assert not missing, f"run `make lock`: {missing}"
    packages = re.findall(r"^[\w.-]+==(?:.|\n(?= ))*", locked, re.MULTILINE)
    assert all("--hash=sha256:" in package for package in packages)


def test_the_configuration_as_used_has_no_secret_in_it() -> None:
    """The file that is written into a run folder names the variables of credentials, never their values."""
    assert "SOUNDCLOUD_CLIENT_SECRET" in dumps(Config())
