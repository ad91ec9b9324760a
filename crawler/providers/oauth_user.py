"""A person's own consent: authorization code with PKCE, and refreshing what came of it. A generator, as `oauth.OAuth`.

Sources: field report, 1.2 (OAuth 2.1, PKCE is mandatory, refresh tokens are good for one use). Chance is passed in:
`verifier` and `state` are the caller's.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Generator
from urllib.parse import urlencode

from crawler.errors import Refused
from crawler.model import Request, Response
from crawler.providers.oauth import OAuth, Token, is_used_up, read_token

WITHDRAWN = "the consent is used up or was withdrawn: give crawler auth login again"


class UserOAuth(OAuth):
    """The client of one app that acts for a person."""

    def address(self, authorize_url: str, redirect_url: str, state: str, verifier: str) -> str:
        """Return where the person is sent to agree."""
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "client_id": self._client_id,
            "redirect_uri": redirect_url,
            "response_type": "code",
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            "state": state,
        }
        return f"{authorize_url}?{urlencode(query)}"

    def redeem(self, code: str, redirect_url: str, verifier: str) -> Generator[Request, Response, Token]:
        """Yield the request that makes a token of a code, and return the token. Raises as `exchange` does."""
        form = {
            "grant_type": "authorization_code",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "redirect_uri": redirect_url,
            "code_verifier": verifier,
            "code": code,
        }
        response = yield self._post(form, {"content-type": "application/x-www-form-urlencoded"})
        return read_token(response)

    def refresh(self, refresh_token: str | None = None) -> Generator[Request, Response, Token]:
        """Yield a refresh and return its token; the app's own credentials never stand in for a person's."""
        if refresh_token is None:
            raise Refused(WITHDRAWN)
        response = yield self._refresh(refresh_token)
        if is_used_up(response):
            raise Refused(WITHDRAWN)
        return read_token(response)
