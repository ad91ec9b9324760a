from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.errors import ConfigError
from crawler.sandbox.folder import FolderWorld
from crawler.sandbox.serve import open_world
from crawler.sandbox.shuffle import Shuffle
from crawler.sandbox.synthetic import PLAYLIST_BASE, TRACK_BASE, SyntheticWorld
from crawler.sandbox.world import COUNTED, World

INVERSE = [
    (("user", "followings"), ("user", "followers")),
    (("user", "likes/tracks"), ("track", "favoriters")),
    (("user", "reposts/tracks"), ("track", "reposters")),
    (("user", "reposts/playlists"), ("playlist", "reposters")),
]
OTHER = [
    ("user", "tracks"),
    ("user", "playlists"),
    ("user", "likes/playlists"),
    ("user", "related"),
    ("track", "related"),
    ("track", "comments"),
    ("playlist", "tracks"),
]
EVERY = [*(key for pair in INVERSE for key in pair), *OTHER]
LARGEST = 100_000_000


def nodes(users: int, kind: str) -> range:
    starts = {"user": (1, users), "track": (TRACK_BASE, 4 * users), "playlist": (PLAYLIST_BASE, users)}
    start, total = starts[kind]
    return range(start, start + total)


def whole(world: World, kind: str, node: int, relation: str) -> list[int]:
    return world.rows(kind, node, relation, 0, world.count(kind, node, relation)).tolist()


def edges(world: World, users: int, kind: str, relation: str) -> list[tuple[int, int]]:
    return [(node, row) for node in nodes(users, kind) for row in whole(world, kind, node, relation)]


@pytest.mark.parametrize("users", [1, 2, 3, 7, 60, 400])
def test_both_sides_agree(users: int) -> None:
    """In a small world every edge stands in the list of its source and in that of its target, and in no other."""
    world = SyntheticWorld(users, 5)
    for (kind, relation), (other_kind, other_relation) in INVERSE:
        outward = edges(world, users, kind, relation)
        inward = [(row, node) for node, row in edges(world, users, other_kind, other_relation)]
        assert sorted(outward) == sorted(inward), relation


@pytest.mark.parametrize("users", [1, 2, 7, 150])
def test_no_row_twice_and_no_self(users: int) -> None:
    """No list names a row twice, a node that does not exist, or its own node."""
    world = SyntheticWorld(users, 6)
    for kind, relation in EVERY:
        for node in nodes(users, kind):
            rows = whole(world, kind, node, relation)
            assert len(set(rows)) == len(rows), (kind, node, relation)
            assert relation not in ("followers", "followings", "related") or node not in rows


@given(seed=st.integers(0, 10**6), user=st.integers(1, LARGEST))
@settings(max_examples=25, deadline=None)
def test_both_sides_agree_in_the_largest_world(seed: int, user: int) -> None:
    """Of 100 million users, whoever a user follows or is followed by has that user in the opposite list."""
    world = SyntheticWorld(LARGEST, seed)
    for relation, opposite in (("followings", "followers"), ("followers", "followings")):
        for other in whole(world, "user", user, relation)[:2]:
            count = world.count("user", other, opposite)
            found = any(
                user in world.rows("user", other, opposite, start, min(start + 10**6, count))
                for start in range(0, count, 10**6)
            )
            assert found, (seed, user, relation, other)


@pytest.mark.parametrize("users", [1, 2, 90, LARGEST])
def test_counts_are_the_lengths(users: int) -> None:
    """The table of counts says how long the lists of each node are."""
    world = SyntheticWorld(users, 8)
    for kind, relations in COUNTED.items():
        some = np.array(nodes(users, kind)[:: max(1, users // 50)], dtype=np.int64)
        counts = world.counts(kind, some)
        for column, relation in enumerate(relations):
            if relation != "likers":
                assert counts[:, column].tolist() == [world.count(kind, int(node), relation) for node in some]


def test_every_item_has_its_owner() -> None:
    """Every track and playlist stands in the list of its owner, and nowhere else."""
    world = SyntheticWorld(130, 2)
    for kind in ("track", "playlist"):
        held = edges(world, 130, "user", f"{kind}s")
        assert sorted(item for _, item in held) == list(nodes(130, kind))
        owners = world.owners(kind, np.array([item for _, item in held]))
        assert owners.tolist() == [owner for owner, _ in held]


def test_seed_and_users_decide_everything() -> None:
    """The same users and seed give the same lists; another seed gives others."""
    first, same, other = SyntheticWorld(300, 1), SyntheticWorld(300, 1), SyntheticWorld(300, 2)
    for kind, relation in EVERY:
        assert edges(first, 300, kind, relation) == edges(same, 300, kind, relation)
    assert edges(first, 300, "user", "followings") != edges(other, 300, "user", "followings")


def test_followers_are_heavy_tailed() -> None:
    """A hundredth of the users has a third of all followers, the top one thousands of times the median; a seventh of
    the users follows nobody and none follows more than 2,000."""  # noqa: D205, D209
    world = SyntheticWorld(1_000_000, 3)
    counts = world.counts("user", np.arange(1, 1_000_001))
    followers = np.sort(counts[:, 0])[::-1]
    assert followers[:10_000].sum() > followers.sum() / 3
    assert followers[0] > 1000 * np.median(followers)
    assert 0.1 < (counts[:, 1] == 0).mean() < 0.2
    assert 1000 < counts[:, 1].max() <= 2000


def test_a_small_world_is_a_moderate_crawl() -> None:
    """All lists of all nodes of 400 users take 8,000 to 15,000 requests of 200 rows."""
    world = SyntheticWorld(400, 0)
    pages = sum(
        max(1, -(-world.count(kind, node, relation) // 200)) for kind, relation in EVERY for node in nodes(400, kind)
    )
    assert 8000 <= pages + 400 <= 15_000


@given(size=st.integers(1, 2**31), key=st.text(max_size=3), value=st.integers(0, 2**31))
def test_shuffle_comes_back(size: int, key: str, value: int) -> None:
    """Backward undoes forward, for any size, for ints and for arrays alike."""
    shuffle, number = Shuffle(size, key), value % size
    place = shuffle.forward(number)
    assert 0 <= place < size
    assert shuffle.backward(place) == number
    assert shuffle.forward(np.array([number])).tolist() == [place]


def test_folder_has_what_its_files_have(tmp_path: Path) -> None:
    """A folder's edges come out as they went in: both ways, without repeats and self-follows, ids with gaps."""
    files = {
        "follows.txt.gz": "0 5\n5 0\n7 0\n7 7\n7 0\n",
        "friends.txt.gz": "5 7\n",
        "user_tags.txt.gz": "5 100\n0 100\n",
        "lists.txt.gz": "3 7 101\n3 7 100\n3 7 101\n",
        "related.txt.gz": "0 7 1\n0 5 2\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    world = FolderWorld(tmp_path)
    assert [node for node in range(9) if world.exists("user", node)] == [0, 5, 7]
    assert {node: sorted(whole(world, "user", node, "followers")) for node in (0, 5, 7)} == {
        0: [5, 7],
        5: [0, 7],
        7: [5],
    }
    assert whole(world, "playlist", 3, "tracks") == [101, 100]
    assert whole(world, "user", 0, "related") == [7, 5]
    assert sorted(whole(world, "track", 100, "favoriters")) == [0, 5]
    assert whole(world, "user", 7, "playlists") == [3]
    assert whole(world, "track", 100, "comments") == []
    held = {track: user for user in (0, 5, 7) for track in whole(world, "user", user, "tracks")}
    assert held == {track: int(world.owners("track", np.array([track]))[0]) for track in (100, 101)}


@pytest.mark.parametrize("content", [None, b"", b"no gzip", gzip.compress(b"1 2 x\n"), gzip.compress(b"1 2 3\n")])
def test_unfit_folder_is_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    """A folder that is missing, empty or unreadable raises `ConfigError` with one sentence that names it."""
    path = tmp_path / "world"
    if content is not None:
        path.mkdir()
        if content:
            (path / "follows.txt.gz").write_bytes(content)
    with pytest.raises(ConfigError, match=r"world.*[^.]$"):
        open_world(path)
    with pytest.raises(ConfigError):
        open_world("synthetic", users=LARGEST + 1)


def test_ego_twitter_is_the_published_graph(shared: Path) -> None:
    """The figures of the real graph are those of its README and of the ground truth that was computed elsewhere."""
    world = FolderWorld(shared / "graphs" / "ego-twitter")
    truth = json.loads((shared / "graphs" / "ground_truth.json").read_text())["ego-twitter/follows.txt.gz"]
    counts = world.counts("user", np.arange(81_306))
    totals = counts.sum(axis=0).tolist()
    assert totals[:2] == [truth["edges"], truth["edges"]]
    assert totals[COUNTED["user"].index("likes/tracks")] == 1_245_234
    assert totals[COUNTED["user"].index("playlists")] == 4065
    assert counts[:, :2].max(axis=0).tolist() == [truth["in_degree"]["max"], truth["out_degree"]["max"]]
    assert int((counts[:, 1] == 0).sum()) == truth["out_degree"]["zero"]
    assert int(counts[:, 0].argmax()) == truth["top_in_node"]
    assert Counter(map(bool, counts[:, 0].tolist()))[False] == truth["in_degree"]["zero"]
