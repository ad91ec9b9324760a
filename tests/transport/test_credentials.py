from __future__ import annotations

import asyncio
from collections.abc import Generator

import pytest

from crawler.errors import ProviderError, Refused, Throttled, Transient
from crawler.model import Request, Response
from crawler.transport.credentials import TokenOwner

from .virtual import FakeClock, run


class Granted:
    def __init__(self, name: str, refresh_token: str | None) -> None:
        self.access_token = name
        self.expires_in_seconds = 3600.0
        self.refresh_token = refresh_token


class Flow:
    """Grants T1, T2, ..., or fails as told; remembers what it was asked with."""

    def __init__(self) -> None:
        self.asked_with: list[str | None] = []
        self.failures: list[ProviderError] = []

    def __call__(self, refresh_token: str | None) -> Generator[Request, Response, Granted]:
        self.asked_with.append(refresh_token)
        yield Request("https://token.example.test/", "token", "POST")
        if self.failures:
            raise self.failures.pop(0)
        number = len(self.asked_with)
        return Granted(f"T{number}", f"R{number}")


async def send(_: Request) -> Response:
    """Answer after a while."""
    await asyncio.sleep(1)
    return Response(200, {}, b"")


def owner_of(flow: Flow) -> tuple[TokenOwner, FakeClock]:
    """Return an owner of tokens that come from a flow, and its clock."""
    clock = FakeClock()
    return TokenOwner(flow, clock), clock


def test_one_exchange_for_all() -> None:
    """However many workers ask at once, there is one exchange, and they share its token."""

    async def main() -> None:
        owner, _ = owner_of(Flow())
        tokens = await asyncio.gather(*(owner.authorization(send) for _ in range(50)))
        assert set(tokens) == {"OAuth T1"}
        assert await owner.authorization(send) == "OAuth T1"
        assert owner.exchanges == 1

    run(main())


def test_early_refresh() -> None:
    """Five minutes before its end a token is refreshed; meanwhile the others go on with the old one."""

    async def main() -> None:
        flow = Flow()
        owner, clock = owner_of(flow)
        await owner.authorization(send)
        clock.seconds += 3299
        assert await owner.authorization(send) == "OAuth T1"
        clock.seconds += 2
        assert await asyncio.gather(*(owner.authorization(send) for _ in range(3))) == [
            "OAuth T2",
            "OAuth T1",
            "OAuth T1",
        ]
        assert flow.asked_with == [None, "R1"]

    run(main())


def test_failed_early_refresh_is_no_failure() -> None:
    """While the old token lives, a refresh that fails stops nobody and is not repeated at every request."""

    async def main() -> None:
        flow = Flow()
        owner, clock = owner_of(flow)
        await owner.authorization(send)
        flow.failures = [Throttled("429", wait_seconds=60)]
        clock.seconds += 3400
        for _ in range(5):
            assert await owner.authorization(send) == "OAuth T1"
        assert owner.exchanges == 2
        clock.seconds += 61
        assert await owner.authorization(send) == "OAuth T3"

    run(main())


@pytest.mark.parametrize("error", [Throttled("429"), Transient("500"), Refused("invalid_client")])
def test_failure_is_shared(error: ProviderError) -> None:
    """A failed exchange fails for all who wait, and for a while nobody asks again: exchanges are dear."""

    async def main() -> None:
        flow = Flow()
        flow.failures = [error]
        owner, clock = owner_of(flow)
        outcomes = await asyncio.gather(*(owner.authorization(send) for _ in range(20)), return_exceptions=True)
        assert all(outcome is error for outcome in outcomes)
        assert owner.exchanges == 1
        clock.seconds += 6
        assert await owner.authorization(send) == "OAuth T2"

    run(main())


def test_throttled_exchange_waits_for_its_date() -> None:
    """A reset date of the token limit is kept to."""

    async def main() -> None:
        flow = Flow()
        owner, clock = owner_of(flow)
        flow.failures = [Throttled("429", until_epoch_seconds=clock.seconds + 3000)]
        for seconds in (0, 6, 2900):
            clock.seconds += seconds
            with pytest.raises(Throttled):
                await owner.authorization(send)
        clock.seconds += 100
        assert await owner.authorization(send) == "OAuth T2"
        assert owner.exchanges == 2

    run(main())


def test_rejected_token_is_replaced_once() -> None:
    """A 401 is worth one exchange; a second one, to a token that was never accepted, is the end of the app."""

    async def main() -> None:
        flow = Flow()
        owner, _ = owner_of(flow)
        first = await owner.authorization(send)
        owner.reject(first)
        owner.reject(first)
        second = await owner.authorization(send)
        assert (second, flow.asked_with) == ("OAuth T2", [None, "R1"])
        owner.reject(first)
        with pytest.raises(Refused):
            owner.reject(second)
        owner.accept(second)
        owner.reject(second)
        assert await owner.authorization(send) == "OAuth T3"

    run(main())


def test_cancelled_exchange_leaves_the_owner_usable() -> None:
    """A worker that is cancelled while it exchanges takes nobody with it."""

    async def main() -> None:
        owner, _ = owner_of(Flow())
        first = asyncio.create_task(owner.authorization(send))
        second = asyncio.create_task(owner.authorization(send))
        await asyncio.sleep(0.5)
        first.cancel()
        assert await second == "OAuth T2"
        assert "T2" not in repr(owner)

    run(main())
