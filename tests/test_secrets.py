from __future__ import annotations

import asyncio
import json
import logging
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
import zstandard

from crawler.cli import main
from crawler.model import Page, Response, Task
from crawler.providers.soundcloud import SoundCloud
from crawler.sandbox.reply import JSON, Reply
from crawler.sandbox.serve import open_world
from crawler.sandbox.service import TOKEN_PATH, Sandbox
from crawler.sandbox.wire import Connection
from crawler.transport.redaction import Secrets

CLIENT_ID, CLIENT_SECRET = "planted+client/id=0001", "planted-client-secret-0002"
REFUSED = b'{"code":401,"message":""}'


class Gossip:
    """The sandbox, whose token answers are remembered, and which tells every secret it knows wherever it can."""

    def __init__(self) -> None:
        self.sandbox = Sandbox(open_world("synthetic", 40, 1))
        self.secrets = [CLIENT_ID, CLIENT_SECRET]
        self._given: list[str] = []
        self._asked = 0

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        reply = self.sandbox.handle(method, target, headers, body)
        if target == TOKEN_PATH:
            answer = json.loads(reply.body)
            self._given = [answer["access_token"], answer["refresh_token"]]
            return reply
        if self._given and self._given[0] in headers.get("authorization", ""):  # until then nobody can know it for one
            self.secrets += self._given
            self._given = []
        self._asked += 1
        told = " ".join(self.secrets)
        if self._asked == 7:
            self.sandbox._tokens._until.clear()
        if reply.status != 200:
            return reply
        if self._asked in {5, 9}:
            return Reply(500, JSON, json.dumps({"message": f"OAuth {told}"}).encode())
        if self._asked == 11:
            return Reply(200, JSON, f'{{"surprise": "{told}"}}'.encode())
        return reply._replace(body=self._told(reply.body, told))

    def _told(self, body: bytes, told: str) -> bytes:
        page = json.loads(body)
        rows = page["collection"] if isinstance(page, dict) and "collection" in page else [page]
        for row in rows:
            if isinstance(row, dict):
                row["description"] = f"I know {told}"
                row["client_id"], row["uri"] = self.secrets[0], f"https://x.example/?oauth_token={self.secrets[-2]}"
                row[self.secrets[-1]] = {"a_name": [told]}
        if isinstance(page, dict) and page.get("next_href"):
            page["next_href"] += f"&client_id={quote(CLIENT_ID, safe='')}&oauth_token={self.secrets[-2]}"
        return json.dumps(page).encode()


@pytest.fixture
def gossip() -> Iterator[tuple[Gossip, str]]:
    """Serve it in a thread; give it and its address."""
    loop, service = asyncio.new_event_loop(), Gossip()
    open_connections: set[Connection] = set()
    made = loop.create_server(lambda: Connection(service.handle, open_connections), "127.0.0.1", 0)
    server = loop.run_until_complete(made)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield service, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    for connection in tuple(open_connections):
        connection.close()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def run(*arguments: str | Path) -> int:
    """Give a command; return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder, shards unpacked as well."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            found[path.name] = data = path.read_bytes()
            if ".zst" in path.name:
                with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
                    found[f"{path.name}, unpacked"] = reader.read()
    return found


def test_no_byte_of_a_run_holds_a_secret(
    tmp_path: Path,
    gossip: tuple[Gossip, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever the service echoes, with raw objects, bugs and debug logs: no secret is in the folder or shown."""
    service, url = gossip
    folder, config = tmp_path / "run", tmp_path / "config.toml"
    monkeypatch.setenv("SOUNDCLOUD_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("SOUNDCLOUD_CLIENT_SECRET", CLIENT_SECRET)
    config.write_text(
        f'[crawl]\non_bug = "set_aside"\nmax_requests = 40\nworkers = 4\n[dataset]\nkeep = "raw"\n'
        f'[soundcloud]\nbase_url = "{url}"\ntoken_url = "{url}{TOKEN_PATH}"\n',
        encoding="utf-8",
    )
    rightly = SoundCloud.parse

    def buggy(self: SoundCloud, task: Task, response: Response) -> Page:
        if task.relation.name == "playlists":
            raise ValueError(f"cannot read {response.body!r}")
        return rightly(self, task, response)

    monkeypatch.setattr(SoundCloud, "parse", buggy)
    monkeypatch.setattr("crawler.engine.worker.BUG_SECONDS", 0.01)
    monkeypatch.setattr("crawler.policy.retry.IN_PLACE_SECONDS", (0.01, 0.01))
    folder.mkdir()
    handler = logging.FileHandler(folder / "debug.log", delay=True)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        codes = [run("crawl", folder, "--config", config, "--seed", "1"), run("crawl", folder, "--max-requests", "55")]
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(logging.WARNING)
        handler.close()
    assert codes == [3, 3]
    found = bytes_of(folder)
    assert {"debug.log", "log.jsonl", "frontier.sqlite"} <= found.keys()
    assert any(b"I know (secret)" in data for name, data in found.items() if name.endswith("unpacked"))
    assert any(name.endswith(".body") for name in found)
    assert service.sandbox._tokens.exchanged == {"client_credentials": 1, "refresh_token": 1}, "over both starts"
    assert len(service.secrets) == 6
    said = "".join(capsys.readouterr()).encode()
    forms = [form for text in service.secrets for form in (text, quote(text, safe=""))]
    forms.append(b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode())
    for form in forms:
        assert [name for name, data in {**found, "screen": said}.items() if form.encode() in data] == []


def test_words_and_numbers_are_no_secrets() -> None:
    """What may stand in any record by chance is left where it is, however secret it was meant to be."""
    secrets = Secrets()
    for text in ("", "sandbox", "12345678901234", "short-1"):
        secrets.add(text)
    body = b'{"id":12345678901234,"description":"short-1 sandbox"}'
    assert secrets.clean(body) == body
    secrets.add("sandbox-credential")
    assert secrets.clean(b"sandbox sandbox-credential") == b"sandbox (secret)"
