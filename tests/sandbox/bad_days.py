"""A sandbox on a bad day: asked page by page, or crawled by the engine on virtual time, without a socket."""

from __future__ import annotations

import asyncio
import json
import selectors
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crawler import app
from crawler.config import Config, with_overrides
from crawler.dataset.reader import records
from crawler.engine.run import Run
from crawler.engine.supervisor import Ending
from crawler.engine.worker import Source
from crawler.errors import Transient
from crawler.model import Item, Request, Response
from crawler.providers.oauth import OAuth
from crawler.providers.soundcloud import SoundCloud
from crawler.sandbox.faults.plan import parse_faults
from crawler.sandbox.reply import Reply
from crawler.sandbox.serve import open_world
from crawler.sandbox.service import Sandbox
from crawler.transport.client import Client as TransportClient
from crawler.transport.credentials import TokenOwner
from crawler.transport.gate import Gate
from tests.transport.virtual import JumpingSelector, VirtualLoop

from .conftest import Client, Clock  # isort: skip

BASE = "http://127.0.0.1:1"
TIMEOUT_SECONDS = 30.0
PATIENCE_SECONDS = 60.0


class BadDay(Client):
    """Asks a sandbox with faults; its clock stands still unless it is moved."""

    def __init__(self, faults: str, users: int = 400, seed: int = 7) -> None:
        self.clock = Clock()
        plan = parse_faults(faults, seed)
        self.world = open_world("synthetic", users, seed)
        self.sandbox = Sandbox(self.world, now=self.clock, faults=plan, epoch=lambda: 1_700_000_000.0)
        self.pair: dict[str, Any] = {"access_token": ""}
        reply = self.grant("grant_type=client_credentials", basic="id:secret")
        if reply.status == 200:
            self.pair = json.loads(reply.body)

    def rows(self, kind: str, node: int, relation: str) -> list[int]:
        """Return what is really in a list."""
        count = self.world.count(kind, node, relation)
        return [int(row) for row in self.world.rows(kind, node, relation, 0, count)]

    def longest(self, kind: str, relation: str) -> int:
        """Return the node whose list is the longest of the world."""
        base = {"user": 1, "track": 2_200_000_000, "playlist": 1_700_000_000}[kind]
        nodes = [node for node in range(base, base + 1600) if self.world.exists(kind, node)]
        return max(nodes, key=lambda node: self.world.count(kind, node, relation))

    def path(self, kind: str, relation: str, limit: int = 3) -> str:
        """Return the address of the longest list of a kind."""
        return f"/{kind}s/{self.longest(kind, relation)}/{relation}?limit={limit}&linked_partitioning=true"

    def some(self, target: str, pages_max: int = 30) -> list[dict[str, Any]]:
        """Return the pages of a list, not too many, following links as a client should: by path and query."""
        found, following = [], target
        while following and len(found) < pages_max:
            page = self.json(following)
            found.append(page)
            href = page.get("next_href") or ""
            following = href[href.find("/", 8) :] if href else ""
        return found


class InProcess:
    """What the transport sends with, straight into a sandbox: a delivery that breaks is a failure of the network."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.replies: Counter[int] = Counter()

    async def send(self, request: Request, *, authorization: str | None = None) -> Response:
        """Answer a request."""
        headers = {"host": "127.0.0.1:1", **{name.lower(): value for name, value in request.headers.items()}}
        if authorization is not None:
            headers["authorization"] = authorization
        await asyncio.sleep(0)
        reply: Reply = self._sandbox.handle(
            request.method, request.url.removeprefix(BASE), headers, request.body or b""
        )
        self.replies[reply.status] += 1
        if reply.delivery is not None:
            await asyncio.sleep(min(reply.delivery.seconds, TIMEOUT_SECONDS))
            if reply.delivery.cut_after_bytes is not None or reply.delivery.seconds > TIMEOUT_SECONDS:
                raise Transient("the network failed")
        return Response(reply.status, dict(reply.headers), reply.body)


class LoopClock:
    """The clock of the virtual loop."""

    def now(self) -> datetime:
        """Return the date."""
        return datetime.fromtimestamp(self.epoch_seconds(), UTC)

    def epoch_seconds(self) -> float:
        """Return the date in seconds."""
        return 1_700_000_000.0 + asyncio.get_running_loop().time()

    def monotonic_seconds(self) -> float:
        """Return the loop's time."""
        return asyncio.get_running_loop().time()


@dataclass
class Outcome:
    """What a crawl left: records, the sandbox, the requests sent, and the virtual seconds it took."""

    ending: Ending
    edges: list[dict[str, Any]]
    nodes: list[dict[str, Any]]
    lists: list[dict[str, Any]]
    sandbox: Sandbox
    requests: int
    seconds: float

    def links(self) -> set[tuple[Any, ...]]:
        """Return the edges without what differs from crawl to crawl."""
        return {(edge["type"], edge["src"], edge["dst"], edge["via"]) for edge in self.edges}

    def verdicts(self) -> Counter[str]:
        """Return how many lists ended how."""
        return Counter(record["verdict"] for record in self.lists)


class PatientSelector(JumpingSelector):
    """Waits in earnest for threads when there is no timer to jump to: a crawl writes to the disk in one."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready."""
        if timeout is not None:
            return super().select(timeout)
        self.slept_seconds += 1e-7
        return selectors.DefaultSelector.select(self, PATIENCE_SECONDS)


class PatientLoop(VirtualLoop):
    """A loop on virtual time over a patient selector."""

    def __init__(self) -> None:
        self._jumping = PatientSelector()
        asyncio.SelectorEventLoop.__init__(self, self._jumping)


class Crawl:
    """A crawl of a small synthetic world: from user 1, in pages of `page_limit`, with a few workers."""

    def __init__(self, users: int = 12, page_limit: int = 3, **settings: object) -> None:
        self.users = users
        self.page_limit = page_limit
        overrides = {f"crawl.{name.replace('__', '.')}": value for name, value in settings.items()}
        self.config = with_overrides(Config(), {"crawl.workers": 4, **overrides})

    def run(self, folder: Path, faults: str, seed: int = 5) -> Outcome:
        """Crawl on virtual time."""
        with asyncio.Runner(loop_factory=PatientLoop) as runner:
            return runner.run(self._crawled(folder, faults, seed))

    async def _crawled(self, folder: Path, faults: str, seed: int) -> Outcome:
        folder.mkdir(exist_ok=True)
        clock = LoopClock()
        world = open_world("synthetic", self.users, seed)
        plan = parse_faults(faults, seed)
        sandbox = Sandbox(world, seed=seed, now=clock.monotonic_seconds, faults=plan, epoch=clock.epoch_seconds)
        gate = Gate()
        owner = TokenOwner(OAuth("id", "secret", token_url=f"{BASE}/oauth/token").exchange, clock)
        client = TransportClient(InProcess(sandbox), gate, owner)  # type: ignore[arg-type]
        provider = SoundCloud(BASE, "graph", self.page_limit)
        source = Source(provider, client, gate)
        settings = app._settings(self.config)
        began = clock.monotonic_seconds()
        async with Run(folder, settings, {"soundcloud": source}, clock, lambda: 0.5) as run:
            run.seed([Item("user", 1, 1, "id", None)], "soundcloud", "soundcloud")
            ending = await run.crawl()
        found = {kind: list(records(folder, kind)) for kind in ("edges", "nodes", "lists")}
        return Outcome(
            ending, **found, sandbox=sandbox, requests=client.requests, seconds=clock.monotonic_seconds() - began
        )
