"""The row of `soundcharts` in the registry: its section, its two ways to log in, what it reads."""

from __future__ import annotations

import base64
from collections.abc import Generator, Mapping
from datetime import date
from typing import Literal
from urllib.parse import quote_plus, urlencode

from crawler.model import Request, Response
from crawler.policy.quota import MonthlyQuota
from crawler.providers.oauth import FAMILY, Token, TokenRequest, read_token
from crawler.providers.service import Access, Flow, Section, Service, Variable
from crawler.providers.soundcharts import Soundcharts
from crawler.providers.soundcharts_relations import RELATIONS
from crawler.providers.soundcloud_fields import Keep


class SoundchartsSection(Section, frozen=True):
    """[soundcharts]: how to log in, how much of the month's quota to keep, and which dates of series to read.

    `login` "key" sends the app's id and key with each request, "oauth" a token for the client's id and secret, for a
    `team_id` if there is one. `quota_floor` requests of the month are left. `since` and `until` go together; without
    them the service shows its last thirty days.
    """

    base_url: str = "https://customer.api.soundcharts.com"
    token_url: str = "https://account.soundcharts.com/oauth/token"  # noqa: S105 - an address
    login: Literal["key", "oauth"] = "key"
    app_id_env: Variable = "SOUNDCHARTS_APP_ID"
    api_key_env: Variable = "SOUNDCHARTS_API_KEY"
    client_id_env: Variable = "SOUNDCHARTS_CLIENT_ID"
    client_secret_env: Variable = "SOUNDCHARTS_CLIENT_SECRET"  # noqa: S105 - a name
    team_id: str | None = None
    quota_floor: int = 0
    since: str | None = None
    until: str | None = None


def _provider(section: SoundchartsSection, keep: Keep) -> Soundcharts:
    return Soundcharts(section.base_url, keep, section.since, section.until)


def _credentials(section: SoundchartsSection) -> tuple[str, ...]:
    return ("app_id_env", "api_key_env") if section.login == "key" else ("client_id_env", "client_secret_env")


def _access(section: SoundchartsSection, values: Mapping[str, str]) -> Access:
    quota = MonthlyQuota(section.quota_floor)
    if section.login == "oauth":
        return Access(flow(values["client_id_env"], values["client_secret_env"], section), "Bearer", quota=quota)
    headers = {"x-app-id": values["app_id_env"], "x-api-key": values["api_key_env"]}
    return Access(headers=headers, quota=quota)


def flow(client_id: str, client_secret: str, section: SoundchartsSection) -> Flow:
    """Return the exchange of a client's id and secret for a token."""
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}".encode()
    form = {"grant_type": "client_credentials"} | ({"team_id": section.team_id} if section.team_id else {})
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "accept": "application/json",
        "authorization": "Basic " + base64.b64encode(pair).decode(),
    }

    def exchange(_refresh_token: str | None) -> Generator[Request, Response, Token]:
        response = yield TokenRequest(section.token_url, FAMILY, "POST", headers, urlencode(form).encode())
        return read_token(response)

    return exchange


def _check(section: SoundchartsSection, _keep: Keep) -> str | None:
    if (section.since is None) != (section.until is None):
        return "since and until in [soundcharts] go together"
    try:
        ordered = date.fromisoformat(section.since or "2000-01-01") <= date.fromisoformat(section.until or "2000-01-01")
    except ValueError:
        return "since and until in [soundcharts] must be dates like 2026-05-01"
    return None if ordered else "since in [soundcharts] must not be after until"


SERVICE = Service(
    name="soundcharts",
    section=SoundchartsSection,
    relations=RELATIONS,
    provider=_provider,
    credentials=_credentials,
    access=_access,
    kinds={
        **dict.fromkeys(("artist", "song", "song_chart", "platform"), "soundcharts"),
        **dict.fromkeys(("user", "track", "permalink", "isrc"), "soundcloud"),
    },
    defaults={
        "artist": ("identifiers", "audience", "related"),
        "song": ("identifiers", "audience"),
        "song_chart": ("ranking",),
        "platform": ("song_charts",),
        "permalink": (),
        "isrc": (),
    },
    offered={
        "artist": ("profile", "songs", "song_chart_entries"),
        "song": ("profile", "chart_entries"),
        "song_chart": ("available",),
        "permalink": ("artist",),
        "track": ("song",),
        "isrc": ("song",),
    },
    aliases=("platform", "permalink", "isrc"),
    identity=("base_url", "since", "until"),
    polite_requests_per_second=5.0,
    sandbox="/soundcharts",
    check=_check,
)
