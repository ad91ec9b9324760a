"""config.toml -> frozen, typed sections. An unknown key is an error; every error is one sentence that names its key.

Every key has a default, so an empty file is a configuration too. What is absent among the limits means "no limit".
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import msgspec
import tomlkit
from msgspec import Meta, Struct, defstruct

from crawler.errors import ConfigError
from crawler.mistakes import did_you_mean, place, plain, url_problems
from crawler.model import Relation
from crawler.policy.order import Strategy
from crawler.providers import registry
from crawler.providers.service import Auto, Positive, Seconds, Section

if TYPE_CHECKING:
    from crawler.providers.soundcloud_service import SoundCloudSection

Hydrate = Literal["never", "undescribed"]
OnBug = Literal["stop", "set_aside"]
Compression = Literal["zstd", "none"]
Keep = Literal["graph", "profile", "raw"]

Depth = Annotated[int, Meta(ge=0)]
Workers = Annotated[int, Meta(ge=1, le=1000)]


class _Section(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file."""


if TYPE_CHECKING:

    class Relations(_Section, frozen=True):
        """[crawl.relations]: which lists are followed from a node of each kind, in this order.

        "profile", put first, asks for each user's own object: one request more a user, and its counts, the only ones
        that can be trusted, spare every list that is known to be empty. A plain name is read from the first source
        that has it, "source/name" from that one; what no source in use has is left out of the default.
        """

        user: tuple[str, ...] = ()
        track: tuple[str, ...] = ()
        playlist: tuple[str, ...] = ()

else:
    Relations = defstruct(
        "Relations",
        [(kind, tuple[str, ...], names) for kind, names in registry.kinds_offered().items()],
        bases=(_Section,),
        frozen=True,
    )


class Crawl(_Section, frozen=True):
    """[crawl]: how far, and how much at once.

    `long_list_pages`: a list with more pages no longer holds deeper nodes back. `hydrate` "undescribed" asks for users
    and tracks of which only a mini object or an id is known when the crawl is otherwise done. `on_bug` says what
    happens when the crawler's own code fails three times on an answer: "stop" ends the crawl, "set_aside" keeps the
    answer, gives that list up, and goes on. `strategy` "followings_first" reads a user's followers only where the
    followings of others have not shown as many as its row claims; see `crawler.engine.cover`.
    """

    sources: tuple[str, ...] = ("soundcloud",)
    workers: Workers = 32
    max_depth: Depth | None = None
    max_nodes: Positive | None = None
    max_requests: Positive | None = None
    max_seconds: Seconds | None = None
    max_pages_per_list: Positive | None = None
    hydrate: Hydrate = "never"
    strategy: Strategy = "every_list"
    on_bug: OnBug = "stop"
    long_list_pages: Positive = 64
    relations: Relations = Relations()


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


class _Fixed(_Section, frozen=True):
    """The sections that are no source's."""

    crawl: Crawl = Crawl()
    sandbox: Sandbox = Sandbox()
    shards: Shards = Shards()
    dataset: Dataset = Dataset()


if TYPE_CHECKING:

    class Config(_Fixed, frozen=True):
        """The whole file: one section for each source of the registry, and those of the crawl."""

        soundcloud: SoundCloudSection = SoundCloudSection()

else:
    Config = defstruct(
        "Config",
        [(row.name, row.section, row.section()) for row in registry.SERVICES],
        bases=(_Fixed,),
        frozen=True,
        forbid_unknown_fields=True,
    )


_TABLES: Mapping[str, type[Struct]] = {
    "": Config,
    "crawl": Crawl,
    "crawl.relations": Relations,
    "sandbox": Sandbox,
    "shards": Shards,
    "dataset": Dataset,
    **{row.name: row.section for row in registry.SERVICES},
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "crawl.sources": registry.names(),
    "crawl.hydrate": get_args(Hydrate),
    "crawl.on_bug": get_args(OnBug),
    "crawl.strategy": get_args(Strategy),
    "shards.compression": get_args(Compression),
    "dataset.keep": get_args(Keep),
}
_SENTENCES: Mapping[str, str] = {"crawl.workers": "must be a whole number from 1 to 1000"}
_SECTION_SENTENCES: Mapping[str, str] = {
    "contact": "must be plain ASCII text on one line",
    "requests_per_second": 'must be a number from 0.001 to 1000000, or "auto"',
}
_IDENTITY = (
    "crawl.sources",
    "crawl.hydrate",
    "crawl.strategy",
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
        if _is_said(config, name):
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
    keys = list(_IDENTITY)
    for name in dict.fromkeys((*old.crawl.sources, *new.crawl.sources)):
        keys += [f"{name}.{key}" for key in registry.service(name).identity]
    before, after = relations_of(old), relations_of(new)
    kinds = [kind for kind in dict.fromkeys((*before, *after)) if before.get(kind) != after.get(kind)]
    return [key for key in keys if _value(old, key) != _value(new, key)] + [f"crawl.relations.{kind}" for kind in kinds]


def relations_of(config: Config) -> dict[str, list[registry.Sourced]]:
    """Return the listings to read by kind of node: those of the config, and those that are ways to ask for nodes."""
    found = registry.relations_of(config.crawl.sources, msgspec.structs.asdict(config.crawl.relations))
    served = {kind: [(name, _served(config, name, row)) for name, row in rows] for kind, rows in found.items()}
    return {kind: [(name, row) for name, row in rows if row is not None] for kind, rows in served.items()}


def _served(config: Config, source: str, relation: Relation) -> Relation | None:
    return registry.service(source).serves(section_of(config, source), relation)


def section_of(config: Config, source: str) -> Section:
    """Return a source's section."""
    section: Section = getattr(config, source)
    return section


def with_section(config: Config, source: str, **changes: object) -> Config:
    """Return a configuration in which a source's section is changed."""
    changed: Config = msgspec.structs.replace(
        config, **{source: msgspec.structs.replace(section_of(config, source), **changes)}
    )
    return changed


def uses_sandbox(config: Config, environment: Mapping[str, str]) -> bool:
    """Tell whether a crawl talks to the embedded sandbox: as the config says, else exactly when no client id is set.

    The client id is the first credential of the first source.
    """
    if config.sandbox.enabled is not None:
        return config.sandbox.enabled
    first = config.crawl.sources[0]
    section = section_of(config, first)
    keys = registry.service(first).credentials(section)
    return bool(keys) and not environment.get(getattr(section, keys[0]), "").strip()


def rate_in_force(config: Config, source: str = "soundcloud", *, sandbox: bool) -> float | Auto | None:
    """Return the requests per second to keep to; None, no limit, only for a sandbox when the config names no rate."""
    asked = section_of(config, source).requests_per_second
    if asked is not None:
        return asked
    return None if sandbox else registry.service(source).polite_requests_per_second


def _convert(raw: Mapping[str, Any], name: str) -> Config:
    for problem in _problems(raw):
        raise ConfigError(f"{name}: {problem}")
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}: {plain(str(error), _sentence_of)}") from error
    for problem in _consents(config):
        raise ConfigError(f"{name}: {problem}")
    return config


def _consents(config: Config) -> Iterator[str]:
    """Yield what the sources in use find wrong with their sections."""
    for source in config.crawl.sources:
        problem = registry.service(source).check(section_of(config, source), config.dataset.keep)
        if problem:
            yield problem
    if config.dataset.keep == "graph" and {"permalink", "isrc"} & relations_of(config).keys():
        yield 'keep = "graph" in [dataset] reads no names, so nothing can be asked by permalink or isrc'


def _problems(raw: Mapping[str, Any]) -> Iterator[str]:
    for table, section in _sections(raw, ""):
        yield from _unknown_keys(section, table)
    for dotted, value in _leaves(raw, ""):
        if isinstance(value, str) and dotted.endswith("_url"):
            yield from url_problems(dotted, value)
        choices = _choices(raw, dotted)
        if choices:
            yield from _choice_problems(dotted, value, choices)


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
            yield what + did_you_mean(key, known)


def _choices(raw: Mapping[str, Any], dotted: str) -> tuple[str, ...]:
    """Return what a key may hold, nothing when that is no choice; relations are those of the sources in use."""
    table, _, kind = dotted.rpartition(".")
    if table != "crawl.relations":
        return _CHOICES.get(dotted, ())
    sources = raw["crawl"].get("sources", Crawl().sources)
    known = [source for source in sources if source in registry.names()] if isinstance(sources, list | tuple) else []
    return (*registry.choices(known, kind), *registry.kinds_offered().get(kind, ()))


def _choice_problems(dotted: str, value: object, choices: tuple[str, ...]) -> Iterator[str]:
    values = value if isinstance(value, list) else [value]
    for one in values:
        if isinstance(one, str) and one not in choices:
            allowed = ", ".join(f'"{choice}"' for choice in dict.fromkeys(choices) if "/" not in choice)
            guess = did_you_mean(one, choices) or f"; known: {allowed}"
            yield f'{place(dotted)} does not know "{one}"{guess}'
    if isinstance(value, list) and len({str(one) for one in value}) < len(value):
        yield f"{place(dotted)} names the same thing twice"
    if dotted == "crawl.sources" and value == []:
        yield f"{place(dotted)} must name at least one source"


def _sentence_of(dotted: str) -> str | None:
    """Return what a key must be; the value of a name of a variable is never repeated: it may be the secret itself."""
    if dotted in _SENTENCES:
        return _SENTENCES[dotted]
    table, _, key = dotted.rpartition(".")
    if table not in registry.names():
        return None
    if key.endswith("_env"):
        return (
            f"must be the name of an environment variable, not the {key.removesuffix('_env').replace('_', ' ')} itself"
        )
    return _SECTION_SENTENCES.get(key)


def _is_said(config: Config, name: str) -> bool:
    """Tell whether a section belongs into the file: that of a source which is not used says nothing by its defaults."""
    if name not in registry.names() or name in config.crawl.sources:
        return True
    return section_of(config, name) != registry.service(name).section()


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
