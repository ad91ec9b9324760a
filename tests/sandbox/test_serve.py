from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator

import pytest

from crawler.sandbox.serve import open_world, serve
from crawler.sandbox.service import Sandbox

CHILD = "from crawler.sandbox.serve import main_child; main_child('synthetic', 50)"


@pytest.fixture
async def address() -> AsyncIterator[tuple[str, int]]:
    """Serve a sandbox in this loop."""
    stop = asyncio.Event()
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    sandbox = Sandbox(open_world("synthetic", 50, 1))
    task = asyncio.create_task(serve(sandbox, "127.0.0.1", 0, ready=listening.set_result, stop=stop))
    host, port = (await listening).removeprefix("http://").split(":")
    yield host, int(port)
    stop.set()
    await task


async def asked(address: tuple[str, int], data: bytes) -> bytes:
    """Return what the server answers to some bytes, up to its closing of the connection."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_requests_in_a_row_are_answered_in_order(address: tuple[str, int]) -> None:
    """Requests sent without waiting, the last one in two pieces, are answered in their order on one connection."""
    one = b"GET /_sandbox/report HTTP/1.1\r\nhost: x\r\n\r\n"
    two = b"POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\nauthorization: Basic YTpi\r\n\r\ngrant=no"
    three = b"GET /users/1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection(*address)
    writer.write(one + two + three[:20])
    await asyncio.sleep(0.05)
    writer.write(three[20:])
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"400", b"401"]
    assert answer.endswith(b"content-length: 0\r\n\r\n")


@pytest.mark.parametrize(
    "data,status",
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"POST /oauth/token HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", b"411"),
        (b"POST /oauth/token HTTP/1.1\r\ncontent-length: 9999999\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nx: " + b"x" * 70_000, b"431"),
    ],
)
async def test_malformed_requests_end_the_connection(address: tuple[str, int], data: bytes, status: bytes) -> None:
    """What is no request gets its status, and the connection ends."""
    assert (await asked(address, data)).startswith(b"HTTP/1.1 " + status)


async def test_stopping_closes_open_connections() -> None:
    """A server that is told to stop ends although a client holds a connection open."""
    stop = asyncio.Event()
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    sandbox = Sandbox(open_world("synthetic", 5, 1))
    task = asyncio.create_task(serve(sandbox, "127.0.0.1", 0, ready=listening.set_result, stop=stop))
    host, port = (await listening).removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    stop.set()
    await asyncio.wait_for(task, 5)
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("ending", ["stdin", "SIGTERM", "SIGINT"])
def test_child_prints_its_address_and_ends(ending: str) -> None:
    """A child process prints one line, its address, answers there, and ends with its standard input or a signal."""
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        base = child.stdout.readline().strip()
        with urllib.request.urlopen(f"{base}/_sandbox/report") as answer:  # noqa: S310 - this computer
            assert json.load(answer)["total"] == 0
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(f"{base}/users/1")  # noqa: S310 - this computer
        refused.value.close()
        if ending == "stdin":
            child.stdin.close()
        else:
            child.send_signal(getattr(signal, ending))
        assert child.wait(5) == 0
        assert child.stdout.read() == ""
