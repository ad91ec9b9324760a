from __future__ import annotations

import base64
import json
from collections.abc import Generator
from urllib.parse import parse_qs

import pytest

from crawler.errors import ProviderError, Refused, Throttled, Transient
from crawler.model import Request, Response
from crawler.providers.oauth import OAuth, Token, TokenRequest

GRANTED = Response(
    200, {}, b'{"access_token":"T0","token_type":"bearer","expires_in":3599,"refresh_token":"R1","scope":""}'
)
APP = OAuth("my-app", "S3CRET")


def run(flow: Generator[Request, Response, Token], *answers: Response) -> tuple[Token, list[Request]]:
    """Send the answers to a flow, and return its token and its requests."""
    requests = [next(flow)]
    try:
        for answer in answers:
            requests.append(flow.send(answer))  # noqa: PERF401 - ends by StopIteration
    except StopIteration as ended:
        return ended.value, requests
    raise AssertionError("the flow wants more answers")


def test_client_credentials() -> None:
    """The first token is asked for with Basic authentication and a form, and nothing else."""
    token, (request,) = run(APP.exchange(), GRANTED)
    assert (token.access_token, token.expires_in_seconds, token.refresh_token) == ("T0", 3599.0, "R1")
    assert (request.method, request.family) == ("POST", "token")
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"my-app:S3CRET"
    assert request.body == b"grant_type=client_credentials"


def test_refresh() -> None:
    """A refresh has its credentials in the form and no Basic authentication, which was answered by a 400."""
    _, (request,) = run(APP.exchange("R0"), GRANTED)
    assert "authorization" not in request.headers
    assert parse_qs((request.body or b"").decode()) == {
        "grant_type": ["refresh_token"], "client_id": ["my-app"], "client_secret": ["S3CRET"], "refresh_token": ["R0"],
    }  # fmt: skip


@pytest.mark.parametrize("status", [400, 401])
def test_used_up_refresh_token_falls_back_once(status: int) -> None:
    """A refresh token can be used once; when it is used up the client asks with its own credentials, once."""
    used_up = Response(status, {}, b'{"error":"invalid_grant"}')
    _, requests = run(APP.exchange("R0"), used_up, GRANTED)
    assert [b"client_credentials" in (request.body or b"") for request in requests] == [False, True]
    with pytest.raises(Refused):
        run(APP.exchange("R0"), used_up, used_up)


HTML = {"content-type": "text/html", "server": "CloudFront"}
ANSWERS = [
    (401, b'{"error":"invalid_client"}', {}, Refused),
    (400, b'{"error":"invalid_request"}', {}, Refused),
    (404, b"", {}, Refused),
    (302, b"", {}, Refused),
    (403, b"<html>Request blocked", HTML, Throttled),
    (403, b"", {}, Refused),
    (429, b'{"error":"rate_limit_exceeded"}', {}, Throttled),
    (500, b"", {}, Transient),
    (503, b"<html>", HTML, Transient),
    (200, b"<html>", HTML, Transient),
    (200, b"{}", {}, Transient),
    (200, b'{"access_token":5}', {}, Transient),
    (200, b'{"access_token":"a\\nb: c"}', {}, Transient),
    (200, b"[[", {}, Transient),
]


@pytest.mark.parametrize("refresh_token", [None, "R0"])
@pytest.mark.parametrize("status,body,headers,error", ANSWERS)
def test_failures(
    status: int, body: bytes, headers: dict[str, str], error: type[ProviderError], refresh_token: str | None
) -> None:
    """What is no token says who must act, and never a fact about a node: no Gone, no Denied, no BadPage."""
    answer = Response(status, headers, body)
    with pytest.raises(ProviderError) as caught:
        run(
            APP.exchange(refresh_token),
            *([answer, answer] if b"invalid_request" in body and refresh_token else [answer]),
        )
    assert type(caught.value) is error


def test_reset_time_of_the_token_limit() -> None:
    """The limit by address names its date, which is kept (soundcloud/api 212)."""
    body = json.dumps({"errors": [{"remaining_requests": 0, "reset_time": "2022/05/26 16:31:52 +0000"}]}).encode()
    with pytest.raises(Throttled) as caught:
        run(APP.exchange(), Response(429, {}, body))
    assert caught.value.until_epoch_seconds == 1653582712.0


@pytest.mark.parametrize("seconds", ["null", '"x"', "true", "-5", "0"])
def test_lifetime_without_sense_is_the_usual_hour(seconds: str) -> None:
    """A token without a usable lifetime is taken to live as long as they all do."""
    token, _ = run(APP.exchange(), Response(200, {}, b'{"access_token":"T","expires_in":%s}' % seconds.encode()))
    assert token.expires_in_seconds == 3599.0


def test_no_repr_shows_a_secret() -> None:
    """What holds a secret does not show it, in a log or in a traceback."""
    token, requests = run(APP.exchange("R0"), Response(401, {}, b'{"error":"invalid_grant"}'), GRANTED)
    shown = f"{APP!r} {token!r} {requests!r} {requests[0].__rich_repr__()} {token.__rich_repr__()}"
    assert all(isinstance(request, TokenRequest) for request in requests)
    basic = base64.b64encode(b"my-app:S3CRET").decode()
    assert not [secret for secret in ("S3CRET", "T0", "R0", "R1", basic) if secret in shown]
