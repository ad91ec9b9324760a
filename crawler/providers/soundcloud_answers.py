"""What SoundCloud says instead of a page, as a table: status and form of the answer -> error.

Sources: field report, 1.2, 1.3 and 1.6, and the issues of soundcloud/api that are named beside the rows. No message
quotes a body or a URL: either may hold a credential.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Literal, NamedTuple

import msgspec

from crawler.errors import BadPage, Denied, Gone, ProviderError, Refused, Removed, Throttled, Transient
from crawler.model import Response
from crawler.providers.dates import epoch_seconds

Form = Literal["empty", "edge", "error", "json", "text"]
"""Who wrote the body: nobody; CloudFront (a page of HTML); the API (its documented error object); a gateway (some
other JSON); somebody else."""

ERROR_KEYS = frozenset({"code", "errors", "message"})
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class Rule(NamedTuple):
    """One row: which answers, what they are, and the sentence that says so."""

    statuses: range
    forms: frozenset[Form] | None
    error: type[ProviderError]
    reason: str


def _rule(status: int, error: type[ProviderError], reason: str, *forms: Form, last: int | None = None) -> Rule:
    return Rule(range(status, (last or status) + 1), frozenset(forms) or None, error, reason)


RULES: tuple[Rule, ...] = (
    _rule(401, Refused, "the token is not accepted"),
    _rule(403, Throttled, "the edge blocks these requests", "edge"),  # CloudFront's WAF, 919 bytes of HTML: #481, #433
    _rule(403, Denied, "the node may not be read", "empty", "error"),  # private; the error object was seen in #534
    _rule(403, Refused, "the gateway refuses this app", "json"),  # 33 bytes from tyk: #523
    _rule(404, Transient, "the edge answers for the API", "edge", last=410),  # says nothing about the node
    _rule(404, Gone, "there is no such node"),
    _rule(410, Gone, "there is no such node any more"),
    _rule(405, Removed, "the endpoint was removed"),  # as /me/recommended/tracks: a gap of ours, no fact about the node
    _rule(408, Transient, "the request timed out"),
    _rule(429, Throttled, "too many requests"),
    _rule(451, Denied, "the node may not be shown for legal reasons"),
    _rule(500, Transient, "the service fails", last=599),  # for hours, on followers alone: #264, #308, #354
    _rule(300, BadPage, "an unexpected redirect", last=399),
    _rule(100, BadPage, "an unexpected status", last=999),
)
"""The first row that fits counts. What no row of its own knows is a bad page: asked again, kept, never a fact."""


def failure(response: Response, family: str, rules: tuple[Rule, ...] = RULES) -> ProviderError:
    """Return the error that an answer other than a page is; `family` names the endpoint in its message."""
    form = form_of(response)
    rule = next((rule for rule in rules if _fits(rule, response.status, form)), rules[-1])
    message = f"{rule.reason} ({response.status} from {family})"
    return throttled(response, message) if rule.error is Throttled else rule.error(message)


def _fits(rule: Rule, status: int, form: Form) -> bool:
    return status in rule.statuses and (rule.forms is None or form in rule.forms)


def form_of(response: Response) -> Form:
    """Return who wrote an answer's body, by its type, its first byte and its keys."""
    body = response.body.lstrip()
    kind = response.headers.get("content-type", "")
    if "html" in kind or body[:1] == b"<" or response.headers.get("server") == "CloudFront":
        return "edge"
    if not body:
        return "empty"
    value = _json(body)
    if isinstance(value, dict):
        return "error" if ERROR_KEYS & value.keys() else "json"
    return "text" if value is None else "json"


def undecodable(response: Response, family: str, *, truncated: bool) -> ProviderError:
    """Return what a 200 is whose body is no JSON: cut short or written by the edge (transient), else a bad page."""
    kind = response.headers.get("content-type", "json")
    if truncated or "json" not in kind or form_of(response) == "edge":
        return Transient(f"the body is cut short or no JSON (200 from {family})")
    return BadPage(f"the body is malformed JSON (200 from {family})")


def throttled(response: Response, message: str) -> Throttled:
    """Return a `Throttled` with the dates an answer names: the latest reset_time, and Retry-After.

    `x-ratelimit-*` is not read: a blocked app is told limit -1, remaining 0, reset 0 (#457). Retry-After was never seen
    and is honoured if it comes, except 0, which would be an invitation to a storm.
    """
    resets = list(_reset_times(_json(response.body)))
    wait_seconds, date = _retry_after(response.headers.get("retry-after", ""))
    if date is not None:
        resets.append(date)
    return Throttled(message, wait_seconds=wait_seconds, until_epoch_seconds=max(resets, default=None))


def _reset_times(body: Any) -> Iterator[float]:  # noqa: ANN401 - whatever JSON somebody sent
    """Yield the reset times; several limits hit at once have an entry each (field report, 1.3)."""
    entries = body.get("errors") if isinstance(body, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        text = entry.get("reset_time") if isinstance(entry, dict) else None
        moment = epoch_seconds(text) if isinstance(text, str) else None
        if moment is not None:
            yield moment


def _retry_after(text: str) -> tuple[float | None, float | None]:
    """Return seconds to wait, or a moment: a Retry-After is one or the other."""
    if _SECONDS.fullmatch(text.strip()):
        return float(text) or None, None
    try:
        return None, parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None, None


def _json(body: bytes) -> Any:  # noqa: ANN401
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None


def is_redirect(status: int) -> bool:
    """Return whether an answer points elsewhere, as /resolve's does."""
    return HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
