from __future__ import annotations

import gzip
from collections.abc import Mapping

import pytest

from crawler.sandbox.gzipped import KEPT_BYTES_MAX, Gzipped
from crawler.sandbox.reply import JSON, Delivery, Reply

PAGE = b'{"collection":[' + b",".join(b'{"id":%d}' % number for number in range(200)) + b"]}"


def answers(reply: Reply) -> Gzipped:
    def handler(_method: str, _target: str, _headers: Mapping[str, str], _body: bytes) -> Reply:
        return reply

    return Gzipped(handler)


@pytest.mark.parametrize("accepted", ["gzip", "br, GZIP;q=0.5", "deflate,gzip"])
def test_whoever_accepts_gzip_gets_the_same_page_compressed(accepted: str) -> None:
    """Compressed, the page says that it is, and holds the same bytes, the second time too."""
    sandbox = answers(Reply(200, JSON, PAGE))
    for _ in range(2):
        reply = sandbox("GET", "/", {"accept-encoding": accepted}, b"")
        assert ("content-encoding", "gzip") in reply.headers
        assert gzip.decompress(reply.body) == PAGE
        assert len(reply.body) < len(PAGE) / 2


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "identity, gzip; q=0.0"])
def test_nobody_gets_what_they_do_not_accept(accepted: str) -> None:
    """Without gzip among the accepted encodings, or with it refused, the page stays as it is."""
    reply = Reply(200, JSON, PAGE)
    assert answers(reply)("GET", "/", {"accept-encoding": accepted}, b"") == reply


@pytest.mark.parametrize("reply", [Reply(200, JSON, b"{}"), Reply(200, JSON, PAGE, Delivery(cut_after_bytes=9))])
def test_short_and_broken_answers_stay_as_they_are(reply: Reply) -> None:
    """What a fault cuts is cut where the fault says, and what is tiny is not worth it."""
    assert answers(reply)("GET", "/", {"accept-encoding": "gzip"}, b"") == reply


def test_no_more_is_kept_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pages are asked for, what is kept compressed stays below its bound."""
    assert KEPT_BYTES_MAX < 2**30
    monkeypatch.setattr("crawler.sandbox.gzipped.KEPT_BYTES_MAX", 3000)

    def handler(_method: str, target: str, _headers: Mapping[str, str], _body: bytes) -> Reply:
        return Reply(200, JSON, PAGE + target.encode())

    sandbox = Gzipped(handler)
    for number in range(50):
        sandbox("GET", f"/{number}", {"accept-encoding": "gzip"}, b"")
    assert 0 < sum(map(len, sandbox._kept.values())) <= 3000
