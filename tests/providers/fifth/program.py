"""The whole program with the fifth source: its row is added, and nothing else is told of it.

Serves the bodies below /stations and the sandbox elsewhere, from a thread, and then runs one command after another.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from crawler.providers import registry
from tests.providers.fifth import radio

registry.SERVICES += (radio.SERVICE,)  # the row

from crawler.cli import main  # noqa: E402 - the configuration is made from the registry
from crawler.sandbox.reply import JSON, Reply  # noqa: E402
from crawler.sandbox.serve import open_world, serve  # noqa: E402
from crawler.sandbox.service import Sandbox  # noqa: E402

BODIES = Path(__file__).parent / "bodies"


class Both(Sandbox):
    """The sandbox, and the stations beside it, for those who have the key."""

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        if not target.startswith("/stations/"):
            return super().handle(method, target, headers, body)
        if "key=a-secret" not in target:
            return Reply(401, JSON, b"{}")
        name = target.partition("?")[0].rpartition("/")[2]
        page = ("-2" if "page=2" in target else "-1") if name == "plays" else ""
        return Reply(200, JSON, (BODIES / f"{name}{page}.json").read_bytes())


def serving() -> str:
    """Serve until the process ends; return the base URL."""
    known: list[str] = []
    ready = threading.Event()

    def begin(url: str) -> None:
        known.append(url)
        ready.set()

    async def run() -> None:
        await serve(Both(open_world("synthetic", 20, 1)), "127.0.0.1", 0, ready=begin, stop=asyncio.Event())

    threading.Thread(target=asyncio.run, args=(run(),), daemon=True).start()
    ready.wait()
    return known[0]


if __name__ == "__main__":
    url, config = serving(), Path(sys.argv[1])
    config.write_text(config.read_text(encoding="utf-8").replace("URL", url), encoding="utf-8")
    for command in " ".join(sys.argv[2:]).split(" then "):
        try:
            main(command.split())
        except SystemExit as ended:
            if ended.code:
                raise
