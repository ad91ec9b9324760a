"""config.toml -> frozen, typed sections. An unknown key is an error; every error is one sentence that names its key.

Every key has a default, so an empty file is a configuration too. What is absent among the limits means "no limit".
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

import msgspec
import tomlkit
from msgspec import Meta, Struct

from crawler.errors import ConfigError

Source = Literal["soundcloud"]
Hydrate = Literal["never", "undescribed"]
OnBug = Literal["stop", "set_aside"]
Compression = Literal["zstd", "none"]
Keep = Literal["graph", "profile", "raw"]
Auto = Literal["auto"]

Positive = Annotated[int, Meta(ge=1)]
Depth = Annotated[int, Meta(ge=0)]
Workers = Annotated[int, Meta(ge=1, le=1000)]
Seconds = Annotated[float, Meta(gt=0, le=1e9)]
Rate = Annotated[float, Meta(gt=0, le=1e6)]
Variable = Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
HeaderText = Annotated[str, Meta(pattern="^[ -~]+$")]

USER_RELATIONS = (
    "followers",
    "followings",
    "likes_tracks",
    "likes_playlists",
    "reposts_tracks",
    "reposts_playlists",
    "tracks",
    "playlists",
    "related",
    "web_profiles",
)
TRACK_RELATIONS = ("favoriters", "reposters", "related", "comments")
PLAYLIST_RELATIONS = ("tracks", "reposters")

POLITE_REQUESTS_PER_SECOND = 4.0
"""Half of the 30,000 requests an hour that is the one figure ever reported of this API (soundcloud/api issue 182)."""


class _Section(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file."""


class Relations(_Section, frozen=True):
    """[crawl.relations]: which lists are followed from a node of each kind, in this order.

    "profile", put first, asks for each user's own object: one request more a user, and its counts, the only ones that
    can be trusted, spare every list that is known to be empty.
    """

    user: tuple[str, ...] = USER_RELATIONS
    track: tuple[str, ...] = TRACK_RELATIONS
    playlist: tuple[str, ...] = PLAYLIST_RELATIONS


class Crawl(_Section, frozen=True):
    """[crawl]: how far, and how much at once.

    `long_list_pages`: a list with more pages no longer holds deeper nodes back. `hydrate` "undescribed" asks for users
    and tracks of which only a mini object or an id is known when the crawl is otherwise done. `on_bug` says what
    happens when the crawler's own code fails three times on an answer: "stop" ends the crawl, "set_aside" keeps the
    answer, gives that list up, and goes on.
    """

    sources: tuple[Source, ...] = ("soundcloud",)
    workers: Workers = 32
    max_depth: Depth | None = None
    max_nodes: Positive | None = None
    max_requests: Positive | None = None
    max_seconds: Seconds | None = None
    max_pages_per_list: Positive | None = None
    hydrate: Hydrate = "never"
    on_bug: OnBug = "stop"
    long_list_pages: Positive = 64
    relations: Relations = Relations()


class SoundCloud(_Section, frozen=True):
    """[soundcloud]: where the service is, which environment variables hold the credentials, and how fast to ask.

    `requests_per_second` absent means polite for the service (`POLITE_REQUESTS_PER_SECOND`) and no limit for the
    sandbox; see `rate_in_force`. `contact` is added to the User-Agent, so that the service can reach whoever crawls.
    """

    base_url: str = "https://api.soundcloud.com"
    token_url: str = "https://secure.soundcloud.com/oauth/token"  # noqa: S105 - an address
    client_id_env: Variable = "SOUNDCLOUD_CLIENT_ID"
    client_secret_env: Variable = "SOUNDCLOUD_CLIENT_SECRET"  # noqa: S105 - a name
    requests_per_second: Rate | Auto | None = None
    burst: Positive = 4
    timeout_seconds: Seconds = 30.0
    contact: HeaderText | None = None


class Sandbox(_Section, frozen=True):
    """[sandbox]: the embedded service. `enabled` absent means: exactly when no client id is set; see `uses_sandbox`.

    `world` is "synthetic" (`users` users computed from `seed`) or the path of a folder of edge lists. `faults` makes a
    bad day, as "short-pages,storm:0.9@users/followers"; `crawler sandbox --list-faults` shows what there is. `limits`
    are what it refuses beyond, as "bucket:50/s,burst=10"; see docs/sandbox.md.
    """

    enabled: bool | None = None
    world: Annotated[str, Meta(min_length=1)] = "synthetic"
    users: Positive = 400
    seed: Depth = 1
    faults: str = ""
    limits: tuple[str, ...] = ()


class Shards(_Section, frozen=True):
    """[shards]: the files of records; one is sealed and the next begun when it has `bytes_max` bytes on the disk."""

    compression: Compression = "zstd"
    bytes_max: Positive = 134_217_728


class Dataset(_Section, frozen=True):
    """[dataset]: how much of a node is kept: ids and counts, the documented public fields, or the object as served."""

    keep: Keep = "profile"


class Config(_Section, frozen=True):
    """The whole file."""

    crawl: Crawl = Crawl()
    soundcloud: SoundCloud = SoundCloud()
    sandbox: Sandbox = Sandbox()
    shards: Shards = Shards()
    dataset: Dataset = Dataset()


_TABLES: Mapping[str, type[Struct]] = {
    "": Config,
    "crawl": Crawl,
    "crawl.relations": Relations,
    "soundcloud": SoundCloud,
    "sandbox": Sandbox,
    "shards": Shards,
    "dataset": Dataset,
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "crawl.sources": get_args(Source),
    "crawl.hydrate": get_args(Hydrate),
    "crawl.on_bug": get_args(OnBug),
    "crawl.relations.user": ("profile", *USER_RELATIONS),
    "crawl.relations.track": TRACK_RELATIONS,
    "crawl.relations.playlist": PLAYLIST_RELATIONS,
    "shards.compression": get_args(Compression),
    "dataset.keep": get_args(Keep),
}
_SENTENCES: Mapping[str, str] = {
    "soundcloud.client_id_env": "must be the name of an environment variable, not the client id itself",
    "soundcloud.client_secret_env": "must be the name of an environment variable, not the secret itself",
    "soundcloud.contact": "must be plain ASCII text on one line",
    "soundcloud.requests_per_second": 'must be a number above 0, or "auto"',
    "crawl.workers": "must be a whole number from 1 to 1000",
}
_PLAIN = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_IDENTITY = (
    "crawl.sources",
    "crawl.relations.user",
    "crawl.relations.track",
    "crawl.relations.playlist",
    "crawl.hydrate",
    "soundcloud.base_url",
    "sandbox.enabled",
    "sandbox.world",
    "sandbox.users",
    "sandbox.seed",
    "dataset.keep",
)


def load(path: Path) -> Config:
    """Read a file; raises `ConfigError` when it cannot be read or says something that cannot be."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    return loads(text, str(path))


def loads(text: str, name: str = "config.toml") -> Config:
    """Read a configuration from text; `name` stands in front of the sentence of a `ConfigError`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: is not valid TOML: {error}") from error
    return _convert(raw, name)


def dumps(config: Config) -> str:
    """Return the configuration as TOML with every key that has a value, so that `loads` gives it back."""
    document = tomlkit.document()
    document.add(tomlkit.comment("The configuration as used; starting this run again compares with it."))
    for name, section in _without_absent(msgspec.to_builtins(config)).items():
        document.add(name, section)
    return tomlkit.dumps(document)


def with_overrides(config: Config, overrides: Mapping[str, object]) -> Config:
    """Return the configuration with dotted keys replaced, as `{"crawl.max_depth": 2}`; None takes a limit away.

    Raises `ConfigError`, naming the command line as the culprit.
    """
    raw = msgspec.to_builtins(config)
    for dotted, value in overrides.items():
        *tables, key = dotted.split(".")
        table = raw
        for name in tables:
            table = table.setdefault(name, {})
        table[key] = list(value) if isinstance(value, tuple) else value
    return _convert(_without_absent(raw), "command line")


def differences(old: Config, new: Config) -> list[str]:
    """Return the dotted keys in which two configurations mean different runs, whose records must not be mixed.

    Limits, workers, rates and shard sizes may change from one start of a run to the next; what is asked, of whom, and
    how much of it is kept may not.
    """
    return [key for key in _IDENTITY if _value(old, key) != _value(new, key)]


def uses_sandbox(config: Config, environment: Mapping[str, str]) -> bool:
    """Tell whether a crawl talks to the embedded sandbox: as the config says, else exactly when no client id is set."""
    if config.sandbox.enabled is not None:
        return config.sandbox.enabled
    return not environment.get(config.soundcloud.client_id_env)


def rate_in_force(config: Config, *, sandbox: bool) -> float | Auto | None:
    """Return the requests per second to keep to; None, no limit, only for a sandbox when the config names no rate."""
    if config.soundcloud.requests_per_second is not None:
        return config.soundcloud.requests_per_second
    return None if sandbox else POLITE_REQUESTS_PER_SECOND


def _convert(raw: Mapping[str, Any], name: str) -> Config:
    for problem in _problems(raw):
        raise ConfigError(f"{name}: {problem}")
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}: {_plain(str(error))}") from error
    return config


def _problems(raw: Mapping[str, Any]) -> Iterator[str]:
    for table, section in _sections(raw, ""):
        yield from _unknown_keys(section, table)
    for dotted, value in _leaves(raw, ""):
        if isinstance(value, str) and dotted.endswith("_url"):
            yield from _url_problems(dotted, value)
        if dotted in _CHOICES:
            yield from _choice_problems(dotted, value)


def _sections(raw: Mapping[str, Any], table: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield table, raw
    for key, value in raw.items():
        dotted = f"{table}.{key}" if table else key
        if isinstance(value, dict) and dotted in _TABLES:
            yield from _sections(value, dotted)


def _leaves(raw: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in raw.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _unknown_keys(section: Mapping[str, Any], table: str) -> Iterator[str]:
    known = _TABLES[table].__struct_fields__
    for key in section:
        if key not in known:
            what = f'unknown key "{key}" in [{table}]' if table else f'unknown section or key "{key}"'
            yield what + _did_you_mean(key, known)


def _choice_problems(dotted: str, value: object) -> Iterator[str]:
    choices = _CHOICES[dotted]
    values = value if isinstance(value, list) else [value]
    for one in values:
        if isinstance(one, str) and one not in choices:
            allowed = ", ".join(f'"{choice}"' for choice in choices)
            guess = _did_you_mean(one, choices) or f"; known: {allowed}"
            yield f'{_place(dotted)} does not know "{one}"{guess}'
    if isinstance(value, list) and len({str(one) for one in value}) < len(value):
        yield f"{_place(dotted)} names the same thing twice"
    if dotted == "crawl.sources" and value == []:
        yield f"{_place(dotted)} must name at least one source"


def _url_problems(dotted: str, url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        plain = not (parts.query or parts.fragment or parts.username or parts.password or url.endswith("/"))
        _ = parts.port
    except ValueError:
        host, plain = "", False
    if not host or not plain:
        yield f"{_place(dotted)} must be a URL like https://host/path, without a slash, query or user at its ends"
    elif parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        yield f"{_place(dotted)} must begin with https:// (http:// only for this computer, as http://127.0.0.1:8000)"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _plain(message: str) -> str:
    """Put msgspec's sentence, "Expected `int`, got `str` - at `$.crawl.workers`", into words for the operator."""
    what, _, where = message.partition(" - at `$")
    dotted = where.strip(".`").replace("[...]", "")
    if dotted in _SENTENCES:
        return f"{_place(dotted)} {_SENTENCES[dotted]}"
    words = re.sub(r"`([^`]*)`", lambda match: _PLAIN.get(match[1], match[1].replace(" | null", "")), what)
    words = re.sub(r"(\d)\.0\b", r"\1", words.replace("> 0.0", "above 0"))
    for name, plain in _PLAIN.items():
        words = re.sub(rf"\b{name}\b(?! or)", plain, words)
    return f"{_place(dotted)}: {words[:1].lower()}{words[1:]}"


def _place(dotted: str) -> str:
    table, _, key = dotted.rpartition(".")
    return f"{key} in [{table}]" if table else f"[{key}]"


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def _without_absent(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_absent(value) if isinstance(value, dict) else value
        for key, value in raw.items()
        if value is not None
    }


def _value(config: Config, dotted: str) -> object:
    value: object = config
    for name in dotted.split("."):
        value = getattr(value, name)
    return value
