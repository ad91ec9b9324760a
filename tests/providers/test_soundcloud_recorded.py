from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.errors import Gone, ProviderError
from crawler.model import NodeId, Response, Task
from crawler.providers.soundcloud import Keep, SoundCloud

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "api" / "payloads" / "soundcloud"
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
