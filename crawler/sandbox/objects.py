"""The JSON of users, tracks, playlists, comments and web profiles, with the keys and nulls of the official API.

Keys come from recorded answers: the track and its user of September 2025 (harmony, pull request 156), the playlist of
the mopidy-soundcloud recordings; what the specification has beyond those is added (urn, likes_count, tracks_uri of a
playlist, the user of a comment). Counts are right only where the object is the item of a list of users or was asked for
by itself; users inside of tracks and playlists show zeros (soundcloud/api issue 66). Everything else (names, dates,
cities) is made up from the id, so it is the same wherever an object appears.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from crawler.sandbox.layout import DATE_COUNT, Bytes, Layout, Values
from crawler.sandbox.world import Ids, World

_UTM = "utm_medium=api&utm_campaign=social_sharing&utm_source=id_319451"
_DATE = '"<{0}:date> +0000"'
_USER_START = (
    '{"avatar_url":"https://i1.sndcdn.com/avatars-<user:digits9>-sandbx-large.jpg","id":<user:number>,'
    '"urn":"soundcloud:users:<user:tail>,"kind":"user",'
    f'"permalink_url":"https://soundcloud.com/user-<user:digits9>?{_UTM}",'
    '"uri":"https://api.soundcloud.com/users/soundcloud:users:<user:tail>,"username":"User <user:tail>,'
    f'"permalink":"user-<user:digits9>","created_at":{_DATE.format("created")},'
    f'"last_modified":{_DATE.format("modified")},'
)
_USER_NAMES = '"first_name":"","last_name":"","full_name":"",'
_USER_PLACE = '"city":<city:choice>,"description":<description:choice>,"country":<country:choice>,'
_USER_COUNTS = (
    '"track_count":{2},"public_favorites_count":{4},"reposts_count":{5},"followers_count":{0},"followings_count":{1},'
)
_USER_END = (
    '"plan":<plan:choice>,"myspace_name":null,"discogs_name":null,"website_title":<title:choice>,'
    '"website":<website:choice>,"comments_count":0,"online":false,"likes_count":{4},"playlist_count":{3},'
    '"subscriptions":<subscriptions:choice>}}'
)
_USER_SHOWN = [f"<{column}:count>" for column in range(6)]
"""The columns of the table of counts that `_shown_user_counts` makes."""
_TRACK = (
    '{"kind":"track","id":<track:number>,"urn":"soundcloud:tracks:<track:tail>,'
    f'"created_at":{_DATE.format("created")},"duration":<3:count>,"commentable":true,"comment_count":<2:count>,'
    '"sharing":"public","tag_list":"","streamable":true,"embeddable_by":"all","purchase_url":null,"purchase_title":null,'
    '"genre":<genre:choice>,"title":"Track <track:tail>,"description":<description:choice>,"label_name":null,'
    '"release":null,"key_signature":null,"isrc":null,"bpm":null,"release_year":null,"release_month":null,'
    '"release_day":null,"license":"all-rights-reserved",'
    '"uri":"https://api.soundcloud.com/tracks/soundcloud:tracks:<track:tail>,"user":<user:block>,'
    f'"permalink_url":"https://soundcloud.com/user-<user:digits9>/track-<track:digits10>?{_UTM}",'
    '"artwork_url":<artwork:choice>,'
    '"stream_url":"https://api.soundcloud.com/tracks/soundcloud:tracks:<track:tail/stream>,"download_url":null,'
    '"waveform_url":"https://wave.sndcdn.com/<track:digits10>_m.png","available_country_codes":null,"secret_uri":null,'
    '"user_favorite":null,"user_playback_count":null,"playback_count":<4:count>,"download_count":0,'
    '"favoritings_count":<0:count>,"reposts_count":<1:count>,"downloadable":false,"access":"playable","policy":null,'
    '"monetization_model":null,"metadata_artist":null}'
)
_PLAYLIST = (
    '{"duration":<3:count>,"release_day":null,'
    f'"permalink_url":"https://soundcloud.com/user-<user:digits9>/sets/set-<playlist:digits10>?{_UTM}","genre":"",'
    '"permalink":"set-<playlist:digits10>","purchase_url":null,"release_month":null,"description":null,'
    '"uri":"https://api.soundcloud.com/playlists/soundcloud:playlists:<playlist:tail>,"label_name":"","tag_list":"",'
    f'"release_year":null,"track_count":<0:count>,"user_id":<user:number>,"last_modified":{_DATE.format("modified")},'
    '"license":"all-rights-reserved","playlist_type":null,"id":<playlist:number>,'
    '"urn":"soundcloud:playlists:<playlist:tail>,"downloadable":null,"sharing":"public",'
    f'"created_at":{_DATE.format("created")},"release":null,"kind":"playlist","title":"Set <playlist:tail>,"type":null,'
    '"purchase_title":null,"artwork_url":null,"ean":null,"streamable":true,"user":<user:block>,"embeddable_by":"all",'
    '"label_id":null,"label":null,"tags":"","likes_count":<2:count>,'
    '"tracks_uri":"https://api.soundcloud.com/playlists/soundcloud:playlists:<playlist:tail/tracks>'
)
_COMMENT = (
    '{"kind":"comment","id":<comment:number>,"uri":"https://api.soundcloud.com/comments/<comment:tail>,'
    f'"body":"Comment <comment:tail>,"created_at":{_DATE.format("created")},"timestamp":<0:count>,'
    '"track_id":<track:number>,"user_id":<user:number>,"user":{"avatar_url":'
    '"https://i1.sndcdn.com/avatars-<user:digits9>-sandbx-large.jpg","id":<user:number>,'
    '"urn":"soundcloud:users:<user:tail>,"kind":"user",'
    f'"permalink_url":"https://soundcloud.com/user-<user:digits9>?{_UTM}",'
    '"uri":"https://api.soundcloud.com/users/soundcloud:users:<user:tail>,"username":"User <user:tail>,'
    f'"permalink":"user-<user:digits9>","last_modified":{_DATE.format("modified")},"reposts_count":0,'
    '"followers_count":0,"followings_count":0}}'
)
_PLACES = (('""', "null"), ('"Berlin"', '"Germany"'), ('"S\\u00e3o Paulo"', '"Brazil"'), ("null", '"Nigeria"'))
_DESCRIPTIONS = ("null", '""', '"Sounds, mostly.\\nFor bookings write to the address below."', '"\\u266b"')
_PLANS = (("Free", "free"), ("Free", "free"), ("Free", "free"), ("Pro Unlimited", "creator-pro-unlimited"))
_GENRES = ('"Techno"', '"Hip-hop & Rap"', '""', "null")
_SERVICES = ("instagram", "youtube", "bandcamp")


class Objects:
    """The objects of a world. Every method returns them as JSON, joined by commas, in the order of the ids."""

    def __init__(self, world: World) -> None:
        self._world = world
        digits = {kind: len(str(largest)) for kind, largest in world.largest.items()}
        variants = _user_variants()
        counts = (_USER_COUNTS + _USER_END).replace("}}", "}")
        start = _USER_START + _USER_NAMES + _USER_PLACE
        self._full_user = Layout(start + _placed(counts, _USER_SHOWN) + ",", digits, variants)
        self._inner_user = Layout(start + _placed(counts, ["0"] * 6), digits, variants)
        inside = {"user": self._inner_user.width}
        self._track = Layout(_TRACK + ",", digits, _track_variants(), inside)
        self._playlist = Layout(_PLAYLIST, digits, blocks=inside)
        self._comment = Layout(_COMMENT + ",", digits)

    def users(self, ids: Ids) -> bytes:
        """Full users, with the right counts."""
        mixed = mixed_of(ids)
        counts = _shown_user_counts(self._world.counts("user", ids))
        return _joined(self._full_user.fill(Values(mixed >> 28, {"user": ids}, dates_of(mixed), counts)))

    def tracks(self, ids: Ids) -> bytes:
        """Full tracks, with a user whose counts are zeros."""
        owners, counts = self._world.owners("track", ids), self._world.counts("track", ids)
        mixed = mixed_of(ids)
        plays = 40 * counts[:, 0] + (mixed & 0x7F)
        counts = np.column_stack((counts, 30_000 + (mixed >> 14), plays))
        numbers = {"track": ids, "user": owners}
        block = {"user": self._inner_users(owners)}
        return _joined(self._track.fill(Values(mixed >> 30, numbers, dates_of(mixed), counts, block)))

    def playlists(self, ids: Ids, *, with_tracks: bool) -> bytes:
        """Playlists, with all their tracks or without the key `tracks`."""
        owners, counts = self._world.owners("playlist", ids), self._world.counts("playlist", ids)
        mixed = mixed_of(ids)
        shown = np.column_stack((counts, mixed >> 10))
        numbers = {"playlist": ids, "user": owners}
        block = {"user": self._inner_users(owners)}
        lines = self._playlist.fill(Values(np.zeros_like(ids), numbers, dates_of(mixed), shown, block))
        if not with_tracks:
            return b",".join(line.tobytes() + b"}" for line in lines)
        return b",".join(
            b'%b,"tracks":[%b]}'
            % (line.tobytes(), self.tracks(self._world.rows("playlist", node, "tracks", 0, length)))
            for line, node, length in zip(lines, ids.tolist(), counts[:, 0].tolist(), strict=True)
        )

    def comments(self, ids: Ids, track: int) -> bytes:
        """Comments on a track, each with a small user."""
        owners = self._world.owners("comment", ids)
        mixed = mixed_of(ids)
        numbers = {"comment": ids, "user": owners, "track": np.full_like(ids, track)}
        dates = {"created": dates_of(mixed)["created"], "modified": dates_of(mixed_of(owners))["modified"]}
        return _joined(self._comment.fill(Values(np.zeros_like(ids), numbers, dates, (mixed >> 15)[:, None])))

    def web_profiles(self, user: int) -> bytes:
        """None to three links of a user, as a JSON array: they depend on the id alone."""
        number = user * 2_654_435_761 % 2**32 >> 30
        return b"[%b]" % b",".join(_web_profile(user, place) for place in range(number))

    def _inner_users(self, ids: Ids) -> Bytes:
        mixed = mixed_of(ids)
        return self._inner_user.fill(Values(mixed >> 28, {"user": ids}, dates_of(mixed)))


def _shown_user_counts(counts: Ids) -> Ids:
    """Return followers, followings, tracks, playlists, likes of tracks, and the reposts of both kinds together."""
    counts[:, 5] = counts[:, 6] + counts[:, 7]
    return counts[:, :6]


def mixed_of(ids: Ids) -> Ids:
    """Return 32 bits for each id, as if drawn; ids are below 2**32, so nothing overflows."""
    mixed = ids * 1_640_531_527 & 0xFFFFFFFF
    return (mixed ^ mixed >> 15) * 739_982_445 & 0xFFFFFFFF


def dates_of(mixed: Ids) -> dict[str, Ids]:
    """Return when nodes were made and changed, as numbers of `layout.DATES`, from their mixed ids."""
    created = mixed >> 32 - DATE_COUNT.bit_length() + 1
    return {"created": created, "modified": created + ((DATE_COUNT - created) * (mixed & 0xFF) >> 8)}


def _joined(lines: Bytes) -> bytes:
    """Return the lines as bytes; each ends in a comma, but the last one must not."""
    if not len(lines):
        return b""
    lines[-1, -1] = ord(" ")
    return lines.tobytes()


def _placed(template: str, counts: Sequence[str]) -> str:
    for column, text in enumerate(counts):
        template = template.replace(f"{{{column}}}", text)
    return template


def _user_variants() -> list[dict[str, str]]:
    variants = []
    for number, (place, plan) in enumerate(itertools.product(_PLACES, _PLANS)):
        named = number % 3 == 0
        variants.append(
            {
                "city": place[0],
                "country": place[1],
                "description": _DESCRIPTIONS[number % 5 % 4],
                "plan": f'"{plan[0]}"',
                "title": '"Home"' if named else "null",
                "website": '"https://example.org/"' if named else "null",
                "subscriptions": f'[{{"product":{{"id":"{plan[1]}","name":"{plan[0]}"}}}}]',
            }
        )
    return variants


def _track_variants() -> list[dict[str, str]]:
    artwork = '"https://i1.sndcdn.com/artworks-000142912000-sandbx-large.jpg"'
    return [
        {"genre": genre, "description": _DESCRIPTIONS[-1 - i], "artwork": artwork if i else "null"}
        for i, genre in enumerate(_GENRES)
    ]


def _web_profile(user: int, place: int) -> bytes:
    service = _SERVICES[place]
    return (
        f'{{"id":{user * 4 + place},"kind":"web-profile","service":"{service}","title":"{service.title()}",'
        f'"url":"https://{service}.com/user-{user:09}","username":"user-{user:09}",'
        f'"created_at":"2015/0{place + 1}/11 12:45:49 +0000"}}'
    ).encode()
