from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crawler.sandbox.reply import Reply
from crawler.sandbox.serve import open_world
from crawler.sandbox.service import Sandbox
from crawler.sandbox.world import World

SHARED = Path(__file__).resolve().parents[3] / "shared"


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Client:
    """Asks a sandbox in this process, with a token of its own."""

    def __init__(self, world: World, clock: Clock, token_seconds: float = 3599) -> None:
        self.sandbox = Sandbox(world, now=clock, token_seconds=token_seconds)
        self.pair = json.loads(self.grant("grant_type=client_credentials", basic="id:secret").body)

    def grant(self, form: str, basic: str = "") -> Reply:
        headers = {"authorization": "Basic " + base64.b64encode(basic.encode()).decode()} if basic else {}
        return self.sandbox.handle("POST", "/oauth/token", headers, form.encode())

    def get(self, target: str, **headers: str) -> Reply:
        sent = {"host": "sandbox.test:8080", "authorization": f"OAuth {self.pair['access_token']}"} | headers
        return self.sandbox.handle("GET", target.removeprefix("http://sandbox.test:8080"), sent)

    def json(self, target: str) -> Any:  # noqa: ANN401 - JSON
        reply = self.get(target)
        assert reply.status == 200, (target, reply)
        return json.loads(reply.body)

    def pages(self, target: str) -> Iterator[dict[str, Any]]:
        following: str | None = target
        seen: set[str] = set()
        while following:
            assert following not in seen, "the list goes in a circle"
            seen.add(following)
            page = self.json(following)
            yield page
            following = page.get("next_href")

    def items(self, target: str) -> list[dict[str, Any]]:
        return [item for page in self.pages(target) for item in page["collection"]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(clock: Clock) -> Client:
    return Client(open_world("synthetic", 400, 7), clock)


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"NOT TESTED: the shared recordings and graphs are not at {SHARED.name}/ beside the repository")
    return SHARED
