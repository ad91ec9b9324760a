"""Seeds from searches, and ids from oEmbed, through the command line and a real sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.cli import main
from crawler.errors import BadPage, Gone
from crawler.model import Response
from crawler.providers import soundcloud_oembed
from crawler.providers.soundcloud import search_id
from crawler.seeds import read_seeds
from tests.served import sections, served


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve a sandbox; give its address."""
    with served(60, 1) as url:
        yield url


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOUNDCLOUD_CLIENT_ID", "SOUNDCLOUD_CLIENT_SECRET", "SOUNDCLOUD_V2_CLIENT_ID"):
        monkeypatch.setenv(name, "made-up")


def run(*arguments: str | Path) -> int:
    """Give a command; return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    "dialect,source,what,kinds",
    [
        ("current", "soundcloud", "users", {"user"}),
        ("current", "soundcloud", "tracks", {"track"}),
        ("current", "soundcloud", "playlists", {"playlist"}),
        ("legacy", "soundcloud", "tracks", {"track"}),
        ("legacy", "soundcloud", "playlists", {"playlist"}),
        ("current", "soundcloud_v2", "everything", {"user", "track", "playlist"}),
        ("current", "soundcloud_v2", "albums", {"playlist"}),
    ],
)
def test_what_a_search_prints_is_a_file_of_seeds(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    address: str,
    dialect: str,
    source: str,
    what: str,
    kinds: set[str],
) -> None:
    """The lines of a search are read back as seeds of the kinds that were searched for, as many as were asked for."""
    config, seeds = tmp_path / "config.toml", tmp_path / "seeds.txt"
    config.write_text(f"{sections(address, dialect=dialect)}accept_unofficial_terms = true\n", "utf-8")
    limit = "12"
    assert run("seeds", "search", what, "rain & sun", "--limit", limit, "--source", source, "--config", config) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"# {source}: {what} found for 'rain & sun'; ")
    seeds.write_text(text, "utf-8")
    found = read_seeds([seeds], [])
    assert {seed.kind for seed in found} == kinds
    assert len(found) == len(text.splitlines()) - 1 == int(limit)


def test_filters_reach_the_service(tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A filter that fits nothing finds nothing, one that fits some leaves the others out."""
    config = tmp_path / "config.toml"
    config.write_text(sections(address), "utf-8")

    def found(*options: str) -> set[str]:
        assert run("seeds", "search", "tracks", "rain", "--config", config, "--limit", "200", *options) == 0
        return {line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")}

    everything = found()
    assert found("--genre", "Polka") == set()
    assert set() < found("--genre", "Techno") < everything
    assert set() < found("--created", "2016-01-01..") < everything
    assert found("--duration", "..1") == set()
    assert found("--access", "playable", "--access", "blocked") == everything


@pytest.mark.parametrize(
    "arguments,sentence",
    [
        (("nothing", "x"), 'soundcloud has no search for "nothing"; it has: users, tracks, playlists'),
        (("users", " "), "a search needs words"),
        (("users", "x", "--genre", "Techno"), "only the search of soundcloud for tracks can be narrowed"),
        (("tracks", "x", "--bpm", "60"), '"60" is no range: write FROM..TO'),
        (("users", "x", "--source", "soundcloud_v2"), "accept_unofficial_terms"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_anybody_is_asked(
    tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    """One sentence, exit code 2, nothing printed."""
    config = tmp_path / "config.toml"
    config.write_text(sections(address), "utf-8")
    assert run("seeds", "search", *arguments, "--config", config) == 2
    told = capsys.readouterr()
    assert sentence in told.err
    assert not told.out


def test_words_and_filters_are_one_query() -> None:
    """Words are quoted whole, so that no word becomes a filter."""
    assert search_id("a b&c=d", {"bpm[from]": "60", "genres": "A,B"}) == "a%20b%26c%3Dd&bpm[from]=60&genres=A,B"


def test_oembed_tells_ids_without_credentials(tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`resolve --oembed` prints the URN behind an address, and says of another that there is none."""
    config = tmp_path / "config.toml"
    config.write_text(sections(address), "utf-8")
    urls = ("https://soundcloud.com/user-000000007", "https://soundcloud.com/nobody-at-all")
    assert run("resolve", "--oembed", *urls, "--config", config) == 3
    told = capsys.readouterr()
    assert told.out == f"{urls[0]}\tsoundcloud:users:7\n"
    assert urls[1] in told.err


@pytest.mark.parametrize("body", [b"{}", b"[]", b"\xff", b'{"html":"<p>"}', b'{"html":"<iframe src=\'x\'>"}'])
def test_an_embedding_of_nothing_is_no_id(body: bytes) -> None:
    """An answer without a player, or of a player of something else, is never an id."""
    with pytest.raises(BadPage):
        soundcloud_oembed.parse(Response(200, {}, body))
    with pytest.raises(Gone):
        soundcloud_oembed.parse(Response(404, {}, body))
