from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.errors import BadPage, Gone, ProviderError, Refused, Throttled, Transient
from crawler.model import NodeId, Page, Ranking, Response, Task
from crawler.providers.soundcloud import Keep, search_id
from crawler.providers.soundcloud_v2 import SoundCloudV2
from crawler.providers.soundcloud_v2_relations import GENRES, SEARCHES

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "api" / "payloads" / "soundcloud-v2"
KEEPS: tuple[Keep, ...] = ("graph", "profile", "raw")
BASE = "https://api-v2.example.test"
needs_bodies = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="NO RECORDED BODIES: the folder of payloads is not beside this one"
)
USER = {"id": 7, "kind": "user", "created_at": "2011-04-06T15:37:43Z", "last_modified": "2020-01-01T00:00:00Z"}
MINI = {"id": 7, "kind": "user", "last_modified": "2020-01-01T00:00:00Z", "followers_count": 3}
TRACK = {"id": 9, "kind": "track", "created_at": "2011-04-06T15:37:43Z", "user": MINI}
SET = {"id": 9, "kind": "playlist", "created_at": "2012-04-06T15:37:43Z", "user": MINI, "track_count": 2}
STUB = {"id": 10, "kind": "track", "monetization_model": "NOT_APPLICABLE", "policy": "ALLOW"}


def task(kind: str, name: str, identity: int | str = 42, cursor: str | None = None) -> Task:
    """Return a page of a listing."""
    relation = next(row for row in SoundCloudV2.relations if (row.kind, row.name) == (kind, name))
    return Task(NodeId("soundcloud", kind, identity), relation, cursor)


def parse(asked: Task, body: object, keep: Keep = "graph", status: int = 200, **headers: str) -> Page:
    """Parse a body that is given as JSON or as bytes."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SoundCloudV2(BASE, keep).parse(asked, Response(status, headers, text))


def recorded(name: str) -> str:
    """Return the file of a recorded body by the beginning of its name."""
    (path,) = FOLDER.glob(f"{name}__*")
    return path.name


RECORDED: list[tuple[str, Task, dict[tuple[str, str], int]]] = [
    ("users_id_followers_page1", task("user", "followers"), {("user", "full"): 8}),
    ("users_id_followers_page2", task("user", "followers"), {("user", "full"): 8}),
    ("users_id_followers_page3", task("user", "followers"), {("user", "full"): 8}),
    ("users_id_followings", task("user", "followings"), {("user", "full"): 58}),
    ("users_id_followings_single", task("user", "followings"), {("user", "full"): 1}),
    ("users_id_likes_tracks_page1", task("user", "likes"), {("track", "full"): 19}),
    ("users_id_likes_tracks_page2", task("user", "track_likes"), {("track", "full"): 18}),
    ("users_id_tracks_page1", task("user", "tracks"), {("track", "full"): 20}),
    *((f"users_id_tracks_gappy_page{page:02}", task("user", "tracks"), {}) for page in range(1, 11)),
    (
        "users_id_playlists_without_albums_page2_next_after_short_page",
        task("user", "playlists_without_albums"),
        {("playlist", "full"): 7},
    ),
    ("users_id_dubmatix", task("user", "profile", 542134), {("user", "full"): 1}),
    ("users_id_liluzivert", task("user", "profile", 10494998), {("user", "full"): 1}),
    (
        "playlists_id_compact_stub_tracks",
        task("playlist", "tracks", 136000376),
        {("track", "full"): 5, ("track", "id"): 446},
    ),
    ("playlists_id_album", task("playlist", "tracks", 246349810), {}),
    ("playlists_id_small", task("playlist", "tracks", 1), {}),
    ("tracks_id_comments", task("track", "comments"), {("user", "mini"): 4}),
    ("tracks_id_comments_empty", task("track", "comments"), {}),
    ("tracks_id_related_includes_seed", task("track", "related", 135535700), {("track", "full"): 9}),
    ("tracks_id_related_empty_no_next_href", task("track", "related"), {}),
    ("tracks_ids_batch5", task("tracks", "profile", "all"), {("track", "full"): 5}),
    ("tracks_ids_batch15", task("tracks", "profile", "all"), {("track", "full"): 15}),
    ("charts_trending_page1", task("chart", "charted", "trending:all-music"), {("track", "full"): 10}),
    (
        "mixed_selections_collection_2021",
        task("discover", "selections", "mixed-selections"),
        {("system_playlist", "full"): 4},
    ),
    ("search_all", task("search", "everything", "x"), {("track", "full"): 10}),
    ("search_all_last_page", task("search", "everything", "x"), {}),
    ("search_tracks", task("search", "tracks", "x"), {("track", "full"): 10}),
    ("search_users", task("search", "users", "x"), {("user", "full"): 10}),
    ("resolve_track", task("url", "resolve", "x"), {("track", "full"): 1}),
    ("resolve_track_geo_blocked", task("url", "resolve", "x"), {("track", "full"): 1}),
    ("resolve_track_goplus_snipped", task("url", "resolve", "x"), {("track", "full"): 1}),
    ("resolve_track_long_id", task("url", "resolve", "x"), {("track", "full"): 1}),
]


def named(asked: Task, body: Any) -> Task:  # noqa: ANN401 - JSON
    """Return the task with the ids that a recorded body is about."""
    identity: int | str = asked.node.id
    if asked.node.kind == "tracks":
        identity = ",".join(str(track["id"]) for track in body)
    elif asked.relation.name in {"tracks", "profile"} and isinstance(body, dict) and "id" in body:
        identity = body["id"]
    return Task(asked.node._replace(id=identity), asked.relation)


@needs_bodies
@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("name,asked,found", RECORDED, ids=[row[0] for row in RECORDED])
def test_recorded_bodies(name: str, asked: Task, found: dict[tuple[str, str], int], keep: Keep) -> None:
    """Every recorded body is read without a row unread, and its described nodes can be written."""
    body = (FOLDER / recorded(name)).read_bytes()
    page = parse(named(asked, json.loads(body)), body, keep)
    assert page.unread == 0
    kinds = Counter((item.kind, item.detail) for item in page.items)
    assert not found or kinds == found
    for item in page.items:
        assert item.body is None or json.loads(item.body.encode())
    assert page.next is None or "client_id" not in page.next


@needs_bodies
def test_every_recorded_body_has_a_test() -> None:
    """A body that is added to the folder is not forgotten; suggestions for a search name no node."""
    known = {recorded(name) for name, _, _ in RECORDED}
    known |= {
        recorded("search_queries"),
        recorded("charts_404_bad_region"),
        recorded("tracks_ids_batch_401_empty_body"),
    }
    assert {path.name for path in FOLDER.iterdir()} <= known


@needs_bodies
def test_recorded_likes_have_their_time() -> None:
    """A like has the time of the wrapper, not of the track, and leads to the track with its uploader."""
    body = json.loads((FOLDER / recorded("users_id_likes_tracks_page1")).read_bytes())
    page = parse(task("user", "likes"), body)
    assert [item.at for item in page.items] == [row["created_at"] for row in body["collection"]]
    assert all(item.owner is not None and item.owner.detail == "mini" for item in page.items)
    assert (page.limit, len(page.items)) == (20, 19)  # one row was cut away


@needs_bodies
def test_recorded_charts_give_places() -> None:
    """A row of a chart is a place in it on the day that the service names; further pages count on."""
    body = json.loads((FOLDER / recorded("charts_trending_page1")).read_bytes())
    for keep in KEEPS:
        page = parse(task("chart", "charted", "trending:all-music"), body, keep)
        told = [(place.chart, place.id, place.date, place.rank) for place in page.records if isinstance(place, Ranking)]
        ids = [row["track"]["id"] for row in body["collection"]]
        series = "trending:all-music:GLOBAL:track"
        assert told == [(series, node, "2026-02-20", rank) for rank, node in enumerate(ids, 1)]
    onward = parse(task("chart", "charted", "trending:all-music", page.next), body)
    assert [place.rank for place in onward.records if isinstance(place, Ranking)] == list(range(11, 21))


def test_a_chart_of_another_week_is_not_the_latest_one() -> None:
    """This API has no past charts: a dated one is told to be gone, never filled with today's."""
    row = {"score": 1.0, "track": TRACK}
    with pytest.raises(Gone):
        parse(task("chart", "charted", "top:techno:US:2020-01-03"), {"collection": [row]})
    page = parse(task("chart", "charted", "top:techno:US:latest"), {"collection": [row]})
    assert [item.id for item in page.items] == [9]
    assert not page.records


@needs_bodies
def test_recorded_refusals() -> None:
    """The empty 401 ends the source, the 404 of a region that is none is a fact about the chart."""
    with pytest.raises(Refused):
        parse(task("tracks", "profile", "1"), b"", status=401)
    body = (FOLDER / recorded("charts_404_bad_region")).read_bytes()
    with pytest.raises(Gone):
        parse(task("chart", "charted", "top:techno:XX"), body, status=404)


REQUESTS: list[tuple[Task, str]] = [
    (task("user", "followers"), "/users/42/followers?limit=200&linked_partitioning=true"),
    (task("user", "likes"), "/users/42/likes?limit=200&linked_partitioning=true"),
    (task("user", "reposts"), "/stream/users/42/reposts?limit=50&linked_partitioning=true"),
    (task("user", "web_profiles"), "/users/soundcloud:users:42/web-profiles"),
    (task("user", "related"), "/users/42/relatedartists?limit=200&linked_partitioning=true"),
    (task("user", "profile"), "/users/42"),
    (task("track", "comments"), "/tracks/42/comments?threaded=0&filter_replies=0&limit=200&linked_partitioning=true"),
    (task("playlist", "tracks"), "/playlists/42"),
    (task("tracks", "profile", "1,2"), "/tracks?ids=1,2"),
    (task("url", "resolve", "https://soundcloud.com/a/b"), "/resolve?url=https%3A%2F%2Fsoundcloud.com%2Fa%2Fb"),
    (task("search", "everything", search_id("a b&c", {})), "/search?q=a%20b%26c&limit=200&linked_partitioning=true"),
    (task("search", "albums", "a"), "/search/albums?q=a&limit=200&linked_partitioning=true"),
    (
        task("chart", "charted", "top:techno"),
        "/charts?kind=top&genre=soundcloud%3Agenres%3Atechno&limit=200&linked_partitioning=true",
    ),
    (
        task("chart", "charted", "trending:all-music:DE"),
        (
            "/charts?kind=trending&genre=soundcloud%3Agenres%3Aall-music&region=soundcloud%3Aregions%3ADE"
            "&limit=200&linked_partitioning=true"
        ),
    ),
    (task("featured", "tracks", "top:all-music"), "/featured_tracks/top/all-music?limit=200&linked_partitioning=true"),
    (task("discover", "selections", "mixed-selections"), "/mixed-selections?limit=200&linked_partitioning=true"),
    (
        task("system_playlist", "tracks", "soundcloud:system-playlists:charts-top:all-music:vn"),
        "/system-playlists/soundcloud:system-playlists:charts-top:all-music:vn",
    ),
    (
        task(
            "user", "likes", 42, "/users/42/likes?offset=2025-11-08T10%3A30%3A30.218Z%2Cuser-track-likes%2C0&limit=20"
        ),
        "/users/42/likes?offset=2025-11-08T10%3A30%3A30.218Z%2Cuser-track-likes%2C0&limit=20&linked_partitioning=true",
    ),
]


@pytest.mark.parametrize("asked,path", REQUESTS, ids=[path for _, path in REQUESTS])
def test_requests(asked: Task, path: str) -> None:
    """Requests have the paths of the document, and the parameter that a link loses is added again."""
    assert SoundCloudV2(BASE, "graph").request(asked).url == BASE + path


def test_every_relation_has_a_request() -> None:
    """Each row of the table makes a URL with the node in it and no place left open."""
    for row in SoundCloudV2.relations:
        url = SoundCloudV2(BASE, "graph").request(Task(NodeId("soundcloud", row.kind, "5"), row)).url
        assert "{}" not in url
        assert "5" in url or row.kind == "chart"


def test_all_genres_and_searches_of_the_document_are_known() -> None:
    """The document lists 43 genres, and five kinds of search."""
    assert len(set(GENRES)) == len(GENRES) == 43
    assert len(SEARCHES) == 5


def test_a_list_of_several_kinds_keeps_ids_apart() -> None:
    """A track and a playlist with the same number are two rows, each an edge to its own kind."""
    likes = [
        {"created_at": "2020-01-01T00:00:00Z", "kind": "like", "track": TRACK},
        {"created_at": "2019-01-01T00:00:00Z", "kind": "like", "playlist": SET},
    ]
    for keep in KEEPS:
        page = parse(task("user", "likes"), {"collection": likes, "next_href": None}, keep)
        assert [(item.kind, item.id, item.key, item.at) for item in page.items] == [
            ("track", 9, "track:9", "2020-01-01T00:00:00Z"),
            ("playlist", 9, "playlist:9", "2019-01-01T00:00:00Z"),
        ]


def test_reposts_have_their_time() -> None:
    """A repost is a wrapper of the stream: what was reposted, and when; its user is the reposter and no owner."""
    row = {"created_at": "2020-01-01T00:00:00Z", "type": "track-repost", "user": USER, "uuid": "x", "track": TRACK}
    for keep in KEEPS:
        (item,) = parse(task("user", "reposts"), {"collection": [row], "next_href": None}, keep).items
        assert (item.kind, item.id, item.at) == ("track", 9, "2020-01-01T00:00:00Z")
        assert item.owner is not None
        assert (item.owner.id, item.owner.detail) == (7, "mini")


def test_stubs_and_missing_users_are_only_named() -> None:
    """What has an id and nothing else is detail "id", without a body, so that it is asked for later."""
    body = {**SET, "id": 42, "tracks": [TRACK, STUB, {**TRACK, "id": 11, "user": {"id": 8, "kind": "user"}}]}
    page = parse(task("playlist", "tracks"), {**body, "track_count": 3})
    assert [(item.id, item.detail, item.body is None) for item in page.items] == [
        (9, "full", False),
        (10, "id", True),
        (11, "full", False),
    ]
    owner = page.items[2].owner
    assert owner is not None
    assert (owner.id, owner.detail, owner.body) == (8, "id", None)


def test_a_playlist_that_shows_fewer_tracks_than_it_has_is_doubted() -> None:
    """A playlist cut short by the service is not taken for the whole."""
    page = parse(task("playlist", "tracks"), {**SET, "id": 42, "tracks": [TRACK], "track_count": 2})
    assert page.doubt == "the playlist shows 1 of its 2 tracks"


def test_comments_lead_both_ways() -> None:
    """A comment of a track leads to its author, one of a user to the track; its own id tells it from another."""
    row = {"kind": "comment", "id": 5, "created_at": "2024-09-01T17:45:16Z", "track_id": 9, "user_id": 7, "user": MINI}
    (inward,) = parse(task("track", "comments"), {"collection": [row]}).items
    (outward,) = parse(task("user", "comments_written"), {"collection": [row]}).items
    assert (inward.kind, inward.id, inward.key, inward.at) == ("user", 7, 5, "2024-09-01T17:45:16Z")
    assert (outward.kind, outward.id, outward.key, outward.at) == ("track", 9, 5, "2024-09-01T17:45:16Z")


def test_web_profiles_have_their_network() -> None:
    """A link without an id is named by its address, and says its network under the name of the official API."""
    (item,) = parse(
        task("user", "web_profiles"), [{"url": "https://a.example", "network": "bandcamp", "title": "x"}]
    ).items
    assert (item.kind, item.id) == ("web_profile", "https://a.example")
    assert item.body is not None
    assert json.loads(item.body.encode())["service"] == "bandcamp"


def test_counts_of_listed_users_are_kept_unless_all_are_zero() -> None:
    """Whole users in lists spare their empty lists; small ones, and those of an outage, tell nothing."""
    counted = {**USER, "followers_count": 0, "followings_count": 3, "track_count": 0}
    page = parse(
        task("user", "followers"),
        {"collection": [counted, {**counted, "id": 8, "followings_count": 0}, {**MINI, "id": 9}]},
    )
    assert [item.counts for item in page.items] == [{"followers": 0, "followings": 3, "tracks": 0}, None, None]


def test_what_is_missing_from_a_batch_is_not_made_up() -> None:
    """Ids that were not asked for are dropped, and the order is the service's own."""
    page = parse(task("tracks", "profile", "10,9"), [TRACK, {**TRACK, "id": 12}])
    assert [item.id for item in page.items] == [9]


@pytest.mark.parametrize(
    "status,body,headers,error",
    [
        (401, b"", {}, Refused),
        (403, b"<html>captcha</html>", {"content-type": "text/html"}, Refused),
        (403, b'{"url":"https://geo.example/captcha"}', {"content-type": "application/json"}, Refused),
        (404, b"{}", {"content-type": "application/json"}, Gone),
        (429, b"", {}, Throttled),
        (502, b"", {}, Transient),
        (400, b"{}", {}, BadPage),
    ],
)
def test_refusals(status: int, body: bytes, headers: dict[str, str], error: type[ProviderError]) -> None:
    """A wall against programs ends the source: nobody tries another face; nothing else is taken for an end of list."""
    with pytest.raises(error):
        parse(task("user", "followers"), body, status=status, **headers)


def test_a_stub_where_a_profile_was_asked_for_is_gone() -> None:
    """A node of which the service shows no more than its id is gone."""
    with pytest.raises(Gone):
        parse(task("track", "profile", 10), STUB)


values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([USER, MINI, TRACK, SET, STUB]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "kind", "track", "playlist", "user", "items", "collection", "tracks", "created_at"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)
bodies: Any = (
    st.fixed_dictionaries({"collection": st.lists(values, max_size=3) | values}, optional={"next_href": values})
    | st.lists(values, max_size=3)
    | values
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SoundCloudV2.relations), bodies, st.sampled_from(KEEPS))
def test_only_provider_errors_escape(row: Any, body: Any, keep: Keep) -> None:  # noqa: ANN401
    """Whatever JSON comes, it is a page whose nodes can be written, or a `ProviderError`."""
    try:
        page = parse(Task(NodeId("soundcloud", row.kind, 9), row), body, keep)
    except ProviderError:
        return
    for item in page.items:
        assert item.id not in {None, ""}
        for each in (item, item.owner):
            assert not each or not each.body or isinstance(json.loads(each.body.encode()), dict)
    assert page.next is None or page.next.startswith("/")
