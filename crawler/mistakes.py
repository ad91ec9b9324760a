"""Sentences about what is wrong in a configuration, for the person who wrote it: each names the key and its table."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urlsplit

_PLAIN = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}


def url_problems(dotted: str, url: str) -> Iterator[str]:
    """Yield what is wrong with an address of a service."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        bare = not (parts.query or parts.fragment or parts.username or parts.password or url.endswith("/"))
        _ = parts.port
    except ValueError:
        host, bare = "", False
    if not host or not bare:
        yield f"{place(dotted)} must be a URL like https://host/path, without a slash, query or user at its ends"
    elif parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        yield f"{place(dotted)} must begin with https:// (http:// only for this computer, as http://127.0.0.1:8000)"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def plain(message: str, sentence_of: Callable[[str], str | None]) -> str:
    """Put msgspec's sentence, "Expected `int`, got `str` - at `$.crawl.workers`", into words for the operator.

    `sentence_of` returns what is to be said of a key whatever is wrong with it, None for nothing.
    """
    what, _, where = message.partition(" - at `$")
    dotted = where.strip(".`").replace("[...]", "")
    sentence = sentence_of(dotted)
    if sentence:
        return f"{place(dotted)} {sentence}"
    words = re.sub(r"`([^`]*)`", lambda match: _PLAIN.get(match[1], match[1].replace(" | null", "")), what)
    words = re.sub(r"(\d)\.0\b", r"\1", words.replace("> 0.0", "above 0"))
    for name, word in _PLAIN.items():
        words = re.sub(rf"\b{name}\b(?! or)", word, words)
    return f"{place(dotted)}: {words[:1].lower()}{words[1:]}"


def place(dotted: str) -> str:
    """Return where a dotted key is: `workers in [crawl]`."""
    table, _, key = dotted.rpartition(".")
    return f"{key} in [{table}]" if table else f"[{key}]"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that proposes the nearest known word, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""
