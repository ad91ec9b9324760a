"""S28 to S41: tokens, refusals, failures. Each test shows the behaviour; crawls are in test_faults_crawl.py."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from crawler.sandbox.faults.plan import parse_faults
from crawler.sandbox.faults.wires import BOGUS
from crawler.sandbox.reply import Delivery
from crawler.sandbox.serve import open_world, serve
from crawler.sandbox.service import Sandbox
from crawler.sandbox.synthetic import TRACK_BASE
from tests.sandbox.bad_days import BadDay

CLIENT = "grant_type=client_credentials"
REFRESH = "grant_type=refresh_token&client_id=id&client_secret=s&refresh_token="


def test_s28_client_credentials_come_in_a_basic_header_only() -> None:
    """S28, always: in the body they are refused."""
    assert BadDay("").grant(f"{CLIENT}&client_id=id&client_secret=s").status == 401


def test_s29_tokens_expire_and_some_die_before() -> None:
    """S29: an empty 401 after 3,599 s; with the fault some day before, for ever, but not at its first uses."""
    day = BadDay("dead-tokens:0.1")
    statuses = [day.get("/users/1").status for _ in range(300)]
    died = statuses.index(401)
    assert 100 <= died < 200
    assert set(statuses[died:]) == {401}
    assert day.get("/users/1").body == b""
    fresh = json.loads(day.grant(CLIENT, basic="a:b").body)["access_token"]
    assert day.get("/users/1", authorization=f"OAuth {fresh}").status == 200
    day = BadDay("")
    day.clock.seconds += 3600
    assert day.get("/users/1").status == 401


def test_s30_a_refresh_token_works_once_or_never() -> None:
    """S30: the second use of a refresh token is invalid_grant; with the fault the first one is too."""
    for faults, expected in (("", [200, 401]), ("refused-refresh", [401, 401])):
        day = BadDay(faults)
        replies = [day.grant(REFRESH + day.pair["refresh_token"]) for _ in range(2)]
        assert [reply.status for reply in replies] == expected
        assert json.loads(replies[1].body) == {"error": "invalid_grant"}


def test_s31_tokens_are_counted_by_the_hour_and_by_half_the_day() -> None:
    """S31: 30 client credentials an hour, 50 in twelve; the refusal names both the limit and when it ends."""
    day = BadDay("token-quota")
    granted = 1 + sum(day.grant(CLIENT, basic="a:b").status == 200 for _ in range(60))
    assert granted == 30
    error = json.loads(day.grant(CLIENT, basic="a:b").body)["errors"][0]
    assert error["meta"]["rate_limit"]["max_nr_of_requests"] == 30
    assert error["reset_time"] == "2023/11/14 23:13:20 +0000"
    assert day.grant(REFRESH + day.pair["refresh_token"]).status == 200
    day.clock.seconds += 3601
    assert sum(day.grant(CLIENT, basic="a:b").status == 200 for _ in range(60)) == 20
    day.clock.seconds += 12 * 3600
    assert day.grant(CLIENT, basic="a:b").status == 200


def test_s32_an_application_has_no_me() -> None:
    """S32, always: /me is an empty 401."""
    assert BadDay("").get("/me").status == 401


THROTTLED = {
    "throttled-dated": b'"reset_time": "2023/11/14 22:14:20 +0000"',
    "throttled-bucket": b'"bucket": "by-ip"',
    "throttled-long": b'"error_code": "rate_limit_exceeded"',
    "throttled-gateway": b'{\n    "error": "Rate Limit Exceeded"\n}',
    "throttled-edge": b"Please slow down.\n",
}


@pytest.mark.parametrize("name", THROTTLED)
def test_s33_there_are_five_429s(name: str) -> None:
    """S33: each form of a 429 as it was reported; asked again, the same page may come."""
    day = BadDay(f"{name}:0.5")
    replies = [day.get("/users/1") for _ in range(40)]
    assert {reply.status for reply in replies} == {200, 429}
    assert all(THROTTLED[name] in reply.body for reply in replies if reply.status == 429)
    assert all("retry-after" not in dict(reply.headers) for reply in replies)


def test_s33_the_gateway_says_38_bytes_and_the_token_endpoint_throttles_too() -> None:
    """S33: the gateway's body has the reported length; the token endpoint has a 429 of its own."""
    assert len(THROTTLED["throttled-gateway"]) == 38
    reply = BadDay("throttled-tokens:1").grant(CLIENT, basic="a:b")
    assert (reply.status, json.loads(reply.body)) == (429, {"error": "rate_limit_exceeded"})
    assert dict(reply.headers)["www-authenticate"] == "Basic"


def test_s34_rate_headers_lie_on_every_answer() -> None:
    """S34: -1, 0, 0 with pages and with refusals alike."""
    day = BadDay("bogus-limits:1,throttled-gateway:0.5")
    replies = [day.get("/users/1") for _ in range(20)]
    assert {reply.status for reply in replies} == {200, 429}
    assert all(set(BOGUS) <= set(reply.headers) for reply in replies)


def test_s35_there_are_three_403s() -> None:
    """S35: 919 bytes of CloudFront's HTML, 33 bytes of a gateway's JSON, nothing."""
    forms = []
    for name in ("forbidden-edge", "forbidden-gateway", "forbidden-empty"):
        day = BadDay(f"{name}:1")
        reply = day.get("/users/1/followers")
        assert reply.status == 403
        forms.append((dict(reply.headers).get("content-type"), len(reply.body)))
    assert forms == [("text/html", 919), ("application/json", 33), (None, 0)]


FAILED = {
    "empty-500": (500, b""),
    "html-502": (502, b"<!DOCTYPE HTML"),
    "text-503": (503, b"upstream connect error or disconnect/reset before headers"),
    "text-504": (504, b"upstream request timeout"),
    "wrong-type": (200, b"<!DOCTYPE HTML"),
    "other-json": (200, b'{"status":"ok"}'),
}


@pytest.mark.parametrize("name", FAILED)
def test_s36_servers_fail_in_their_own_words(name: str) -> None:
    """S36: each failure has its status and its body."""
    status, start = FAILED[name]
    reply = BadDay(f"{name}:1").get("/users/1")
    assert reply.status == status
    assert reply.body.startswith(start)
    assert (reply.body == b"") == (start == b"")


def test_s36_bodies_are_cut_broken_or_slow() -> None:
    """S36: half a body, as text that is whole for HTTP; or a whole one whose delivery is cut, reset or slow."""
    whole = BadDay("").get("/users/1").body
    assert BadDay("truncated-json:1").get("/users/1").body == whole[: len(whole) // 2]
    assert BadDay("cut-body:1").get("/users/1").delivery == Delivery(cut_after_bytes=len(whole) // 2)
    assert BadDay("reset:1").get("/users/1").delivery == Delivery(cut_after_bytes=len(whole) // 2, is_reset=True)
    assert BadDay("slow-body:1").get("/users/1").delivery == Delivery(seconds=45.0)
    assert BadDay("").get("/users/1").delivery is None


@pytest.fixture
async def wired(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, int]]:
    """Serve a sandbox with a fault on a socket."""
    stop = asyncio.Event()
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    sandbox = Sandbox(open_world("synthetic", 50, 1), faults=parse_faults(request.param))
    task = asyncio.create_task(serve(sandbox, "127.0.0.1", 0, ready=listening.set_result, stop=stop))
    host, port = (await listening).removeprefix("http://").split(":")
    yield host, int(port)
    stop.set()
    await task


def asking(path: str, token: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: OAuth {token}\r\n\r\n".encode()


async def token_at(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    body = b"grant_type=client_credentials"
    writer.write(b"POST /oauth/token HTTP/1.1\r\nauthorization: Basic YTpi\r\ncontent-length: 29\r\n\r\n" + body)
    await reader.readuntil(b"\r\n\r\n")
    return str(json.loads(await reader.readuntil(b"}"))["access_token"])


@pytest.mark.parametrize("wired", ["cut-body:1", "reset:1"], indirect=True)
async def test_s36_on_a_socket_the_connection_ends_in_the_middle(wired: tuple[str, int]) -> None:
    """S36: the client gets half of what content-length promises, then the end of the connection, or a reset."""
    reader, writer = await asyncio.open_connection(*wired)
    writer.write(asking("/users/1", await token_at(reader, writer)))
    head = await reader.readuntil(b"\r\n\r\n")
    try:
        body = await reader.read()
    except ConnectionResetError:
        body = b""
    assert len(body) < int(head.split(b"content-length: ")[1].split(b"\r")[0])
    writer.close()
    with contextlib.suppress(ConnectionResetError):
        await writer.wait_closed()


@pytest.mark.parametrize("wired", ["slow-body:1@users/one"], indirect=True)
async def test_s36_on_a_socket_a_slow_body_trickles(wired: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """S36: the body comes piece by piece, is whole in the end, and answers asked for meanwhile keep their order."""
    monkeypatch.setattr("crawler.sandbox.faults.wires.TRICKLE_SECONDS", 0.3)
    monkeypatch.setattr("crawler.sandbox.wire._PIECE_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection(*wired)
    token = await token_at(reader, writer)
    began = time.monotonic()
    writer.write(asking("/users/1", token) + asking("/me"))
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r")[0]))
    assert json.loads(body)["id"] == 1
    assert time.monotonic() - began >= 0.25
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401")
    writer.close()
    await writer.wait_closed()


def test_s37_a_storm_hits_followers_only_and_passes() -> None:
    """S37: 90 % of the calls to followers fail for ten minutes, in several forms; other lists work; then all do."""
    day = BadDay("storm:0.9")
    replies = [day.get(f"/users/{user}/followers") for user in range(1, 200)]
    failed = [reply for reply in replies if reply.status != 200]
    assert 0.8 < len(failed) / len(replies) < 0.97
    assert {reply.status for reply in failed} == {502, 503, 504}
    assert len({reply.body for reply in failed}) == 5
    assert day.get("/users/1/followings").status == 200
    day.clock.seconds += 601
    assert {day.get(f"/users/{user}/followers").status for user in range(1, 100)} == {200}
    day.clock.seconds += 3000
    day.pair = json.loads(day.grant(CLIENT, basic="a:b").body)
    assert {day.get(f"/users/{user}/followers").status for user in range(1, 100)} > {200}


def test_s38_a_large_limit_is_a_500() -> None:
    """S38, always: more than 200 rows are an empty 500."""
    reply = BadDay("").get("/users/1/followers?limit=201")
    assert (reply.status, reply.body) == (500, b"")


def test_s39_batches_are_limited_reordered_and_incomplete() -> None:
    """S39: 51 are a 400; with the faults a batch comes in another order, or without some that exist."""
    wanted = list(range(1, 51))
    path = "/users?ids=" + ",".join(map(str, wanted))
    assert BadDay("").get(path + ",51").status == 400
    assert [user["id"] for user in BadDay("").json(path)] == wanted
    reordered = [user["id"] for user in BadDay("reordered-batch:1").json(path)]
    assert reordered != wanted == sorted(reordered)
    dropped = [user["id"] for user in BadDay("dropped-batch:0.2").json(path)]
    assert 30 < len(dropped) < 50
    urns = quote(f"soundcloud:tracks:{TRACK_BASE},soundcloud:tracks:3")
    assert len(BadDay("reordered-batch:1").json(f"/tracks?urns={urns}")) == 1


def test_s40_removed_endpoints_are_405() -> None:
    """S40: those that are known to be removed, and a list that is removed by the fault."""
    assert BadDay("").get("/me/conversations").status == 405
    assert BadDay("removed-list").get("/users/1/reposts/playlists").status == 405
    assert BadDay("").get("/users/1/reposts/playlists").status == 200


def test_s41_what_was_written_cannot_be_read_yet() -> None:
    """S41: the two newest rows are missing for five minutes while the count has them; then they are there."""
    day = BadDay("write-lag:1")
    path, node = day.path("user", "followers", limit=50), day.longest("user", "followers")
    true = day.rows("user", node, "followers")
    assert [row["id"] for page in day.some(path) for row in page["collection"]] == true[2:]
    assert day.json(f"/users/{node}")["followers_count"] == len(true)
    day.clock.seconds += 301
    assert [row["id"] for page in day.some(path) for row in page["collection"]] == true
