"""Names inside SoundCloud's answers: ids, URNs, links to the next page, and addresses that carry secrets.

Ids are moving from integers to URN text ("soundcloud:users:42"), both are served for a while (field report, 1.6); a
numeric id stays an integer wherever it is found. Links to the next page may name an internal host (soundcloud/api
#309, #368), so only their path and query are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from crawler.errors import BadPage
from crawler.model import Id, NodeId
from crawler.providers.dates import epoch_seconds

LARGEST_ID = 2**63 - 1
SECRETS = frozenset(
    {"access_token", "client_id", "client_secret", "oauth_token", "refresh_token", "secret_token", "token"}
)
"""Query parameters that are, or may be, somebody's credential; `client_id` was one until 2021 and is still echoed."""

_URN = re.compile(r"soundcloud:([a-z-]+)s:(.+)", re.DOTALL)
_PLACE = re.compile(r"/(user|track|playlist)s/([^/]+)/?")
_DIGITS = re.compile(r"[0-9]{1,19}")
_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T")
_EPOCH_DIGITS = {12: 1, 13: 1, 15: 1000, 16: 1000}
"""Milliseconds and microseconds since 1970, by their number of digits."""
_UNSAFE = re.compile(r"[^!-~]")
_WITH_QUERY = re.compile(r"[^\s?]+\?[^\s?]+")
_APP_ID = re.compile(r"utm_source=id_", re.IGNORECASE)


class NextPage(NamedTuple):
    """Where a listing goes on: path and query, the number of rows that its page is cut at, and how far it has come.

    `mark` is `Page.mark`; both numbers are None when the link does not tell.
    """

    path: str
    limit: int | None
    mark: int | None


def read_id(served: int | str | None, kind: str) -> Id | None:
    """Return an id: an integer from 0 up to 64 bits, else text; None for what names no node of this kind."""
    if isinstance(served, int):
        return served if 0 <= served <= LARGEST_ID and not isinstance(served, bool) else None
    if not served:
        return None
    urn = _URN.fullmatch(served)
    if urn and urn[1].replace("-", "_") != kind:
        return None
    name = urn[2] if urn else served
    if not _DIGITS.fullmatch(name):
        return served
    return read_id(int(name), kind)


def urn(kind: str, identity: str) -> str:
    """Return the URN of a node, whose id may be a number or a URN already."""
    return identity if identity.startswith("soundcloud:") else f"soundcloud:{kind}s:{identity}"


def next_page(href: object) -> NextPage:
    """Return the path and query of a link to the next page, without its host and without credentials.

    The order and the spelling of all other parameters stay as they are: a cursor is opaque. Raises `BadPage`.
    """
    if not isinstance(href, str):
        raise BadPage("next_href is neither text nor null")
    try:
        link = urlsplit(href)
    except ValueError:
        raise BadPage("next_href is no URL") from None
    if not link.path.startswith("/") or link.path == "/":
        raise BadPage("next_href has no path")
    parameters = [part for part in link.query.split("&") if part and name_of(part) not in SECRETS]
    path = f"{link.path}?{'&'.join(parameters)}" if parameters else link.path
    values = _values(parameters)
    return NextPage(_UNSAFE.sub(lambda odd: quote(odd[0]), path), _page_limit(values), _mark(values))


def limit_of(cursor: str) -> int | None:
    """Return how many rows the page of a cursor is cut at, None when it does not tell."""
    return _page_limit(_values(cursor.partition("?")[2].split("&")))


def cut_at(cursor: str, limit: int) -> str:
    """Return a cursor whose page is cut at another number of rows."""
    path, _, query = cursor.partition("?")
    parameters = [
        f"{part.partition('=')[0]}={limit}" if name_of(part) in {"limit", "page_size"} else part
        for part in query.split("&")
    ]
    return f"{path}?{'&'.join(parameters)}"


def _values(parameters: list[str]) -> dict[str, str]:
    return {name_of(part): part.partition("=")[2] for part in parameters}


def _page_limit(values: Mapping[str, str]) -> int | None:
    """Return how many rows the next page is cut at: the service renames `limit` to `page_size` (field report, 1.4)."""
    limit = values.get("page_size") or values.get("limit") or ""
    return int(limit) or None if _DIGITS.fullmatch(limit) else None


def _mark(values: Mapping[str, str]) -> int | None:
    """Return how far a cursor has come, by the grammars of the field report, 1.4 and 2.2: newest rows come first."""
    text = unquote(values.get("cursor") or values.get("offset") or "")
    if _DATED.match(text):
        seconds = epoch_seconds(text.partition(",")[0])
        return None if seconds is None else -round(seconds * 1000)
    if not _DIGITS.fullmatch(text):
        return None
    if len(text) in _EPOCH_DIGITS:
        return -(int(text) // _EPOCH_DIGITS[len(text)])
    return int(text) if "offset" in values and len(text) < min(_EPOCH_DIGITS) else None


def name_of(parameter: str) -> str:
    """Return the name in `name=value`, decoded."""
    return unquote(parameter.partition("=")[0]).lower()


def place(location: object, prefix: str = "") -> NodeId:
    """Return the node that the answer of /resolve points at, by number or by URN, also percent-encoded.

    `prefix` is the path of the address that the API is served at, which the location may repeat.

    Raises `BadPage` without quoting the location: it may carry a client id, or a private track's token.
    """
    try:
        path = unquote(urlsplit(location).path) if isinstance(location, str) else ""
    except ValueError:
        path = ""
    found = _PLACE.fullmatch(path.removeprefix(prefix))
    identity = read_id(found[2], found[1]) if found else None
    if found is None or identity is None:
        raise BadPage("the address resolves to something that is no user, track or playlist")
    return NodeId("soundcloud", found[1], identity)


def without_tracking(url: str) -> str:
    """Return a link without secrets and without `utm_` parameters, one of which holds the asking app's id."""
    return _filtered(url, drop_all_utm=True)


def without_secrets(text: str) -> str:
    """Return a text in which no link carries a credential or the asking app's id."""
    if "?" not in text:
        return text
    return _WITH_QUERY.sub(lambda link: _filtered(link[0], drop_all_utm=False), text)


def _filtered(url: str, *, drop_all_utm: bool) -> str:
    address, mark, rest = url.partition("?")
    if not mark:
        return url
    query, hash_mark, fragment = rest.partition("#")
    kept = [part for part in query.split("&") if not _is_dropped(part, drop_all_utm=drop_all_utm)]
    return address + ("?" + "&".join(kept) if kept else "") + hash_mark + fragment


def _is_dropped(parameter: str, *, drop_all_utm: bool) -> bool:
    name = name_of(parameter)
    if name in SECRETS or name.endswith("_token"):
        return True
    return name.startswith("utm_") if drop_all_utm else bool(_APP_ID.match(parameter))
