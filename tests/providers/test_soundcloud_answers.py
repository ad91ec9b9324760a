from __future__ import annotations

from datetime import UTC, datetime

import pytest

from crawler.errors import BadPage, Denied, Gone, ProviderError, Refused, Removed, Throttled, Transient
from crawler.model import NodeId, Response, Task
from crawler.providers.soundcloud import SoundCloud

HTML = {"content-type": "text/html", "server": "CloudFront"}
JSON = {"content-type": "application/json"}
BLOCKED = b"<!DOCTYPE HTML><HTML><TITLE>ERROR: The request could not be satisfied</TITLE></HTML>"


def failure(
    status: int, body: bytes = b"", headers: dict[str, str] | None = None, name: str = "followers"
) -> ProviderError:
    """Return the error that an answer is."""
    provider = SoundCloud("https://api.example.test", "graph")
    relation = next(row for row in provider.relations if (row.kind, row.name) == ("user", name))
    with pytest.raises(ProviderError) as caught:
        provider.parse(Task(NodeId("soundcloud", "user", 1), relation), Response(status, headers or {}, body))
    return caught.value


ANSWERS = [
    (401, b"", {}, Refused),
    (401, b'{"code":401,"message":"","errors":[]}', JSON, Refused),
    (403, BLOCKED, HTML, Throttled),
    (403, b"", {"server": "CloudFront"}, Throttled),
    (403, b"", {}, Denied),
    (403, b'{"code":403,"message":"","status":"403 - Forbidden","errors":[],"error":null}', JSON, Denied),
    (403, b'{\n    "error": "Access denied"\n}', JSON, Refused),
    (403, b"no", {"content-type": "text/plain"}, BadPage),
    (404, b'{"errors":[{"error_message":"404 - Not Found"}]}', JSON, Gone),
    (404, b"{}", JSON, Gone),
    (404, b"", {}, Gone),
    (404, BLOCKED, HTML, Transient),
    (410, b"", {}, Gone),
    (405, b"", {}, Removed),
    (408, b"", {}, Transient),
    (451, b"", {}, Denied),
    (500, b"", {}, Transient),
    (502, BLOCKED, HTML, Transient),
    (503, b"upstream connect error or disconnect/reset before headers", {}, Transient),
    (504, b"upstream request timeout", {}, Transient),
    (400, b"", JSON, BadPage),
    (418, b"", JSON, BadPage),
    (302, b"", {"location": "https://evil.example"}, BadPage),
    (204, b"", {}, BadPage),
    (206, b'{"collection":[]}', JSON, BadPage),
    (1000, b"", {}, BadPage),
]


@pytest.mark.parametrize("name", ["followers", "profile"])
@pytest.mark.parametrize("status,body,headers,error", ANSWERS)
def test_taxonomy(status: int, body: bytes, headers: dict[str, str], error: type[ProviderError], name: str) -> None:
    """Every answer that is no page has one class, by who must act; none is an empty list."""
    assert type(failure(status, body, headers, name)) is error


TOO_MANY = [
    b'{\n    "error": "Rate Limit Exceeded"\n}',
    b"Please slow down.\n",
    b'{"error":"rate_limit_exceeded"}',
    b'{"code":429,"message":"rate_limit_exceeded","errors":[{"error_message":"rate_limit_exceeded"}],"error":null}',
    (
        b'{"errors":[{"meta":{"rate_limit":{"bucket":"by-ip"}},"reset_time":"2022/05/26 16:31:52 +0000"},'
        b'{"reset_time":"2022/05/26 18:31:52 +0000"},{"reset_time":"soon"},{"reset_time":5},null]}'
    ),
    b'{"errors":"rate"}',
    b"",
]


@pytest.mark.parametrize("body", TOO_MANY)
def test_429_in_every_form_is_a_pause(body: bytes) -> None:
    """All recorded forms of a 429 are `Throttled`; headers that were seen to lie are not read."""
    lies = {"x-ratelimit-limit": "-1", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "0"}
    error = failure(429, body, lies)
    assert isinstance(error, Throttled)
    latest = datetime(2022, 5, 26, 18, 31, 52, tzinfo=UTC).timestamp()
    assert (error.wait_seconds, error.until_epoch_seconds) == (None, latest if b"18:31" in body else None)


RETRY_AFTER = [
    ("120", 120.0, None),
    ("1.5", 1.5, None),
    ("0", None, None),
    ("-3", None, None),
    ("inf", None, None),
    ("soon", None, None),
    ("", None, None),
    ("Thu, 26 May 2022 16:31:52 GMT", None, datetime(2022, 5, 26, 16, 31, 52, tzinfo=UTC).timestamp()),
]


@pytest.mark.parametrize("text,wait_seconds,until", RETRY_AFTER)
def test_retry_after(text: str, wait_seconds: float | None, until: float | None) -> None:
    """A Retry-After is seconds or a date; 0, which would invite a storm, and nonsense are nothing."""
    error = failure(429, b"", {"retry-after": text})
    assert isinstance(error, Throttled)
    assert (error.wait_seconds, error.until_epoch_seconds) == (wait_seconds, until)


def test_messages_quote_nothing() -> None:
    """No message quotes a body or a header: either may hold a credential."""
    for status in (200, 302, 400, 401, 403, 404, 429, 500):
        error = failure(status, b'{"error":"SECRET"}', {"location": "https://h/?client_id=SECRET", "x": "SECRET"})
        assert "SECRET" not in f"{error} {error!r} {error.__cause__!r}"
