"""SoundCloud's OAuth as a generator: it yields token requests, is sent their answers, and returns a token.

It never sends, waits or looks at a clock, so all of it can be tested with plain bytes. Facts: field report, 1.2.
Client credentials go as Basic authentication (in the body they have been rejected since 2026), a refresh goes in the
body (Basic there was answered by a 400); refresh tokens can be used once. No message and no repr shows a secret.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Generator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus, urlencode

import msgspec
from msgspec import Struct

from crawler.errors import Refused, Throttled, Transient
from crawler.model import Request, Response
from crawler.providers.soundcloud_answers import Rule, failure

FAMILY = "token"
TOKEN_URL = "https://secure.soundcloud.com/oauth/token"  # noqa: S105 - an address
_DEFAULT_SECONDS = 3599.0
_SENDABLE = re.compile(r"[!-~]{1,8192}")
_FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}

RULES: tuple[Rule, ...] = (
    Rule(range(403, 404), frozenset({"edge"}), Throttled, "the edge blocks token requests"),  # datacentres: #489, #521
    Rule(range(408, 409), None, Transient, "the token request timed out"),
    Rule(range(429, 430), None, Throttled, "too many token requests"),  # 50 in 12 hours an app, 30 an hour an address
    Rule(range(500, 600), None, Transient, "the token service fails"),
    Rule(range(100, 1000), None, Refused, "the token service refuses the client's credentials"),
)
"""What is no token. Never `Gone` or `Denied`: those would be recorded as facts about the node that was asked for."""


class TokenRequest(Request, frozen=True):
    """A request that holds the client's credentials, and keeps them out of its repr.

    `dear`: it counts against the limits on exchanges, as client credentials do and refresh tokens do not (#123).
    """

    dear: bool = False

    def __repr__(self) -> str:
        return f"TokenRequest(url={self.url!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("url", self.url)]


class Token(Struct, frozen=True):
    """What a token request brings: the token, how long it lives, and the refresh token for the next one, if any."""

    access_token: str
    expires_in_seconds: float
    refresh_token: str | None = None

    def __repr__(self) -> str:
        return f"Token(expires_in_seconds={self.expires_in_seconds})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("expires_in_seconds", self.expires_in_seconds)]


class OAuth:
    """The client of one app; `exchange` is the flow. The secret stays inside."""

    def __init__(self, client_id: str, client_secret: str, token_url: str = TOKEN_URL) -> None:
        self._client_id = client_id
        self._client_secret = client_secret
        self._token_url = token_url

    def exchange(self, refresh_token: str | None = None) -> Generator[Request, Response, Token]:
        """Yield one request, two when the refresh token turns out to be used up, and return the token.

        Raises `Refused`, `Throttled` (with its date) or `Transient`.
        """
        if refresh_token is not None:
            response = yield self._refresh(refresh_token)
            if not is_used_up(response):
                return read_token(response)
        response = yield self._client_credentials()
        return read_token(response)

    def _client_credentials(self) -> Request:
        pair = f"{quote_plus(self._client_id)}:{quote_plus(self._client_secret)}".encode()  # RFC 6749, 2.3.1
        headers = {**_FORM, "authorization": "Basic " + base64.b64encode(pair).decode()}
        return self._post({"grant_type": "client_credentials"}, headers, dear=True)

    def _refresh(self, refresh_token: str) -> Request:
        client = {"client_id": self._client_id, "client_secret": self._client_secret}
        return self._post({"grant_type": "refresh_token", **client, "refresh_token": refresh_token}, _FORM)

    def _post(self, form: Mapping[str, str], headers: Mapping[str, str], *, dear: bool = False) -> Request:
        return TokenRequest(self._token_url, FAMILY, "POST", headers, urlencode(form).encode(), dear)


def read_token(response: Response) -> Token:
    """Return the token in an answer, or raise what the answer is instead."""
    if response.status != HTTPStatus.OK:
        raise failure(response, FAMILY, RULES)
    answer = json_object(response)
    access, refresh, seconds = answer.get("access_token"), answer.get("refresh_token"), answer.get("expires_in")
    if not isinstance(access, str) or not _SENDABLE.fullmatch(access):
        raise Transient("the token service answered without a token (200 from token)")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
        seconds = _DEFAULT_SECONDS
    return Token(access, float(seconds), refresh if isinstance(refresh, str) and refresh else None)


def is_used_up(response: Response) -> bool:
    """Return whether a refresh failed for its refresh token: the client may still ask with its own credentials."""
    if response.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED}:
        return False
    return json_object(response).get("error") in {"invalid_grant", "invalid_request"}


def json_object(response: Response) -> dict[str, Any]:
    """Return the object in a body; an empty one for whatever is none."""
    try:
        answer = msgspec.json.decode(response.body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
