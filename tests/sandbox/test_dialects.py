"""The other dialects of the sandbox: one world, whatever the wrapper."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np
import pytest

from crawler.sandbox import cursors
from crawler.sandbox.own import FEEDS, feed_tracks
from crawler.sandbox.reply import Reply

from .conftest import Client  # isort: skip


HOST = "http://sandbox.test:8080"
VERIFIER = "v" * 43


def web(client: Client, target: str) -> Reply:
    """Ask the web's API, which wants a client id and no token."""
    target = target.removeprefix(HOST).removeprefix("/v2")
    mark = "" if "client_id=" in target else ("&" if "?" in target else "?") + "client_id=me"
    return client.sandbox.handle("GET", f"/v2{target}{mark}", {"host": HOST.removeprefix("http://")})


def web_items(client: Client, target: str) -> list[Any]:
    """Return all rows of a list of the web's API."""
    rows: list[Any] = []
    following: str | None = target
    while following:
        page = json.loads(web(client, following).body)
        rows += page["collection"]
        following = page.get("next_href")
        assert following is None or "linked_partitioning" not in following
    return rows


def legacy_items(client: Client, path: str) -> list[Any]:
    """Return all rows of a list of the old API."""
    rows: list[Any] = []
    while True:
        reply = client.sandbox.handle("GET", f"/legacy{path}?client_id=me&limit=50&offset={len(rows)}", {})
        assert reply.status == 200
        page = json.loads(reply.body)
        if not page:
            return rows
        rows += page


@pytest.mark.parametrize(
    "official,others",
    [
        ("/users/{}/followers", ("/users/{}/followers", "/users/{}/followers")),
        ("/users/{}/followings", ("/users/{}/followings", "/users/{}/followings")),
        ("/users/{}/tracks", ("/users/{}/tracks", "/users/{}/tracks")),
        ("/users/{}/related", ("/users/{}/relatedartists", None)),
    ],
)
def test_every_dialect_shows_the_same_list(client: Client, official: str, others: tuple[str, str | None]) -> None:
    """The same user's followers agree between the official, the web's and the old API, whatever the wrapper."""
    longest = 0
    for user in range(1, 30):
        ids = [row["id"] for row in client.items(official.format(user) + "?limit=7&linked_partitioning=true")]
        assert [row["id"] for row in web_items(client, others[0].format(user) + "?limit=9")] == ids
        if others[1]:
            assert [row["id"] for row in legacy_items(client, others[1].format(user))] == ids
        longest = max(longest, len(ids))
    assert longest > 9


def test_likes_have_the_times_of_the_official_cursors(client: Client) -> None:
    """The web's likes hold tracks and playlists together, newest first, at the times that the world has for them."""
    world = client.sandbox.world
    for user in range(1, 30):
        rows = web_items(client, f"/users/{user}/likes?limit=3")
        times = [row["created_at"] for row in rows]
        assert times == sorted(times, reverse=True)
        for kind in ("track", "playlist"):
            count = world.count("user", user, f"likes/{kind}s")
            expected = world.rows("user", user, f"likes/{kind}s", 0, count).tolist()
            liked = [row for row in rows if kind in row]
            assert [row[kind]["id"] for row in liked] == expected
            for place, row in enumerate(liked):
                second = cursors.row_time(user, count, place) // 1000
                assert row["created_at"] == str(np.datetime64(second, "s")) + "Z"
            apart = web_items(client, f"/users/{user}/{kind}_likes?limit=4")
            assert [row[kind]["id"] for row in apart] == expected


def test_reposts_and_inverse_lists_agree_with_the_world(client: Client) -> None:
    """Reposts come in the stream's wrapper; who liked a playlist, and which playlists hold a track, are lists here."""
    world = client.sandbox.world
    for user in range(1, 12):
        reposts = web_items(client, f"/stream/users/{user}/reposts?limit=50")
        for kind in ("track", "playlist"):
            count = world.count("user", user, f"reposts/{kind}s")
            shown = [row[kind]["id"] for row in reposts if row["type"] == f"{kind}-repost"]
            assert shown == world.rows("user", user, f"reposts/{kind}s", 0, count).tolist()
        for playlist in world.rows("user", user, "playlists", 0, world.count("user", user, "playlists")).tolist():
            for liker in web_items(client, f"/playlists/{playlist}/likers"):
                assert playlist in [
                    row["playlist"]["id"] for row in web_items(client, f"/users/{liker['id']}/playlist_likes")
                ]
            whole = json.loads(web(client, f"/playlists/{playlist}").body)
            track = whole["tracks"][0]["id"]
            name = "albums" if whole["is_album"] else "playlists_without_albums"
            assert playlist in [row["id"] for row in web_items(client, f"/tracks/{track}/{name}?limit=50")]


def test_comments_of_a_user_are_those_on_the_tracks(client: Client) -> None:
    """Each comment of a user stands on its track, under the same id, in all three dialects."""
    seen = 0
    for user in range(1, 40):
        rows = web_items(client, f"/users/{user}/comments")
        assert [row["id"] for row in legacy_items(client, f"/users/{user}/comments")] == [row["id"] for row in rows]
        for row in rows[:2]:
            seen += 1
            there = client.items(f"/tracks/{row['track_id']}/comments?limit=200&linked_partitioning=true")
            assert (row["id"], user) in [(one["id"], one["user_id"]) for one in there]
    assert seen


def test_playlists_show_five_tracks_and_stubs(client: Client) -> None:
    """The first five tracks are whole, the others have four keys; a batch of fifty tells the rest, in its own order."""
    world = client.sandbox.world
    playlist = next(
        one
        for user in range(1, 400)
        for one in world.rows("user", user, "playlists", 0, world.count("user", user, "playlists")).tolist()
        if world.count("playlist", one, "tracks") > 10
    )
    tracks = json.loads(web(client, f"/playlists/{playlist}").body)["tracks"]
    assert [len(track) > 4 for track in tracks] == [i < 5 for i in range(len(tracks))]
    ids = [track["id"] for track in tracks]
    batch = json.loads(web(client, f"/tracks?ids={','.join(map(str, ids))},1").body)
    assert {track["id"] for track in batch} == set(ids)
    assert [track["id"] for track in batch] != ids
    assert web(client, f"/tracks?ids={','.join(['1'] * 51)}").status == 400


def test_refusals_of_the_web(client: Client) -> None:
    """No client id is an empty 401, what does not exist 404 with an empty object, a bad region too."""
    bare = client.sandbox.handle("GET", "/v2/users/1", {})
    assert (bare.status, bare.body) == (401, b"")
    for target in ("/users/999999", "/users/1/nothing", "/charts?kind=top&genre=soundcloud:genres:techno&region=XX"):
        assert (web(client, target).status, web(client, target).body) == (404, b"{}")


def test_links_lose_the_client_id_except_two(client: Client) -> None:
    """Links of comments and related tracks echo the client id, all others lose it."""
    world = client.sandbox.world
    track = next(
        one
        for user in range(1, 400)
        for one in world.rows("user", user, "tracks", 0, world.count("user", user, "tracks")).tolist()
        if world.count("track", one, "comments") > 1
    )
    assert "client_id=me" in json.loads(web(client, f"/tracks/{track}/comments?limit=1").body)["next_href"]
    assert "client_id=me" in json.loads(web(client, f"/tracks/{track}/related?limit=1").body)["next_href"]
    famous = max(range(1, 400), key=lambda user: world.count("user", user, "followers"))
    assert "client_id" not in json.loads(web(client, f"/users/{famous}/followers?limit=1").body)["next_href"]


def test_featured_tracks_run_empty_and_go_on(client: Client) -> None:
    """After a few pages the list of featured tracks is empty, and its links go on (seed 004)."""
    page = json.loads(web(client, "/featured_tracks/top/all-music?limit=20").body)
    for _ in range(5):
        page = json.loads(web(client, page["next_href"]).body)
    assert page["collection"] == []
    assert page["next_href"]


def test_shelves_charts_and_searches(client: Client) -> None:
    """Charts have wrapped rows and an end, shelves lead to playlists of stubs, searches to what exists."""
    chart = web_items(client, "/charts?kind=top&genre=soundcloud%3Agenres%3Atechno&limit=20")
    assert len(chart) == 50
    assert all(set(row) == {"score", "track"} for row in chart)
    shelves = json.loads(web(client, "/mixed-selections").body)["collection"]
    system = shelves[0]["items"]["collection"][0]
    whole = json.loads(web(client, f"/system-playlists/{system['urn']}").body)
    assert [track["id"] for track in whole["tracks"]] == [track["id"] for track in system["tracks"]]
    for what, kinds in {
        "": {"user", "track", "playlist"},
        "/users": {"user"},
        "/tracks": {"track"},
        "/albums": {"playlist"},
        "/playlists_without_albums": {"playlist"},
    }.items():
        rows = web_items(client, f"/search{what}?q=hello%20world&limit=20")
        assert {row["kind"] for row in rows} == kinds


def test_the_webs_objects_have_the_recorded_keys(client: Client, shared: Path) -> None:
    """A whole user, a small one, a track, a playlist and a comment have the keys of the recorded ones."""
    folder = shared / "api" / "payloads" / "soundcloud-v2"

    def body(name: str) -> Any:  # noqa: ANN401
        return json.loads(next(folder.glob(f"{name}__*")).read_bytes())

    world = client.sandbox.world
    user = json.loads(web(client, "/users/1").body)
    recorded = body("users_id_followings")["collection"][0]
    assert set(user) == set(recorded)
    like = body("users_id_likes_tracks_page1")["collection"][0]
    track = json.loads(web(client, f"/tracks/{world.rows('user', 1, 'tracks', 0, 1)[0]}").body)
    assert set(track) == set(like["track"])
    assert set(track["user"]) == set(like["track"]["user"])
    sets = next(user for user in range(1, 400) if world.count("user", user, "playlists"))
    playlist = json.loads(web(client, f"/playlists/{world.rows('user', sets, 'playlists', 0, 1)[0]}").body)
    assert set(playlist) == set(body("playlists_id_compact_stub_tracks"))


def authorized(client: Client, **changes: str) -> dict[str, str]:
    """Return what the address of consent sends back."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
    asked = {
        "client_id": "id",
        "redirect_uri": "http://127.0.0.1:9/back",
        "response_type": "code",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "state": "s",
    }
    reply = client.sandbox.handle("GET", "/authorize?" + urlencode(asked | changes), {})
    if reply.status != 302:
        return {}
    location = dict(reply.headers)["location"]
    assert location.startswith("http://127.0.0.1:9/back?")
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def exchanged(client: Client, code: str, **changes: str) -> Reply:
    """Exchange a code for tokens."""
    form = {
        "grant_type": "authorization_code",
        "client_id": "id",
        "client_secret": "secret",
        "code": code,
        "redirect_uri": "http://127.0.0.1:9/back",
        "code_verifier": VERIFIER,
    }
    return client.grant(urlencode(form | changes))


def test_consent_is_bound_to_its_challenge_and_good_once(client: Client) -> None:
    """Without a challenge there is no code; a code needs its verifier and its address, and serves one exchange."""
    assert authorized(client, code_challenge_method="plain") == {}
    back = authorized(client)
    assert back["state"] == "s"
    assert exchanged(client, authorized(client)["code"], code_verifier="w" * 43).status == 401
    assert exchanged(client, authorized(client)["code"], redirect_uri="http://127.0.0.1:9/else").status == 401
    assert exchanged(client, back["code"]).status == 200
    assert exchanged(client, back["code"]).status == 401


def test_me_is_only_for_the_users_own_token(client: Client) -> None:
    """An application's token is refused at /me; a user's own sees the user, their lists and their feeds."""
    assert client.get("/me").status == 401
    pair = json.loads(exchanged(client, authorized(client)["code"]).body)
    client.pair = pair
    me = client.json("/me")["id"]
    assert me == 1
    for relation in ("followers", "followings", "likes/tracks", "likes/playlists", "tracks", "playlists"):
        own = [row["id"] for row in client.items(f"/me/{relation}?limit=9&linked_partitioning=true")]
        assert own == [row["id"] for row in client.items(f"/users/{me}/{relation}?limit=9&linked_partitioning=true")]
    for path in FEEDS:
        rows = client.items(f"/{path}?limit=5")
        tracks = [row.get("origin", row)["id"] for row in rows]
        assert tracks == feed_tracks(client.sandbox.world, me, own=path.endswith("own"))
    refreshed = client.grant(
        urlencode(
            {
                "grant_type": "refresh_token",
                "client_id": "id",
                "client_secret": "s",
                "refresh_token": pair["refresh_token"],
            }
        )
    )
    client.pair = json.loads(refreshed.body)
    assert client.json("/me")["id"] == me


def test_the_official_search_filters(client: Client) -> None:
    """A search needs words; its filters leave out what does not fit, and its pages link by offset."""
    assert client.get("/tracks?limit=5").status == 400
    everything = client.items("/tracks?q=hello&limit=7&linked_partitioning=true")
    longest = sorted(row["duration"] for row in everything)[len(everything) // 2]
    longer = client.items(f"/tracks?q=hello&duration[from]={longest}&limit=7&linked_partitioning=true")
    assert [row["id"] for row in longer] == [row["id"] for row in everything if row["duration"] >= longest]
    techno = client.items("/tracks?q=hello&genres=Techno&limit=7&linked_partitioning=true")
    assert techno == [row for row in everything if row["genre"] == "Techno"]
    assert len(client.items("/users?q=hello&limit=50&linked_partitioning=true")) > 50
    assert client.json("/playlists?q=hello")
