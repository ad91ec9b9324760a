from __future__ import annotations

import pytest

from crawler.errors import ConfigError
from crawler.model import NodeId, Task
from crawler.providers.soundcloud import SoundCloud

BASE = "https://api.example.test"
BATCH = "&access=playable,preview,blocked&linked_partitioning=true"


def request(
    kind: str, name: str, identity: int | str, cursor: str | None = None, base: str = BASE, limit: int = 200
) -> str:
    """Return the URL that is asked for."""
    provider = SoundCloud(base, "graph", limit)
    relation = next(row for row in provider.relations if (row.kind, row.name) == (kind, name))
    return provider.request(Task(NodeId("soundcloud", kind, identity), relation, cursor)).url


FIRST_PAGES = [
    ("user", "followers", 42, "/users/42/followers?limit=200&linked_partitioning=true"),
    ("user", "tracks", 42, "/users/42/tracks?access=playable,preview,blocked&limit=200&linked_partitioning=true"),
    ("user", "playlists", 42, "/users/42/playlists?show_tracks=false&limit=200&linked_partitioning=true"),
    ("user", "profile", 42, "/users/42"),
    ("user", "profile", "soundcloud:users:a/b", "/users/soundcloud:users:a%2Fb"),
    ("url", "resolve", "https://soundcloud.com/a?b=c&d", "/resolve?url=https%3A%2F%2Fsoundcloud.com%2Fa%3Fb%3Dc%26d"),
    (
        "tracks",
        "profile",
        "1,2,soundcloud:tracks:x",
        "/tracks?urns=soundcloud:tracks:1,soundcloud:tracks:2,soundcloud:tracks:x" + BATCH,
    ),
    ("users", "profile", "7", "/users?urns=soundcloud:users:7&linked_partitioning=true"),
]


@pytest.mark.parametrize("kind,name,identity,path", FIRST_PAGES)
def test_first_page(kind: str, name: str, identity: int | str, path: str) -> None:
    """The first page asks in the documented grammar, with the parameters that keep rows from vanishing."""
    assert request(kind, name, identity) == BASE + path


ONWARD = [
    ("followers", "/users/42/followers?page_size=10&cursor=1567684271000&linked_partitioning=true", ""),
    ("followers", "/users/42/followers?page_size=10&cursor=1567684271000", "&linked_partitioning=true"),
    ("followers", "/collection?cursor=1", "&limit=200&linked_partitioning=true"),
    ("followers", "/collection", "?limit=200&linked_partitioning=true"),
    ("tracks", "/t?cursor=a%2Cb,00&limit=3&linked_partitioning=1", "&access=playable,preview,blocked"),
    ("playlists", "/p?cursor=a&page_size=3&linked_partitioning=1&show_tracks=true", ""),
]


@pytest.mark.parametrize("name,cursor,added", ONWARD)
def test_cursor_is_untouched_and_lost_parameters_return(name: str, cursor: str, added: str) -> None:
    """A cursor is opaque to the byte; only what the service dropped is added again, never a second limit."""
    assert request("user", name, 42, cursor) == BASE + cursor + added


def test_base_with_a_path_is_not_doubled() -> None:
    """A service below a path serves cursors with or without that path; both lead back to it."""
    base = "http://127.0.0.1:8080/official"
    with_path = request(
        "user", "followers", 1, "/official/users/1/followers?page_size=1&linked_partitioning=true", base
    )
    without = request("user", "followers", 1, "/users/1/followers?page_size=1&linked_partitioning=true", base)
    assert with_path == without == base + "/users/1/followers?page_size=1&linked_partitioning=true"


def test_cursor_cannot_move_the_host() -> None:
    """A cursor that would change the authority of the URL is a bug, not a request."""
    with pytest.raises(ValueError, match="path"):
        request("user", "followers", 1, "@evil.example/x")


@pytest.mark.parametrize("limit", [0, 201, -1])
def test_page_limit_is_bounded(limit: int) -> None:
    """A limit that the service answers with a 500 is refused before anything is opened."""
    with pytest.raises(ConfigError):
        SoundCloud(BASE, "graph", limit)


def test_families_have_no_ids() -> None:
    """The family names the endpoint, so that limits can be shared by it."""
    provider = SoundCloud(BASE, "graph")
    families = {provider.request(Task(NodeId("soundcloud", row.kind, "1"), row)).family for row in provider.relations}
    assert {"users/followers", "users/likes/tracks", "tracks/comments", "resolve", "tracks", "users"} <= families
    assert not any(character.isdigit() for family in families for character in family)


def test_each_edge_has_one_direction() -> None:
    """Two lists that show the same edge give it the same way round."""
    rows = {(row.kind, row.name): row for row in SoundCloud(BASE, "graph").relations}
    assert rows["user", "followers"].inward
    assert not rows["user", "followings"].inward
    assert rows["track", "favoriters"].inward
    assert {row.to_kind for row in rows.values() if row.inward} == {"user"}
    assert {row.edge for row in rows.values()} == {
        None, "follows", "likes", "reposts", "posted", "contains", "related", "commented", "links",
    }  # fmt: skip
