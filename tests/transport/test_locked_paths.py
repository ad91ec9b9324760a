"""A 401 that outlives a fresh token may speak of the path: one refresh, and no more."""

from __future__ import annotations

import asyncio

import pytest

from crawler.errors import Refused
from crawler.model import Request, Response
from crawler.transport.client import Client
from crawler.transport.credentials import TokenOwner
from crawler.transport.gate import Gate

from .test_credentials import Flow
from .virtual import FakeClock, run


class Service:
    """Holds some paths, for tokens that are not `dead`; counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.dead: set[str] = set()

    async def send(self, request: Request, *, authorization: str | None = None) -> Response:
        await asyncio.sleep(1)
        if request.family == "token":
            return Response(200, {}, b"")
        self.asked.append(request.family)
        good = request.family.startswith("held") and authorization not in self.dead
        return Response(200 if good else 401, {}, b"")


def client_of(service: Service, flow: Flow, *, locks_paths: bool = True) -> Client:
    owner = TokenOwner(flow, FakeClock(), scheme="Bearer")
    return Client(service, Gate(), owner, locks_paths=locks_paths)  # type: ignore[arg-type]


def ask(family: str) -> Request:
    return Request(f"https://x.example/{family}", family)


def test_a_locked_path_costs_one_refresh_and_ends_as_its_answer() -> None:
    """401, refresh, 401: the answer is the provider's to read, and the endpoint is never refreshed for again."""

    async def main() -> None:
        service, flow = Service(), Flow()
        client = client_of(service, flow)
        for _ in range(3):
            assert (await client.ask(ask("locked"))).status == 401
        assert (len(flow.asked_with), service.asked) == (2, ["locked"] * 4)
        assert (await client.ask(ask("held"))).status == 200
        assert (await client.ask(ask("locked-too"))).status == 401
        assert len(flow.asked_with) == 3

    run(main())


def test_two_locked_paths_one_after_another_do_not_end_the_source() -> None:
    """The fresh token that one locked path rejected is rejected by the next: neither speaks of the credential."""

    async def main() -> None:
        service, flow = Service(), Flow()
        client = client_of(service, flow)
        assert [(await client.ask(ask(family))).status for family in ("locked", "locked-too", "held")] == [
            401,
            401,
            200,
        ]
        assert len(flow.asked_with) == 3

    run(main())


def test_a_token_that_died_is_replaced_once_for_all() -> None:
    """When the token itself is out, one exchange serves every worker that met the 401."""

    async def main() -> None:
        service, flow = Service(), Flow()
        client = client_of(service, flow)
        await client.ask(ask("held"))
        service.dead.add("Bearer T1")
        answers = await asyncio.gather(*(client.ask(ask(f"held{number}")) for number in range(8)))
        assert {answer.status for answer in answers} == {200}
        assert len(flow.asked_with) == 2

    run(main())


def test_many_locked_paths_at_once_do_not_end_the_source() -> None:
    """Workers that meet locked paths side by side share the refreshes, and none calls the credential refused."""

    async def main() -> None:
        service, flow = Service(), Flow()
        client = client_of(service, flow)
        families = [f"locked{number % 4}" for number in range(12)] + ["held"] * 4
        answers = await asyncio.gather(*(client.ask(ask(family)) for family in families))
        assert [answer.status for answer in answers] == [401] * 12 + [200] * 4
        assert len(flow.asked_with) <= 6

    run(main())


def test_elsewhere_a_second_401_is_a_refusal() -> None:
    """Where paths are not locked, a fresh token that is rejected means that the credential is out."""

    async def main() -> None:
        client = client_of(Service(), Flow(), locks_paths=False)
        with pytest.raises(Refused):
            await client.ask(ask("locked"))

    run(main())
