"""The row of `soundcloud` in the registry: its section of the configuration, its credentials, what it reads."""

from __future__ import annotations

from collections.abc import Mapping

from crawler.providers.oauth import OAuth
from crawler.providers.service import Access, Section, Service, Variable
from crawler.providers.soundcloud import SoundCloud
from crawler.providers.soundcloud_fields import Keep
from crawler.providers.soundcloud_relations import RELATIONS

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

POLITE_REQUESTS_PER_SECOND = 4.0
"""Half of the 30,000 requests an hour that is the one figure ever reported of this API (soundcloud/api issue 182)."""


class SoundCloudSection(Section, frozen=True):
    """[soundcloud]: where the service is, and which environment variables hold the credentials of the app."""

    base_url: str = "https://api.soundcloud.com"
    token_url: str = "https://secure.soundcloud.com/oauth/token"  # noqa: S105 - an address
    client_id_env: Variable = "SOUNDCLOUD_CLIENT_ID"
    client_secret_env: Variable = "SOUNDCLOUD_CLIENT_SECRET"  # noqa: S105 - a name


def _provider(section: SoundCloudSection, keep: Keep) -> SoundCloud:
    return SoundCloud(section.base_url, keep)


def _credentials(_section: SoundCloudSection) -> tuple[str, ...]:
    return ("client_id_env", "client_secret_env")


def _access(section: SoundCloudSection, values: Mapping[str, str]) -> Access:
    client = OAuth(values["client_id_env"], values["client_secret_env"], token_url=section.token_url)
    return Access(client.exchange)


SERVICE = Service(
    name="soundcloud",
    section=SoundCloudSection,
    relations=RELATIONS,
    provider=_provider,
    credentials=_credentials,
    access=_access,
    kinds=dict.fromkeys(("user", "track", "playlist", "web_profile", "url", "users", "tracks"), "soundcloud"),
    defaults={"user": USER_RELATIONS, "track": TRACK_RELATIONS, "playlist": PLAYLIST_RELATIONS},
    offered={"user": ("profile",)},
    always={"url": ("resolve",), "users": ("profile",), "tracks": ("profile",)},
    aliases=("url", "users", "tracks"),
    polite_requests_per_second=POLITE_REQUESTS_PER_SECOND,
    sandbox="",
)
