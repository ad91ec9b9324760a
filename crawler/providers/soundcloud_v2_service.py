"""The row of `soundcloud_v2` in the registry. It is off until the operator accepts what that means, and says so."""

from __future__ import annotations

from collections.abc import Mapping

from crawler.providers.service import Access, Section, Service, Variable
from crawler.providers.soundcloud_fields import Keep
from crawler.providers.soundcloud_v2 import SoundCloudV2
from crawler.providers.soundcloud_v2_relations import RELATIONS

NAME = "soundcloud_v2"
USER_RELATIONS = (
    "followers",
    "followings",
    "likes",
    "reposts",
    "tracks",
    "albums",
    "playlists_without_albums",
    "related",
    "web_profiles",
)
TRACK_RELATIONS = ("likers", "reposters", "related", "albums", "playlists_without_albums", "comments")
PLAYLIST_RELATIONS = ("tracks", "likers", "reposters")
ALIASES = ("url", "tracks")
KINDS = (
    *("user", "track", "playlist", "web_profile", "system_playlist", "chart", "featured", "discover"),
    *ALIASES,
)
POLITE_REQUESTS_PER_SECOND = 1.0
"""The only figure known of its limits is 600 requests in ten minutes, of another endpoint (field report, 2.1)."""


class SoundCloudV2Section(Section, frozen=True):
    """[soundcloud_v2]: the API behind the web site.

    `client_id_env` names the variable with a client id of the operator's own; nothing here looks for one.
    `accept_unofficial_terms` says that the operator knows that SoundCloud's terms do not allow this use.
    """

    base_url: str = "https://api-v2.soundcloud.com"
    client_id_env: Variable = "SOUNDCLOUD_V2_CLIENT_ID"
    accept_unofficial_terms: bool = False


def _check(section: SoundCloudV2Section, _keep: Keep) -> str | None:
    if section.accept_unofficial_terms:
        return None
    return (
        "soundcloud_v2 is an undocumented API whose use is against SoundCloud's terms: "
        "set accept_unofficial_terms = true in [soundcloud_v2] if you take that on yourself (see README.md)"
    )


def _access(_section: SoundCloudV2Section, values: Mapping[str, str]) -> Access:
    return Access(parameters={"client_id": values["client_id_env"]})


SERVICE = Service(
    name=NAME,
    section=SoundCloudV2Section,
    relations=RELATIONS,
    provider=lambda section, keep: SoundCloudV2(section.base_url, keep),
    credentials=lambda _section: ("client_id_env",),
    access=_access,
    kinds=dict.fromkeys(KINDS, "soundcloud"),
    defaults={
        "user": USER_RELATIONS,
        "track": TRACK_RELATIONS,
        "playlist": PLAYLIST_RELATIONS,
        "system_playlist": ("tracks",),
        "chart": ("charted",),
        "featured": ("tracks",),
        "discover": ("selections",),
    },
    offered={
        "user": (
            *("profile", "track_likes", "playlist_likes", "top_tracks", "spotlight"),
            *("featured_profiles", "comments_written"),
        ),
        "track": ("profile",),
        "playlist": ("profile",),
    },
    always={"url": ("resolve",), "tracks": ("profile",)},
    aliases=ALIASES,
    polite_requests_per_second=POLITE_REQUESTS_PER_SECOND,
    sandbox="/v2",
    check=_check,
)
