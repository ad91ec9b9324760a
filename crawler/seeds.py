"""Seed texts -> seeds: bare ids, `kind:id`, URNs and soundcloud.com URLs, one a line, `#` begins a comment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from crawler.errors import ConfigError
from crawler.model import NodeId
from crawler.providers import registry
from crawler.providers.charts import read_chart

NETWORK = "soundcloud"
KINDS = ("user", "track", "playlist")
ME = "me"
"""The user who consented (`crawler auth login`); their lists are read with their own tokens."""
ID_MAX = 2**63 - 1

_NUMBERED = re.compile(r"(?:soundcloud:)?(user|track|playlist)s?:([0-9]{1,40})")
_API_PATH = re.compile(r"/(user|track|playlist)s/(?:soundcloud:(?:user|track|playlist)s:)?([0-9]{1,40})")
_SITES = ("soundcloud.com", "www.soundcloud.com", "m.soundcloud.com")
_SHORT_LINKS = "on.soundcloud.com"
_API = "api.soundcloud.com"
_SHOWN_CHARACTERS = 80


class Seed(Struct, frozen=True):
    """Where a crawl begins: a node whose id is known, or (kind "url") an address that `/resolve` must name first.

    Nodes of other services are written `kind:id`: "chart:top:techno:US", "artist:11e81bcc-9c1c-ce38-b96b-a0369fe50396".
    """

    kind: str
    id: int | str
    text: str
    """As the operator wrote it."""

    @property
    def node(self) -> NodeId:
        """Return the name of the seed in the crawl."""
        return NodeId(registry.networks()[self.kind], self.kind, self.id)


def read_seeds(files: Iterable[Path], texts: Iterable[str]) -> list[Seed]:
    """Return the seeds of the texts (from the command line) and then of the files, in order, each node once.

    Raises `ConfigError` naming file and line for what is no seed or cannot be read.
    """
    given = [parse(text.strip(), "command line") for text in texts]
    given += [seed for file in files for seed in _read_file(file)]
    unique = {seed.node: seed for seed in reversed(given)}
    return list(dict.fromkeys(unique[seed.node] for seed in given))


def parse(text: str, place: str) -> Seed:
    """Return the seed that a text means; `place` (file and line) stands in front of the sentence of a `ConfigError`."""
    if text == ME:
        return Seed(ME, ME, text)
    kind, number = _numbered(text)
    if kind:
        if int(number) > ID_MAX:
            raise ConfigError(f'{place}: "{_shown(text)}" is no id: ids go up to {ID_MAX}')
        return Seed(kind, int(number), text)
    kind, _, name = text.partition(":")
    if kind in _named_kinds() and name:
        return Seed(kind, _checked(kind, name, place), text)
    url = _public_url(text)
    if url is None:
        raise ConfigError(f'{place}: "{_shown(text)}" is no user or track id, URN or soundcloud.com URL')
    return Seed("url", url, text)


def _named_kinds() -> frozenset[str]:
    """Return the kinds of node whose ids are text."""
    return frozenset(registry.networks()) - {*KINDS, "web_profile", "url", "users", "tracks", ME}


def _checked(kind: str, name: str, place: str) -> str:
    try:
        if kind == "chart":
            read_chart(name)
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from None
    return name


def _read_file(file: Path) -> Iterator[Seed]:
    try:
        content = file.read_bytes()
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = len(re.findall(rb"\r\n|\r|\n", content[: error.start])) + 1
        raise ConfigError(f"{file}:{number}: is not UTF-8 text") from error
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        words = re.sub(r"(^|\s)#.*", "", line).strip()
        if words:
            yield parse(words, f"{file}:{number}")


def _shown(text: str) -> str:
    """Return a text for a sentence: not longer than one can read, and without what a terminal would obey."""
    short = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in short)


def _numbered(text: str) -> tuple[str, str]:
    """Return kind and digits of a bare id, `kind:id`, URN or API address, else two empty texts."""
    if re.fullmatch("[0-9]{1,40}", text):
        return "user", text
    found = _NUMBERED.fullmatch(text)
    if not found and re.match(f"https?://{re.escape(_API)}/", text, re.IGNORECASE):
        found = _API_PATH.fullmatch(unquote(urlsplit(text).path).rstrip("/"))
    return (found[1], found[2]) if found else ("", "")


def _public_url(text: str) -> str | None:
    """Return a soundcloud.com address as https, without query and fragment, None when the text is none."""
    if not re.match(r"https?://[^\s\\]+$", text, re.IGNORECASE):
        is_bare = re.match(r"(www\.|m\.|on\.)?soundcloud\.com/[^\s\\]+$", text, re.IGNORECASE)
        text = f"https://{text}" if is_bare else ""
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "") if parts.port is None and not parts.username else ""
    except ValueError:
        return None
    path = parts.path.rstrip("/")
    if not path or host not in (*_SITES, _SHORT_LINKS):
        return None
    return f"https://{_SHORT_LINKS if host == _SHORT_LINKS else _SITES[0]}{path}"
