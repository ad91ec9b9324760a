from __future__ import annotations

import json
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from crawler.errors import BadPage, Denied, Gone, ProviderError, Refused, Throttled, Transient
from crawler.model import CrossReference, NodeId, Page, Ranking, Response, Task
from crawler.providers.chartmetric import (
    RELATIONS,
    Chartmetric,
    ChartmetricSection,
    flow,
    names_request,
    read_names,
)
from crawler.providers.charts import friday, fridays, read_chart, whole_number
from crawler.providers.soundcloud_fields import Keep

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "api" / "payloads" / "chartmetric"
needs_bodies = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="NO BODIES: the folder of payloads is not beside this one"
)
WEEK = "2026-05-01"


def task(name: str = f"top:techno:US:{WEEK}", cursor: str | None = None) -> Task:
    return Task(NodeId("soundcloud", "chart", name), RELATIONS[0], cursor)


def provider(keep: Keep = "profile", **keys: object) -> Chartmetric:
    return Chartmetric(ChartmetricSection("https://api.example.test", **keys), keep)  # type: ignore[arg-type]


def row(number: int, **changes: object) -> dict[str, Any]:
    """Return a row as the document has it, with the numbers as text."""
    return {
        "id": 7_000_000 + number,
        "name": f"Song {number}",
        "isrc": "usabc2600001",
        "cm_track": 50_000 + number,
        "cm_artist": [9],
        "album_upc": ["0012345678905"],
        "rank": number,
        "pre_rank": None,
        "added_at": f"{WEEK}T00:00:00.000Z",
        "time_on_chart": "3",
        "soundcloud_track_id": str(2_200_000_000 + number),
        "playcount_all": "1200",
        "playcount_weekly": None,
        "permalink_url": f"https://soundcloud.com/someone/song-{number}",
        "soundcloud_user": {"id": 40 + number, "username": "Someone", "kind": "user"},
        "rankStats": [{"rank": number, "timestp": f"{WEEK}T00:00:00.000Z"}, {"rank": 9, "timestp": "2026-04-24"}],
    } | changes


def read(body: object, asked: Task | None = None, keep: Keep = "profile") -> Page:
    return provider(keep).parse(asked or task(), Response(200, {}, json.dumps(body).encode()))


def failed(status: int, body: object = None, **headers: str) -> ProviderError:
    response = Response(status, headers, b"" if body is None else json.dumps(body).encode())
    with pytest.raises(ProviderError) as caught:
        provider().parse(task(), response)
    return caught.value


@needs_bodies
@pytest.mark.parametrize("keep", ["graph", "profile", "raw"])
@pytest.mark.parametrize("name, rows", [("charts_soundcloud_empty", 0), ("charts_soundcloud_legacy", 1)])
def test_the_vendors_examples_are_read(name: str, rows: int, keep: Keep) -> None:
    """An empty chart is an empty page; in the document's example the track's id is a word, so its row is unread."""
    page = provider(keep).parse(task(), Response(200, {}, (FOLDER / f"{name}.json").read_bytes()))
    assert len(page.items) + page.unread == rows
    filled = json.loads((FOLDER / f"{name}.json").read_bytes())
    if rows:
        filled["obj"]["data"][0]["soundcloud_track_id"] = "2200000001"
        page = read(filled, keep=keep)
        assert [item.id for item in page.items] == [2_200_000_001]
        assert page.items[0].body is not None
        assert json.loads(page.items[0].body.encode())


@pytest.mark.parametrize(
    "name, query",
    [
        (f"top:techno:US:{WEEK}", f"country_code=US&kind=top&genre=techno&date={WEEK}&chart_type=track"),
        ("trending:All-Music", "country_code=GLOBAL&kind=trending&genre=all-music&latest=true&chart_type=track"),
        ("top:rock:IE:latest:trending", "country_code=IE&kind=top&genre=rock&latest=true&chart_type=trending"),
        ("top:rock:IE:2026-05-06", f"country_code=IE&kind=top&genre=rock&date={WEEK}&chart_type=track"),
    ],
)
def test_a_chart_is_asked_for_with_documented_parameters_only(name: str, query: str) -> None:
    """Unknown parameters are refused by the service; a date that is no Friday is asked for as the Friday before."""
    assert provider().request(task(name)).url == f"https://api.example.test/api/charts/soundcloud?{query}"


def test_every_parameter_of_the_document_can_be_sent() -> None:
    """Country, kind, genre, date, latest, chart_type, raw and offset: all eight are sent by some task."""
    asked = [provider(peaks=True).request(task(name)).url for name in (f"top:techno:US:{WEEK}", "top:techno")]
    page = read([row(number) for number in range(1, 61)])
    asked.append(provider().request(task(cursor=page.next)).url)
    sent = {part.partition("=")[0] for url in asked for part in url.partition("?")[2].split("&")}
    assert sent == {"country_code", "kind", "genre", "date", "latest", "chart_type", "raw", "offset"}
    assert "raw=false" in asked[0]
    other = provider(charts_path="/api/charts/soundcloud/track/top")
    assert "/api/charts/soundcloud/track/top?" in other.request(task()).url


def test_a_row_is_a_track_with_its_user_its_places_and_its_names() -> None:
    """The join is SoundCloud's id, never the row's own; numbers may be text; history rides on the row."""
    page = read({"obj": {"length": None, "data": [row(1)]}})
    (item,) = page.items
    assert (item.kind, item.id, item.detail, item.at) == ("track", 2_200_000_001, "mini", f"{WEEK}T00:00:00Z")
    assert item.owner is not None
    assert (item.owner.id, item.owner.detail) == (41, "mini")
    places = [record for record in page.records if isinstance(record, Ranking)]
    assert [(place.date, place.rank, place.origin) for place in places] == [
        (WEEK, 1, "row"),
        (WEEK, 1, "history"),
        ("2026-04-24", 9, "history"),
    ]
    assert (places[0].plays, places[0].plays_of_week, places[0].time_on_chart) == (1200, None, 3)
    assert {place.chart for place in places} == {"top:techno:US:track"}
    names = {(one.scheme, one.value) for one in page.records if isinstance(one, CrossReference)}
    assert names == {
        ("isrc", "USABC2600001"),
        ("upc", "0012345678905"),
        ("soundcloud_permalink", "someone/song-1"),
        ("chartmetric_track", "50001"),
        ("chartmetric_artist", "9"),
    }


def test_the_returned_date_counts_and_the_requested_one_is_told() -> None:
    """A chart of another day than was asked for is recorded under its own day."""
    page = read([row(1, added_at="2026-04-24T00:00:00Z", rankStats=[])])
    (place,) = [record for record in page.records if isinstance(record, Ranking)]
    assert (place.date, place.requested_date) == ("2026-04-24", WEEK)


@pytest.mark.parametrize("identity", [None, "", "x:1", "string", [5]])
def test_a_row_that_cannot_be_joined_is_counted_and_not_guessed(identity: object) -> None:
    """Without SoundCloud's number of the track a row is unread, although it has a number of its own."""
    page = read([row(1, soundcloud_track_id=identity), row(2)])
    assert (page.unread, [item.id for item in page.items]) == (1, [2_200_000_002])


@pytest.mark.parametrize("user", [{}, None, {"id": None}, "someone"])
def test_a_user_that_is_empty_is_no_user(user: object) -> None:
    """The nested user may be empty, as in the document: the track then has no owner."""
    assert read([row(1, soundcloud_user=user)]).items[0].owner is None


def test_all_nulls_are_no_failure() -> None:
    """Nearly everything may be null: the track is still a track, without a place."""
    page = read([dict.fromkeys(row(1)) | {"soundcloud_track_id": "5"}])
    assert ([item.id for item in page.items], list(page.records)) == ([5], [])


@pytest.mark.parametrize("body", [{"obj": []}, {"obj": {"length": None, "data": []}}, {"data": []}, []])
def test_an_empty_chart_is_an_observation_in_every_envelope(body: object) -> None:
    """200 without rows is an empty page that ends the list, in each of the four envelopes that were seen."""
    page = read(body)
    assert (page.items, page.next, page.unread) == ([], None, 0)


@pytest.mark.parametrize("body", [{"obj": {"length": 3}}, {"error": "x"}, "text", 5, None])
def test_what_is_no_list_is_never_an_empty_chart(body: object) -> None:
    """A 200 that holds no list of rows is a bad page."""
    with pytest.raises(BadPage):
        read(body)


def test_empty_unreachable_and_not_entitled_are_told_apart() -> None:
    """Four outcomes: rows or none, no such chart, not entitled, unreachable."""
    assert isinstance(failed(401), Denied)
    assert isinstance(failed(403, {"error": "x"}), Denied)
    assert isinstance(failed(404, {"error": "x"}), Gone)
    assert isinstance(failed(400, {"error": "'genre' must be one of [techno]"}), Gone)
    assert isinstance(failed(400, {"error": {"message": "No date was given"}}), BadPage)
    assert isinstance(failed(400, {"message": "'interval' is not allowed"}), BadPage)
    assert isinstance(failed(503), Transient)
    with pytest.raises(Transient):
        provider().parse(task(), Response(200, {}, b'{"obj": {"data": [{"id"'))


@pytest.mark.parametrize("skew_seconds", [-7200, 0, 7200])
def test_a_429_waits_by_the_services_own_clock(skew_seconds: int) -> None:
    """The reset is an epoch; measured against the answer's Date our own clock does not matter, and it is clamped."""
    now = 1_777_000_000 + skew_seconds

    def wait(reset: int) -> float | None:
        error = failed(429, None, date=formatdate(now, usegmt=True), **{"x-ratelimit-reset": str(reset)})
        assert isinstance(error, Throttled)
        return error.wait_seconds

    assert [wait(now + 3), wait(now - 5), wait(now + 9999)] == [3.0, 1.0, 60.0]


def follow(answer: Callable[[str], Response]) -> list[Page]:
    """Read a chart page after page."""
    pages: list[Page] = []
    cursor: str | None = None
    while not pages or pages[-1].next is not None:
        asked = task(cursor=cursor)
        pages.append(provider().parse(asked, answer(provider().request(asked).url)))
        cursor = pages[-1].next
        assert len(pages) < 10
    return pages


def rows(first: int, last: int) -> Response:
    return Response(200, {}, json.dumps({"obj": [row(number) for number in range(first, last)]}).encode())


@pytest.mark.parametrize(
    "second",
    [
        Response(400, {}, b'{"error": "\'offset\' is not allowed"}'),
        rows(1, 1),
        rows(1, 61),  # the offset was ignored
    ],
)
def test_three_answers_to_an_offset_end_the_chart_without_an_error(second: Response) -> None:
    """An offset that is refused, an empty page, and the first page again are each the end of the chart."""
    pages = follow(lambda url: second if "offset" in url else rows(1, 61))
    assert [len(page.items) for page in pages] == [60, 0]


def test_an_offset_that_works_is_followed_and_a_short_chart_is_not_asked_again() -> None:
    """200 rows come in two pages where the service heeds the offset; a chart of ten rows costs one request."""
    pages = follow(lambda url: rows(101, 140) if "offset=100" in url else rows(1, 101))
    assert [len(page.items) for page in pages] == [100, 39]
    assert len(follow(lambda _url: rows(1, 11))) == 1


def test_charts_have_names_and_fridays() -> None:
    """A chart's name is read and written back; any date becomes the Friday before; what is no chart says so."""
    assert str(read_chart("top:techno")) == "top:techno:GLOBAL:latest"
    assert read_chart("top:techno:DE:2026-05-07:trending").date == "2026-04-30".replace("04-30", "05-01")
    assert [friday(f"2026-05-{day:02}") for day in (1, 2, 7, 8)] == [WEEK, WEEK, WEEK, "2026-05-08"]
    assert list(fridays("2026-04-18", "2026-05-07")) == ["2026-04-24", WEEK]
    for text in ("top", "best:techno", "top:techno:US:yesterday", "top::US", "top:techno:US:latest:album"):
        with pytest.raises(ValueError, match=r"chart|Invalid"):
            read_chart(text)


@pytest.mark.parametrize(
    "value, number", [("7", 7), (7, 7), (7.0, 7), ("7.0", 7), ("", None), (None, None), (True, None), ("x", None)]
)
def test_numbers_may_be_text(value: object, number: int | None) -> None:
    """`playcount_*` and `time_on_chart` are text here and numbers in sibling endpoints; the rest is null."""
    assert whole_number(value) == number


@pytest.mark.parametrize(
    "body, names",
    [
        ({"obj": {"countries": ["US", "GLOBAL"]}}, ["US", "GLOBAL"]),
        ({"obj": [{"id": 1, "name": "techno"}, {"id": 2, "name": "house"}]}, ["techno", "house"]),
        ({"obj": [{"code": "IE"}]}, ["IE"]),
        ({"obj": {}}, []),
    ],
)
def test_genres_and_countries_are_read(body: object, names: list[str]) -> None:
    """Lists of names come as texts or as objects."""
    response = Response(200, {}, json.dumps(body).encode())
    assert read_names(response, "genres") == names
    assert names_request("https://a.test", "/api/charts/genres/soundcloud").url.startswith("https://a.test/api/charts/")
    with pytest.raises(Denied):
        read_names(Response(401, {}, b""), "genres")


def named(body: object) -> list[tuple[str, str]]:
    asked = Task(NodeId("soundcloud", "track", 5), RELATIONS[1])
    page = provider().parse(asked, Response(200, {}, json.dumps(body).encode()))
    assert provider().request(asked).url == "https://api.example.test/api/track/soundcloud/5/get-ids"
    return [(one.scheme, one.value) for one in page.records if isinstance(one, CrossReference)]


@needs_bodies
def test_names_come_in_all_the_forms_that_were_seen() -> None:
    """get-ids answers in six forms, with one id or several, as numbers or text; an empty list is a miss."""
    bodies = json.loads((FOLDER / "get_ids_variants.json").read_bytes())
    assert [named(body) for body in bodies] == [
        [("chartmetric_track", "12345")],
        [("chartmetric_album", "45678")],
        [("chartmetric_track", "98765")],
        [("chartmetric_track", "24680")],
        [("chartmetric_track", "13579")],
        [("chartmetric_artist", "11223")],
    ]
    assert named(
        {"obj": [{"isrc": "us-abc-26-00001", "spotify_ids": ["a", "b"], "deezer_ids": [7], "qq_ids": []}]}
    ) == [
        ("isrc", "USABC2600001"),
        ("spotify_track", "a"),
        ("spotify_track", "b"),
        ("deezer_track", "7"),
    ]
    assert named({"obj": []}) == []
    with pytest.raises(BadPage):
        named({"error": "x"})


def test_a_chart_that_is_computed_first_is_waited_for() -> None:
    """Charts that nobody asked for lately take 20 s: the timeouts leave room for that."""
    assert ChartmetricSection().timeout_seconds > 30


def test_a_refresh_token_becomes_a_bearer_and_a_newer_one_is_tried_first() -> None:
    """The request's key is `refreshtoken`, the answer's `refresh_token`; a newer one that fails is no disaster."""
    exchange = flow("old", "https://api.example.test/api/token")
    steps = exchange(None)
    assert json.loads(next(steps).body or b"") == {"refreshtoken": "old"}
    with pytest.raises(StopIteration) as ended:
        steps.send(Response(200, {}, b'{"token": "t", "expires_in": 3600, "refresh_token": "new", "scope": "api"}'))
    assert (ended.value.value.access_token, ended.value.value.refresh_token) == ("t", "new")
    steps = exchange("new")
    assert json.loads(next(steps).body or b"") == {"refreshtoken": "new"}
    assert json.loads(steps.send(Response(401, {}, b"{}")).body or b"") == {"refreshtoken": "old"}
    with pytest.raises(Refused):
        steps.send(Response(400, {}, b"{}"))
    assert "old" not in repr(next(exchange(None)))
