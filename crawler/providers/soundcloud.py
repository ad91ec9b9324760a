"""SoundCloud's official API as two pure methods: what to ask, and what an answer means.

The law of this file: an answer becomes a page or an error, nothing in between. A failure is never an empty list, the
end of a list is never guessed (only `next_href` null or absent ends one: short and empty pages in the middle are
normal, soundcloud/api #55, #139), and a row that cannot be read is counted, never written with holes.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import msgspec

from crawler.errors import BadPage, ConfigError
from crawler.model import Id, Item, NodeId, Page, Relation, Request, Response, Task
from crawler.providers.soundcloud_answers import RULES, Rule, failure, is_redirect, undecodable
from crawler.providers.soundcloud_fields import Keep
from crawler.providers.soundcloud_items import BUILDERS, identity_of, origin_of
from crawler.providers.soundcloud_later import read_users
from crawler.providers.soundcloud_links import cut_at, limit_of, name_of, next_page, place, read_id, urn
from crawler.providers.soundcloud_objects import Answer, RawBody, Row, Unreadable, empty_data, shape
from crawler.providers.soundcloud_relations import OWN, RELATIONS

LARGEST_PAGE = 200
LARGEST_BATCH = 50

__all__ = ["LARGEST_BATCH", "LARGEST_PAGE", "Keep", "SoundCloud", "empty_data"]


class Listing(NamedTuple):
    """A relation prepared for requests: what stands before and after the id, and the parameters to insist on.

    `limit` is how many rows a page is asked for; `own_path` is the path of the same list of the user who consented.
    """

    relation: Relation
    before: str
    after: str
    own: dict[str, str]
    family: str
    limit: int
    is_named: bool
    own_path: str | None


class SoundCloud:
    """The provider `soundcloud`. `keep` says how much of an object a record keeps. Raises `ConfigError`."""

    name = "soundcloud"
    network = "soundcloud"
    relations: tuple[Relation, ...] = RELATIONS
    rules: tuple[Rule, ...] = RULES

    def __init__(self, base_url: str, keep: Keep, page_limit: int = LARGEST_PAGE) -> None:
        if not 1 <= page_limit <= LARGEST_PAGE:  # more is answered by a 500 (soundcloud/api #170)
            raise ConfigError(f"page_limit must be between 1 and {LARGEST_PAGE}, not {page_limit}")
        self._base = base_url.rstrip("/")
        self._prefix = urlsplit(self._base).path
        self._origin = self._base.removesuffix(self._prefix)
        self._keep: Keep = keep
        self._own_id: Id | None = None
        self._listings = {(row.kind, row.name): _listing(row, page_limit) for row in self.relations}
        self._counts = {row.name: row.count for row in self.relations if row.kind == "user" and row.count}
        self._profiles = {row.kind: row for row in self.relations if row.name == "profile"}

    def act_for(self, user: Id) -> None:
        """Ask for this user's lists below /me: with their own consent they hold what is private too."""
        self._own_id = user

    def request(self, task: Task) -> Request:
        """Return the request for a task's page; it never holds a credential."""
        if task.counting:
            return self.request(Task(task.node, self._profiles[task.node.kind]))
        listing = self._listings[task.relation.kind, task.relation.name]
        own = listing.own if task.limit is None else {**listing.own, "limit": f"limit={task.limit}"}
        if task.cursor is None:
            path = listing.before + self._name_in_url(task.node) + listing.after
            if not listing.is_named:
                path = listing.before
            elif self._own_id == task.node.id and listing.own_path and task.node.kind == "user":
                path = listing.own_path
            url = self._base + _with_parameters(path, list(own.values()))
        else:
            cursor = task.cursor if task.limit is None else cut_at(task.cursor, task.limit)
            url = self._onward(cursor, own)
        return Request(url, listing.family)

    def _onward(self, cursor: str, own: dict[str, str]) -> str:
        """Return the URL of a following page: the cursor untouched, and the own parameters that it lost (#40, #58)."""
        if not cursor.startswith("/"):
            raise ValueError("a cursor is a path and a query")
        present = {name_of(part) for part in cursor.partition("?")[2].split("&")}
        if "page_size" in present:
            present.add("limit")
        lost = [parameter for name, parameter in own.items() if name not in present]
        base = self._origin if self._prefix and cursor.startswith(self._prefix + "/") else self._base
        return base + _with_parameters(cursor, lost)

    def parse(self, task: Task, response: Response) -> Page:
        """Return the page in an answer. Raises a `ProviderError`, whatever the answer is."""
        if task.counting:
            return self.parse(Task(task.node, self._profiles[task.node.kind]), response)
        family = self._listings[task.relation.kind, task.relation.name].family
        try:
            return self._page(task, response, family)
        except Unreadable as error:
            raise BadPage(f"{error} (200 from {family})") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            truncated = "truncated" in str(error)
        raise undecodable(response, family, truncated=truncated)

    def _page(self, task: Task, response: Response, family: str) -> Page:
        if task.relation.name == "resolve":
            return self._resolved(response, family)
        if response.status != HTTPStatus.OK:
            raise failure(response, family, self.rules)
        if task.relation.name == "profile" and not is_batch(task.relation):
            return self._profile(task, response.body)
        return self._list(task, response.body)

    def _profile(self, task: Task, body: bytes) -> Page:
        """Read the node itself. The counts of `/users/{}` are the only ones that can be trusted (#66, #424)."""
        kind = task.node.kind
        row, served = shape(kind, self._keep).read_object(body)
        identity = identity_of(row, kind) if row else None
        if row is None or identity is None or identity != read_id(task.node.id, kind):
            raise Unreadable(f"the object is not the {kind} that was asked for")
        item = Item(kind, identity, identity, "full", row if served is None else RawBody(served))
        if kind == "user":
            item.counts = self._lengths(row)
        return Page([item])

    def _lengths(self, row: Row) -> dict[str, int] | None:
        """Return the lengths of a user's lists; None when all are 0, as in an outage (#279)."""
        lengths = {name: getattr(row, count) for name, count in self._counts.items()}
        found = {name: length for name, length in lengths.items() if length is not None}
        return found if any(found.values()) else None

    def _list(self, task: Task, body: bytes) -> Page:
        relation = task.relation
        if relation.to_kind == "any":
            return self._activities(task, body)
        kind = "comment" if relation.edge == "commented" else relation.to_kind
        form = shape(kind, self._keep)
        answer = read_users(body, form) if kind == "user" else form.read_page(body)
        build, dated = BUILDERS[kind], relation.edge == "posted"
        served = answer.served or [None] * len(answer.rows)
        rows = zip(answer.rows, served, strict=True)
        items = [item for row, thing in rows if row is not None and (item := build(row, thing, dated)) is not None]
        if is_batch(relation):
            items = _asked_for(task.node, items)
        page = Page(items, unread=len(answer.rows) - len(items), doubt=answer.doubt)
        return self._paged(task, page, answer)

    def _activities(self, task: Task, body: bytes) -> Page:
        """Read a dashboard: each row has the thing that it is about as its `origin`, and gives a node and no edge."""
        answer = msgspec.json.decode(body)
        served = answer.get("collection") if isinstance(answer, dict) else None
        if not isinstance(served, list):
            raise Unreadable("the body is no envelope")
        items = [item for row in served if (item := origin_of(row, self._keep)) is not None]
        page = Page(items, unread=len(served) - len(items))
        return self._paged(task, page, Answer([], answer.get("next_href"), None))

    def _paged(self, task: Task, page: Page, answer: Answer) -> Page:
        """Complete a page with where its list goes on; leave the node itself out of its relatives."""
        relation, found = task.relation, page.items
        if relation.name == "related":
            page.items = _others(task.node, found)
            page.own = len(found) - len(page.items)
        if relation.paging != "none":
            usual = self._listings[relation.kind, relation.name].limit
            page.asked = task.limit or (limit_of(task.cursor) if task.cursor else None) or usual
            if answer.bare and relation.to_kind != "web_profile" and (task.cursor or len(answer.rows) >= page.asked):
                page.doubt = "the service sent an array without a link where a page was asked for"
            if answer.next_href is not None:
                page.next, page.limit, page.mark = next_page(answer.next_href)
        return page

    def _resolved(self, response: Response, family: str) -> Page:
        """Read what an address stands for: a redirect that is not followed, or the object itself."""
        if not is_redirect(response.status) and response.status != HTTPStatus.OK:
            raise failure(response, family, self.rules)
        location = response.headers.get("location")
        served = {} if location else msgspec.json.decode(response.body)
        if not isinstance(served, dict):
            raise Unreadable("the address resolves to no object")
        if "location" in served or location:
            kind, identity = place(location or served["location"], self._prefix)[1:]
        else:
            kind, identity = _named(served)
        return Page([Item(kind, identity, identity, "id", None)])

    def _name_in_url(self, node: NodeId) -> str:
        """Return a node's id as the URL has it; a batch is named by URNs: `ids` has had quirks (#286, #363)."""
        if node.kind in {"tracks", "users"}:
            kind = node.kind.removesuffix("s")
            return ",".join(quote(urn(kind, name), safe=":") for name in str(node.id).split(","))
        if node.kind == "search":
            return str(node.id)  # a query: see `search_id`
        return quote(str(node.id), safe="" if node.kind == "url" else ":")


def search_id(text: str, filters: Mapping[str, str]) -> str:
    """Return the id of a search: its words and filters as they stand in a query, behind `q=`."""
    pairs = [f"{name}={quote(value, safe=',')}" for name, value in filters.items()]
    return "&".join((quote(text, safe=""), *pairs))


def is_batch(relation: Relation) -> bool:
    """Return whether a relation asks for nodes by their ids."""
    return relation.path.partition("?")[2].startswith(("urns={}", "ids={}"))


def _asked_for(node: NodeId, items: list[Item]) -> list[Item]:
    """Keep the rows that were asked for: a service that ignored `urns` would serve its search instead."""
    asked = {read_id(name, node.kind.removesuffix("s")) for name in str(node.id).split(",")}
    return [item for item in items if item.id in asked]


def _others(node: NodeId, items: list[Item]) -> list[Item]:
    """Leave out the node itself: lists of similar tracks were seen to begin with their seed, which is no relation."""
    own = read_id(node.id, node.kind)
    return [item for item in items if item.kind != node.kind or item.id != own]


def _named(served: dict[str, object]) -> tuple[str, Id]:
    """Return kind and id of an object that /resolve served instead of a redirect."""
    kind = served.get("kind")
    if not isinstance(kind, str) or kind not in {"user", "track", "playlist"}:
        raise Unreadable("the address resolves to something that is no user, track or playlist")
    for name in ("id", "urn"):
        found = served.get(name)
        identity = read_id(found, kind) if isinstance(found, int | str) else None
        if identity is not None:
            return kind, identity
    raise Unreadable("the address resolves to an object without an id")


def _listing(relation: Relation, page_limit: int) -> Listing:
    """Prepare one row of the table: lists that go on are asked for in pages, as large as they may be."""
    path, _, query = relation.path.partition("?")
    template, *fixed = [part for part in query.split("&") if part] if "{}" in query else ["", *query.split("&")]
    own = {name_of(part): part for part in fixed if part}
    fewer = own.get("limit", "")  # a list whose pages the service keeps smaller says so in its path
    limit = min(page_limit, int(fewer.partition("=")[2])) if fewer else page_limit
    if relation.paging != "none":
        own |= {"limit": f"limit={limit}", "linked_partitioning": "linked_partitioning=true"}
    before, _, after = (f"{path}?{template}" if template else path).partition("{}")
    family = "/".join(part for part in path.split("/") if part and part != "{}")
    own_path = f"/me{after}" if relation.kind == "user" and relation.name in OWN else None
    return Listing(relation, before, after, own, family, limit, "{}" in relation.path, own_path)


def _with_parameters(path: str, parameters: list[str]) -> str:
    if not parameters:
        return path
    return path + ("&" if "?" in path else "?") + "&".join(parameters)
