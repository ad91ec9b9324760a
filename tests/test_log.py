from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crawler.errors import StorageError
from crawler.log import clean_text, open_log

SECRET = "s3cr3t-of-the-app"
TOKEN = "2-290000-12345678-AbCdEfGh"


def written(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a log."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_event_is_one_line_of_json(tmp_path: Path) -> None:
    """A line has the event, its level, the time in UTC, and what was given, line breaks and all."""
    log = open_log(tmp_path / "log.jsonl", [])
    log.logger.info("page", task="followers of user 1", text="two\nlines", number=3)
    log.logger.warning("retry")
    log.close()
    first, second = written(tmp_path / "log.jsonl")
    assert first.pop("at").endswith("Z")
    assert first == {
        "event": "page",
        "level": "info",
        "task": "followers of user 1",
        "text": "two\nlines",
        "number": 3,
    }
    assert second["level"] == "warning"


def test_a_log_is_continued(tmp_path: Path) -> None:
    """Opening a log again adds to it."""
    for event in ("first", "second"):
        log = open_log(tmp_path / "log.jsonl", [])
        log.logger.info(event)
        log.close()
    assert [line["event"] for line in written(tmp_path / "log.jsonl")] == ["first", "second"]


def test_no_secret_reaches_the_disk(tmp_path: Path) -> None:
    """Secrets are gone by key, by value, in addresses, in bodies, in nested data and in tracebacks."""
    log = open_log(tmp_path / "log.jsonl", [SECRET])
    log.hide(TOKEN)
    log.logger.info(
        "asked",
        url=f"https://api.example.org/x?client_id=abcdef&oauth_token={TOKEN}&limit=200",
        headers={"Authorization": "Basic dXNlcjpwYXNz", "accept": "*/*"},
        body=b'{"access_token":"never-seen-before","refresh_token": "nor-this-one","expires_in":3599}',
        nested=[{"client_secret": "another"}, f"OAuth {TOKEN}", (SECRET,)],
    )
    try:
        raise ValueError(SECRET)  # noqa: TRY301 - on purpose
    except ValueError:
        log.logger.exception("bug")
    log.close()
    text = (tmp_path / "log.jsonl").read_text(encoding="utf-8")
    for secret in (SECRET, TOKEN, "abcdef", "dXNlcjpwYXNz", "never-seen-before", "nor-this-one", "another"):
        assert secret not in text
    assert "limit=200" in text
    assert "expires_in" in text
    assert "ValueError" in text


def test_ordinary_text_is_left_alone() -> None:
    """Only credentials are taken out, not words that look a little like them."""
    text = "users/1/followers?limit=200&cursor=1567684271000: oauth refused, basic things"
    assert clean_text(text) == text


def test_a_log_that_cannot_be_opened_is_a_storage_error(tmp_path: Path) -> None:
    """A folder in the place of the log is one sentence, naming it."""
    with pytest.raises(StorageError, match="could not write to"):
        open_log(tmp_path, [])


def test_a_full_disk_is_a_storage_error() -> None:
    """A line that does not fit on the disk ends the run like every other failure of the disk; closing fails no more."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    log = open_log(full, [])
    with pytest.raises(StorageError, match="the disk is full: could not write to /dev/full"):
        log.logger.info("anything")
    log.close()


def test_a_line_that_was_cut_off_stays_alone(tmp_path: Path) -> None:
    """What a kill or a full disk left of a line is ended when the log is opened again, and spoils no other line."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"event":"whole"}\n{"event":"cu')
    for event in ("first", "second"):
        log = open_log(path, [])
        log.logger.info(event)
        log.close()
    lines = path.read_bytes().splitlines()
    assert lines[:2] == [b'{"event":"whole"}', b'{"event":"cu']
    assert [json.loads(line)["event"] for line in lines[2:]] == ["first", "second"]
