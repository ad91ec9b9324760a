"""One world crawled in three dialects, through the command line and the real sandbox: the same graph."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.cli import main
from crawler.dataset.reader import records
from crawler.model import Relation
from crawler.providers.soundcloud import SoundCloud
from crawler.providers.soundcloud_legacy import SoundCloudLegacy
from crawler.sandbox import cursors
from crawler.sandbox.serve import open_world
from crawler.sandbox.synthetic import PLAYLIST_BASE, TRACK_BASE
from crawler.sandbox.web_objects import iso
from crawler.sandbox.world import COUNTED, World
from tests.served import sections, served

USERS = 30
SEED = 3
Edge = tuple[str, int, str, int]
V1 = (
    'sources = ["soundcloud"]\n[crawl.relations]\n'
    'user = ["followers", "followings", "likes_tracks", "likes_playlists"]\n'
    "track = []\nplaylist = []\n"
)
LEGACY = (
    'sources = ["soundcloud"]\n[crawl.relations]\nuser = ["followers", "followings", "likes_tracks"]\n'
    'track = ["favoriters"]\nplaylist = []\n'
)
V2 = (
    'sources = ["soundcloud_v2"]\n[crawl.relations]\nuser = ["followers", "followings", "likes"]\ntrack = []\n'
    "playlist = []\n"
)
BOTH = (
    'sources = ["soundcloud", "soundcloud_v2"]\n[crawl.relations]\nuser = ["followers", "soundcloud_v2/likes"]\n'
    "track = []\nplaylist = []\n"
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve a sandbox; give its address."""
    with served(USERS, SEED) as url:
        yield url


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOUNDCLOUD_CLIENT_ID", "SOUNDCLOUD_CLIENT_SECRET", "SOUNDCLOUD_V2_CLIENT_ID"):
        monkeypatch.setenv(name, "made-up")


def crawl(
    folder: Path, section: str, *arguments: str, address: str, accepts: bool = True, dialect: str | None = None
) -> int:
    """Crawl the world with some configuration; return the exit code."""
    folder.mkdir()
    config = folder / "config-used.toml"
    dialect = dialect or ("legacy" if section == LEGACY else "current")
    terms = f"accept_unofficial_terms = {str(accepts).lower()}\n"
    config.write_text(f"[crawl]\n{section}{sections(address, dialect=dialect)}{terms}", "utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["crawl", str(folder / "run"), "--config", str(config), *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def edges(folder: Path, *types: str) -> set[Edge]:
    """Return the edges of a run, each once."""
    return {
        (line["src_kind"], line["src"], line["dst_kind"], line["dst"])
        for line in records(folder / "run", "edges")
        if line["type"] in types
    }


def test_all_dialects_give_the_same_follows_and_likes(tmp_path: Path, address: str) -> None:
    """Official, unofficial and old API give the same edges of one world; the unofficial one has the times of likes."""
    for name, section in {"v1": V1, "v2": V2, "legacy": LEGACY}.items():
        assert crawl(tmp_path / name, section, "--seed", "1", address=address) == 0
    assert (
        edges(tmp_path / "v1", "follows") == edges(tmp_path / "v2", "follows") == edges(tmp_path / "legacy", "follows")
    )
    liked = edges(tmp_path / "v1", "likes")
    assert liked == edges(tmp_path / "v2", "likes")
    assert edges(tmp_path / "legacy", "likes") == {edge for edge in liked if edge[2] == "track"}
    world, times = open_world("synthetic", USERS, SEED), {}
    for user in range(1, USERS + 1):
        for kind in ("track", "playlist"):
            count = world.count("user", user, f"likes/{kind}s")
            for row, node in enumerate(world.rows("user", user, f"likes/{kind}s", 0, count).tolist()):
                times[user, kind, node] = iso(cursors.row_time(user, count, row))
    told = [line for line in records(tmp_path / "v2" / "run", "edges") if line["type"] == "likes"]
    assert told
    assert all(line["at"] == times[line["src"], line["dst_kind"], line["dst"]] for line in told)
    assert {line["at"] for line in records(tmp_path / "v1" / "run", "edges") if line["type"] == "likes"} == {None}


def fullest(world: World, kind: str) -> int:
    """Return the node whose shortest list is the longest."""
    first = {"user": 1, "track": TRACK_BASE, "playlist": PLAYLIST_BASE}[kind]
    nodes = [node for node in range(first, first + 2 * USERS) if world.exists(kind, node)]
    return max(nodes, key=lambda node: min(world.count(kind, node, name) for name in COUNTED[kind]))


def rows_of(world: World, relation: Relation, node: int) -> set[int]:
    """Return whom or what a list shows: the ids in it, and of comments those who wrote them, or what they are on."""
    name = {"likes_tracks": "likes/tracks", "comments_written": "comments"}.get(relation.name)
    name = name or relation.name.replace("s_", "s/")
    found = world.rows(relation.kind, node, name, 0, world.count(relation.kind, node, name))
    return set((world.owners("comment", found) if name == "comments" else found).tolist())


@pytest.mark.parametrize("dialect", ["current", "legacy"])
def test_every_list_of_the_official_documents_is_crawled(tmp_path: Path, address: str, dialect: str) -> None:
    """From request to shard: each list gives exactly the edges of the world, under its own name and direction."""
    provider = SoundCloud if dialect == "current" else SoundCloudLegacy
    lists = [row for row in provider.relations if row.kind in {"user", "track", "playlist"} and row.edge]
    world = open_world("synthetic", USERS, SEED)
    seeds = {kind: fullest(world, kind) for kind in COUNTED}
    names = {kind: [row.name for row in lists if row.kind == kind] for kind in seeds}
    section = 'sources = ["soundcloud"]\nmax_depth = 1\n[crawl.relations]\n' + "".join(
        f"{kind} = {['profile', *some]}\n" for kind, some in names.items()
    )
    asked = (part for kind, node in seeds.items() for part in ("--seed", f"soundcloud:{kind}s:{node}"))
    assert crawl(tmp_path / dialect, section, *asked, address=address, dialect=dialect) == 0
    run = tmp_path / dialect / "run"
    told = list(records(run, "edges"))
    for row in lists:
        node = seeds[row.kind]
        near, far = ("dst", "src") if row.inward else ("src", "dst")
        shown = {
            line[far]
            for line in told
            if (line["type"], line["via"], line[f"{near}_kind"], line[near]) == (row.edge, row.name, row.kind, node)
        }
        assert shown, f"{row.kind}/{row.name} gave nothing"
        if row.name not in {"web_profiles", "comments_written"}:  # which the world itself does not list
            assert shown == rows_of(world, row, node), f"{row.kind}/{row.name}"
    ends = {(line["kind"], line["relation"]): line["verdict"] for line in records(run, "lists")}
    assert ends.keys() == {(kind, name) for kind, some in names.items() for name in ("profile", *some)}
    assert set(ends.values()) == {"complete"}


def test_two_dialects_in_one_run_share_their_nodes(tmp_path: Path, address: str) -> None:
    """Followers from the official API and likes from the web's meet in the same users, each known once."""
    assert crawl(tmp_path / "both", BOTH, "--seed", "1", address=address) == 0
    lines = list(records(tmp_path / "both" / "run", "edges"))
    assert {(line["type"], line["source"]) for line in lines} >= {("follows", "soundcloud"), ("likes", "soundcloud_v2")}
    users = {line["id"] for line in records(tmp_path / "both" / "run", "nodes") if line["kind"] == "user"}
    assert {line["src"] for line in lines if line["type"] == "likes"} <= users


def test_everything_of_the_unofficial_document_is_crawled(tmp_path: Path, address: str) -> None:
    """All relations of the web's API give records, from a chart and the discover page on, and stubs are described."""
    section = (
        'sources = ["soundcloud_v2"]\nhydrate = "undescribed"\nmax_depth = 2\n[crawl.relations]\nuser = ["profile", '
        '"followers", "followings", "likes", "track_likes", "playlist_likes", "reposts", "tracks", "top_tracks", '
        '"spotlight", "albums", "playlists_without_albums", "related", "featured_profiles", "web_profiles", '
        '"comments_written"]\n'
        'track = ["profile", "likers", "reposters", "related", "albums", "playlists_without_albums", "comments"]\n'
        'playlist = ["profile", "tracks", "likers", "reposters"]\n'
    )
    seeds = ("chart:top:techno", "featured:top:all-music", "discover:mixed-selections", "1")
    assert (
        crawl(tmp_path / "all", section, *(part for seed in seeds for part in ("--seed", seed)), address=address) == 0
    )
    run = tmp_path / "all" / "run"
    given = {(line["type"], line["src_kind"], line["dst_kind"], line["via"]) for line in records(run, "edges")}
    assert {kind for kind, _, _, _ in given} == {
        *("follows", "likes", "reposts", "posted", "top", "spotlights", "related", "features", "links", "commented"),
        *("contains", "charted"),
    }
    assert {("charted", "chart", "track", "charted"), ("features", "featured", "track", "tracks")} <= given
    assert ("features", "discover", "system_playlist", "selections") in given
    assert ("contains", "system_playlist", "track", "tracks") in given
    assert ("contains", "playlist", "track", "albums") in given
    places = [line for line in records(run, "charts") if line["source"] == "soundcloud_v2"]
    assert [place["rank"] for place in places] == list(range(1, len(places) + 1))
    assert len(places) == len([line for line in records(run, "edges") if line["type"] == "charted"])
    details = {line["id"]: line["detail"] for line in records(run, "nodes") if line["kind"] == "track"}
    assert set(details.values()) == {"full"}
    ends = {(line["kind"], line["relation"]): line["verdict"] for line in records(run, "lists")}
    assert ends.pop(("featured", "tracks")) in {"looped", "capped"}  # its links go on for ever
    assert set(ends.values()) == {"complete"}


def test_the_unofficial_api_is_off_until_its_terms_are_accepted(
    tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without consent, or without a client id of one's own, nothing is opened and one sentence says why."""
    assert crawl(tmp_path / "off", 'sources = ["soundcloud_v2"]\n', "--seed", "1", address=address, accepts=False) == 2
    assert "accept_unofficial_terms = true" in capsys.readouterr().err
    assert not (tmp_path / "off" / "run").exists()
    monkeypatch.delenv("SOUNDCLOUD_V2_CLIENT_ID", raising=False)
    assert "SOUNDCLOUD_V2_CLIENT_ID" not in os.environ
    config = tmp_path / "config.toml"
    config.write_text(
        '[crawl]\nsources = ["soundcloud_v2"]\n[sandbox]\nenabled = false\n'
        "[soundcloud_v2]\naccept_unofficial_terms = true\n",
        "utf-8",
    )
    with pytest.raises(SystemExit) as ended:
        main(["crawl", str(tmp_path / "run"), "--config", str(config), "--seed", "1"])
    assert ended.value.code == 2
    assert "SOUNDCLOUD_V2_CLIENT_ID" in capsys.readouterr().err
