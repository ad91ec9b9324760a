"""Fuzz the parsers: whatever bytes a service sends, what comes out is a page or an error of the tree, never a bug.

    python benchmarks/fuzz.py --seconds 3600 [--corpus FOLDER] [--bodies FOLDER]

Needs atheris (`pip install atheris`), which finds its way by coverage. The first three bytes of an input choose the
relation, the dialect and the status, and the headers; the rest is the body. Recorded bodies, where they are found, are
the first corpus.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["crawler"]):
    from crawler.errors import ProviderError
    from crawler.model import NodeId, Response, Task
    from crawler.providers.oauth import read_token
    from crawler.providers.soundcloud import Keep, SoundCloud
    from crawler.providers.soundcloud_v2 import SoundCloudV2

KEEPS: tuple[Keep, ...] = ("graph", "profile", "raw")
STATUSES = (200, 200, 200, 200, 302, 401, 403, 404, 410, 429, 500, 503)
HEADERS: tuple[dict[str, str], ...] = (
    {"content-type": "application/json; charset=utf-8"},
    {},
    {"content-type": "text/html", "server": "CloudFront"},
    {"retry-after": "7"},
    {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"},
    {"location": "https://api.soundcloud.com/users/soundcloud:users:5"},
)
HALF = 128
"""From here on the second byte of an input means the web's dialect."""
BODIES = Path(__file__).resolve().parents[2] / "shared" / "api" / "payloads"
SHAPES = (
    b'{"collection":[{"id":7,"kind":"user"}],"next_href":"https://h/users/1/f?page_size=200&cursor=1567684271000"}',
    b'{"collection":[null,{"id":9,"kind":"track","created_at":"2011/04/06 15:37:43 +0000","user":{"id":7}}]}',
    b'{"collection":null,"next_href":"http://internal/a?offset=2018-02-27T14:37:10.000Z,tracks,004&limit=10"}',
    b'[{"id":1,"kind":"comment","user_id":7,"created_at":"2011-04-06T15:37:43Z"}]',
    b'{"errors":[{"meta":{"rate_limit":{"name":"x"}},"reset_time":"2022/05/26 16:31:52 +0000"}]}',
    b'{"status":"302 - Found","location":"https://api.soundcloud.com/tracks/122889665?client_id=X"}',
    b'{"access_token":"a","expires_in":3599,"refresh_token":"b","scope":""}',
    b'{"id":42,"kind":"user","followers_count":3,"followings_count":0,"track_count":null}',
)
DIALECTS = tuple(
    tuple(dialect("https://api.example.test", keep) for keep in KEEPS) for dialect in (SoundCloud, SoundCloudV2)
)


def one_input(data: bytes) -> None:
    """Read one answer in every way that its relation can be read; anything but a `ProviderError` is a finding."""
    which, status, form = (data[:3] + b"\0\0\0")[:3]
    response = Response(STATUSES[status % len(STATUSES)], HEADERS[form % len(HEADERS)], data[3:])
    providers = DIALECTS[status >= HALF]
    relations = providers[0].relations
    relation = relations[which % len(relations)]
    task = Task(NodeId("soundcloud", relation.kind, 42), relation)
    for provider in providers:
        try:
            page = provider.parse(task, response)
        except ProviderError:
            continue
        for item in page.items:
            if item.body is not None:
                item.body.encode()
        if page.next is not None:
            provider.request(Task(task.node, relation, page.next))
    with suppress(ProviderError):
        read_token(response)


def first_corpus(bodies: Path) -> Iterator[bytes]:
    """Yield the known shapes under every relation, and recorded bodies that are short enough under a few."""
    for shape in SHAPES:
        for which in range(len(SoundCloud.relations)):
            yield bytes((which, 0, 0)) + shape
        for which in range(len(SoundCloudV2.relations)):
            yield bytes((which, HALF, 0)) + shape
        yield from (bytes((0, status, 0)) + shape for status in range(len(STATUSES)))
    for path in sorted(bodies.glob("soundcloud*/*.json")):
        body = path.read_bytes()
        dialect = HALF if path.parent.name == "soundcloud-v2" else 0
        yield from (bytes((which, dialect, 0)) + body[:16_384] for which in (0, 6, 7, 8, 10, 14, 21))


def main() -> None:
    """Run for so many seconds; libFuzzer prints the executions and, for a finding, the input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--bodies", type=Path, default=BODIES)
    parser.add_argument("--corpus", type=Path, default=None)
    options = parser.parse_args()
    corpus = options.corpus or Path(tempfile.mkdtemp(prefix="fuzz-"))
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(first_corpus(options.bodies)):
        (corpus / f"first-{number:05}").write_bytes(data)
    flags = [f"-max_total_time={options.seconds}", "-max_len=16384", "-timeout=20", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], str(corpus), *flags], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
