"""oEmbed: what a web page needs to embed a player, and with it, without credentials, the id behind an address.

The player's address in `html` names the node: `...player/?url=https%3A//api.soundcloud.com/tracks/293`. The endpoint is
in seed 002, its format is oEmbed's; what stands in `html` was not recorded: so is the player's own page asked for.
"""

from __future__ import annotations

import html
import re
from http import HTTPStatus
from urllib.parse import parse_qs, quote, urlsplit

import msgspec

from crawler.errors import BadPage
from crawler.model import Request, Response
from crawler.providers.soundcloud_answers import failure
from crawler.providers.soundcloud_links import place

FAMILY = "oembed"
_SOURCE = re.compile(r"""src=["']([^"']+)["']""")


def request(endpoint: str, url: str) -> Request:
    """Return the request for an address of the web site."""
    return Request(f"{endpoint}?format=json&url={quote(url, safe='')}", FAMILY)


def parse(response: Response) -> str:
    """Return the URN of the node that is embedded. Raises a `ProviderError`."""
    if response.status != HTTPStatus.OK:
        raise failure(response, FAMILY)
    try:
        answer = msgspec.json.decode(response.body)
        markup = answer.get("html") if isinstance(answer, dict) else None
        player = _SOURCE.search(markup) if isinstance(markup, str) else None
        shown = parse_qs(urlsplit(html.unescape(player[1])).query).get("url", [""])[0] if player else ""
    except ValueError:
        shown = ""
    if not shown:
        raise BadPage("the answer embeds nothing (200 from oembed)")
    node = place(shown)
    return f"soundcloud:{node.kind}s:{node.id}"
