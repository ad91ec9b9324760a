from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pytest

from crawler.sandbox.objects import Objects
from crawler.sandbox.official import LISTINGS, Listing
from crawler.sandbox.serve import open_world
from crawler.sandbox.synthetic import PLAYLIST_BASE, TRACK_BASE

from .conftest import Client, Clock  # isort: skip

GRAMMARS = {
    "milliseconds": r"\d{13}",
    "microseconds": r"\d{16}",
    "tracks": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z,tracks,\d{11}",
    "playlists": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z,playlists,\d{11}",
    "track-likes": r"\d{4}-\d\d-\d\dT[\d:.]{12}Z,user-track-likes,000-\d{20}-\d{20}",
    "playlist-likes": r"\d{4}-\d\d-\d\dT[\d:.]{12}Z,user-playlist-likes,000-\d{20}-\d{20}",
    "track-reposts": r"\d{4}-\d\d-\d\dT[\d:.]{12}Z,user-track-reposts,000-\d{20}-\d{20}",
    "playlist-reposts": r"\d{4}-\d\d-\d\dT[\d:.]{12}Z,user-playlist-reposts,000-\d{20}-\d{20}",
    "offset": r"\d+",
}
BASES = {"user": 1, "track": TRACK_BASE, "playlist": PLAYLIST_BASE}


def longest(client: Client, listing: Listing) -> int:
    """Return the node whose list is the longest of the world."""
    total = 1600 if listing.kind == "track" else 400
    nodes = range(BASES[listing.kind], BASES[listing.kind] + total)
    return max(nodes, key=lambda node: client.sandbox.world.count(listing.kind, node, listing.relation))


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: f"{listing.kind}-{listing.relation}")
def test_paging_shows_every_row_once(client: Client, listing: Listing) -> None:
    """At any limit a list shows each of its rows once, in the same order, with cursors of its grammar, and ends."""
    node, world = longest(client, listing), client.sandbox.world
    expected = world.rows(
        listing.kind, node, listing.relation, 0, world.count(listing.kind, node, listing.relation)
    ).tolist()
    assert len(expected) > 4
    path = f"/{listing.kind}s/soundcloud:{listing.kind}s:{node}/{listing.relation}"
    for limit in (1, 3, len(expected), 200):
        pages = list(client.pages(f"{path}?limit={limit}&linked_partitioning=true&show_tracks=false"))
        assert [item["id"] for page in pages for item in page["collection"]] == expected, limit
        assert all(len(page["collection"]) == limit for page in pages[:-1])
        for page in pages[:-1]:
            query = parse_qs(urlsplit(page["next_href"]).query)
            assert re.fullmatch(
                GRAMMARS[listing.grammar], query["offset" if listing.grammar == "offset" else "cursor"][0]
            )
            assert query["page_size"] == [str(limit)]
            assert "limit" not in query
            assert page["next_href"].startswith("http://sandbox.test:8080/")


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: f"{listing.kind}-{listing.relation}")
def test_end_is_null_or_absent(client: Client, listing: Listing) -> None:
    """The last page has `next_href` null when cursors page the list, and no such key when offsets do."""
    last = list(client.pages(f"/{listing.kind}s/{BASES[listing.kind]}/{listing.relation}?linked_partitioning=true"))[-1]
    assert ("next_href" in last) == (listing.grammar != "offset")
    assert last.get("next_href") is None


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: f"{listing.kind}-{listing.relation}")
def test_garbage_cursor_is_refused(client: Client, listing: Listing) -> None:
    """What is no cursor of the list gets 400, and never a page."""
    name = "offset" if listing.grammar == "offset" else "cursor"
    path = f"/{listing.kind}s/{BASES[listing.kind]}/{listing.relation}"
    for garbage in ("x", "-1", "", "2018-99-99T00:00:00.000Z,tracks,1", "1,2,3"):
        assert client.get(f"{path}?{name}={garbage}").status == 400, garbage


def test_cursor_means_older_than(client: Client) -> None:
    """A time that no row has is a cursor too: the rows older than it follow."""
    listing = LISTINGS[0]
    path = f"/users/{longest(client, listing)}/followers"
    cursor = int(parse_qs(urlsplit(client.json(f"{path}?limit=3")["next_href"]).query)["cursor"][0])
    rest = [user["id"] for user in client.items(f"{path}?cursor={cursor}")]
    assert [user["id"] for user in client.items(f"{path}?cursor={cursor + 1}")][1:] == rest
    assert client.json(f"{path}?cursor=1")["collection"] == []


def test_limits(client: Client) -> None:
    """50 rows by default, 200 at most; more is a 500 with an empty text; less than one is refused."""
    path = f"/users/{longest(client, LISTINGS[0])}/followers"
    assert len(client.json(path)["collection"]) == 50
    assert "page_size=50&" in client.json(path)["next_href"]
    assert client.get(f"{path}?limit=200").status == 200
    reply = client.get(f"{path}?limit=201")
    assert (reply.status, reply.body, dict(reply.headers)["content-type"][:10]) == (500, b"", "text/plain")
    assert client.get(f"{path}?limit=0").status == 400
    assert client.get(f"{path}?limit=many").status == 400


def test_bare_arrays(client: Client) -> None:
    """Without `linked_partitioning` a list is a bare array, save those whose specification does not know it."""
    for listing in LISTINGS:
        page = client.json(f"/{listing.kind}s/{BASES[listing.kind]}/{listing.relation}")
        assert isinstance(page, dict if listing.enveloped else list), listing
    assert isinstance(client.json("/users/1/web-profiles?linked_partitioning=true"), list)


def test_calls_without_a_token_get_an_empty_401(client: Client, clock: Clock) -> None:
    """No token, an unknown one, one that has expired, the wrong scheme and anything under /me: 401, no body."""
    token = client.pair["access_token"]
    for authorization in ("", "OAuth wrong", f"Basic {token}", token):
        reply = client.get("/users/1", authorization=authorization)
        assert (reply.status, reply.body) == (401, b""), authorization
    assert client.get("/me").status == client.get("/me/followers").status == 401
    assert client.get("/users/1", authorization=f"Bearer {token}").status == 200
    clock.seconds += 3598
    assert client.get("/users/1").status == 200
    clock.seconds += 2
    assert (client.get("/users/1").status, client.get("/users/1").body) == (401, b"")


def test_token_rules(client: Client) -> None:
    """Client credentials come in a Basic header only; a refresh token comes in the body and works once."""
    assert client.pair["token_type"] == "bearer"
    assert set(client.pair) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert client.pair["expires_in"] == 3599
    refused = client.grant("grant_type=client_credentials&client_id=id&client_secret=secret")
    assert (refused.status, json.loads(refused.body)["error"]) == (401, "invalid_client")
    assert client.grant("grant_type=client_credentials", basic=":").status == 401
    form = f"grant_type=refresh_token&client_id=id&client_secret=s&refresh_token={client.pair['refresh_token']}"
    assert client.grant(form, basic="id:s").status == 400
    fresh = client.grant(form)
    assert fresh.status == 200
    assert json.loads(fresh.body)["refresh_token"] != client.pair["refresh_token"]
    again = client.grant(form)
    assert (again.status, json.loads(again.body)["error"]) == (401, "invalid_grant")


def test_paths_that_lead_nowhere(client: Client) -> None:
    """Unknown nodes and paths get 404 with an error object, removed ones 405."""
    for path in (
        "/users/0",
        "/users/401",
        "/users/abc",
        "/users/401/followers",
        "/tracks/1",
        "/charts",
        "/users/1/x",
        "/",
    ):
        reply = client.get(path)
        assert reply.status == 404, path
        assert json.loads(reply.body)["code"] == 404
    assert client.get("/me/conversations").status == client.get("/me/recommended/tracks").status == 405
    assert client.get("/tracks").status == 400


def test_resolve_finds_what_permalinks_say(client: Client) -> None:
    """The permalink of a user, a track or a playlist, with its utm query, resolves to the URN it came from."""
    for path in ("/users/17", f"/tracks/{TRACK_BASE + 99}", f"/playlists/{PLAYLIST_BASE + 9}"):
        thing = client.json(path)
        assert "utm_medium=api" in thing["permalink_url"]
        reply = client.get(f"/resolve?url={quote(thing['permalink_url'], safe='')}")
        location = dict(reply.headers)["location"]
        assert (reply.status, json.loads(reply.body)) == (302, {"status": "302 - Found", "location": location})
        assert location.endswith(f"/{thing['kind']}s/{thing['urn']}")
        assert client.json(location) == thing
    wrong = f"https://soundcloud.com/user-000000400/track-{TRACK_BASE + 99}"
    for url in ("https://soundcloud.com/nobody", "https://example.org/user-000000001", "", wrong):
        reply = client.get(f"/resolve?url={quote(url, safe='')}")
        assert (reply.status, json.loads(reply.body)) == (404, {"errors": [{"error_message": "404 - Not Found"}]})


def test_batches_drop_what_is_missing(client: Client) -> None:
    """A batch by urns or ids shows what exists, in the order asked for, and refuses more than 50."""
    assert [user["id"] for user in client.json("/users?ids=3,9999,1")] == [3, 1]
    wanted = f"soundcloud:tracks:{TRACK_BASE + 5},soundcloud:tracks:7"
    assert [track["id"] for track in client.json(f"/tracks?urns={quote(wanted)}")] == [TRACK_BASE + 5]
    assert len(client.json(f"/users?ids={','.join(map(str, range(1, 51)))}")) == 50
    assert client.get(f"/users?ids={','.join(map(str, range(1, 52)))}").status == 400


def test_counts_of_a_user_are_right(client: Client) -> None:
    """The counts of a user say how long the user's lists are, by itself and inside of a list."""
    user = client.json("/users/12")
    lengths = {
        relation: len(client.items(f"/users/12/{relation}?linked_partitioning=true&limit=200"))
        for relation in (
            "followers",
            "followings",
            "tracks",
            "playlists",
            "likes/tracks",
            "reposts/tracks",
            "reposts/playlists",
        )
    }
    assert user["followers_count"] == lengths["followers"]
    assert user["followings_count"] == lengths["followings"]
    assert user["track_count"] == lengths["tracks"]
    assert user["playlist_count"] == lengths["playlists"]
    assert user["likes_count"] == user["public_favorites_count"] == lengths["likes/tracks"]
    assert user["reposts_count"] == lengths["reposts/tracks"] + lengths["reposts/playlists"]
    followed = client.items("/users/12/followings")[0]
    assert followed == client.json(f"/users/{followed['id']}")


def test_counts_of_nested_users_are_false(client: Client) -> None:
    """A user inside of a track is the same user, but for counts of zero."""
    nested = client.json(f"/tracks/{TRACK_BASE + 44}")["user"]
    full = client.json(f"/users/{nested['id']}")
    different = {key for key in full if full[key] != nested[key]}
    assert different
    assert all(key.endswith("_count") and nested[key] == 0 for key in different)


def test_playlists_with_and_without_tracks(client: Client) -> None:
    """A playlist shows its tracks unless told not to; then the key is absent."""
    path = f"/playlists/{PLAYLIST_BASE}"
    shown = client.json(path)
    assert [track["id"] for track in shown["tracks"]] == [track["id"] for track in client.json(f"{path}/tracks")]
    assert shown["track_count"] == len(shown["tracks"]) > 0
    assert "tracks" not in client.json(f"{path}?show_tracks=false")


def test_comments_have_small_users(client: Client) -> None:
    """Each comment has its own id, its track, and a small user who exists."""
    listing = next(listing for listing in LISTINGS if listing.relation == "comments")
    track = longest(client, listing)
    comments = client.items(f"/tracks/{track}/comments?linked_partitioning=true&limit=200")
    assert (
        len({comment["id"] for comment in comments})
        == len(comments)
        == client.json(f"/tracks/{track}")["comment_count"]
    )
    for comment in comments:
        assert comment["track_id"] == track
        assert comment["user"]["id"] == comment["user_id"]
        assert client.get(f"/users/{comment['user_id']}").status == 200
        assert "description" not in comment["user"]


def test_dates_and_ids_have_the_official_form(client: Client) -> None:
    """Dates read `YYYY/MM/DD HH:MM:SS +0000`, created before modified; URNs name the id; track ids pass 2**31."""
    for kind, thing in (("users", client.json("/users/5")), ("tracks", client.json(f"/tracks/{TRACK_BASE}"))):
        assert re.fullmatch(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \+0000", thing["created_at"])
        assert thing["created_at"] <= thing.get("last_modified", "9")
        assert thing["urn"] == f"soundcloud:{kind}:{thing['id']}"
        assert thing["uri"] == f"https://api.soundcloud.com/{kind}/{thing['urn']}"
    assert TRACK_BASE > 2**31


def test_report_counts_requests(client: Client, clock: Clock) -> None:
    """The report names every request by family and status, every exchange, and the fullest second; not itself."""
    for seconds in (1, 0, 0, 5):
        clock.seconds += seconds
        client.get("/users/1/followers")
    client.get("/users/9999")
    report = json.loads(client.sandbox.handle("GET", "/_sandbox/report", {}).body)
    assert report["requests"] == {"token": {"200": 1}, "users/followers": {"200": 4}, "users/one": {"404": 1}}
    assert (report["total"], report["peak_per_second"], report["tokens"]) == (6, 3, {"client_credentials": 1})


def keys(thing: object, path: str = "") -> dict[str, str]:
    """Return the paths of an object with what one example tells of each: null, or the type."""
    if not isinstance(thing, dict):
        return {path: type(thing).__name__}
    return {key: form for name, value in thing.items() for key, form in keys(value, f"{path}/{name}").items()}


def test_shapes_are_the_recorded_ones(client: Client, shared: Path) -> None:
    """A track has the keys of the newest recorded one, in its order, its user too; what is null there is null or right.

    A playlist has at least the recorded keys.
    """
    folder = shared / "api" / "payloads" / "soundcloud"
    recorded = keys(json.loads((folder / "resolve_track_2025__harmony-pr156.json").read_text()))
    made = keys(client.json(f"/tracks/{TRACK_BASE + 3}"))
    assert list(made) == list(recorded)
    nullable = {"/artwork_url", "/download_url", "/description", "/genre", "/user/city", "/user/country"}
    nullable |= {"/user/description", "/user/website", "/user/website_title"}
    assert {key for key in made if made[key] != recorded[key]} <= nullable
    user = json.loads((folder / "me_followings_cursor__mopidy-soundcloud.json").read_text())["collection"][0]
    assert set(user) <= set(client.json("/users/3"))
    playlist = json.loads((folder / "playlists_id_full_tracks__mopidy-soundcloud.json").read_text())
    assert set(playlist) <= set(client.json(f"/playlists/{PLAYLIST_BASE}"))


def test_numbers_of_any_width_survive() -> None:
    """Ids and counts of one to nine digits come out of their cells as they went in."""
    world = open_world("synthetic", 100_000_000, 1)
    ids = np.array([1, 9, 10, 99, 12_345, 9_999_999, 10_000_000, 100_000_000])
    users = json.loads(b"[%b]" % Objects(world).users(ids))
    assert [user["id"] for user in users] == ids.tolist()
    assert [user["urn"] for user in users] == [f"soundcloud:users:{i}" for i in ids]
    assert [user["followers_count"] for user in users] == world.counts("user", ids)[:, 0].tolist()
