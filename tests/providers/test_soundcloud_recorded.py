from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.errors import BadPage, Gone, ProviderError, Refused
from crawler.model import NodeId, Response, Task
from crawler.providers.soundcloud import Keep, SoundCloud

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "api" / "payloads" / "soundcloud"
GAPPY = (4, 0, 0, 2, 0, 4, 0, 1, 1, 1)
KEEPS: tuple[Keep, ...] = ("graph", "profile", "raw")
needs_bodies = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="NO RECORDED BODIES: the folder of payloads is not beside this one"
)


def task(kind: str, name: str, identity: int | str) -> Task:
    """Return the first page of a listing."""
    relation = next(row for row in SoundCloud.relations if (row.kind, row.name) == (kind, name))
    return Task(NodeId("soundcloud", kind, identity), relation)


RECORDED: list[tuple[str, Task, int]] = [
    ("me_followings_cursor__mopidy-soundcloud.json", task("user", "followings", 1), 10),
    ("me_favorites_bare_list__mopidy-soundcloud.json", task("user", "likes_tracks", 1), 3),
    ("tracks_search_bare_list__mopidy-soundcloud.json", task("user", "tracks", 1), 10),
    ("tracks_search_bare_list__mopidy-soundcloud.json", task("search", "tracks", "x"), 10),
    ("me_activities_uuid_cursor__mopidy-soundcloud.json", task("me", "activities", "me"), 3),
    ("users_id_tracks_bare_list__mopidy-soundcloud.json", task("user", "tracks", 1), 10),
    ("users_id_2015__prayzzz-soundcloud-api.json", task("user", "profile", 16730), 1),
    ("playlists_id_full_tracks__mopidy-soundcloud.json", task("playlist", "profile", 446283), 1),
    ("resolve_302__mopidy-soundcloud.json", task("url", "resolve", "x"), 1),
    ("resolve_302_playlist__mopidy-soundcloud.json", task("url", "resolve", "x"), 1),
    ("resolve_track_2025__harmony-pr156.json", task("url", "resolve", "x"), 1),
]


@needs_bodies
@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("file,asked,least", RECORDED)
def test_recorded_bodies(file: str, asked: Task, least: int, keep: Keep) -> None:
    """Every recorded body is read without a row unread, and its described nodes can be written."""
    status = 302 if "302" in file else 200
    page = SoundCloud("https://api.example.test", keep).parse(asked, Response(status, {}, (FOLDER / file).read_bytes()))
    assert page.unread == 0
    assert len(page.items) >= min(least, 3 if least > 1 else 1)
    for item in page.items:
        assert isinstance(item.id, int)
        assert item.body is None or json.loads(item.body.encode())


@needs_bodies
@pytest.mark.parametrize(
    "file", ["tracks_id_2015__mopidy-soundcloud.json", "tracks_id_2022_access__mopidy-soundcloud.json"]
)
def test_recorded_tracks(file: str) -> None:
    """A single track, as a batch serves it, has its uploader, old form and new."""
    body = (FOLDER / file).read_bytes()
    track = json.loads(body)
    page = SoundCloud("https://api.example.test", "profile").parse(
        task("track", "profile", track["id"]), Response(200, {}, b"[" + body + b"]")
    )
    (item,) = page.items
    assert item.id == track["id"]
    assert item.owner is not None
    assert item.owner.id == track["user"]["id"]


@needs_bodies
def test_recorded_404() -> None:
    """The recorded 404 is a fact about the node."""
    body = (FOLDER / "tracks_id_404_2016__mopidy-soundcloud.json").read_bytes()
    with pytest.raises(Gone):
        SoundCloud("https://api.example.test", "graph").parse(task("track", "profile", 1), Response(404, {}, body))


@needs_bodies
def test_every_recorded_body_has_a_test() -> None:
    """A body that is added to the folder is not forgotten; activities are no list of the graph."""
    known = {file for file, _, _ in RECORDED} | {"me_activities_uuid_cursor__mopidy-soundcloud.json"}
    known |= {path.name for path in FOLDER.glob("tracks_id_*")}
    assert {path.name for path in FOLDER.iterdir()} <= known


@needs_bodies
def test_activities_are_refused_not_misread() -> None:
    """Rows of a feed have no id of their own: none of them becomes a track."""
    body = (FOLDER / "me_activities_uuid_cursor__mopidy-soundcloud.json").read_bytes()
    page = SoundCloud("https://api.example.test", "graph").parse(task("user", "tracks", 1), Response(200, {}, body))
    assert not page.items
    assert page.unread > 0


FOREIGN: list[tuple[str, str, str, int, int]] = [
    ("users_id_followers_page1", "user", "followers", 8, 0),
    ("users_id_followers_page2", "user", "followers", 8, 0),
    ("users_id_followers_page3", "user", "followers", 8, 0),
    ("users_id_followings", "user", "followings", 58, 0),
    ("users_id_followings_single", "user", "followings", 1, 0),
    ("users_id_tracks_page1", "user", "tracks", 20, 0),
    *((f"users_id_tracks_gappy_page{n:02}", "user", "tracks", rows, 0) for n, rows in enumerate(GAPPY, 1)),
    ("users_id_likes_tracks_page1", "user", "likes_tracks", 0, 19),
    ("users_id_likes_tracks_page2", "user", "likes_tracks", 0, 18),
    ("users_id_playlists_without_albums_page2_next_after_short_page", "user", "playlists", 7, 0),
    ("users_id_dubmatix", "user", "profile", 1, 0),
    ("users_id_liluzivert", "user", "profile", 1, 0),
    ("playlists_id_album", "playlist", "profile", 1, 0),
    ("playlists_id_compact_stub_tracks", "playlist", "profile", 1, 0),
    ("playlists_id_small", "playlist", "profile", 1, 0),
    ("tracks_id_comments", "track", "comments", 4, 0),
    ("tracks_id_comments_empty", "track", "comments", 0, 0),
    ("tracks_id_related_empty_no_next_href", "track", "related", 0, 0),
    ("tracks_id_related_includes_seed", "track", "related", 9, 0),
    ("tracks_ids_batch15", "user", "tracks", 15, 0),
    ("tracks_ids_batch5", "user", "tracks", 5, 0),
    ("search_users", "user", "followers", 10, 0),
    ("search_tracks", "user", "tracks", 10, 0),
    ("search_all", "user", "followers", 0, 10),
    ("search_all_last_page", "user", "followers", 3, 0),
    ("search_queries", "user", "followers", 0, 9),
    ("charts_trending_page1", "user", "tracks", 0, 10),
    ("mixed_selections_collection_2021", "user", "playlists", 0, 2),
    ("resolve_track", "url", "resolve", 1, 0),
    ("resolve_track_geo_blocked", "url", "resolve", 1, 0),
    ("resolve_track_goplus_snipped", "url", "resolve", 1, 0),
    ("resolve_track_long_id", "url", "resolve", 1, 0),
]
"""Bodies of the web's API, read as the list that they are, or are nearest to: file, list, rows read, rows not."""
RELATED_SEED = 135535700


@needs_bodies
@pytest.mark.parametrize("name,kind,relation,rows,unread", FOREIGN)
def test_bodies_of_the_web_s_api(name: str, kind: str, relation: str, rows: int, unread: int) -> None:
    """Its objects have the official shapes; its wrappers and queries are counted as unread, never taken for nothing."""
    (path,) = (FOLDER.parent / "soundcloud-v2").glob(f"{name}__*.json")
    body = path.read_bytes()
    identity = json.loads(body)["id"] if relation == "profile" else RELATED_SEED if relation == "related" else 1
    asked = task(kind, relation, identity)
    page = SoundCloud("https://api.example.test", "profile").parse(asked, Response(200, {}, body))
    assert (len(page.items), page.unread) == (rows, unread)
    assert page.own == int(name == "tracks_id_related_includes_seed")


@needs_bodies
def test_bodies_of_other_services_are_refused() -> None:
    """JSON that is valid and not what was asked for is a bad page, or at most rows that cannot be read."""
    provider = SoundCloud("https://api.example.test", "graph")
    for path in sorted([*FOLDER.parent.glob("chartmetric/*.json"), *FOLDER.parent.glob("soundcharts/*.json")]):
        for name in ("followers", "profile"):
            error: type[ProviderError] = Gone if "404" in path.name else BadPage
            try:
                page = provider.parse(
                    task("user", name, 1), Response(404 if error is Gone else 200, {}, path.read_bytes())
                )
            except error:
                continue
            assert (page.items, name, path.stem) == ([], "followers", "get_ids_variants")
            assert page.unread == len(json.loads(path.read_bytes()))


@needs_bodies
def test_recorded_refusals_of_the_web_s_api() -> None:
    """An empty 401 is about the credential, an empty object with a 404 about the node."""
    folder, provider = FOLDER.parent / "soundcloud-v2", SoundCloud("https://api.example.test", "graph")
    for pattern, status, error in (("*_401_*", 401, Refused), ("*_404_*", 404, Gone)):
        (path,) = folder.glob(pattern)
        with pytest.raises(error):
            provider.parse(task("user", "followers", 1), Response(status, {}, path.read_bytes()))
    named = {name for name, *_ in FOREIGN}
    assert {path.name.partition("__")[0] for path in folder.iterdir() if "_40" not in path.name} == named


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["5", "user", "soundcloud:users:5"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(
    [
        "id",
        "urn",
        "kind",
        "user",
        "user_id",
        "created_at",
        "followers_count",
        "downloadable",
        "release",
        "bpm",
        "url",
        "permalink_url",
        "plan",
        "title",
    ]
)
rows = st.dictionaries(names, values, max_size=6) | values
bodies = (
    st.fixed_dictionaries(
        {}, optional={"collection": st.lists(rows, max_size=4) | values, "next_href": values, "location": values}
    )
    | st.lists(rows, max_size=4)
    | rows
)
tasks = st.sampled_from(SoundCloud.relations).flatmap(
    lambda row: st.builds(Task, st.builds(NodeId, st.just("soundcloud"), st.just(row.kind), st.just("5")), st.just(row))
)


def outcome(asked: Task, body: bytes, keep: Keep, status: int, headers: dict[str, str]) -> None:
    """Parse, and write what was read; a `ProviderError` is fine."""
    try:
        page = SoundCloud("https://api.example.test", keep).parse(asked, Response(status, headers, body))
    except ProviderError:
        return
    for item in page.items:
        assert item.id is not None
        assert item.id != ""
        for each in (item, item.owner):
            if each and each.body:
                data: Any = json.loads(each.body.encode())
                assert isinstance(data, dict)
    assert page.next is None or page.next.startswith("/")


@settings(max_examples=400, deadline=None)
@given(tasks, bodies, st.sampled_from(KEEPS), st.sampled_from([200, 200, 200, 302]))
def test_only_provider_errors_escape(asked: Task, body: Any, keep: Keep, status: int) -> None:  # noqa: ANN401
    """Whatever JSON comes, it is a page whose nodes can be written, or a `ProviderError`."""
    outcome(asked, json.dumps(body).encode(), keep, status, {})


@settings(max_examples=300, deadline=None)
@given(
    tasks,
    st.binary(max_size=40)
    | st.sampled_from([b'{"collection":[{"id":1}', b"[[", b"\xff", b'{"errors":[{"reset_time":"x"}]}']),
    st.integers(100, 1200),
    st.dictionaries(st.sampled_from(["content-type", "server", "retry-after", "location"]), st.text(max_size=20)),
)
def test_only_provider_errors_escape_from_any_answer(
    asked: Task, body: bytes, status: int, headers: dict[str, str]
) -> None:
    """Whatever bytes, status and headers come, only a `ProviderError` escapes."""
    for keep in KEEPS:
        outcome(asked, body, keep, status, headers)
