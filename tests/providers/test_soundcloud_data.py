from __future__ import annotations

import json
from typing import Any

import pytest

from crawler.model import NodeId, Response, Task
from crawler.providers.dates import epoch_seconds, iso_utc
from crawler.providers.soundcloud import Keep, SoundCloud, empty_data
from crawler.providers.soundcloud_fields import FIELDS, SERVED_AS

RICH: dict[str, Any] = {
    "text": "x",
    "loose_text": 5,
    "link": "https://soundcloud.com/a?utm_source=id_1",
    "moment": "2011/04/06 15:37:43 +0000",
    "integer": 3,
    "number": 120,
    "flag": "true",
}
LISTS = {"user": "followers", "track": "tracks", "playlist": "playlists", "web_profile": "web_profiles"}


def encoded(kind: str, row: dict[str, Any], keep: Keep) -> dict[str, Any]:
    """Return what is written of one row."""
    provider = SoundCloud("https://api.example.test", keep)
    relation = next(each for each in provider.relations if (each.kind, each.name) == ("user", LISTS[kind]))
    page = provider.parse(
        Task(NodeId("soundcloud", "user", 1), relation), Response(200, {}, json.dumps([row]).encode())
    )
    body = page.items[0].body
    assert body is not None
    data: dict[str, Any] = json.loads(body.encode())
    return data


def rich(kind: str) -> dict[str, Any]:
    """Return a row in which every field of its kind has a value."""
    return {"id": 5} | {field.served: RICH[field.form] for field in FIELDS if kind in field.kinds}


@pytest.mark.parametrize("keep", ["graph", "profile"])
def test_every_line_has_the_same_keys(keep: Keep) -> None:
    """Rich, poor and unknown nodes of every kind have the same keys, so that no reader meets a new column."""
    keys = set(json.loads(empty_data(keep)))
    for kind in LISTS:
        assert set(encoded(kind, rich(kind), keep)) == keys
        assert set(encoded(kind, {"id": 5}, keep)) == keys
    assert set(json.loads(empty_data(keep)).values()) == {None}


@pytest.mark.parametrize("keep", ["graph", "profile"])
def test_every_key_has_one_type(keep: Keep) -> None:
    """A column has one JSON type besides null, whatever type the service used and whatever the kind."""
    odd = {
        "text": 5,
        "loose_text": "x",
        "link": 5,
        "moment": "2011-04-06T15:37:43Z",
        "integer": "3",
        "number": "1.5",
        "flag": 0,
    }
    types: dict[str, set[type]] = {}
    for kind in LISTS:
        strange = {"id": 5} | {field.served: odd[field.form] for field in FIELDS if kind in field.kinds}
        for row in (rich(kind), strange):
            for key, value in encoded(kind, row, keep).items():
                types.setdefault(key, set()).add(type(value))
    for key, seen in types.items():
        assert len(seen - {type(None)}) == 1, key


def test_rich_rows_leave_no_null_of_their_own() -> None:
    """Every field of the table is really read from its name in the JSON."""
    for kind in LISTS:
        data = encoded(kind, rich(kind), "profile")
        own = {field.name for field in FIELDS if kind in field.kinds}
        assert {key for key, value in data.items() if value is not None} == own


def test_graph_keeps_no_text_of_people() -> None:
    """The level for publication has no names, texts or links; these come with `profile`."""
    graph = set(json.loads(empty_data("graph")))
    private = {"username", "full_name", "description", "title", "permalink", "permalink_url", "city", "website", "url"}
    assert not graph & private
    assert private <= set(json.loads(empty_data("profile")))
    assert {field.form for field in FIELDS} <= set(SERVED_AS)


def test_links_lose_the_app() -> None:
    """A permalink carries the id of the asking app as a tracking parameter; records do not."""
    row = {"id": 5, "permalink_url": "https://soundcloud.com/a?utm_medium=api&utm_campaign=x&utm_source=id_319451"}
    assert encoded("user", row, "profile")["permalink_url"] == "https://soundcloud.com/a"


def test_raw_keeps_everything_but_secrets() -> None:
    """The object stays as served, in its order, without tokens in keys or in the links of its texts."""
    row = {
        "title": "t?x=1",
        "id": 5,
        "secret_token": "SECRET",
        "track_authorization": "SECRET",
        "secret_uri": "https://h/?secret_token=SECRET",
        "some_token": "SECRET",
        "stream_url": "https://h/stream?client_id=SECRET",
        "download_url": "https://h/download",
        "description": "see https://h/a?b=1&oauth_token=SECRET&c=2 and more",
        "permalink_url": "https://soundcloud.com/a?utm_medium=api&utm_source=id_SECRET",
        "user": {"id": 6, "uri": "https://h/u?client%5Fid=SECRET#x", "nested": [{"access_token": "SECRET"}]},
        "deep": json.loads("[" * 200 + "]" * 200),
    }
    data = encoded("track", row, "raw")
    assert "SECRET" not in json.dumps(data)
    assert list(data) == ["title", "id", "download_url", "description", "permalink_url", "user", "deep"]
    assert data["description"] == "see https://h/a?b=1&c=2 and more"
    assert data["user"] == {"id": 6, "uri": "https://h/u#x", "nested": [{}]}
    assert empty_data("raw") == b"{}"


DATES = [
    ("2011/04/06 15:37:43 +0000", "2011-04-06T15:37:43Z"),
    ("2011/04/06 15:37:43 +0200", "2011-04-06T13:37:43Z"),
    ("2011-04-06T15:37:43Z", "2011-04-06T15:37:43Z"),
    ("2018-02-27T14:37:10.000Z", "2018-02-27T14:37:10Z"),
    ("2011/13/06 15:37:43 +0000", "2011/13/06 15:37:43 +0000"),
    ("0001-01-01T00:00:00+09:00", "0001-01-01T00:00:00+09:00"),
    ("2011-04-06", "2011-04-06"),
    ("", ""),
]


@pytest.mark.parametrize("served,kept", DATES)
def test_dates(served: str, kept: str) -> None:
    """Both known spellings become one; what is not known stays as it was served."""
    assert iso_utc(served) == kept


def test_epoch_seconds() -> None:
    """A reset date is a moment; a text that is no date is none."""
    assert epoch_seconds("1970/01/02 00:00:00 +0000") == 86_400.0
    assert epoch_seconds("tomorrow") is None
