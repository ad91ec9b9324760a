"""A person's own consent, against the real sandbox: given in a browser, kept for its owner only, used, taken away."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from crawler import consenting
from crawler.cli import main
from crawler.config import Config, load
from crawler.dataset.reader import records
from crawler.errors import ConfigError, Refused
from crawler.sandbox.own import feed_tracks
from crawler.sandbox.serve import open_world
from crawler.transport.consent import listening
from tests.served import served

USERS, SEED = 40, 5
FEEDS = ["feed", "activities", "activities_tracks", "activities_own"]


@pytest.fixture
def sandbox() -> Iterator[str]:
    """Serve a sandbox; give its address."""
    with served(USERS, SEED) as url:
        yield url


@pytest.fixture
def config(tmp_path: Path, sandbox: str, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> Path:
    """Write a configuration that acts for a person, with credentials in the environment."""
    monkeypatch.setenv("SOUNDCLOUD_CLIENT_ID", "made-up")
    monkeypatch.setenv("SOUNDCLOUD_CLIENT_SECRET", "made-up-too")
    path = tmp_path / "config.toml"
    path.write_text(
        f'[crawl]\nmax_depth = 1\n[crawl.relations]\nuser = ["followers", "likes_tracks"]\ntrack = []\nplaylist = []\n'
        f"me = {FEEDS}\n"
        f'[soundcloud]\nacting_as = "user"\nbase_url = "{sandbox}"\n'
        f'token_url = "{sandbox}/oauth/token"\nauthorize_url = "{sandbox}/authorize"\n'
        f'redirect_url = "http://127.0.0.1:{unused_tcp_port}/callback"\nconsent_file = "{tmp_path / "consent.json"}"\n',
        "utf-8",
    )
    return path


def run(*arguments: str | Path) -> int:
    """Give a command; return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


async def agree(config: Config) -> None:
    """Log in, with a browser that follows where it is sent."""
    browsing: list[asyncio.Task[None]] = []

    async def browse(address: str) -> None:
        async with aiohttp.ClientSession() as session, session.get(address) as answer:
            assert answer.status == 200

    def say(address: str) -> None:
        browsing.append(asyncio.create_task(browse(address)))

    await consenting.login(config, say, 10)
    await asyncio.gather(*browsing)


def test_the_seed_me_needs_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An app's own token has nobody behind it: said at once, not by the service after the run was begun."""
    assert run("crawl", tmp_path / "run", "--seed", "me") == 2
    assert 'needs a person: set acting_as = "user" in [soundcloud]' in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_person_agrees_crawls_and_takes_it_back(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The seed `me` leads to the person's own lists and feeds; the file is the owner's only; logout removes it."""
    assert run("auth", "status", "--config", config) == 3
    assert run("crawl", tmp_path / "run", "--config", config, "--seed", "me") == 2
    assert "crawler auth login" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    asyncio.run(agree(load(config)))
    kept = [tmp_path / "consent.json", tmp_path / "consent.person"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in kept] == [0o600, 0o600]
    assert run("auth", "status", "--config", config) == 0
    assert "user 1 (User 1) agreed" in capsys.readouterr().out
    assert run("crawl", tmp_path / "run", "--config", config, "--seed", "me") == 0
    world = open_world("synthetic", USERS, SEED)
    nodes = {(line["kind"], line["id"]): line["depth"] for line in records(tmp_path / "run", "nodes")}
    feeds = {*feed_tracks(world, 1), *feed_tracks(world, 1, own=True)}
    assert feeds
    assert all(nodes["track", track] == 0 for track in feeds)
    lists = {line["relation"]: line for line in records(tmp_path / "run", "lists") if line["kind"] == "me"}
    for name in FEEDS:
        own = feed_tracks(world, 1, own=name == "activities_own")
        assert (lists[name]["verdict"], lists[name]["visible"]) == ("complete", len(own)), name
    assert nodes["user", 1] == 0
    followers = world.rows("user", 1, "followers", 0, world.count("user", 1, "followers")).tolist()
    edges = [line for line in records(tmp_path / "run", "edges") if line["type"] == "follows" and line["dst"] == 1]
    assert [line["src"] for line in edges] == followers
    for secret in (path for path in (tmp_path / "run").rglob("*") if path.is_file()):
        assert b"made-up-too" not in secret.read_bytes()
    assert run("auth", "logout", "--config", config) == 0
    assert not any(path.exists() for path in kept)


async def test_an_answer_to_another_question_is_turned_away(unused_tcp_port: int) -> None:
    """A code without our own state changes nothing; one with it is taken, once."""
    address = f"http://127.0.0.1:{unused_tcp_port}/callback"
    async with listening(address, "ours") as callback, aiohttp.ClientSession() as session:
        for query in ("code=evil", "code=evil&state=theirs", "error=x&state="):
            async with session.get(f"{address}?{query}") as answer:
                assert answer.status == 403
        async with session.get(f"{address}?code=good&state=ours") as answer:
            assert answer.status == 200
        assert await callback.code(1) == "good"


async def test_a_person_who_refuses_is_told_apart_from_one_who_is_away(unused_tcp_port: int) -> None:
    """An error that comes back is a refusal; so is silence, after a while."""
    address = f"http://127.0.0.1:{unused_tcp_port}/callback"
    async with listening(address, "ours") as callback, aiohttp.ClientSession() as session:
        async with session.get(f"{address}?error=access_denied&state=ours") as answer:
            assert answer.status == 200
        with pytest.raises(Refused, match="did not agree"):
            await callback.code(1)
    async with listening(address, "ours") as callback:
        with pytest.raises(Refused, match="nobody agreed"):
            await callback.code(0.01)


@pytest.mark.parametrize("address", ["https://127.0.0.1:1/x", "http://example.org:80/x", "http://127.0.0.1/x"])
async def test_only_an_address_of_this_computer_is_listened_at(address: str) -> None:
    """A redirect to anywhere else would carry the code there."""
    with pytest.raises(ConfigError, match="redirect_url"):
        async with listening(address, "ours"):
            pass


def test_the_address_of_consent_asks_for_a_code_with_a_challenge(config: Path) -> None:
    """The address holds the client id, the challenge and the state, and never the secret or the verifier."""
    _, oauth = consenting.consent_of(load(config))
    address = oauth.address("https://service.example/authorize", "http://127.0.0.1:1/x", "state", "verifier")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert asked["code_challenge_method"] == "S256"
    assert asked["response_type"] == "code"
    assert asked["state"] == "state"
    assert "verifier" not in address
    assert "made-up-too" not in address


def test_a_consent_that_was_withdrawn_is_a_refusal() -> None:
    """A used refresh token never falls back to the app's own credentials: that would be somebody else's view."""
    from crawler.model import Response
    from crawler.providers.oauth_user import UserOAuth

    oauth = UserOAuth("id", "secret", "https://service.example/token")
    flow = oauth.refresh("used")
    assert b"grant_type=refresh_token" in (next(flow).body or b"")
    with pytest.raises(Refused, match="crawler auth login"):
        flow.send(Response(401, {}, b'{"error":"invalid_grant"}'))
    with pytest.raises(Refused):
        next(oauth.refresh(None))
