from __future__ import annotations

import asyncio

import pytest

from crawler.errors import Spent
from crawler.model import Request, Response
from crawler.policy.quota import MonthlyQuota, SlidingQuota
from crawler.transport.client import Client
from crawler.transport.gate import Gate

from .virtual import run

DATE = "Mon, 21 Sep 2026 13:33:20 GMT"
RESET = "1789997607"


class Service:
    """Answers with headers, one set after another; notes when it was asked."""

    def __init__(self, *headers: dict[str, str]) -> None:
        self.asked_at: list[float] = []
        self._headers = list(headers)

    async def send(self, _request: Request, *, authorization: str | None = None) -> Response:  # noqa: ARG002
        self.asked_at.append(asyncio.get_running_loop().time())
        return Response(200, {"date": DATE, **self._headers.pop(0)}, b"page")


def test_a_full_window_holds_the_next_request_back() -> None:
    """The answer that fills the window is used; the request after it waits for the reset."""

    async def main() -> None:
        service = Service({"x-ratelimit-remaining": "0", "x-ratelimit-reset": RESET}, {})
        client = Client(service, Gate(), None, quota=SlidingQuota())  # type: ignore[arg-type]
        for _ in range(2):
            assert (await client.ask(Request("https://x.example/", "charts"))).body == b"page"
        assert 7 <= service.asked_at[1] - service.asked_at[0] < 8

    run(main())


def test_a_quota_at_its_floor_lets_nothing_more_out() -> None:
    """The answer that reaches the floor is used; after it every request ends with the reason, unsent."""

    async def main() -> None:
        service = Service({"x-quota-remaining": "101"}, {"x-quota-remaining": "100"}, {})
        client = Client(service, Gate(), None, quota=MonthlyQuota(floor=100))  # type: ignore[arg-type]
        for _ in range(2):
            assert (await client.ask(Request("https://x.example/", "charts"))).body == b"page"
        for _ in range(2):
            with pytest.raises(Spent, match="100 are to be kept"):
                await client.ask(Request("https://x.example/", "charts"))
        assert (len(service.asked_at), client.requests) == (2, 2)

    run(main())
