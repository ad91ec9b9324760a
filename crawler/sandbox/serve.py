"""Starting the sandbox: in a running loop, as a command, or as a child process that dies with its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from crawler.errors import ConfigError
from crawler.sandbox.faults.plan import parse_faults
from crawler.sandbox.folder import FolderWorld, check_folder
from crawler.sandbox.gzipped import Gzipped
from crawler.sandbox.limits import parse_limits
from crawler.sandbox.service import TOKEN_PATH, Sandbox
from crawler.sandbox.synthetic import LARGEST_USERS, SyntheticWorld
from crawler.sandbox.wire import Connection
from crawler.sandbox.world import World

SYNTHETIC = "synthetic"
DEFAULT_HOST = "127.0.0.1"
DEFAULT_USERS = 10_000


class Conditions(NamedTuple):
    """What makes a world hard to crawl: faults (see `faults.plan.parse_faults`) and limits (see `limits`), as text.

    With `gzip`, answers are compressed for clients that accept it.
    """

    faults: str | None = None
    limits: str = ""
    gzip: bool = False


FAIR = Conditions()


def open_world(world: str | Path, users: int = DEFAULT_USERS, seed: int = 0) -> World:
    """Return the world "synthetic" with `users` users, or that of a folder of edge lists.

    `ConfigError` when the folder is missing or unfit, or the number of users is out of range.
    """
    check_world(world, users)
    return SyntheticWorld(users, seed) if str(world) == SYNTHETIC else FolderWorld(Path(world))


def check_world(world: str | Path, users: int) -> None:
    """Raise `ConfigError` for a world that cannot be, without making it: its edge lists are not read."""
    if str(world) != SYNTHETIC:
        check_folder(Path(world))
    elif not 1 <= users <= LARGEST_USERS:
        message = f"a synthetic world has 1 to {LARGEST_USERS} users, not {users}"
        raise ConfigError(message)


async def serve(
    sandbox: Sandbox,
    host: str,
    port: int,
    *,
    ready: Callable[[str], None],
    stop: asyncio.Event,
    gzip: bool = False,
) -> None:
    """Serve until `stop` is set. `ready` gets the base URL once the server listens; port 0 takes any free one.

    `ConfigError` when the address cannot be listened on.
    """
    connections: set[Connection] = set()
    loop = asyncio.get_running_loop()
    handler = Gzipped(sandbox.handle) if gzip else sandbox.handle
    try:
        server = await loop.create_server(lambda: Connection(handler, connections), host, port)
    except (OSError, OverflowError) as error:
        message = f"the sandbox cannot listen on {host} port {port}: {error}"
        raise ConfigError(message) from error
    try:
        ready(_base_url(host, server.sockets[0].getsockname()[1]))
        await stop.wait()
    finally:
        server.close()
        for connection in tuple(connections):
            connection.close()
        await server.wait_closed()


def run(
    *,
    world: str | Path = SYNTHETIC,
    users: int = DEFAULT_USERS,
    seed: int = 0,
    host: str = DEFAULT_HOST,
    port: int = 0,
    until_stdin_closes: bool = False,
    conditions: Conditions = FAIR,
) -> None:
    """Serve until SIGINT, SIGTERM or, when asked, the end of standard input; the first line printed is the base URL.

    Raises `ConfigError`.
    """
    plan = None if conditions.faults is None else parse_faults(conditions.faults, seed)
    rules = parse_limits(conditions.limits)
    sandbox = Sandbox(open_world(world, users, seed), seed=seed, faults=plan, limits=rules)

    def ready(url: str) -> None:
        print(url, flush=True)  # noqa: T201 - the answer to the command
        if not until_stdin_closes:
            print(f"{sandbox.world.name}; tokens at {url}{TOKEN_PATH}", flush=True)  # noqa: T201

    _run_loop(_until_stopped(sandbox, host, port, ready, until_stdin_closes=until_stdin_closes, gzip=conditions.gzip))


def main_child(world: str | Path, users: int = DEFAULT_USERS, seed: int = 0, *, port: int = 0) -> None:
    """Be a child process: print one line, the base URL, and end with the parent, that is when standard input closes."""
    run(world=world, users=users, seed=seed, port=port, until_stdin_closes=True)


async def _until_stopped(
    sandbox: Sandbox, host: str, port: int, ready: Callable[[str], None], *, until_stdin_closes: bool, gzip: bool
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if until_stdin_closes:
        # A thread, because standard input may be a file or a terminal, which loops cannot watch.
        threading.Thread(target=_watch_stdin, args=(loop, stop), daemon=True).start()
    await serve(sandbox, host, port, ready=ready, stop=stop, gzip=gzip)


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    loop.call_soon_threadsafe(stop.set)


def _run_loop(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop  # there is none on Windows
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


def _base_url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
