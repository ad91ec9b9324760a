"""S17 to S27: objects. Each test shows the behaviour; what a crawl makes of it is in test_faults_crawl.py."""

from __future__ import annotations

import json
import re

from crawler.sandbox.synthetic import PLAYLIST_BASE, TRACK_BASE
from tests.sandbox.bad_days import BadDay

COUNTS = ("followers_count", "followings_count", "track_count", "playlist_count")


def test_s17_counts_drift_by_the_recorded_shares() -> None:
    """S17: every count of a user is 5, 16 or 89 % above the length of its list, the same wherever the user is shown."""
    day, good = BadDay("counter-drift:1"), BadDay("")
    ratios = set()
    for user in range(1, 401):
        shown, true = day.json(f"/users/{user}"), good.json(f"/users/{user}")
        assert shown["id"] == true["id"]
        assert all((shown[name] > true[name]) == (true[name] > 0) for name in COUNTS)
        if true["followers_count"] > 20:
            ratios.add(round(1 - true["followers_count"] / shown["followers_count"], 1))
    assert ratios <= {0.0, 0.1, 0.2, 0.9}
    assert len(ratios) == 3
    followed = day.json("/users/12/followings?linked_partitioning=true")["collection"][0]
    assert followed == day.json(f"/users/{followed['id']}")


def test_s17_an_outage_zeroes_all_counts_and_ends() -> None:
    """S17: for ten minutes all counts are 0; then they are right."""
    day = BadDay("zero-counts:1")
    assert not any(day.json("/users/12")[name] for name in COUNTS)
    day.clock.seconds += 599
    assert not any(day.json("/users/12")[name] for name in COUNTS)
    day.clock.seconds += 2
    assert day.json("/users/12") == BadDay("").json("/users/12")


def test_s18_users_inside_of_things_show_zeros() -> None:
    """S18, always: a nested user's counts are 0 by design, outage or not."""
    assert {BadDay("").json(f"/tracks/{TRACK_BASE + 4}")["user"][name] for name in COUNTS} == {0}


def test_s19_nobody_follows_more_than_2000() -> None:
    """S19, always: followings of a synthetic world end at 2,000, however many users there are."""
    day = BadDay("", users=1_000_000)
    assert max(day.world.count("user", user, "followings") for user in range(1, 30_000)) <= 2000


def test_s20_uploaders_are_missing_users_suspended_things_private() -> None:
    """S20: an uploader of {id, kind} only; a suspended user and its lists are 404; a private track an empty 403."""
    day = BadDay("missing-user:1")
    track = day.json(f"/tracks/{TRACK_BASE + 4}")
    assert set(track["user"]) == {"id", "kind"}
    day = BadDay("suspended:0.5")
    statuses = {user: day.get(f"/users/{user}").status for user in range(1, 30)}
    assert set(statuses.values()) == {200, 404}
    for user, status in statuses.items():
        assert day.get(f"/users/{user}/followers").status == day.get(f"/users/soundcloud:users:{user}").status == status
    day = BadDay("private:1")
    for path in (f"/tracks/{TRACK_BASE}", f"/tracks/{TRACK_BASE}/favoriters", f"/playlists/{PLAYLIST_BASE}/tracks"):
        assert (day.get(path).status, day.get(path).body) == (403, b"")


def test_s21_tracks_of_a_playlist_are_stubs_after_the_fifth() -> None:
    """S21: five tracks are whole, the others have four keys, in the playlist and in its list of tracks."""
    day = BadDay("stub-tracks:1")
    node = day.longest("playlist", "tracks")
    inside = day.json(f"/playlists/{node}")["tracks"]
    listed = [row for page in day.some(day.path("playlist", "tracks", limit=4)) for row in page["collection"]]
    for tracks in (inside, listed):
        assert [track["id"] for track in tracks] == day.rows("playlist", node, "tracks")
        assert all("title" in track for track in tracks[:5])
        assert {tuple(track) for track in tracks[5:]} == {("id", "kind", "monetization_model", "policy")}


def test_s22_objects_have_a_urn_and_no_id() -> None:
    """S22: with the fault no object, nested ones neither, has an id; each has its urn. Without it they have both."""
    day = BadDay("urn-only:1")
    track = day.json(f"/tracks/{TRACK_BASE + 4}")
    comments = day.json(day.path("track", "comments"))["collection"]
    assert track["urn"] == f"soundcloud:tracks:{TRACK_BASE + 4}"
    for thing in (track, track["user"], *comments, comments[0]["user"]):
        assert "id" not in thing
        assert thing["urn"].startswith("soundcloud:")
    assert {"id", "urn"} <= set(BadDay("").json("/users/4"))


def test_s23_permalinks_carry_the_app() -> None:
    """S23, always: permalinks have utm parameters, the last with the number of the asking app."""
    assert re.search(r"\?utm_medium=api&.*utm_source=id_\d+$", BadDay("").json("/users/4")["permalink_url"])


def test_s24_there_are_two_forms_of_dates() -> None:
    """S24: the official form in objects and ISO 8601 in cursors; with the fault ISO 8601 in objects too."""
    good, bad = BadDay(""), BadDay("iso-dates:1")
    assert re.fullmatch(r"\d{4}/\d\d/\d\d [\d:]{8} \+0000", date := good.json("/users/4")["created_at"])
    assert re.search(r"cursor=\d{4}-\d\d-\d\dT[\d:.]+Z", good.json(good.path("user", "tracks"))["next_href"])
    assert bad.json("/users/4")["created_at"] == f"{date[:10].replace('/', '-')}T{date[11:19]}Z"


def test_s25_ids_pass_31_bits() -> None:
    """S25, always: ids of tracks in a synthetic world do not fit into 32 bits with a sign."""
    assert BadDay("").json("/users/4/tracks?linked_partitioning=true")["collection"][0]["id"] > 2**31


def test_s27_blocked_tracks_are_hidden_unless_asked_for() -> None:
    """S27: without `access=...,blocked` the blocked rows of a page are hidden; with it all are shown, and say so."""
    day = BadDay("access-filter:0.3")
    path = day.path("user", "likes/tracks", limit=50)
    shown, everything = (
        [row for page in day.some(f"{path}{more}") for row in page["collection"]]
        for more in ("", "&access=playable,preview,blocked")
    )
    assert len(everything) == len(day.rows("user", day.longest("user", "likes/tracks"), "likes/tracks"))
    assert [row for row in everything if row["access"] == "playable"] == shown
    assert 0.1 < 1 - len(shown) / len(everything) < 0.5
    assert json.dumps(shown).count('"access": "blocked"') == 0
