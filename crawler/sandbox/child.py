"""The embedded sandbox: a child process that serves a crawl, and that ends with it, however it ends."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from crawler.config import Sandbox
from crawler.errors import ConfigError

_GRACE_SECONDS = 5.0


@asynccontextmanager
async def embedded(section: Sandbox) -> AsyncIterator[str]:
    """Start a sandbox as the configuration says; give its base URL, and end it with the block.

    The child watches its standard input, which the kernel closes when this process dies, so a kill leaves no server
    behind. It is in a session of its own: Ctrl-C stops the crawl first. Raises `ConfigError` when it does not start.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crawler", "sandbox", "--until-stdin-closes", "--port", "0"),
        *("--world", section.world, "--users", str(section.users), "--seed", str(section.seed)),
        *(("--faults", section.faults) if section.faults else ()),
        *(("--limits", ";".join(section.limits)) if section.limits else ()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdin is not None and child.stdout is not None, "pipes were asked for"  # noqa: S101, PT018
    try:
        line = await child.stdout.readline()
        if not line:
            message = f'the embedded sandbox did not start with the world "{section.world}"'
            raise ConfigError(message)
        yield line.decode().strip()
    finally:
        child.stdin.close()
        try:
            await asyncio.wait_for(child.wait(), _GRACE_SECONDS)
        except TimeoutError:
            child.kill()
