from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from crawler.errors import BadPage, ConfigError, Refused, Spent, Transient
from crawler.model import Request, Response
from crawler.transport.client import Client
from crawler.transport.credentials import TokenOwner
from crawler.transport.gate import Gate
from crawler.transport.http import ForeignHost, Http, Timeouts, origin_of, user_agent

from .virtual import FakeClock

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Return a function that serves a handler on this machine, and tells where."""
    runners: list[web.ServerRunner] = []

    async def start(handler: Handler) -> str:
        runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_request_and_answer(serve: Serve) -> None:
    """What the provider asked for goes out untouched, with the token and a name; the answer comes back whole."""
    seen: list[web.BaseRequest] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request)
        return web.Response(body=gzip.compress(b"[1]"), headers={"X-Test": "Yes", "Content-Encoding": "gzip"})

    base = await serve(handler)
    async with Http(base, contact="mailto:me@example.test") as http:
        path = "/a%2Fb?cursor=2018-02-27T14:37:10.000Z,tracks,00%2C&x=a,b"
        response = await http.send(Request(base + path, "x"), authorization="OAuth T")
    assert (response.status, response.body, response.headers["x-test"]) == (200, b"[1]", "Yes")
    assert seen[0].path_qs == path
    assert seen[0].headers["Authorization"] == "OAuth T"
    assert seen[0].headers["User-Agent"] == user_agent("mailto:me@example.test")
    assert "gzip" in seen[0].headers["Accept-Encoding"]
    assert "Cookie" not in seen[0].headers


async def test_redirects_and_cookies_are_only_answers(serve: Serve) -> None:
    """A redirect is an answer to read, never followed; a cookie is not kept."""
    cookies: list[str | None] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.Response(status=302, headers={"Location": "https://evil.example/", "Set-Cookie": "a=b"})

    base = await serve(handler)
    async with Http(base) as http:
        for _ in range(2):
            response = await http.send(Request(base + "/", "resolve"), authorization="OAuth T")
    assert (response.status, response.headers["location"]) == (302, "https://evil.example/")
    assert cookies == [None, None]


FOREIGN = [
    "https://evil.example/",
    "http://127.0.0.1:1/",
    "{base}.evil.example/",
    "{base}@evil.example/",
    "{base}",
    "{base}\\@evil.example/",
    "//evil.example/",
    "",
]


@pytest.mark.parametrize("url", FOREIGN)
async def test_foreign_host_is_refused(url: str, serve: Serve) -> None:
    """A request to any other place than the configured one is a bug, and nothing is sent."""

    async def handler(_: web.BaseRequest) -> web.Response:
        raise AssertionError("a request went out")

    base = await serve(handler)
    async with Http(base) as http:
        with pytest.raises(ForeignHost):
            await http.send(Request(url.format(base=base), "x"), authorization="OAuth T")


async def test_token_requests_go_to_the_token_host_only(serve: Serve) -> None:
    """The client's secret goes to the token endpoint, the API's token never does, and neither is mixed up."""

    async def handler(_: web.BaseRequest) -> web.Response:
        return web.Response(text="{}")

    api, token = await serve(handler), await serve(handler)
    async with Http(api, token_url=token + "/oauth/token") as http:
        assert (await http.send(Request(token + "/oauth/token", "token", "POST", {}, b"a=b"))).status == 200
        for request, authorization in (
            (Request(token + "/x", "users"), "OAuth T"),
            (Request(api + "/x", "token"), None),
            (Request(token + "/x", "token"), "OAuth T"),
        ):
            with pytest.raises(ForeignHost):
                await http.send(request, authorization=authorization)


@pytest.mark.parametrize(
    "url", ["http://api.example.test", "ftp://h", "api.example.test", "https://u:p@h", "https://", "http://[", ""]
)
def test_addresses_that_would_leak(url: str) -> None:
    """Plain http is for this machine only; what is no address is the operator's mistake."""
    with pytest.raises(ConfigError):
        origin_of(url)


@pytest.mark.parametrize(
    "url", ["https://api.example.test/v1?x", "http://localhost:80/", "http://127.9.9.9/", "http://[::1]:8/"]
)
def test_addresses_that_may_be_used(url: str) -> None:
    """An origin is scheme, host and port as they were written."""
    assert url.startswith(origin_of(url))
    assert origin_of(url).count("/") == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"nonsense\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nxxxxx",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_every_failure_of_the_network_is_transient(answer: bytes) -> None:
    """Cut, reset, malformed: one error for all of them, which shows neither the token nor the URL."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Http(base) as http:
            with pytest.raises(Transient) as caught:
                await http.send(Request(base + "/?client_id=S3CRET", "x"), authorization="OAuth T0KEN")
    error = caught.value
    shown = f"{error} {error!r} {error.__cause__!r} {error.__context__!r}"
    assert "S3CRET" not in shown
    assert "T0KEN" not in shown


async def test_slow_answers_end(serve: Serve) -> None:
    """A server that never answers costs a bounded time."""
    released = asyncio.Event()

    async def handler(_: web.BaseRequest) -> web.Response:
        await released.wait()
        return web.Response()

    base = await serve(handler)
    async with Http(base, timeouts=Timeouts(0.05)) as http:
        with pytest.raises(Transient):
            await http.send(Request(base + "/", "x"))
    released.set()


async def test_refused_connection_is_transient() -> None:
    """Nobody listens: the network fails, not the program."""
    async with Http("http://127.0.0.1:9") as http:
        with pytest.raises(Transient):
            await http.send(Request("http://127.0.0.1:9/", "x"))


async def test_body_is_bounded(serve: Serve) -> None:
    """A body beyond all bounds is refused before it fills the memory, also when it comes compressed."""

    async def handler(_: web.BaseRequest) -> web.Response:
        return web.Response(body=gzip.compress(b"0" * 1_000_000), headers={"Content-Encoding": "gzip"})

    base = await serve(handler)
    async with Http(base, largest_body=100_000) as http:
        with pytest.raises(BadPage, match="longer"):
            await http.send(Request(base + "/", "x"))


class Granted:
    def __init__(self, name: str) -> None:
        self.access_token = name
        self.expires_in_seconds = 3600.0
        self.refresh_token = None


def client_of(http: Http, base: str, grants: int = 100) -> Client:
    """Return a client whose tokens are T1, T2, ..., granted by `base`/token."""
    names = iter(range(1, grants + 1))

    def flow(_: str | None):  # type: ignore[no-untyped-def]  # noqa: ANN202
        response: Response = yield Request(base + "/token", "token", "POST", {}, b"")
        if response.status != 200:
            raise Transient("no token")
        return Granted(f"T{next(names)}")

    return Client(http, Gate(), TokenOwner(flow, FakeClock()))


async def test_client_authorizes_and_counts(serve: Serve) -> None:
    """One token for many requests, token requests counted with the others, and the moment of sending told."""

    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(text=request.headers.get("Authorization", "none"))

    base = await serve(handler)
    async with Http(base, token_url=base) as http:
        client = client_of(http, base)
        before = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(client.ask(Request(base + "/x", "x")) for _ in range(10)))
        assert {answer.body for answer in answers} == {b"OAuth T1"}
        assert all(answer.sent_at_seconds >= before for answer in answers)
        assert client.requests == 11


async def test_client_replaces_an_expired_token(serve: Serve) -> None:
    """Tokens that expire in the middle of a crawl cost each worker one more request, and all of them one exchange."""
    accepted = {"OAuth T1"}

    async def handler(request: web.BaseRequest) -> web.Response:
        fine = request.path == "/token" or request.headers.get("Authorization") in accepted
        return web.Response(status=200 if fine else 401)

    base = await serve(handler)
    async with Http(base, token_url=base) as http:
        client = client_of(http, base)
        assert (await client.ask(Request(base + "/x", "x"))).status == 200
        accepted.symmetric_difference_update({"OAuth T1", "OAuth T2"})
        answers = await asyncio.gather(*(client.ask(Request(base + "/x", "x")) for _ in range(10)))
        assert {answer.status for answer in answers} == {200}
        assert client._credentials is not None
        assert client._credentials.exchanges == 2


async def test_client_gives_up_an_app_that_is_out(serve: Serve) -> None:
    """When fresh tokens are rejected as well, the exchanges end."""

    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(status=200 if request.path == "/token" else 401)

    base = await serve(handler)
    async with Http(base, token_url=base) as http:
        client = client_of(http, base)
        for _ in range(5):
            with pytest.raises(Refused):
                await client.ask(Request(base + "/x", "x"))
        assert client._credentials is not None
        assert client._credentials.exchanges == 2


@pytest.mark.parametrize("status", [403, 429, 500, 503])
async def test_failures_of_the_api_start_no_exchange(status: int, serve: Serve) -> None:
    """Nothing but a 401 costs a token (soundcloud/api 212)."""

    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(status=200 if request.path == "/token" else status)

    base = await serve(handler)
    async with Http(base, token_url=base) as http:
        client = client_of(http, base)
        for _ in range(5):
            assert (await client.ask(Request(base + "/x", "x"))).status == status
        assert client.requests == 6


async def test_budget_stops_before_sending(serve: Serve) -> None:
    """What a budget raises comes before the request, which is then not counted."""

    async def handler(_: web.BaseRequest) -> web.Response:
        return web.Response()

    class Empty:
        def take(self) -> bool:
            return False

        async def reserve(self) -> None:
            raise Spent("the day's budget is spent")

        def give_back(self) -> None:
            raise AssertionError("nothing was taken")

    base = await serve(handler)
    async with Http(base) as http:
        client = Client(http, Gate(), None, [Empty()])
        with pytest.raises(Spent, match="budget"):
            await client.ask(Request(base + "/x", "x"))
        assert client.requests == 0


@pytest.mark.parametrize("status,exchanges", [(404, 3), (403, 2), (429, 2), (500, 2)])
async def test_what_accepts_a_token(status: int, exchanges: int, serve: Serve) -> None:
    """A fresh token has proved itself by an answer of the API itself, not by one from in front of it."""
    answers = iter([401, status, 401, 401])

    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(status=200 if request.path == "/token" else next(answers))

    base = await serve(handler)
    async with Http(base, token_url=base) as http:
        client = client_of(http, base)
        assert (await client.ask(Request(base + "/x", "x"))).status == status
        with pytest.raises(Refused):
            await client.ask(Request(base + "/x", "x"))
        assert client._credentials is not None
        assert client._credentials.exchanges == exchanges
