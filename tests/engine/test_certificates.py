from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from benchmarks.certificates import judge_many
from crawler.engine.flight import Ended, Landed, task_of
from crawler.engine.ledger import Entry, Ledger
from crawler.errors import ProviderError
from crawler.frontier.known import Known
from crawler.frontier.rows import Listing, Position
from crawler.model import NodeId, Response
from crawler.providers.soundcloud import SoundCloud, empty_data
from crawler.sandbox.faults.plan import parse_faults
from crawler.sandbox.serve import open_world
from crawler.sandbox.service import Sandbox

BODIES = Path(__file__).resolve().parents[3] / "shared" / "api" / "payloads" / "soundcloud-v2"
BASE = "https://api.example.test"
TABLE = {(row.kind, row.name): row for row in SoundCloud.relations}
LISTS = [row for row in SoundCloud.relations if row.edge not in {None, "links"}]


def read(
    answer: Callable[[str], Response],
    listing: Listing,
    page_limit: int = 200,
    pages_max: int | None = None,
) -> dict[str, Any]:
    """Read a listing to its end and return its certificate."""
    provider = SoundCloud(BASE, "graph", page_limit)
    ledger = Ledger(Known(), 0, 0, pages_max, empty_data("graph"))
    while True:
        task, entry = task_of(listing), Entry(Position())
        page = provider.parse(task, answer(provider.request(task).url))
        ledger.page(listing, Landed(page, "2026-01-01T00:00:00Z"), entry)
        if entry.lists:
            return json.loads(entry.lists[0])  # type: ignore[no-any-return]


def listing(kind: str, name: str, node: int, advertised: int | None = None) -> Listing:
    found = Listing(NodeId("soundcloud", kind, node), TABLE[kind, name], "soundcloud", 0)
    found.progress.advertised = advertised
    return found


def scripted(*bodies: object) -> Callable[[str], Response]:
    """Answer with one body after the other, the last one for ever."""
    waiting = [json.dumps(body).encode() for body in bodies]

    def answer(_url: str) -> Response:
        return Response(200, {"content-type": "application/json"}, waiting.pop(0) if len(waiting) > 1 else waiting[0])

    return answer


def page(ids: list[int], following: str | None) -> dict[str, Any]:
    return {"collection": [{"id": each, "kind": "user"} for each in ids], "next_href": following}


def test_the_cursors_are_a_chain() -> None:
    """The same cursors in the same order have the same hash, others have another, a single page has none."""

    def chain(*cursors: str) -> Any:  # noqa: ANN401
        bodies = [page([n], f"https://h/a?cursor={cursor}") for n, cursor in enumerate(cursors)]
        return read(scripted(*bodies, page([99], None)), listing("user", "followers", 1))["cursors"]

    assert chain() is None
    assert chain("a", "b") == chain("a", "b")
    assert len({chain("a"), chain("b"), chain("a", "b"), chain("b", "a")}) == 4


def test_a_false_end_is_found_out_and_read_on() -> None:
    """When the page that ended the list too early has a link the second time, the list is read to its true end."""
    early = page([1, 2], None)
    rest = {**early, "next_href": "https://h/users/1/followers?cursor=5&page_size=2"}
    found = read(scripted(early, rest, page([3], None)), listing("user", "followers", 1, 3), page_limit=2)
    assert (found["verdict"], found["visible"], found["distinct"], found["missing"]) == ("complete", 3, 3, 0)


def test_a_look_at_hidden_rows_makes_the_sum_right() -> None:
    """A link behind the page that is cut one row short proves the rows that are not shown on the last page."""
    shown = page([1, 2], None)
    look = {**shown, "next_href": "https://h/users/1/followers?cursor=5&page_size=4"}
    found = read(scripted(shown, look), listing("user", "followers", 1, 5), page_limit=10)
    assert (found["verdict"], found["visible"], found["hidden"], found["pages"]) == ("complete", 2, 3, 1)


def test_a_list_that_is_shorter_than_its_count_is_short() -> None:
    """Neither the rows nor the count explain the gap: three requests later it is said, with its size."""
    profile = {"id": 1, "kind": "user", "followers_count": 5}
    found = read(scripted(page([1, 2], None), page([1, 2], None), profile), listing("user", "followers", 1, 5))
    assert (found["verdict"], found["missing"], found["advertised"], found["advertised_after"]) == ("short", 3, 5, 5)


def test_a_bug_in_a_second_look_is_not_passed_over() -> None:
    """When our own code fails on a look, the list has failed, is counted, and is looked at again at the next start."""
    provider, ledger = SoundCloud(BASE, "graph", 200), Ledger(Known(), 0, 0, None, empty_data("graph"))
    found, entry = listing("user", "followers", 1, 5), Entry(Position())
    body = json.dumps(page([1, 2], None)).encode()
    ledger.page(found, Landed(provider.parse(task_of(found), Response(200, {}, body)), "2026-01-01T00:00:00Z"), entry)
    assert found.progress.look == "rows"
    entry = ledger.end(found, Ended("failed", "a bug", "2026-01-01T00:00:00Z", bug=True), Entry(Position()))
    assert (json.loads(entry.lists[0])["verdict"], entry.tally["bugs",]) == ("failed", 1)
    assert (found.state, found.progress.look) == ("parked", "rows")


BARE = [{"id": 1, "kind": "user"}, {"id": 2, "kind": "user"}]


@pytest.mark.parametrize("body", [BARE, {"collection": None, "next_href": None}])
def test_an_odd_answer_is_asked_for_again_and_believed_never(body: object) -> None:
    """An array as long as a page, or a null, is asked for once more; when it comes again, the list is short."""
    found = read(scripted(body), listing("user", "followers", 1), page_limit=2)
    assert (found["verdict"], found["missing"]) == ("short", None)
    whole = read(scripted(body, page([1, 2], None)), listing("user", "followers", 1), page_limit=2)
    assert (whole["verdict"], whole["visible"], whole["distinct"]) == ("complete", 2, 2)


@pytest.mark.parametrize("cursors", [["a", "a"], ["a", "b", "a"], ["a", "b", "c", "b"]])
def test_cursors_that_repeat_cost_one_request(cursors: list[str]) -> None:
    """A list that goes in a circle ends as looped with the page that names an old cursor."""
    bodies = [page([n], f"https://h/a?cursor={cursor}") for n, cursor in enumerate(cursors)]
    found = read(scripted(*bodies), listing("user", "followers", 1))
    assert (found["verdict"], found["pages"]) == ("looped", len(cursors))


@pytest.mark.parametrize(
    "advertised,hidden,bound,missing", [(None, 0, 8, None), (2, 0, 0, 0), (5, 3, 0, 0), (20, 8, 0, 10)]
)
def test_the_last_page_of_a_trap_hides_what_the_count_says(
    advertised: int | None, hidden: int, bound: int, missing: int | None
) -> None:
    """A false link does not turn the rest of the last page into hidden rows: only a count can, else it is a bound."""
    body = page([1, 2], "https://h/users/1/followers?page_size=10&cursor=5")
    found = read(scripted(body, page([], body["next_href"])), listing("user", "followers", 1, advertised))
    assert (found["verdict"], found["hidden"], found["missing"]) == ("looped", hidden, missing)
    assert found["hidden_bound"] == (18 if advertised is None else min(bound + 10, missing or 0))


def test_offsets_that_go_on_for_ever_are_capped() -> None:
    """Beyond offset 1000 three empty pages are the service's wall (soundcloud/api 505)."""
    asked: list[str] = []

    def answer(url: str) -> Response:
        asked.append(url)
        start = int(url.partition("offset=")[2].partition("&")[0] or 0)
        ids = list(range(start + 1, start + 201)) if start < 1000 else []
        body = page(ids, f"https://h/users/1/related?page_size=200&offset={start + 200}")
        return Response(200, {}, json.dumps(body).encode())

    found = read(answer, listing("user", "related", 10**6))
    assert (found["verdict"], found["visible"], found["hidden"], len(asked)) == ("capped", 1000, 0, 8)


@pytest.mark.skipif(not BODIES.is_dir(), reason="NO RECORDED BODIES: the folder of payloads is not beside this one")
def test_the_recorded_list_with_gaps() -> None:
    """Ten recorded pages of 4, 0, 0, 2, 0, 4, 0, 1, 1, 1 tracks are followed: 13 tracks, 187 hidden rows."""
    bodies = [path.read_bytes() for path in sorted(BODIES.glob("users_id_tracks_gappy_page*.json"))]
    waiting = [Response(200, {}, body) for body in bodies]
    found = read(lambda _url: waiting.pop(0), listing("user", "tracks", 73637815), page_limit=20, pages_max=10)
    assert (found["pages"], found["distinct"], found["hidden"], found["duplicates"]) == (10, 13, 187, 0)


@pytest.mark.skipif(not BODIES.is_dir(), reason="NO RECORDED BODIES: the folder of payloads is not beside this one")
@pytest.mark.parametrize("relation", SoundCloud.relations, ids=lambda row: f"{row.kind}-{row.name}")
def test_every_recorded_body_is_read_or_refused(relation: Any) -> None:  # noqa: ANN401
    """Whatever body comes where: it is a page, or an error of the tree."""
    provider = SoundCloud(BASE, "profile")
    task = task_of(Listing(NodeId("soundcloud", relation.kind, 1), relation, "soundcloud", 0))
    for path in sorted(BODIES.parent.glob("*/*.*")):
        for status in (200, 404):
            try:
                provider.parse(task, Response(status, {}, path.read_bytes()))
            except ProviderError:
                continue


class Served:
    """A sandbox in this process, asked with a token."""

    def __init__(self, seed: int, faults: str) -> None:
        self.world = open_world("synthetic", 9, seed)
        self.sandbox = Sandbox(self.world, faults=parse_faults(faults, seed))
        basic = {"authorization": "Basic " + base64.b64encode(b"id:secret").decode()}
        pair = self.sandbox.handle("POST", "/oauth/token", basic, b"grant_type=client_credentials")
        token = json.loads(pair.body)["access_token"]
        self._headers = {"host": "api.example.test", "authorization": f"OAuth {token}"}

    def __call__(self, url: str) -> Response:
        reply = self.sandbox.handle("GET", url.removeprefix(BASE), self._headers)
        return Response(reply.status, dict(reply.headers), reply.body)


SUMS = ["short-pages", "empty-pages", "null-items", "ms-ties", "related-seed-first", "empty-last-page", "unknown-kinds"]


@given(st.integers(1, 10**6), st.sampled_from(SUMS), st.sampled_from(LISTS), st.integers(1, 4))
@given_settings(max_examples=80, deadline=None)
def test_visible_hidden_and_duplicates_are_all_rows_served(seed: int, faults: str, relation: Any, limit: int) -> None:  # noqa: ANN401
    """For every list the three add up to what the sandbox's own account says it served, but for the last page's."""
    served = Served(seed, f"{faults}:1")
    node = seed % 9 + 1
    try:
        found = read(served, listing(relation.kind, relation.name, node), page_limit=limit)
    except ProviderError:
        return
    place = f"{relation.kind}s/{node}/"
    accounts = [account for name, account in served.sandbox.lists().items() if name.startswith(place)]
    for account in accounts:
        total = found["visible"] + found["hidden"] + found["duplicates"]
        assert total == account.rows - account.hidden_at_end, (found, account)
        assert account.hidden_at_end <= (found["hidden_bound"] or 0)


def test_a_service_that_lies_is_found_out() -> None:
    """Of 800 lists with planted faults none that lost rows is called complete, and none that is whole, short."""
    found, other = judge_many((5, 800))
    wrong = {
        key: number
        for key, number in found.items()
        if (key[1], key[2]) == ("incomplete", "complete") or (key[1] == "whole" and key[2] != "complete")
    }
    assert sum(wrong.values()) <= 1, wrong
    assert other["wasted most"] <= 3
