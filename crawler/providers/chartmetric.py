"""Chartmetric as a provider: SoundCloud's charts, whose rows lead into the graph.

A chart is a node, the tracks in it are its `charted` edges. Its rows carry SoundCloud's own ids of the track and of the
user, places in the chart at this and earlier dates, and other names of the track. Facts: the vendor's document (seed
000) and the field report on the charts, part 1. What no answer proves is read defensively: an empty chart (200 without
rows) is an observation, a path that the plan does not hold (401 with a fresh token) another; neither is a failure.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from crawler.errors import BadPage, Denied, Gone, ProviderError, Refused, Throttled, Transient
from crawler.model import Page, Relation, Request, Response, Task
from crawler.policy.quota import SLIDING_WAIT_SECONDS, SlidingQuota, date_of, header
from crawler.providers.chartmetric_rows import SCHEMES, named_in, names_of, read_row
from crawler.providers.charts import Chart, read_chart
from crawler.providers.oauth import FAMILY as TOKEN_FAMILY
from crawler.providers.oauth import Token, TokenRequest, json_object
from crawler.providers.service import Access, Flow, Section, Service, Variable
from crawler.providers.soundcloud_answers import Rule, failure, undecodable
from crawler.providers.soundcloud_fields import Keep

NAME = "chartmetric"
RELATIONS: tuple[Relation, ...] = (
    Relation("chart", "charted", "track", "charted", "/api/charts/soundcloud", "offset"),
    Relation("track", "get_ids", "track", None, "/api/track/soundcloud/{}/get-ids", "none", rows="records"),
)
GENRES_PATH = "/api/charts/genres/soundcloud"
COUNTRIES_PATH = "/api/charts/soundcloud/countries"
LIKELY_MORE_ROWS = 50
"""Charts of 50 to 200 rows were seen, with and without an `offset`: from here on it is worth asking for more."""
_TOKEN_SECONDS = 3600.0
_NO_CHART = re.compile(
    r"must be one of|does not exist|not allowed to be empty|'?\"?(genre|country_code|kind)\b", re.IGNORECASE
)

RULES: tuple[Rule, ...] = (
    Rule(range(401, 402), None, Denied, "the plan does not hold this path, or there is none"),
    Rule(range(403, 404), frozenset({"edge"}), Throttled, "the edge blocks these requests"),
    Rule(range(403, 404), None, Denied, "the plan does not hold this"),
    Rule(range(404, 405), frozenset({"edge"}), Transient, "the edge answers for the API"),
    Rule(range(404, 405), None, Gone, "there is no such chart"),
    Rule(range(408, 409), None, Transient, "the request timed out"),
    Rule(range(429, 430), None, Throttled, "too many requests"),
    Rule(range(500, 600), None, Transient, "the service fails"),
    Rule(range(100, 1000), None, BadPage, "an unexpected answer"),
)


class ChartmetricSection(Section, frozen=True):
    """[chartmetric]: the refresh token's variable, and how charts are asked for.

    `charts_path` is the endpoint of the charts. `peaks` asks for the best place of each row; answers are then slower.
    """

    base_url: str = "https://api.chartmetric.com"
    token_url: str = "https://api.chartmetric.com/api/token"  # noqa: S105 - an address
    refresh_token_env: Variable = "CHARTMETRIC_REFRESH_TOKEN"  # noqa: S105 - a name
    timeout_seconds: float = 45.0
    charts_path: str = RELATIONS[0].path
    peaks: bool = False


class Chartmetric:
    """The provider `chartmetric`. Charts belong to the network of what is in them."""

    name = NAME
    network = "soundcloud"
    relations = RELATIONS

    def __init__(self, section: ChartmetricSection, keep: Keep) -> None:
        self._base = section.base_url.rstrip("/")
        self._path = section.charts_path
        self._peaks = section.peaks
        self._keep: Keep = keep

    def request(self, task: Task) -> Request:
        """Return the request for a chart; only parameters that the document names, because others are refused."""
        if task.relation.name == "get_ids":
            return Request(self._base + task.relation.path.replace("{}", quote(str(task.node.id), safe="")), "get-ids")
        if task.cursor is not None:
            return Request(self._base + task.cursor.partition("#")[0], "charts")
        return Request(self._base + self._first(_chart(task)), "charts")

    def _first(self, chart: Chart) -> str:
        asked = {"country_code": chart.country, "kind": chart.kind, "genre": chart.genre.lower()}
        asked |= {"latest": "true"} if chart.date is None else {"date": chart.date}
        if self._peaks:
            asked["raw"] = "false"
        asked["chart_type"] = chart.table
        return f"{self._path}?{urlencode(asked, quote_via=quote)}"

    def parse(self, task: Task, response: Response) -> Page:
        """Return the rows of a chart, or the names of a track. Raises a `ProviderError`, whatever the answer is."""
        if task.relation.name == "get_ids":
            return _names_page(task, response)
        if response.status != HTTPStatus.OK:
            if task.cursor is not None and _refuses_offset(response):
                return Page([])  # the chart is served in one piece
            raise refusal(response, "charts")
        rows = read_rows(response, "charts")
        return self._page(task, rows)

    def _page(self, task: Task, rows: list[Any]) -> Page:
        chart = _chart(task)
        found = [read_row(row, chart, self._keep) for row in rows]
        read = [row for row in found if row is not None]
        page = Page([row.item for row in read], unread=len(rows) - len(read))
        page.records = [record for row in read for record in row.records]
        first = task.cursor.partition("#")[2] if task.cursor is not None else ""
        if first and read and str(read[0].item.id) == first:
            return Page([])  # the offset was ignored: this is the first page again
        if len(rows) >= LIKELY_MORE_ROWS and read:
            offset = _offset(task.cursor) + len(rows)
            first = first or str(read[0].item.id)
            page.mark = offset
            page.next = f"{self._first(chart)}&offset={offset}#{first}"
        return page


def _names_page(task: Task, response: Response) -> Page:
    """Return the other names of a track; an empty list is a miss, and no failure."""
    if response.status != HTTPStatus.OK:
        raise refusal(response, "get-ids")
    body = json_object(response)
    if "obj" not in body and not body.keys() & SCHEMES.keys():
        raise BadPage("the body has no names (200 from get-ids)")
    page = Page([])
    page.records = [record for served in named_in(body) for record in names_of(task.node.id, served)]
    return page


def _chart(task: Task) -> Chart:
    try:
        return read_chart(str(task.node.id))
    except ValueError as error:
        raise Gone(str(error)) from None


def _offset(cursor: str | None) -> int:
    found = re.search(r"[?&]offset=([0-9]+)", cursor or "")
    return int(found[1]) if found else 0


def _refuses_offset(response: Response) -> bool:
    return response.status == HTTPStatus.BAD_REQUEST and "offset" in message_of(response)


def read_rows(response: Response, family: str) -> list[Any]:
    """Return the rows in an envelope, of the four kinds that were seen. Raises `BadPage` or `Transient`."""
    try:
        body = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        truncated = "truncated" in str(error)
    else:
        for name in ("obj", "data"):
            if isinstance(body, dict):
                body = body.get(name, body)
        if isinstance(body, list):
            return body
        raise BadPage(f"the body is no list of rows (200 from {family})")
    raise undecodable(response, family, truncated=truncated)


def refusal(response: Response, family: str) -> ProviderError:
    """Return what an answer is that is no list: 400s speak in sentences, 429s name a moment in epoch seconds."""
    if response.status == HTTPStatus.BAD_REQUEST:
        message = message_of(response)
        error = Gone if _NO_CHART.search(message) else BadPage
        return error(f"there is no such chart: {message} (400 from {family})")
    found = failure(response, family, RULES)
    if isinstance(found, Throttled) and found.wait_seconds is None:
        found.wait_seconds = _wait_seconds(response)
    return found


def _wait_seconds(response: Response) -> float | None:
    """Return how long to wait, measured against the service's own clock; None when the answer does not tell."""
    reset, date = header(response, "x-ratelimit-reset"), date_of(response, 0.0)
    if reset is None or not date:
        return None
    shortest, longest = SLIDING_WAIT_SECONDS
    return min(max(reset - date, shortest), longest)


def message_of(response: Response) -> str:
    """Return the sentence in an error, wherever it is: no recorded one was found."""
    body = json_object(response)
    inner = body.get("obj")
    for place in (body.get("error"), body.get("message"), inner.get("error") if isinstance(inner, dict) else None):
        sentence = place.get("message") if isinstance(place, dict) else place
        if isinstance(sentence, str):
            return sentence[:500]
    return response.body[:500].decode("utf-8", "replace")


def read_names(response: Response, family: str) -> list[str]:
    """Return the names in a list of genres or countries: texts, or objects with a name or code."""
    if response.status != HTTPStatus.OK:
        raise refusal(response, family)
    body = json_object(response)
    inner = body.get("obj", body)
    if isinstance(inner, dict):
        inner = next((value for value in inner.values() if isinstance(value, list)), [])
    names = [_name(one) for one in inner if isinstance(inner, list)]
    return [name for name in names if name]


def _name(one: object) -> str:
    if isinstance(one, dict):
        one = next((one[key] for key in ("code", "slug", "genre", "country_code", "name") if key in one), "")
    return one if isinstance(one, str) else ""


def names_request(base_url: str, path: str) -> Request:
    """Return the request for the genres or countries that there are charts of."""
    return Request(base_url.rstrip("/") + path, path.rpartition("/")[2])


def flow(refresh_token: str, token_url: str) -> Flow:
    """Return the exchange of the long-lived refresh token for a token of an hour."""

    def exchange(newer: str | None) -> Generator[Request, Response, Token]:
        # The answer's own refresh token is "for the next exchange", or never changes: the documents disagree.
        if newer and newer != refresh_token:
            response = yield _exchange(newer, token_url)
            if response.status == HTTPStatus.OK:
                return _token(response)
        response = yield _exchange(refresh_token, token_url)
        return _token(response)

    return exchange


def _exchange(refresh_token: str, token_url: str) -> TokenRequest:
    headers = {"content-type": "application/json", "accept": "application/json"}
    body = msgspec.json.encode({"refreshtoken": refresh_token})
    return TokenRequest(token_url, TOKEN_FAMILY, "POST", headers, body)


def _token(response: Response) -> Token:
    if response.status != HTTPStatus.OK:
        found = failure(response, TOKEN_FAMILY, RULES)
        if isinstance(found, Transient | Throttled):
            raise found
        raise Refused(f"the refresh token is not accepted ({response.status} from {TOKEN_FAMILY})")
    answer = json_object(response)
    token, seconds, newer = answer.get("token"), answer.get("expires_in"), answer.get("refresh_token")
    if not isinstance(token, str) or not token:
        raise Transient("the token service answered without a token (200 from token)")
    lifetime = float(seconds) if isinstance(seconds, int | float) and seconds > 0 else _TOKEN_SECONDS
    return Token(token, lifetime, newer if isinstance(newer, str) and newer else None)


def _access(section: ChartmetricSection, values: Mapping[str, str]) -> Access:
    exchange = flow(values["refresh_token_env"], section.token_url)
    return Access(exchange, "Bearer", locks_paths=True, quota=SlidingQuota())


SERVICE = Service(
    name=NAME,
    section=ChartmetricSection,
    relations=RELATIONS,
    provider=Chartmetric,
    credentials=lambda _section: ("refresh_token_env",),
    access=_access,
    kinds=dict.fromkeys(("chart", "track", "user"), "soundcloud"),
    defaults={"chart": ("charted",)},
    offered={"track": ("get_ids",)},
    identity=("base_url", "charts_path", "peaks"),
    polite_requests_per_second=1.0,
    sandbox="/chartmetric",
    token_path="/api/token",  # noqa: S106 - a path
)
