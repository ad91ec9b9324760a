from __future__ import annotations

import json
from pathlib import Path

import pytest

from crawler.errors import BadPage, Gone, Refused
from crawler.model import NodeId, Page, Response, Task
from crawler.providers.soundcloud import Keep, SoundCloud
from crawler.providers.soundcloud_legacy import SoundCloudLegacy

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "api" / "payloads" / "soundcloud"
BASE = "https://api.example.test"
needs_bodies = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="NO RECORDED BODIES: the folder of payloads is not beside this one"
)


def task(kind: str, name: str, identity: int | str = 42, cursor: str | None = None) -> Task:
    """Return a page of a listing."""
    relation = next(row for row in SoundCloudLegacy.relations if (row.kind, row.name) == (kind, name))
    return Task(NodeId("soundcloud", kind, identity), relation, cursor)


def parse(asked: Task, body: object, keep: Keep = "graph", status: int = 200) -> Page:
    """Parse a body that is given as JSON or as bytes."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SoundCloudLegacy(BASE, keep).parse(asked, Response(status, {}, text))


RECORDED = [
    ("me_favorites_bare_list__mopidy-soundcloud.json", task("user", "likes_tracks"), 3),
    ("users_id_tracks_bare_list__mopidy-soundcloud.json", task("user", "tracks"), 10),
    ("tracks_search_bare_list__mopidy-soundcloud.json", task("search", "tracks", "x"), 10),
    ("me_followings_cursor__mopidy-soundcloud.json", task("user", "followings"), 10),
    ("users_id_2015__prayzzz-soundcloud-api.json", task("user", "profile", 16730), 1),
    ("playlists_id_full_tracks__mopidy-soundcloud.json", task("playlist", "tracks", 446283), 1),
    ("resolve_302__mopidy-soundcloud.json", task("url", "resolve", "x"), 1),
    ("tracks_id_2015__mopidy-soundcloud.json", task("track", "profile", 0), 1),
]


@needs_bodies
@pytest.mark.parametrize("keep", ["graph", "profile", "raw"])
@pytest.mark.parametrize("file,asked,least", RECORDED, ids=[row[0] for row in RECORDED])
def test_recorded_bodies(file: str, asked: Task, least: int, keep: Keep) -> None:
    """The recorded bodies of the old API are read without a row unread."""
    body = (FOLDER / file).read_bytes()
    if asked.node.id == 0:
        asked = Task(asked.node._replace(id=json.loads(body)["id"]), asked.relation)
    page = parse(asked, body, keep, 302 if "302" in file else 200)
    assert page.unread == 0
    assert len(page.items) >= min(least, 3 if least > 1 else 1)


@pytest.mark.parametrize(
    "asked,path",
    [
        (task("user", "followers"), "/users/42/followers?limit=200"),
        (task("user", "likes_tracks"), "/users/42/favorites?limit=200"),
        (task("user", "comments_written"), "/users/42/comments?limit=200"),
        (task("track", "favoriters"), "/tracks/42/favoriters?limit=200"),
        (task("tracks", "profile", "1,2"), "/tracks?ids=1,2"),
        (task("search", "playlists", "rain"), "/playlists?q=rain&representation=compact&limit=200"),
        (
            task("user", "followers", 42, "/users/42/followers?limit=200&offset=400"),
            "/users/42/followers?limit=200&offset=400",
        ),
    ],
)
def test_requests(asked: Task, path: str) -> None:
    """Requests have the paths of the old document, and no parameter that it does not know."""
    assert SoundCloudLegacy(BASE, "graph").request(asked).url == BASE + path


def test_pages_follow_by_offset_until_an_array_is_empty() -> None:
    """A short array is no end, because rows may have been filtered; nothing hidden is counted where none can be."""
    rows = [{"id": 7, "kind": "user"}]
    first = parse(task("user", "followers"), rows)
    assert (first.next, first.limit, first.asked, first.mark) == (
        "/users/42/followers?limit=200&offset=200",
        None,
        None,
        200,
    )
    second = parse(task("user", "followers", 42, first.next), rows)
    assert second.next == "/users/42/followers?limit=200&offset=400"
    assert parse(task("user", "followers", 42, second.next), []).next is None


def test_an_answer_with_a_link_is_taken_at_its_word() -> None:
    """Where the old API sends an envelope, its own link is followed."""
    page = parse(
        task("user", "followings"), {"collection": [], "next_href": f"{BASE}/users/42/followings?cursor=5&client_id=x"}
    )
    assert page.next == "/users/42/followings?cursor=5"


def test_comments_of_a_user_lead_to_tracks() -> None:
    """A comment is an edge to its track, told apart by its own id."""
    rows = [
        {"kind": "comment", "id": 5, "created_at": "2011/04/06 15:37:43 +0000", "track_id": 9, "user_id": 42},
        {"kind": "comment", "id": 6, "created_at": "2011/04/07 15:37:43 +0000", "track_id": 9, "user_id": 42},
        {"kind": "comment", "id": 7},
    ]
    page = parse(task("user", "comments_written"), rows)
    assert [(item.kind, item.id, item.key, item.at) for item in page.items] == [
        ("track", 9, 5, "2011-04-06T15:37:43Z"),
        ("track", 9, 6, "2011-04-07T15:37:43Z"),
    ]
    assert page.unread == 1


def test_refusals() -> None:
    """A refused client id ends the source, 404 is a fact, an object that is another one is neither."""
    with pytest.raises(Refused):
        parse(task("user", "followers"), b"", status=401)
    with pytest.raises(Gone):
        parse(task("user", "followers"), b"", status=404)
    with pytest.raises(BadPage):
        parse(task("playlist", "tracks", 42), {"id": 43, "tracks": []})


def test_lists_of_the_person_who_agreed_are_asked_for_below_me() -> None:
    """The lists that /me has are asked for there for that person, and for nobody else; the others as ever."""
    provider = SoundCloud(BASE, "graph")
    provider.act_for(42)
    urls = {}
    for row in SoundCloud.relations:
        if row.kind == "user":
            for user in (42, 43):
                urls[row.name, user] = provider.request(Task(NodeId("soundcloud", "user", user), row)).url
    own = {name for name, user in urls if user == 42 and "/me" in urls[name, 42]}
    assert own == {"followers", "followings", "likes_tracks", "likes_playlists", "tracks", "playlists", "profile"}
    assert urls["likes_tracks", 42].startswith(f"{BASE}/me/likes/tracks?access=")
    assert urls["profile", 42] == f"{BASE}/me"
    assert not any("/me" in url for (_, user), url in urls.items() if user == 43)
    track = next(row for row in SoundCloud.relations if (row.kind, row.name) == ("track", "comments"))
    assert "/me" not in provider.request(Task(NodeId("soundcloud", "track", 42), track)).url


@pytest.mark.parametrize("place", ["/legacy/users/7?client_id=x", "/users/7", "/users/soundcloud%3Ausers%3A7"])
def test_an_address_resolves_also_below_a_path(place: str) -> None:
    """A mirror that is served below a path of its own may repeat it where it redirects to."""
    provider = SoundCloudLegacy(f"{BASE}/legacy", "graph")
    page = provider.parse(task("url", "resolve", "x"), Response(302, {"location": f"{BASE}{place}"}, b""))
    assert [(item.kind, item.id) for item in page.items] == [("user", 7)]
