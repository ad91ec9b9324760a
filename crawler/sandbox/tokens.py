"""The OAuth 2.1 token endpoint, for applications (client credentials) and for refreshing.

Source of the rules: SoundCloud's own documents on authentication. Client credentials are taken from a Basic header only
(those in the body are refused since February 2026), a refresh token from the body; it can be used once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections import Counter
from collections.abc import Callable

from crawler.sandbox.reply import JSON, Call, Reply, read_query


class Tokens:
    """The tokens given out, by the clock `now` (seconds); any client id and secret that are not empty will do."""

    def __init__(self, seed: int, valid_seconds: float, now: Callable[[], float]) -> None:
        self._seed = seed
        self._valid_seconds = valid_seconds
        self._now = now
        self._until: dict[str, float] = {}
        self._refreshable: set[str] = set()
        self._given = 0
        self.exchanged: Counter[str] = Counter()

    def accepts(self, authorization: str) -> bool:
        """Whether an Authorization header names a token that is still valid."""
        scheme, _, token = authorization.partition(" ")
        # Bearer is not documented, but seen to work (soundcloud/api issues 424 and 442).
        return scheme in ("OAuth", "Bearer") and self._until.get(token, float("-inf")) > self._now()

    def exchange(self, call: Call) -> Reply:
        """Answer the token endpoint."""
        form = read_query(call.body.decode("utf-8", "replace"))
        grant = form.get("grant_type", "")
        if grant == "client_credentials":
            if not _has_basic(call.headers.get("authorization", "")):
                return _refusal(401, "invalid_client")
        elif grant == "refresh_token":
            if "authorization" in call.headers:
                return _refusal(400, "invalid_request")
            if not (form.get("client_id") and form.get("client_secret")):
                return _refusal(401, "invalid_client")
            if form.get("refresh_token", "") not in self._refreshable:
                return _refusal(401, "invalid_grant")
            self._refreshable.remove(form["refresh_token"])
        else:
            return _refusal(400, "unsupported_grant_type" if grant else "invalid_request")
        self.exchanged[grant] += 1
        return Reply(200, JSON, json.dumps(self._pair()).encode())

    def _pair(self) -> dict[str, object]:
        now = self._now()
        self._until = {token: until for token, until in self._until.items() if until > now}
        self._given += 1
        access, refresh = self._made("access"), self._made("refresh")
        self._until[access] = now + self._valid_seconds
        self._refreshable.add(refresh)
        return {
            "access_token": access,
            "token_type": "bearer",
            "expires_in": int(self._valid_seconds),
            "refresh_token": refresh,
            "scope": "",
        }

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
