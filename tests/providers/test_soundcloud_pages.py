from __future__ import annotations

import json
from typing import Any

import pytest

from crawler.errors import BadPage, Gone, Transient
from crawler.model import Item, NodeId, Page, Response, Task
from crawler.providers.soundcloud import Keep, SoundCloud
from crawler.providers.soundcloud_items import claimed_followers

JSON = {"content-type": "application/json; charset=utf-8"}
USER = {
    "id": 7,
    "kind": "user",
    "urn": "soundcloud:users:7",
    "followers_count": 3,
    "created_at": "2011/04/06 15:37:43 +0000",
}
TRACK = {"id": 9, "kind": "track", "duration": 1000, "created_at": "2011/04/06 15:37:43 +0000", "user": USER}


def task(kind: str, name: str, identity: int | str = 42) -> Task:
    """Return the first page of a listing."""
    relation = next(row for row in SoundCloud.relations if (row.kind, row.name) == (kind, name))
    return Task(NodeId("soundcloud", kind, identity), relation)


def parse(
    asked: Task,
    body: object,
    keep: Keep = "graph",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Page:
    """Parse a body that is given as JSON or as bytes."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SoundCloud("https://api.example.test", keep).parse(
        asked, Response(status, JSON if headers is None else headers, text)
    )


def data(page: Page) -> Any:  # noqa: ANN401
    """Return the data of the first item."""
    body = page.items[0].body
    assert body is not None
    return json.loads(body.encode())


FOLLOWERS = task("user", "followers")


@pytest.mark.parametrize("keep", ["graph", "profile", "raw"])
def test_users_of_a_list(keep: Keep) -> None:
    """A listed user is an item with its id, full but without counts that one could trust."""
    page = parse(FOLLOWERS, {"collection": [USER], "next_href": None}, keep)
    (item,) = page.items
    assert (item.kind, item.id, item.key, item.detail, item.counts, item.at) == ("user", 7, 7, "full", None, None)
    assert (page.next, page.unread) == (None, 0)
    assert data(page)["created_at"] == ("2011-04-06T15:37:43Z" if keep != "raw" else USER["created_at"])


@pytest.mark.parametrize("end", [{"next_href": None}, {}])
def test_end_of_a_list(end: dict[str, None]) -> None:
    """A list ends where next_href is null or absent, also on an empty page (soundcloud/api 485)."""
    assert parse(FOLLOWERS, {"collection": [], **end}) == Page([], asked=200)


def test_bare_array() -> None:
    """Without an envelope, the array is the whole list."""
    assert [item.id for item in parse(FOLLOWERS, [USER, {**USER, "id": 8}]).items] == [7, 8]


@pytest.mark.parametrize("collection", [None, []])
def test_empty_page_goes_on(collection: list[object] | None) -> None:
    """An empty or null page in the middle is no end (soundcloud/api 55, 139)."""
    page = parse(FOLLOWERS, {"collection": collection, "next_href": "https://api.example.test/u?cursor=1&page_size=50"})
    doubt = "the service said null instead of a list" if collection is None else None
    assert page == Page([], "/u?cursor=1&page_size=50", 50, asked=200, doubt=doubt)


MARKS = [
    ("cursor=1567684271000&page_size=200", -1567684271000),
    ("cursor=1637775162857218", -1637775162857),
    ("cursor=2018-02-27T14:37:10.000Z,tracks,00405959469", -1519742230000),
    ("offset=2018-02-27T14%3A37%3A10.000Z%2Ctracks%2C0040", -1519742230000),
    ("offset=400&limit=200", 400),
    ("cursor=1234567", None),
    ("cursor=abc", None),
    ("cursor=2018-99-99T0", None),
    ("page_size=200", None),
]


@pytest.mark.parametrize("query,mark", MARKS)
def test_a_link_tells_how_far_the_list_has_come(query: str, mark: int | None) -> None:
    """Offsets grow and times go back, so that both marks grow along a list; other cursors tell nothing."""
    assert parse(FOLLOWERS, {"collection": [USER], "next_href": f"https://h/a?{query}"}).mark == mark


LINKS = [
    (
        "http://http.api.prod.internal:8080/users/1/followers?page_size=200&cursor=15",
        "/users/1/followers?page_size=200&cursor=15",
        200,
    ),
    (
        "https://evil.example/a?cursor=2018-02-27T14:37:10.000Z,tracks,004&limit=10",
        "/a?cursor=2018-02-27T14:37:10.000Z,tracks,004&limit=10",
        10,
    ),
    ("/a?client_id=SECRET&cursor=1&oauth_token=SECRET&secret_token=SECRET", "/a?cursor=1", None),
    ("https://h/a?client%5Fid=SECRET", "/a", None),
    ("https://h/a?limit=x&cursor=%2C%3D#part", "/a?limit=x&cursor=%2C%3D", None),
    ("https://h/a b?c=é", "/a%20b?c=%C3%A9", None),
]


@pytest.mark.parametrize("href,path,limit", LINKS)
def test_next_link_keeps_path_and_query_only(href: str, path: str, limit: int | None) -> None:
    """Whatever host a link names (soundcloud/api 309, 368), only path and query stay, and no credential with them."""
    page = parse(FOLLOWERS, {"collection": [USER], "next_href": href})
    assert (page.next, page.limit) == (path, limit)


@pytest.mark.parametrize("href", [1, True, [], {}, "", "https://h", "https://h/", "?cursor=1", "users/1", "http://[/a"])
def test_next_link_of_another_kind_is_a_bad_page(href: object) -> None:
    """A link that cannot be followed is never taken for an end."""
    with pytest.raises(BadPage, match="next_href"):
        parse(FOLLOWERS, {"collection": [USER], "next_href": href})


UNREAD = [
    None,
    {},
    {"kind": "user"},
    {"id": None, "kind": "user"},
    {"id": -5},
    {"id": ""},
    {"id": 2**63},
    {"id": True},
    {"id": 5, "kind": "group"},
    {"id": 5, "kind": 3},
    {"urn": "soundcloud:tracks:5"},
    "text",
    5,
    [],
]


@pytest.mark.parametrize("row", UNREAD)
def test_rows_without_a_name_are_counted(row: object) -> None:
    """A row that is null, of another kind or without an id is counted, never guessed."""
    page = parse(FOLLOWERS, {"collection": [USER, row], "next_href": None})
    assert ([item.id for item in page.items], page.unread) == ([7], 1)


@pytest.mark.parametrize("keep", ["graph", "profile", "raw"])
@pytest.mark.parametrize("beside", [{"id": 8}, {"id": "8"}, {"id": 8, "kind": 3}])
@pytest.mark.parametrize("odd", [{}, 2**64, [], "many"])
def test_an_impossible_field_costs_the_field_and_not_the_edge(
    odd: object, beside: dict[str, object], keep: Keep
) -> None:
    """What describes a user is read when it is wanted, and cannot take the edge away, whatever stands beside it."""
    row = {**USER, "id": 5, "followers_count": odd, "country": "Chile"}
    page = parse(FOLLOWERS, {"collection": [row, beside], "next_href": None}, keep)
    assert page.items[0].id == 5
    assert page.items[0].body is not None
    written = json.loads(page.items[0].body.encode())
    assert written["followers_count"] == (odd if keep == "raw" else None)
    assert written["country"] == "Chile"


IDS = [
    ({"id": 5_000_000_000}, 5_000_000_000),
    ({"id": "5"}, 5),
    ({"id": 0}, 0),
    ({"urn": "soundcloud:users:0"}, 0),
    ({"urn": "soundcloud:users:5"}, 5),
    ({"id": "soundcloud:users:5"}, 5),
    ({"id": None, "urn": "soundcloud:users:a-b"}, "soundcloud:users:a-b"),
    ({"id": 5, "urn": "soundcloud:users:6"}, 5),
    ({"id": 5, "urn": 6}, 5),
]


@pytest.mark.parametrize("keep", ["graph", "raw"])
@pytest.mark.parametrize("row,identity", IDS)
def test_ids_are_integers_where_they_are_numeric(row: dict[str, object], identity: int | str, keep: Keep) -> None:
    """Numbers and URNs name the same node while the service moves from one to the other."""
    (item,) = parse(FOLLOWERS, [row], keep).items
    assert item.id == identity
    assert type(item.id) is type(identity)


def test_one_odd_type_costs_no_row() -> None:
    """The slow gear reads the same page as the fast one when a type varies."""
    page = parse(FOLLOWERS, {"collection": [{**USER, "followers_count": "3"}, {**USER, "id": 8}], "next_href": None})
    assert [item.id for item in page.items] == [7, 8]
    assert data(page) == data(parse(FOLLOWERS, [USER]))


def test_page_of_unknown_rows_is_a_bad_page() -> None:
    """When no row at all has the known types, the service has changed, and the page is kept for a look."""
    with pytest.raises(BadPage, match="no row"):
        parse(FOLLOWERS, {"collection": [{"id": {"value": 1}, "plan": []}], "next_href": None})


BODIES = [
    (b"", {}, Transient),
    (b'{"collection":[{"id":1', JSON, Transient),
    (b"<html>busy</html>", {"content-type": "text/html"}, Transient),
    (b"upstream connect error", {"content-type": "text/plain"}, Transient),
    (b'{"collection":[],}', JSON, BadPage),
    (rb'{"collection":[{"id":1,"country":"\udc00x"}]}', JSON, BadPage),
    (b'{"collection":[{"id":1,"country":"\xff"}]}', JSON, BadPage),
    (b'{"collection":' + b"[" * 100_000, JSON, BadPage),
    (b"null", JSON, BadPage),
    (b"{}", JSON, BadPage),
    (b'{"errors":[]}', JSON, BadPage),
    (b'{"collection":{}}', JSON, BadPage),
    (b'"text"', JSON, BadPage),
    (b"5", JSON, BadPage),
]


@pytest.mark.parametrize("keep", ["graph", "profile", "raw"])
@pytest.mark.parametrize("body,headers,error", BODIES)
def test_200_without_a_page_is_an_error(
    body: bytes, headers: dict[str, str], error: type[Exception], keep: Keep
) -> None:
    """A 200 that is no page is never an empty list."""
    with pytest.raises(error):
        parse(FOLLOWERS, body, keep, headers=headers)


def test_profile_gives_counts() -> None:
    """A user in its own right tells how long its lists are; counts that do not mean a list's length are left out."""
    (item,) = parse(
        task("user", "profile"),
        {
            "id": 42,
            "kind": "user",
            "followers_count": 3,
            "followings_count": 0,
            "track_count": None,
            "public_favorites_count": 9,
            "reposts_count": 9,
            "comments_count": 0,
        },
    ).items
    assert item.counts == {"followers": 3, "followings": 0}
    assert item.detail == "full"


def test_counts_that_are_all_zero_are_not_trusted() -> None:
    """In an outage every count is 0 (soundcloud/api 279): no list is passed over because of that."""
    (item,) = parse(task("user", "profile"), {"id": 42, "followers_count": 0, "track_count": 0}).items
    assert item.counts is None


@pytest.mark.parametrize("body", [{"id": 43}, {}, {"collection": []}, None, [], {"id": 42, "kind": "track"}])
def test_profile_of_another_node_is_a_bad_page(body: object) -> None:
    """What is not the node that was asked for is not written under its name."""
    with pytest.raises(BadPage):
        parse(task("user", "profile"), body)


@pytest.mark.parametrize("keep", ["graph", "profile", "raw"])
def test_owner_of_a_track(keep: Keep) -> None:
    """The uploader comes along as a mini item, and the edge of a list of uploads has the upload's date."""
    (item,) = parse(task("user", "tracks"), {"collection": [TRACK]}, keep).items
    assert item.owner is not None
    assert (item.owner.kind, item.owner.id, item.owner.detail, item.at) == ("user", 7, "mini", "2011-04-06T15:37:43Z")
    assert item.owner.body is not None
    assert json.loads(item.owner.body.encode())["followers_count"] == 3


@pytest.mark.parametrize("author", [{"user": None}, {}, {"user": {"kind": "user"}}])
def test_owner_by_id_only(author: dict[str, object]) -> None:
    """A missing uploader leaves at least an id (deleted users: field report, 2.3); likes have no date."""
    page = parse(
        task("user", "likes_tracks"), [{"id": 9, "user_id": 5, "created_at": "2011/04/06 15:37:43 +0000", **author}]
    )
    (item,) = page.items
    assert item.owner is not None
    assert (item.owner.id, item.owner.detail, item.owner.body, item.at) == (5, "id", None, None)


def test_owner_fills_user_id() -> None:
    """Newer tracks have no user_id; the graph keeps it all the same."""
    assert data(parse(task("user", "tracks"), [TRACK]))["user_id"] == 7


def test_comments_are_edges() -> None:
    """A comment is its author, told apart from the author's other comments by its own id, with its date."""
    comment = {"id": 1, "kind": "comment", "created_at": "2011/04/06 15:37:43 +0000", "user_id": 7, "user": USER}
    page = parse(task("track", "comments"), {"collection": [comment, {**comment, "id": 2, "user": None}, {"id": 3}]})
    shown = [(item.kind, item.id, item.key, item.at, item.detail) for item in page.items]
    assert shown == [("user", 7, 1, "2011-04-06T15:37:43Z", "mini"), ("user", 7, 2, "2011-04-06T15:37:43Z", "id")]
    assert page.unread == 1


def test_web_profiles() -> None:
    """A link is named by its id, else by its address."""
    page = parse(
        task("user", "web_profiles"),
        [{"id": 4, "url": "https://a.example"}, {"id": None, "url": "https://b.example"}, {}],
    )
    assert [item.id for item in page.items] == [4, "https://b.example"]
    assert page.unread == 1


def test_related_leaves_out_the_node_itself() -> None:
    """A seed among its own relatives is no relation, and no row that could not be read."""
    page = parse(task("track", "related", 9), {"collection": [TRACK, {**TRACK, "id": 10}]})
    assert ([item.id for item in page.items], page.unread, page.own) == ([10], 0, 1)


def test_batch_holds_what_was_asked_for() -> None:
    """Of a batch only the rows that were asked for count, they carry no trusted counts, and it has no next page."""
    page = parse(
        task("users", "profile", "7,soundcloud:users:8,9"),
        {"collection": [USER, {**USER, "id": 8}, {**USER, "id": 1}], "next_href": "https://h/users?offset=50"},
    )
    assert ([item.id for item in page.items], page.unread, page.next) == ([7, 8], 1, None)
    assert page.items[0].counts is None


LOCATIONS = [
    ("https://api.soundcloud.com/tracks/122889665?client_id=REDACTED", "track", 122889665),
    ("https://api.soundcloud.com/users/soundcloud:users:5", "user", 5),
    ("https://api.soundcloud.com/playlists/soundcloud%3Aplaylists%3A5", "playlist", 5),
    ("https://api.soundcloud.com/users/soundcloud:users:abc", "user", "soundcloud:users:abc"),
]


@pytest.mark.parametrize("location,kind,identity", LOCATIONS)
def test_resolve(location: str, kind: str, identity: int | str) -> None:
    """An address leads to a node by number or URN, told by the header or by the body."""
    asked = task("url", "resolve", "https://soundcloud.com/x")
    by_body = parse(asked, {"status": "302 - Found", "location": location}, status=302)
    by_header = parse(asked, b"", status=302, headers={"location": location})
    for page in (by_body, by_header):
        (item,) = page.items
        assert (item.kind, item.id, item.detail, item.body) == (kind, identity, "id", None)


def test_resolve_to_the_object() -> None:
    """A 200 with the object itself names it as well."""
    (item,) = parse(task("url", "resolve", "x"), {"kind": "track", "urn": "soundcloud:tracks:4"}).items
    assert (item.kind, item.id, item.body) == ("track", 4, None)


@pytest.mark.parametrize(
    "body",
    [
        {"location": 5},
        {"location": "https://h/groups/1"},
        {"kind": []},
        {"location": "https://h/x?client_id=SECRET"},
        {},
        [],
    ],
)
def test_resolve_to_nothing_known(body: object) -> None:
    """An address that leads to no user, track or playlist is a bad page, whose message has no secret."""
    with pytest.raises(BadPage) as caught:
        parse(task("url", "resolve", "x"), body, status=302)
    assert "SECRET" not in str(caught.value)


def test_resolve_of_nothing() -> None:
    """An address of nobody is a fact."""
    with pytest.raises(Gone):
        parse(task("url", "resolve", "x"), {"errors": [{"error_message": "404 - Not Found"}]}, status=404)


@pytest.mark.parametrize("keep", ["graph", "profile", "raw"])
def test_a_users_row_claims_its_followers_unless_the_number_may_be_a_false_zero(keep: Keep) -> None:
    """At every level a positive count is a claim; a zero, a text, nothing, and any count of a nested user are none."""
    told: tuple[dict[str, object], ...] = (
        {"followers_count": 12},
        {"followers_count": 0},
        {"followers_count": "many"},
        {"city": None},
    )
    rows = [{"kind": "user", "id": number, **tail} for number, tail in enumerate(told, 1)]
    page = parse(task("user", "followings"), {"collection": rows, "next_href": None}, keep)
    assert {item.id: claimed_followers(item) for item in page.items} == {1: 12, 2: None, 3: None, 4: None}
    assert claimed_followers(Item("user", 1, 1, "mini", page.items[0].body)) is None
