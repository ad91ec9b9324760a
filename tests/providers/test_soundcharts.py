from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from crawler.config import loads
from crawler.errors import BadPage, ConfigError, Denied, Gone, ProviderError, Refused, Spent, Throttled, Transient
from crawler.frontier.told import name_of
from crawler.model import CrossReference, NodeId, Page, Point, Ranking, Response, Task
from crawler.providers.soundcharts import Soundcharts
from crawler.providers.soundcharts_relations import RELATIONS
from crawler.providers.soundcharts_service import SERVICE, SoundchartsSection, flow
from crawler.providers.soundcloud_fields import Keep

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "api" / "payloads" / "soundcharts"
needs_bodies = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="NO BODIES: the folder of payloads is not beside this one"
)
BASE = "https://api.example.test"
ARTIST = "11e81bcc-9c1c-ce38-b96b-a0369fe50396"
SONG = "7d534228-5165-11e9-9375-549f35161576"
TABLE = {(row.kind, row.name): row for row in RELATIONS}


def task(kind: str, name: str, identity: int | str, cursor: str | None = None) -> Task:
    return Task(NodeId("soundcharts", kind, identity), TABLE[kind, name], cursor)


def read(asked: Task, body: object, keep: Keep = "profile", **dates: str) -> Page:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Soundcharts(BASE, keep, **dates).parse(asked, Response(200, {}, sent))


def items(*rows: object, **page: object) -> dict[str, Any]:
    told = {"offset": 0, "limit": 100, "next": None, "previous": None, "total": len(rows)} | page
    return {"related": {}, "items": list(rows), "page": told, "errors": []}


RECORDED = [
    ("artist_by_id_1", task("artist", "profile", "ca22091a-3c00-11e9-974f-549f35141000"), 1, 0),
    ("by_platform_identifier_tones", task("permalink", "artist", "tonesandi"), 1, 1),
    ("song_by_id", task("song", "profile", SONG), 1, 1),
    ("song_by_isrc", task("isrc", "song", "USAT22003158"), 1, 1),
    ("song_by_platform_1", task("track", "song", 5), 1, 2),
    ("identifiers", task("artist", "identifiers", ARTIST), 1, 19),
    ("identifiers_1", task("song", "identifiers", SONG), 0, 4),
    ("related_artists_1", task("artist", "related", ARTIST), 20, 0),
    ("songs_1_p1", task("artist", "songs", "11e81bbe-5b34-a426-8614-a0369fe50396"), 100, 0),
    ("songs_1_p4", task("artist", "songs", "11e81bbe-5b34-a426-8614-a0369fe50396"), 34, 0),
    ("followers_by_platform_spotify_2_p1", task("artist", "audience", ARTIST), 0, 91),
    ("followers_by_platform_spotify_2_p2", task("artist", "audience", ARTIST), 0, 19),
    ("popularity_daily_1_p1", task("artist", "audience", ARTIST), 0, 9),
    ("artists_by_platform_metric_1", task("artist", "related", ARTIST), 100, 0),
    ("artists_by_platform_metric_2", task("artist", "related", ARTIST), 100, 0),
]


@needs_bodies
@pytest.mark.parametrize("keep", ["graph", "profile", "raw"])
@pytest.mark.parametrize("name, asked, nodes, records", RECORDED, ids=[name for name, *_ in RECORDED])
def test_recorded_bodies(name: str, asked: Task, nodes: int, records: int, keep: Keep) -> None:
    """Every recorded body is read without a row unread, and every node of it can be written."""
    page = read(asked, (FOLDER / f"{name}.json").read_bytes(), keep)
    assert (page.unread, len(page.items), len(page.records)) == (0, nodes, records)
    for item in page.items:
        assert item.body is None or isinstance(json.loads(item.body.encode()), dict)
        assert item.id


@needs_bodies
def test_every_recorded_body_is_used() -> None:
    """No recorded body is left out, but the demography that SoundCloud has none of; the error is read as one."""
    left = {path.stem for path in FOLDER.glob("*.json")} - {name for name, *_ in RECORDED}
    assert left == {"404_not_found", "platform_report_instagram_1"}
    body = (FOLDER / "404_not_found.json").read_bytes()
    with pytest.raises(Gone, match=r"Not found"):
        Soundcharts(BASE, "graph").parse(task("artist", "profile", ARTIST), Response(404, {}, body))
    with pytest.raises(Gone, match=r"Not found"):
        read(task("artist", "profile", ARTIST), body)


@needs_bodies
def test_the_recorded_pages_are_of_two_kinds_and_are_followed() -> None:
    """`next` is a relative link with an offset, or with a token where the page has no offset at all."""
    asked = task("artist", "songs", "11e81bbe-5b34-a426-8614-a0369fe50396")
    page = read(asked, (FOLDER / "songs_1_p1.json").read_bytes())
    assert page.next is not None
    assert page.next.endswith("/songs?sortBy=spotifyStream&sortOrder=desc&offset=100&limit=100")
    assert (page.mark, page.doubt) == (100, None)
    last = read(asked, (FOLDER / "songs_1_p4.json").read_bytes())
    assert (last.next, last.doubt) == (None, None)
    token = read(task("artist", "related", ARTIST), (FOLDER / "artists_by_platform_metric_1.json").read_bytes())
    assert token.next is not None
    assert "token=WzE1MDI2NzM2LDE1OTI0NTBd" in token.next
    follow = task("artist", "songs", "x", page.next)
    assert Soundcharts(BASE, "graph").request(follow).url == BASE + page.next


def test_a_cursor_page_is_followed_below_a_prefix_too() -> None:
    """A cursor in `next` is followed as it is; where the API stands below a path, that path is not doubled."""
    link = "/proxy/api/v2/artist/x/related?cursor=abc&limit=100"
    provider = Soundcharts(f"{BASE}/proxy", "graph")
    body = json.dumps(items({"uuid": "a"}, next=link)).encode()
    page = provider.parse(task("artist", "related", "x"), Response(200, {}, body))
    assert provider.request(task("artist", "related", "x", page.next)).url == BASE + link


@pytest.mark.parametrize("link", ["https://evil.example/api/v2/x", "//evil.example/api", "api/v2", 5])
def test_a_link_elsewhere_is_never_followed(link: object) -> None:
    """Only links below the configured host are followed: they would carry the credentials."""
    with pytest.raises(BadPage, match=r"elsewhere"):
        read(task("artist", "related", "x"), items({"uuid": "a"}, next=link))


def test_without_a_link_offsets_are_counted() -> None:
    """A page that names no next at all goes on at its offset, until the total is reached."""
    body = items({"uuid": "a"}, {"uuid": "b"}, total=3)
    del body["page"]["next"]
    page = read(task("artist", "related", "x"), body)
    assert page.next == "/api/v2/artist/x/related?limit=100&offset=2"
    body = items({"uuid": "c"}, total=3, offset=2)
    del body["page"]["next"]
    assert read(task("artist", "related", "x", page.next), body).next is None


def test_a_list_that_ends_before_its_total_is_doubted() -> None:
    """A null link with rows missing is told: it is never called a whole list."""
    page = read(task("artist", "related", "x"), items({"uuid": "a"}, total=450))
    assert (page.next, page.doubt) == (None, "the service ended the list at 1 of 450 rows")


def test_a_page_that_fails_in_the_middle_is_a_failure_and_no_end() -> None:
    """Page three of a list failing is an error of the list: nothing shorter is ever given as if it were whole."""
    asked = task("artist", "related", "x", "/api/v2/artist/x/related?offset=200&limit=100")
    for status in (500, 502, 504):
        with pytest.raises(Transient):
            Soundcharts(BASE, "graph").parse(asked, Response(status, {}, b"{}"))
    with pytest.raises(Transient):
        read(asked, error(500))


def test_a_series_of_91_days_on_a_page_of_100_is_whole() -> None:
    """The pages of series are nominal: a null link at the total ends them without a doubt."""
    days = [{"date": f"2026-01-{day:02}T00:00:00+00:00", "followerCount": day} for day in range(1, 32)]
    page = read(task("artist", "audience", "x"), items(*days))
    assert (page.next, page.doubt, len(page.records)) == (None, None, 31)


def test_series_have_three_metrics_and_skip_what_is_null() -> None:
    """SoundCloud fills followers, following and posts; a metric that is null is no point, and a date none at all."""
    row = {
        "date": "2026-05-01T00:00:00+02:00",
        "likeCount": None,
        "followerCount": 7,
        "followingCount": 0,
        "postCount": 3,
    }
    page = read(
        task("artist", "audience", "x"), items(row, {"date": "2026-05-02", "followerCount": None}, {"date": None})
    )
    assert [(point.metric, point.date, point.value) for point in page.records if isinstance(point, Point)] == [
        ("followers", "2026-05-01", 7),
        ("followings", "2026-05-01", 0),
        ("posts", "2026-05-01", 3),
    ]
    assert (page.own, page.unread) == (1, 1)


def test_a_song_has_a_series_for_each_of_its_ids() -> None:
    """Plays come as plots, one for each id on the platform, and are told apart."""
    plots = [{"identifier": "5", "value": 10}, {"identifier": "6", "value": "20"}]
    page = read(task("song", "audience", SONG), items({"date": "2026-05-01", "plots": plots}))
    assert [(point.series, point.value) for point in page.records if isinstance(point, Point)] == [("5", 10), ("6", 20)]


def test_series_are_asked_for_in_windows_of_ninety_days_that_overlap_by_one() -> None:
    """From `since` to `until` in requests of at most ninety days, the last day of one being the first of the next."""
    provider = Soundcharts(BASE, "graph", "2026-01-01", "2026-07-15")
    asked, windows = task("artist", "audience", "x"), []
    while True:
        url = provider.request(asked).url
        windows.append(tuple(part.partition("=")[2] for part in url.partition("?")[2].split("&")[:2]))
        page = provider.parse(asked, Response(200, {}, json.dumps(items()).encode()))
        if page.next is None:
            break
        asked = task("artist", "audience", "x", page.next)
    assert windows == [("2026-01-01", "2026-03-31"), ("2026-03-31", "2026-06-28"), ("2026-06-28", "2026-07-15")]
    assert "Date=" not in Soundcharts(BASE, "graph").request(task("artist", "audience", "x")).url


def test_the_number_is_found_whichever_field_has_it() -> None:
    """SoundCloud's slug and number are told apart in `identifier` and `url`; the number leads back into the graph."""
    for row in (
        {"platformCode": "soundcloud", "identifier": "someone", "url": "https://soundcloud.com/87105617"},
        {
            "platformCode": "soundcloud",
            "identifier": "87105617",
            "url": "https://soundcloud.com/someone",
            "default": True,
        },
    ):
        page = read(task("artist", "identifiers", ARTIST), items(row))
        names = {(one.scheme, one.value) for one in page.records if isinstance(one, CrossReference)}
        assert names == {("soundcloud_permalink", "someone"), ("soundcloud_user_id", "87105617")}
        assert [(item.kind, item.id, item.detail) for item in page.items] == [("user", 87105617, "id")]
    page = read(
        task("song", "identifiers", SONG), items({"platformCode": "soundcloud", "identifier": "5", "url": None})
    )
    assert [(item.kind, item.id) for item in page.items] == [("track", 5)]


def test_one_user_may_be_two_artists_and_both_are_kept() -> None:
    """An entity that is split in two UUIDs keeps both: each has its own cross reference, and nothing is merged."""
    row = {"platformCode": "soundcloud", "identifier": "someone", "url": "https://soundcloud.com/87105617"}
    names = [
        name
        for uuid in (ARTIST, SONG)
        for name in read(task("artist", "identifiers", uuid), items(row)).records
        if isinstance(name, CrossReference) and name.scheme == "soundcloud_user_id"
    ]
    assert [name.id for name in names] == [ARTIST, SONG]
    assert len({name_of(name, "soundcharts") for name in names}) == 2


@pytest.mark.parametrize("isrc", ["usat22003158", {"value": "US-AT2-20-03158", "countryCode": "US"}])
def test_an_isrc_is_text_or_an_object_and_many_to_many(isrc: object) -> None:
    """Both forms give the same ISRC; another one than was asked for is another cross reference of the same song."""
    body = {"type": "song", "object": {"uuid": SONG, "name": "x", "isrc": isrc}, "errors": []}
    page = read(task("isrc", "song", "USAT22003425"), body)
    told = {(one.scheme, one.value, one.evidence) for one in page.records if isinstance(one, CrossReference)}
    assert told == {("isrc", "USAT22003425", "by_identifier"), ("isrc", "USAT22003158", "row_inline")}


def test_a_release_on_local_midnight_keeps_its_day() -> None:
    """`2020-05-28T00:00:00+02:00` is the 28th: in UTC it would be the 27th."""
    song = {"uuid": SONG, "name": "x", "releaseDate": "2020-05-28T00:00:00+02:00"}
    (item,) = read(task("song", "profile", SONG), {"object": song, "errors": []}).items
    assert item.body is not None
    data = json.loads(item.body.encode())
    assert (data["release_year"], data["release_month"], data["release_day"]) == (2020, 5, 28)


def test_an_empty_country_is_null() -> None:
    """A country may be an empty text instead of null."""
    (item,) = read(task("artist", "profile", "x"), {"object": {"uuid": "x", "name": "y", "countryCode": ""}}).items
    assert item.body is not None
    assert json.loads(item.body.encode())["country_code"] is None


def test_a_position_of_0_is_no_place() -> None:
    """0 means that the song is on the chart no longer: it is read, and not stored as a rank."""
    rows = [
        {
            "song": {"uuid": SONG, "name": "a"},
            "position": 2,
            "oldPosition": 5,
            "rankDate": "2026-05-01",
            "timeOnChart": 3,
        },
        {"song": {"uuid": "b", "name": "b"}, "position": 0, "rankDate": "2026-04-24"},
    ]
    page = read(task("song_chart", "ranking", "sc-top"), items(*rows))
    assert [item.id for item in page.items] == [SONG]
    (place,) = page.records
    assert isinstance(place, Ranking)
    assert (place.chart, place.rank, place.previous_rank, place.date, place.time_on_chart) == (
        "sc-top",
        2,
        5,
        "2026-05-01",
        3,
    )
    assert (page.own, page.unread) == (1, 0)
    entries = items(
        {"chart": {"slug": "sc-top"}, "position": 1, "rankDate": "2026-05-01"}, {"chart": {"slug": "x"}, "position": 0}
    )
    page = read(task("song", "chart_entries", SONG), entries)
    assert [(one.chart, one.id) for one in page.records if isinstance(one, Ranking)] == [("sc-top", SONG)]
    assert page.own == 1


@pytest.mark.parametrize(
    "asked, url",
    [
        (
            task("artist", "song_chart_entries", "x"),
            "/api/v2/artist/x/charts/song/ranks/soundcloud?currentOnly=0&offset=0&limit=100",
        ),
        (task("song_chart", "ranking", "sc-top"), "/api/v2.14/chart/song/sc-top/ranking/latest?offset=0&limit=100"),
        (
            task("song_chart", "ranking", "sc-top@2026-05-01T00:00:00+00:00"),
            "/api/v2.14/chart/song/sc-top/ranking/2026-05-01T00%3A00%3A00%2B00%3A00?offset=0&limit=100",
        ),
        (
            task("platform", "song_charts", "soundcloud:US"),
            "/api/v2/chart/song/by-platform/soundcloud?countryCode=US&offset=0&limit=100",
        ),
        (task("permalink", "artist", "some one"), "/api/v2.9/artist/by-platform/soundcloud/some%20one"),
        (task("track", "song", 5), "/api/v2.25/song/by-platform/soundcloud/5"),
        (task("isrc", "song", "USAT22003158"), "/api/v2.25/song/by-isrc/USAT22003158"),
    ],
)
def test_every_request_has_its_own_version_and_sends_what_is_false_too(asked: Task, url: str) -> None:
    """Paths have versions of their own; `currentOnly=0` is really sent."""
    assert Soundcharts(BASE, "graph").request(asked).url == BASE + url


def test_the_charts_of_a_platform_and_their_dates_are_nodes() -> None:
    """Charts are found by platform; the dates that there are, bare texts, are charts of their own."""
    page = read(task("platform", "song_charts", "soundcloud"), items({"slug": "sc-top", "name": "Top"}, {"slug": None}))
    assert ([item.id for item in page.items], page.unread) == (["sc-top"], 1)
    page = read(task("song_chart", "available", "sc-top"), items("2026-05-01T00:00:00+00:00"))
    assert [item.id for item in page.items] == ["sc-top@2026-05-01T00:00:00+00:00"]
    assert read(task("platform", "song_charts", "soundcloud"), items()).items == []


def failed(status: int, body: object = None, **headers: str) -> ProviderError | Spent:
    response = Response(status, headers, b"" if body is None else json.dumps(body).encode())
    with pytest.raises((ProviderError, Spent)) as caught:
        Soundcharts(BASE, "graph").parse(task("artist", "related", "x"), response)
    return caught.value


def error(code: int, message: str = "x") -> dict[str, Any]:
    return {"errors": [{"key": "access", "code": code, "message": message}]}


def test_the_two_429s_are_a_wait_and_an_end() -> None:
    """The minute's limit waits for its seconds and one; the month's ends this source and says that others may go on."""
    throttled = failed(429, error(429, "You reached the maximum request count"), **{"x-ratelimit-reset": "12"})
    assert isinstance(throttled, Throttled)
    assert throttled.wait_seconds == 13.0
    spent = failed(429, error(429, "quota exceeded"))
    assert isinstance(spent, Spent)
    assert spent.of_source


@pytest.mark.parametrize(
    "status, kind",
    [(400, BadPage), (401, Refused), (403, Denied), (404, Gone), (410, Gone), (500, Transient), (503, Transient)],
)
def test_statuses_and_the_same_codes_within_a_200(status: int, kind: type[ProviderError]) -> None:
    """An error counts by its code, in a status and in `errors` of a 200 alike; 403 is also the sandbox's outside."""
    assert isinstance(failed(status, error(status)), kind)
    assert isinstance(failed(200, error(status)), kind)
    assert isinstance(failed(403, {"error": {"message": "no"}}), Denied)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"items": null}', b'{"items": 5}', b"<html>", b'{"items": [1'])
def test_what_is_no_envelope_is_never_an_empty_list(body: bytes) -> None:
    """Only a body with items is a list."""
    with pytest.raises((BadPage, Transient)):
        read(task("artist", "related", "x"), body)
    with pytest.raises((BadPage, Transient)):
        read(task("artist", "profile", "x"), body)


def test_two_ways_to_log_in() -> None:
    """A key goes into two headers, a client into a token request with Basic and its team; neither shows in a repr."""
    section = SoundchartsSection(login="oauth", team_id="7")
    key = SERVICE.access(SoundchartsSection(), {"app_id_env": "an-app", "api_key_env": "a-key"})
    assert dict(key.headers) == {"x-app-id": "an-app", "x-api-key": "a-key"}
    assert "a-key" not in repr(key)
    assert SERVICE.credentials(section) == ("client_id_env", "client_secret_env")
    access = SERVICE.access(section, {"client_id_env": "id", "client_secret_env": "secret"})
    assert (access.scheme, dict(access.headers)) == ("Bearer", {})
    request = next(flow("id", "secret", section)(None))
    assert request.url == "https://account.soundcharts.com/oauth/token"
    assert request.body == b"grant_type=client_credentials&team_id=7"
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"id:secret"


@pytest.mark.parametrize(
    "text, sentence",
    [
        ('since = "2026-01-01"', "go together"),
        ('since = "May"\nuntil = "2026-01-01"', "must be dates"),
        ('since = "2026-02-01"\nuntil = "2026-01-01"', "not be after"),
        ('login = "cookie"', "login in [soundcharts]"),
    ],
)
def test_what_is_wrong_with_the_section_is_said(text: str, sentence: str) -> None:
    """Dates that cannot be are refused before anything is opened."""
    with pytest.raises(ConfigError) as caught:
        loads(f'[crawl]\nsources = ["soundcharts"]\n[soundcharts]\n{text}')
    assert sentence in str(caught.value)


def test_names_are_not_asked_by_where_none_are_kept() -> None:
    """With `keep = "graph"` there are no names to ask by, and the configuration says so."""
    asked = '[crawl]\nsources = ["soundcloud", "soundcharts"]\n[crawl.relations]\npermalink = ["artist"]\n'
    assert loads(asked)
    with pytest.raises(ConfigError, match=r"reads no names"):
        loads(asked + '[dataset]\nkeep = "graph"\n')
