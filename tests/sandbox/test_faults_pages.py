"""S1 to S16: envelopes and cursors. Each test shows the behaviour; crawls are in test_faults_crawl.py."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from crawler.sandbox.synthetic import TRACK_BASE
from tests.sandbox.bad_days import BadDay

FOLLOWERS = ("user", "followers")
RELATED = ("user", "related")
HOT_TRACK = TRACK_BASE + 78_601
"""It has 3,327 comments in the world of 20,000 users with seed 7."""


def ids(pages: list[dict[str, object]]) -> list[int]:
    return [row["id"] for page in pages for row in page["collection"] or () if row]  # type: ignore[attr-defined]


def path_and_query(href: str) -> str:
    return href[href.find("/", 8) :]


def test_s1_the_end_is_null_where_it_was_absent_and_absent_where_it_was_null() -> None:
    """S1: a list paged by cursors ends without the key, one paged by offsets with null, and no page before changes."""
    day = BadDay("swapped-end:1")
    followers, related = (day.some(day.path(*which), 100) for which in (FOLLOWERS, RELATED))
    assert "next_href" not in followers[-1]
    assert related[-1]["next_href"] is None
    assert all(page["next_href"] for page in followers[:-1] + related[:-1])


def test_s2_a_page_is_a_bare_array_where_an_envelope_was_asked_for() -> None:
    """S2: the first rows come as an array, and nothing tells of the others."""
    day = BadDay("bare-arrays:1")
    rows = day.json(day.path(*FOLLOWERS))
    assert [row["id"] for row in rows] == day.rows("user", day.longest(*FOLLOWERS), "followers")[:3]


def test_s3_rows_are_cut_away_after_the_page_was_cut() -> None:
    """S3: pages are short, the links are those of whole pages, and the account tells how many rows are hidden."""
    day = BadDay("short-pages:1")
    pages = day.some(day.path(*FOLLOWERS, limit=10), 100)
    account = day.sandbox.lists()[f"users/{day.longest(*FOLLOWERS)}/followers"]
    true = day.rows("user", day.longest(*FOLLOWERS), "followers")
    assert account.rows == len(true) == account.visible + account.hidden + account.hidden_at_end
    assert set(ids(pages)) < set(true)
    assert 0.05 < 1 - account.visible / account.rows < 0.3
    assert len(pages) == -(-len(true) // 10)


def test_s4_three_empty_pages_in_a_row() -> None:
    """S4: exactly three pages in the middle are empty and go on; the first and the last are not."""
    day = BadDay("empty-pages:1")
    lengths = [len(page["collection"]) for page in day.some(day.path(*FOLLOWERS, limit=10), 100)]
    assert lengths.count(0) == 3
    assert lengths[lengths.index(0) :][:3] == [0, 0, 0]
    assert lengths[0]
    assert lengths[-1]


def test_s5_a_full_last_page_names_an_empty_one() -> None:
    """S5: when the last page is full, an empty one follows and ends the list."""
    day = BadDay("empty-last-page:1")
    count = len(day.rows("user", day.longest(*FOLLOWERS), "followers"))
    for limit, empty in ((count, True), (count + 1, False)):
        pages = day.some(day.path(*FOLLOWERS, limit=limit))
        assert len(pages) == 1 + empty
        assert (pages[-1]["collection"] == []) == empty
        assert pages[-1]["next_href"] is None


def test_s6_null_rows_and_null_collections() -> None:
    """S6: some rows are null; the collection of an empty last page is null."""
    day = BadDay("null-items:1")
    rows = [row for page in day.some(day.path(*FOLLOWERS, limit=100)) for row in page["collection"]]
    assert 0 < rows.count(None) < len(rows) / 2
    day = BadDay("null-collection:1")
    count = len(day.rows("user", day.longest(*FOLLOWERS), "followers"))
    assert day.some(day.path(*FOLLOWERS, limit=count))[-1] == {"collection": None, "next_href": None}


def test_s7_the_limit_comes_back_as_page_size() -> None:
    """S7: `limit` is called page_size in links, also where the service takes a smaller one than was asked for."""
    for faults, limit in (("", "100"), ("small-pages", "10")):
        day = BadDay(faults)
        page = day.json(day.path(*FOLLOWERS, limit=100))
        query = parse_qs(urlsplit(page["next_href"]).query)
        assert (query["page_size"], "limit" in query) == ([limit], False)
        assert len(page["collection"]) == int(limit)


def test_s8_and_s26_belong_to_a_dialect_that_is_not_spoken_yet(capsys: pytest.CaptureFixture[str]) -> None:
    """S8, S26 (and the cursors of S9 that are v2's): the list says that they come with the v2 dialect."""
    from crawler.sandbox.faults.plan import listed

    lines = [line for line in listed().splitlines() if "(with the v2 dialect)" in line]
    assert [line.split()[0] for line in lines] == ["S8", "S26"]
    assert capsys.readouterr().out == ""


def test_s9_each_list_has_its_own_grammar_under_every_fault_of_paging() -> None:
    """S9: links that faults write are in the grammar of the list too: following them by hand is answered by pages."""
    for faults in ("ms-ties:1", "empty-last-page:1", "endless-end:1", "write-lag:1", "lost-page:1"):
        day = BadDay(faults)
        for which in (FOLLOWERS, RELATED, ("user", "tracks"), ("track", "favoriters")):
            assert day.some(day.path(*which), 8)


def test_s10_the_host_is_internal_and_path_and_query_are_right() -> None:
    """S10: next_href names another host, over http; its path and query lead on."""
    day, good = BadDay("wrong-host:1"), BadDay("")
    first, same = (one.json(one.path(*FOLLOWERS)) for one in (day, good))
    assert first["next_href"].startswith("http://http.api.prod.api-public.srv.db.s-cloud.net/users/")
    assert path_and_query(first["next_href"]) == path_and_query(same["next_href"])
    assert ids(day.some(day.path(*FOLLOWERS, limit=50))) == ids(good.some(day.path(*FOLLOWERS, limit=50)))


def test_s11_links_go_round_in_circles() -> None:
    """S11: the second page names itself for ever; or the third names the second."""
    day = BadDay("repeated-cursor:1")
    pages = day.some(day.path(*FOLLOWERS), 6)
    assert len({page["next_href"] for page in pages[1:]}) == 1
    assert pages[2]["collection"] == pages[1]["collection"] != pages[0]["collection"]
    pages = (day := BadDay("cursor-cycle:1")).some(day.path(*FOLLOWERS), 6)
    assert len(pages) == 6
    assert pages[2]["next_href"] == pages[0]["next_href"]
    assert pages[3] == pages[1]


def test_s12_offsets_go_on_for_ever_past_the_end() -> None:
    """S12: from offset 1000, or from the end, pages are empty, and their links advance without end."""
    day = BadDay("endless-end:1")
    pages = day.some(day.path(*RELATED), 12)
    assert ids(pages) == day.rows("user", day.longest(*RELATED), "related")
    assert len(pages) == len({page["next_href"] for page in pages}) == 12
    day = BadDay("endless-offsets", users=20_000)
    comments = f"/tracks/{HOT_TRACK}/comments?limit=200&linked_partitioning=true"
    pages = day.some(comments, 12)
    assert ids(pages) == day.rows("track", HOT_TRACK, "comments")[:1000]
    assert len(pages) == len({page["next_href"] for page in pages}) == 12
    assert day.some(day.path(*RELATED))[-1].get("next_href") is None


def test_s13_links_lose_parameters() -> None:
    """S13: access, show_tracks and linked_partitioning are gone from links."""
    day = BadDay("dropped-access:1")
    page = day.json(day.path("user", "likes/tracks") + "&access=playable,preview,blocked&show_tracks=false")
    assert set(parse_qs(urlsplit(page["next_href"]).query)) == {"cursor", "page_size"}


def test_s14_rows_that_share_a_millisecond_repeat_or_vanish() -> None:
    """S14: at the boundary of two pages a row comes twice, or not at all."""
    day = BadDay("ms-ties:1")
    pages = day.some(day.path(*FOLLOWERS, limit=20), 3)
    assert pages[1]["collection"][0] == pages[0]["collection"][-1]
    day = BadDay("ms-ties-lost:1")
    true = day.rows("user", day.longest(*FOLLOWERS), "followers")
    assert ids(day.some(day.path(*FOLLOWERS, limit=20), 2)) == true[:20] + true[21:41]


def test_s15_lists_change_while_they_are_read() -> None:
    """S15: an insertion shifts offsets back, a removal forward, and shortens lists with cursors; counts follow."""
    day = BadDay("inserts:1")
    assert ids(day.some(day.path(*RELATED), 2)) == [
        (true := day.rows("user", day.longest(*RELATED), "related"))[i] for i in (0, 1, 2, 2, 3, 4)
    ]
    assert [day.json("/users/3")["followings_count"] - day.json("/users/3")["followings_count"] for _ in "ab"] == [
        -1
    ] * 2
    day = BadDay("unfollows:1")
    assert ids(day.some(day.path(*RELATED), 2)) == true[:3] + true[4:7]
    followers = day.rows("user", day.longest(*FOLLOWERS), "followers")
    assert ids(day.some(day.path(*FOLLOWERS, limit=50))) == followers[:-1]
    user = f"/users/{day.longest(*FOLLOWERS)}"
    assert day.json(user)["followers_count"] == day.json(user)["followers_count"] + 1


def test_s16_a_list_of_related_things_begins_with_the_thing_itself() -> None:
    """S16: the first row is the node that was asked about; the others follow, none is lost."""
    day = BadDay("related-seed-first:1")
    for kind in ("user", "track"):
        node = day.longest(kind, "related")
        assert ids(day.some(day.path(kind, "related"))) == [node, *day.rows(kind, node, "related")]


def test_planted_holes_are_silent() -> None:
    """An early null, a lost page and a wall leave a list that looks whole, and is not; the account tells."""
    for faults in ("early-null:1", "lost-page:1", "silent-cap:1"):
        day = BadDay(faults)
        pages = day.some(day.path(*FOLLOWERS, limit=20))
        true = day.rows("user", day.longest(*FOLLOWERS), "followers")
        assert pages[-1]["next_href"] is None
        assert set(ids(pages)) < set(true), faults
        account = day.sandbox.lists()[f"users/{day.longest(*FOLLOWERS)}/followers"]
        assert (account.visible, account.hidden, account.ended) == (len(ids(pages)), 0, True)


def test_unknown_kinds() -> None:
    """Some rows are of a kind that no list should have."""
    day = BadDay("unknown-kinds:1")
    kinds = {row["kind"] for page in day.some(day.path(*FOLLOWERS, limit=100)) for row in page["collection"]}
    assert kinds == {"user", "system-playlist"}
