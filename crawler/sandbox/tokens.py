"""The OAuth 2.1 endpoints, for applications (client credentials), for users who consent, and for refreshing.

Source of the rules: SoundCloud's own documents on authentication. Client credentials are taken from a Basic header only
(those in the body are refused since February 2026), a refresh token from the body; it can be used once. A user's
consent is a code that is bound to its redirect address and to a challenge (PKCE, S256 only), and good for one use; the
sandbox has one user who consents to everything, without being asked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlencode

from crawler.sandbox.reply import JSON, Call, Reply, read_query


class Consent(NamedTuple):
    """What a code was given for."""

    client_id: str
    redirect_uri: str
    challenge: str


class Tokens:
    """The tokens given out, by the clock `now` (seconds); any client id and secret that are not empty will do.

    `user` is who consents.
    """

    def __init__(self, seed: int, valid_seconds: float, now: Callable[[], float], user: int = 1) -> None:
        self._seed = seed
        self._valid_seconds = valid_seconds
        self._now = now
        self._until: dict[str, float] = {}
        self._refreshable: dict[str, int | None] = {}
        self._users: dict[str, int] = {}
        self._codes: dict[str, Consent] = {}
        self._user = user
        self._given = 0
        self.exchanged: Counter[str] = Counter()

    def accepts(self, authorization: str) -> bool:
        """Whether an Authorization header names a token that is still valid."""
        scheme, _, token = authorization.partition(" ")
        # Bearer is not documented, but seen to work (soundcloud/api issues 424 and 442).
        return scheme in ("OAuth", "Bearer") and self._until.get(token, float("-inf")) > self._now()

    def user_of(self, authorization: str) -> int | None:
        """Return the user behind a token that is still valid, None when it is an application's own."""
        return self._users.get(authorization.partition(" ")[2]) if self.accepts(authorization) else None

    def authorize(self, call: Call) -> Reply:
        """Answer the address that an application sends its user to: with a code, to where the user came from."""
        asked = call.query
        known = asked.get("response_type") == "code" and asked.get("client_id") and asked.get("redirect_uri")
        if not known or not asked.get("code_challenge") or asked.get("code_challenge_method") != "S256":
            return _refusal(400, "invalid_request")
        self._given += 1
        code = self._made("code")
        self._codes[code] = Consent(asked["client_id"], asked["redirect_uri"], asked["code_challenge"])
        query = urlencode({"code": code, "state": asked.get("state", "")})
        return Reply(302, (("location", f"{asked['redirect_uri']}?{query}"),))

    def exchange(self, call: Call) -> Reply:
        """Answer the token endpoint."""
        form = read_query(call.body.decode("utf-8", "replace"))
        grant = form.get("grant_type", "")
        answer = {
            "client_credentials": self._by_client,
            "refresh_token": self._by_refresh,
            "authorization_code": self._by_code,
        }.get(grant)
        if answer is None:
            return _refusal(400, "unsupported_grant_type" if grant else "invalid_request")
        reply = answer(call, form)
        self.exchanged[grant] += reply.status == HTTPStatus.OK
        return reply

    def _by_client(self, call: Call, _form: Mapping[str, str]) -> Reply:
        if not _has_basic(call.headers.get("authorization", "")):
            return _refusal(401, "invalid_client")
        return self._pair(None)

    def _by_refresh(self, call: Call, form: Mapping[str, str]) -> Reply:
        if "authorization" in call.headers:
            return _refusal(400, "invalid_request")
        if not (form.get("client_id") and form.get("client_secret")):
            return _refusal(401, "invalid_client")
        if form.get("refresh_token", "") not in self._refreshable:
            return _refusal(401, "invalid_grant")
        return self._pair(self._refreshable.pop(form["refresh_token"]))

    def _by_code(self, _call: Call, form: Mapping[str, str]) -> Reply:
        if not (form.get("client_id") and form.get("client_secret")):
            return _refusal(401, "invalid_client")
        consent = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if consent != Consent(form["client_id"], form.get("redirect_uri", ""), challenge):
            return _refusal(401, "invalid_grant")
        return self._pair(self._user)

    def _pair(self, user: int | None) -> Reply:
        now = self._now()
        self._until = {token: until for token, until in self._until.items() if until > now}
        self._users = {token: who for token, who in self._users.items() if token in self._until}
        self._given += 1
        access, refresh = self._made("access"), self._made("refresh")
        self._until[access] = now + self._valid_seconds
        self._refreshable[refresh] = user
        if user is not None:
            self._users[access] = user
        pair = {
            "access_token": access,
            "token_type": "bearer",
            "expires_in": int(self._valid_seconds),
            "refresh_token": refresh,
            "scope": "",
        }
        return Reply(200, JSON, json.dumps(pair).encode())

    def _made(self, purpose: str) -> str:
        return hashlib.blake2b(f"{self._seed} {purpose} {self._given}".encode(), digest_size=16).hexdigest()


def _has_basic(authorization: str) -> bool:
    scheme, _, encoded = authorization.partition(" ")
    try:
        client, _, secret = base64.b64decode(encoded, validate=True).partition(b":")
    except binascii.Error:
        return False
    return scheme.lower() == "basic" and bool(client) and bool(secret)


def _refusal(status: int, error: str) -> Reply:
    return Reply(status, JSON, json.dumps({"error": error}).encode())
