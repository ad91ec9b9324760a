"""Soundcharts as a provider: who an artist or song of SoundCloud is elsewhere, how they fared, and what charted.

One object comes in `object`, lists in `items` with a `page`; `errors` is always there, and may be filled in a 200.
A page is followed by its `next`, a relative link of one of three kinds (offset, token, cursor), and only below the own
host; without one the offsets are counted. A list that ends before its `total` is not called whole. Facts: the vendor's
document (seed 001) and the field report on the charts, part 2.
"""

from __future__ import annotations

from datetime import date, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from msgspec import Struct

from crawler.errors import BadPage, Denied, Gone, ProviderError, Refused, Spent, Throttled, Transient
from crawler.model import CrossReference, Item, Page, Relation, Request, Response, Task
from crawler.policy.quota import MonthlyQuota
from crawler.providers import soundcharts_rows as rows
from crawler.providers.oauth import json_object
from crawler.providers.soundcharts_relations import RELATIONS
from crawler.providers.soundcloud_answers import Rule, failure, undecodable
from crawler.providers.soundcloud_fields import Keep

LARGEST_PAGE = 100
WINDOW_DAYS = 90
"""The longest range of dates that one request may ask for."""

RULES: tuple[Rule, ...] = (
    Rule(range(400, 401), None, BadPage, "the request is not understood"),
    Rule(range(401, 402), None, Refused, "the credentials are not accepted"),
    Rule(range(403, 404), frozenset({"edge"}), Throttled, "the edge blocks these requests"),
    Rule(range(403, 404), None, Denied, "the plan does not include this, or the sandbox does not hold it"),
    Rule(range(404, 405), frozenset({"edge"}), Transient, "the edge answers for the API"),
    Rule(range(404, 405), None, Gone, "there is no such thing"),
    Rule(range(408, 409), None, Transient, "the request timed out"),
    Rule(range(410, 411), None, Gone, "the ISRC names too many songs"),
    Rule(range(500, 600), None, Transient, "the service fails"),
    Rule(range(100, 1000), None, BadPage, "an unexpected answer"),
)
_MEANINGS: dict[int, type[ProviderError]] = {400: BadPage, 401: Refused, 403: Denied, 404: Gone, 410: Gone}
_BY_NAME = {"permalink": "soundcloud_permalink", "track": "soundcloud_track_id", "isrc": "isrc"}


class Envelope(Struct):
    """A body: one object or items with a page; `errors` says what is wrong even where the status does not."""

    object: Any = None
    items: list[Any] | None = None
    page: dict[str, Any] | None = None
    errors: Any = None


class Soundcharts:
    """The provider `soundcharts`. Series are read from `since` to `until`, else over the service's last thirty days."""

    name = "soundcharts"
    network = "soundcharts"
    relations: tuple[Relation, ...] = RELATIONS

    def __init__(self, base_url: str, keep: Keep, since: str | None = None, until: str | None = None) -> None:
        self._base = base_url.rstrip("/")
        self._prefix = urlsplit(self._base).path
        self._host = urlsplit(self._base).netloc
        self._keep: Keep = keep
        self._since, self._until = since, until

    def request(self, task: Task) -> Request:
        """Return the request for a task's page; it never holds a credential."""
        path = task.cursor if task.cursor is not None else self._first(task)
        return Request(self._base + path, family_of(task.relation))

    def _first(self, task: Task) -> str:
        relation, name = task.relation, str(task.node.id)
        path, _, fixed = relation.path.partition("?")
        if relation.kind == "song_chart":
            slug, _, day = name.partition("@")
            path = path.replace("{}", quote(slug, safe=""), 1).replace("{}", quote(day or "latest", safe=""))
        elif relation.kind == "platform":
            name, _, country = name.partition(":")
            fixed = urlencode({"countryCode": country}) if country else ""
        path = path.replace("{}", quote(name, safe=""))
        asked = [part for part in (fixed, self._window(relation, self._since)) if part]
        if relation.paging != "none":
            asked += [f"offset=0&limit={task.limit or LARGEST_PAGE}"]
        return path + ("?" + "&".join(asked) if asked else "")

    def _window(self, relation: Relation, start: str | None) -> str:
        """Return the dates of one request for a series, nothing for other lists and where none are configured."""
        if relation.name != "audience" or start is None or self._until is None:
            return ""
        end = min(date.fromisoformat(start) + timedelta(days=WINDOW_DAYS - 1), date.fromisoformat(self._until))
        return urlencode({"startDate": start, "endDate": end.isoformat()})

    def parse(self, task: Task, response: Response) -> Page:
        """Return the page in an answer. Raises a `ProviderError`, whatever the answer is, or `Spent`."""
        family = family_of(task.relation)
        if response.status != HTTPStatus.OK:
            raise refusal(response, family)
        body = read_envelope(response, family)
        if task.relation.paging == "none":
            return self._single(task, body, family)
        if body.items is None:
            raise BadPage(f"the body has no items (200 from {family})")
        page = self._rows(task, body.items)
        self._onward(task, page, body, family)
        return page

    def _single(self, task: Task, body: Envelope, family: str) -> Page:
        relation, node = task.relation, task.node
        item = rows.thing(body.object, relation.to_kind, self._keep, whole=True)
        if item is None or (relation.name == "profile" and item.id != node.id):
            raise BadPage(f"the object is not the {relation.to_kind} that was asked for (200 from {family})")
        page = Page([item])
        identity = str(item.id)
        known = []
        if relation.kind in _BY_NAME:
            known.append(CrossReference(item.kind, identity, _BY_NAME[relation.kind], str(node.id), "by_identifier"))
        isrc = rows.isrc_in(body.object) if item.kind == "song" else None
        if isrc and isrc not in {name.value for name in known}:
            known.append(CrossReference("song", identity, "isrc", isrc, "row_inline"))
        page.records = known
        return page

    def _rows(self, task: Task, served: list[Any]) -> Page:
        relation = task.relation
        if relation.name == "audience":
            return _recorded([rows.points(relation.kind, str(task.node.id), row) for row in served])
        if relation.name == "identifiers":
            page = _recorded([rows.names(relation.kind, str(task.node.id), row) for row in served])
            nodes = [rows.node_of(name) for name in page.records if isinstance(name, CrossReference)]
            page.items = [node for node in nodes if node is not None]
            return page
        if relation.name in {"chart_entries", "song_chart_entries", "ranking"}:
            return self._places(task, served)
        found = [self._item(task, row) for row in served]
        return Page([item for item in found if item is not None], unread=found.count(None))

    def _item(self, task: Task, row: Any) -> Item | None:  # noqa: ANN401 - JSON
        relation, name = task.relation, str(task.node.id)
        if relation.name == "available":
            slug = name.partition("@")[0]
            return Item("song_chart", f"{slug}@{row}", row, "id", None) if isinstance(row, str) else None
        if relation.to_kind == "song_chart":
            told = row.get("slug") if isinstance(row, dict) else None
            return Item("song_chart", told, told, "id", None) if isinstance(told, str) and told else None
        inner = row.get(relation.to_kind) if isinstance(row, dict) else None
        return rows.thing(inner or row, relation.to_kind, self._keep)

    def _places(self, task: Task, served: list[Any]) -> Page:
        """Read a chart, or the charts of a song or an artist: places, and the songs that hold them."""
        chart, _, day = str(task.node.id).partition("@") if task.relation.kind == "song_chart" else ("", "", "")
        song = str(task.node.id) if task.relation.kind == "song" else None
        page = Page([])
        places = []
        for row in served:
            item = rows.thing(row.get("song"), "song", self._keep) if isinstance(row, dict) else None
            place = rows.ranking(row, chart or None, song, day[:10] or None)
            if place is not None:
                places.append(place)
            elif rows.is_over(row):
                page.own += 1
                continue
            elif item is None or not chart:
                page.unread += 1
                continue
            if item is not None:
                page.items.append(item)
        page.records = places
        return page

    def _onward(self, task: Task, page: Page, body: Envelope, family: str) -> None:
        """Set where the list goes on: the link, else the offset, else the next range of dates."""
        told = body.page or {}
        offset, total = told.get("offset"), told.get("total")
        seen = offset + len(body.items or ()) if isinstance(offset, int) else None
        if told.get("next"):
            page.next = self._link(told["next"], family)
        elif seen is not None and isinstance(total, int) and body.items and seen < total:
            if "next" in told:
                page.doubt = f"the service ended the list at {seen} of {total} rows"
            else:
                page.next = _at_offset(self.request(task).url.removeprefix(self._base), seen)
        page.mark = seen if page.next is not None else None
        page.next = page.next or self._next_window(task)

    def _next_window(self, task: Task) -> str | None:
        """Return the request for the next range of dates, which begins with the last day of this one."""
        if task.relation.name != "audience" or self._since is None or self._until is None:
            return None
        asked = urlsplit(self.request(task).url).query.split("&")
        end = next((part.partition("=")[2] for part in asked if part.startswith("endDate=")), self._until)
        if end >= self._until:
            return None
        path = task.relation.path.replace("{}", quote(str(task.node.id), safe=""))
        return f"{path}?{self._window(task.relation, end)}&offset=0&limit={LARGEST_PAGE}"

    def _link(self, link: object, family: str) -> str:
        """Return path and query of a link. Raises `BadPage` when it leads to another host."""
        parts = urlsplit(link) if isinstance(link, str) else None
        if parts is None or parts.netloc not in {"", self._host} or not parts.path.startswith("/"):
            raise BadPage(f"the link to the next page leads elsewhere (200 from {family})")
        path = parts.path.removeprefix(self._prefix) if self._prefix else parts.path
        return f"{path}?{parts.query}" if parts.query else path


def _recorded(read: list[Any]) -> Page:
    page = Page([], unread=read.count(None))
    page.records = [record for records in read if records for record in records]
    page.own = sum(1 for records in read if records == [])
    return page


def _at_offset(path: str, offset: int) -> str:
    before, _, query = path.partition("?")
    parts = [part for part in query.split("&") if part and not part.startswith("offset=")]
    return f"{before}?{'&'.join([*parts, f'offset={offset}'])}"


def family_of(relation: Relation) -> str:
    """Return the name of an endpoint: its path without version and ids."""
    names = relation.path.partition("?")[0].split("/")
    return "/".join(name for name in names[3:] if name and name != "{}")


def read_envelope(response: Response, family: str) -> Envelope:
    """Return a body. Raises the error that it holds, whatever the status said, and for what is no envelope."""
    try:
        body = msgspec.json.decode(response.body, type=Envelope)
    except msgspec.ValidationError:
        raise BadPage(f"the body is no envelope (200 from {family})") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        truncated = "truncated" in str(error)
    else:
        if body.errors:
            raise _told(body.errors, family)
        return body
    raise undecodable(response, family, truncated=truncated)


def _told(errors: object, family: str) -> ProviderError:
    """Return what the errors in a 200 are: they have the codes of statuses."""
    first = errors[0] if isinstance(errors, list) and errors else {}
    code = first.get("code") if isinstance(first, dict) else None
    message = str(first.get("message"))[:200] if isinstance(first, dict) else "errors of an unknown form"
    code = code if isinstance(code, int) else 0
    kind = _MEANINGS.get(code, Transient if code >= HTTPStatus.INTERNAL_SERVER_ERROR else BadPage)
    return kind(f"{message} (200 with an error {code} from {family})")


def refusal(response: Response, family: str) -> ProviderError | Spent:
    """Return what an answer is that is no 200. Of the two 429s only the minute's ends by itself."""
    if response.status == HTTPStatus.TOO_MANY_REQUESTS:
        found = MonthlyQuota().refusal(response)
        if isinstance(found, Spent):
            return Spent(f"{found} (429 from {family})", of_source=True)
        return Throttled(f"{found.reason} (429 from {family})", wait_seconds=found.delay_seconds)
    error = failure(response, family, RULES)
    entries = json_object(response).get("errors")
    if isinstance(entries, list) and entries and isinstance(entries[0], dict) and not isinstance(error, Throttled):
        return type(error)(f"{error}: {str(entries[0].get('message'))[:200]}")
    return error
