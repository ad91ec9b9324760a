"""The row of `soundcloud` in the registry: its section of the configuration, its credentials, what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from crawler.model import Relation
from crawler.providers.oauth import OAuth
from crawler.providers.service import Access, Section, Service, Variable
from crawler.providers.soundcloud import SoundCloud
from crawler.providers.soundcloud_fields import Keep
from crawler.providers.soundcloud_legacy import RELATIONS as LEGACY_RELATIONS
from crawler.providers.soundcloud_legacy import SoundCloudLegacy
from crawler.providers.soundcloud_relations import ACTIVITIES, RELATIONS

USER_RELATIONS = (
    "followers",
    "followings",
    "likes_tracks",
    "likes_playlists",
    "reposts_tracks",
    "reposts_playlists",
    "tracks",
    "playlists",
    "related",
    "web_profiles",
)
TRACK_RELATIONS = ("favoriters", "reposters", "related", "comments")
PLAYLIST_RELATIONS = ("tracks", "reposters")
ME = ("feed", *ACTIVITIES)
"""What only the user who consented sees, besides their own lists."""
ALIASES = ("url", "users", "tracks", "me")
KINDS = ("user", "track", "playlist", "web_profile", *ALIASES)

POLITE_REQUESTS_PER_SECOND = 4.0
"""Half of the 30,000 requests an hour that is the one figure ever reported of this API (soundcloud/api issue 182)."""


class SoundCloudSection(Section, frozen=True):
    """[soundcloud]: where the service is, and which environment variables hold the credentials of the app.

    `dialect` "legacy" is the old HTTP API: a client id for a token, arrays without links. `acting_as` "user" sends the
    tokens of the person who gave `crawler auth login`, kept in `consent_file`, instead of the app's own.
    """

    base_url: str = "https://api.soundcloud.com"
    token_url: str = "https://secure.soundcloud.com/oauth/token"  # noqa: S105 - an address
    authorize_url: str = "https://secure.soundcloud.com/authorize"
    redirect_url: str = "http://127.0.0.1:8914/callback"
    oembed_url: str = "https://soundcloud.com/oembed"
    client_id_env: Variable = "SOUNDCLOUD_CLIENT_ID"
    client_secret_env: Variable = "SOUNDCLOUD_CLIENT_SECRET"  # noqa: S105 - a name
    dialect: Literal["current", "legacy"] = "current"
    acting_as: Literal["app", "user"] = "app"
    consent_file: str | None = None


def _provider(section: SoundCloudSection, keep: Keep) -> SoundCloud:
    dialect = SoundCloudLegacy if section.dialect == "legacy" else SoundCloud
    return dialect(section.base_url, keep)


def _credentials(section: SoundCloudSection) -> tuple[str, ...]:
    return ("client_id_env",) if section.dialect == "legacy" else ("client_id_env", "client_secret_env")


def _access(section: SoundCloudSection, values: Mapping[str, str]) -> Access:
    if section.dialect == "legacy":
        return Access(parameters={"client_id": values["client_id_env"]})
    client = OAuth(values["client_id_env"], values["client_secret_env"], token_url=section.token_url)
    return Access(client.exchange)


def _serves(section: SoundCloudSection, relation: Relation) -> Relation | None:
    rows = LEGACY_RELATIONS if section.dialect == "legacy" else RELATIONS
    return next((row for row in rows if (row.kind, row.name) == (relation.kind, relation.name)), None)


def _check(section: SoundCloudSection, _keep: Keep) -> str | None:
    if section.dialect == "legacy" and section.acting_as == "user":
        return 'acting_as = "user" in [soundcloud] needs tokens, which dialect = "legacy" does not know'
    return None


SERVICE = Service(
    name="soundcloud",
    section=SoundCloudSection,
    relations=(*RELATIONS, *(row for row in LEGACY_RELATIONS if (row.kind, row.name) == ("user", "comments_written"))),
    provider=_provider,
    credentials=_credentials,
    access=_access,
    kinds=dict.fromkeys(KINDS, "soundcloud"),
    defaults={"user": USER_RELATIONS, "track": TRACK_RELATIONS, "playlist": PLAYLIST_RELATIONS, "me": ()},
    offered={"user": ("profile", "comments_written"), "playlist": ("profile",), "track": ("profile",), "me": tuple(ME)},
    always={"url": ("resolve",), "users": ("profile",), "tracks": ("profile",), "me": ("resolve",)},
    aliases=ALIASES,
    identity=("base_url", "dialect", "acting_as"),
    serves=_serves,
    check=_check,
    dialect_path=lambda section: "/legacy" if section.dialect == "legacy" else "",
    polite_requests_per_second=POLITE_REQUESTS_PER_SECOND,
    sandbox="",
)
