"""A sandbox in a thread of the test, with an address: commands reach it as any other service, and no child starts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from crawler.sandbox.serve import open_world, serve
from crawler.sandbox.service import Sandbox


@contextmanager
def served(users: int, seed: int) -> Iterator[str]:
    """Serve a synthetic world; give its address."""
    loop, started, address = asyncio.new_event_loop(), threading.Event(), []
    stop = asyncio.Event()

    def ready(url: str) -> None:
        address.append(url)
        started.set()

    sandbox = Sandbox(open_world("synthetic", users, seed))
    with closing(loop):
        work = serve(sandbox, "127.0.0.1", 0, ready=ready, stop=stop)
        thread = threading.Thread(target=lambda: loop.run_until_complete(work))
        thread.start()
        started.wait(10)
        try:
            yield address[0]
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(10)


def sections(url: str, *, dialect: str = "current") -> str:
    """Return the configuration of SoundCloud's sources at such an address; `accept_unofficial_terms` may follow."""
    below = "/legacy" if dialect == "legacy" else ""
    return (
        f'[sandbox]\nenabled = false\n[soundcloud]\ndialect = "{dialect}"\nbase_url = "{url}{below}"\n'
        f'token_url = "{url}/oauth/token"\noembed_url = "{url}/oembed"\n[soundcloud_v2]\nbase_url = "{url}/v2"\n'
    )
