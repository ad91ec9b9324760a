"""`crawler auth`: a person's own consent, given, shown and taken away."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Generator
from typing import Any

import msgspec

from crawler import config as configuration
from crawler.clock import SystemClock
from crawler.config import Config
from crawler.errors import BadPage, ConfigError
from crawler.model import Request, Response
from crawler.providers.oauth_user import UserOAuth
from crawler.providers.soundcloud_answers import failure
from crawler.transport.consent import Consent, Person, consent_path, listening
from crawler.transport.http import Http, Timeouts

EARLY_SECONDS = 300.0
HTTP_OK = 200


def consent_of(config: Config) -> tuple[Consent, UserOAuth]:
    """Return the consent for the app of a configuration, and its client. Raises `ConfigError`."""
    if configuration.uses_sandbox(config, os.environ):
        raise ConfigError(
            "there is nobody to agree in the embedded sandbox: set the credentials of your app in the environment; "
            "to try it, run crawler sandbox --port 8070, point base_url, token_url and authorize_url at it, and set any"
        )
    section = config.soundcloud
    names = (section.client_id_env, section.client_secret_env)
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise ConfigError(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set in the environment")
    client_id, client_secret = (os.environ[name] for name in names)
    path = consent_path(section.consent_file, section.token_url, client_id, os.environ)
    return Consent(path, SystemClock().reading), UserOAuth(client_id, client_secret, section.token_url)


async def login(config: Config, say: Callable[[str], object], wait_seconds: float) -> tuple[Person, Consent]:
    """Ask a person to agree, and keep what comes of it. Raises `ConfigError`, `Refused` or what the network raises."""
    consent, oauth = consent_of(config)
    section = config.soundcloud
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    async with listening(section.redirect_url, state) as callback:
        say(oauth.address(section.authorize_url, section.redirect_url, state, verifier))
        code = await callback.code(wait_seconds)
    timeouts = Timeouts(total_seconds=section.timeout_seconds)
    async with Http(section.base_url, token_url=section.token_url, connections=1, timeouts=timeouts) as http:
        token = await _run(oauth.redeem(code, section.redirect_url, verifier), http)
        me = Request(f"{section.base_url}/me", "me")
        person = _person(await http.send(me, authorization=f"OAuth {token.access_token}"))
    early = token.expires_in_seconds - min(EARLY_SECONDS, token.expires_in_seconds / 10)
    consent.vault.keep(token.access_token, token.refresh_token, early, token.expires_in_seconds)
    consent.keep(person)
    return person, consent


async def _run(flow: Generator[Request, Response, Any], http: Http) -> Any:  # noqa: ANN401 - a token
    try:
        request = next(flow)
        while True:
            request = flow.send(await http.send(request))
    except StopIteration as ended:
        return ended.value


def _person(response: Response) -> Person:
    if response.status != HTTP_OK:
        raise failure(response, "me")
    try:
        served = msgspec.json.decode(response.body)
    except msgspec.DecodeError:
        served = None
    if not isinstance(served, dict) or not isinstance(served.get("id"), int | str):
        raise BadPage("the service does not say whose token it is (200 from me)")
    name = served.get("username")
    return Person(served["id"], name if isinstance(name, str) else None)
