"""What the registry says of a source: everything the rest of the program needs to know to use one that it never saw.

A provider's file ends in a `SERVICE`; `providers.registry` lists them. Nothing else names a provider.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Annotated, Any, Literal, Protocol

from msgspec import Meta, Struct

from crawler.model import Provider, Relation, Request, Response
from crawler.policy.quota import Quota
from crawler.providers.soundcloud_fields import Keep

Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0, le=1e9)]
Rate = Annotated[float, Meta(ge=0.001, le=1e6)]
"""Requests a second: at least one in 17 minutes, because what is slower looks like a crawl that hangs."""
Auto = Literal["auto"]
Variable = Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
HeaderText = Annotated[str, Meta(pattern="^[ -~]+$")]


class Token(Protocol):
    """What a flow returns: see `transport.credentials`."""

    @property
    def access_token(self) -> str:
        """Return the token that the API accepts."""
        ...

    @property
    def expires_in_seconds(self) -> float:
        """Return how long it lives."""
        ...

    @property
    def refresh_token(self) -> str | None:
        """Return what the next exchange may be asked with."""
        ...


Flow = Callable[[str | None], Generator[Request, Response, Any]]
"""Given a refresh token or None: yields requests, is sent responses, returns a `Token`, raises `ProviderError`."""


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """A source's table in the configuration: its keys, and those that every source has.

    `requests_per_second` absent means polite for the service and no limit for the sandbox. `requests_per_day`
    holds for any 24 hours, over all runs on this computer. `contact` is added to the User-Agent, so that the service
    can reach whoever crawls. A key that ends in `_env` names an environment variable.
    """

    base_url: str = ""
    requests_per_second: Rate | Auto | None = None
    requests_per_day: Positive | None = None
    burst: Positive = 4
    timeout_seconds: Seconds = 30.0
    contact: HeaderText | None = None


class Access(Struct, frozen=True):
    """How requests carry the credential; the transport adds it, to the service's own host only.

    With a `flow` each has the header `Authorization: <scheme> <token>`. `headers` and `parameters` are added as they
    are. `locks_paths` tells that a 401 which outlives a fresh token speaks of the path and not of the token, so that
    the provider, not the transport, says what it means. `quota` reads what headers tell of the service's limits.
    """

    flow: Flow | None = None
    scheme: str = "OAuth"
    headers: Mapping[str, str] = {}
    parameters: Mapping[str, str] = {}
    locks_paths: bool = False
    quota: Quota | None = None

    def __repr__(self) -> str:
        return f"Access(scheme={self.scheme!r})"


class Service(Struct, frozen=True, kw_only=True):
    """A row of the registry.

    `section` is its table in config.toml, named like the source; `credentials(section)` names the keys of the
    environment variables that it needs, and `access(section, values)` gets their values. `kinds` are the kinds of node
    that it knows, each with the network that it belongs to; `defaults` the relations of each kind that are read unless
    the configuration says otherwise, `offered` those that it may name besides, `always` those that are read whatever it
    says. `identity` are the keys of the section that make another run. `sandbox` is the path below which the
    sandbox speaks its dialect, None if it does not; `token_path` that of its tokens there. `aliases` are kinds that are
    other names of a node, as its permalink: no nodes of the graph, but ways to ask for one.
    """

    name: str
    section: type[Section]
    relations: tuple[Relation, ...]
    provider: Callable[[Any, Keep], Provider]
    credentials: Callable[[Any], tuple[str, ...]]
    access: Callable[[Any, Mapping[str, str]], Access]
    kinds: Mapping[str, str]
    defaults: Mapping[str, tuple[str, ...]]
    offered: Mapping[str, tuple[str, ...]] = {}
    always: Mapping[str, tuple[str, ...]] = {}
    aliases: tuple[str, ...] = ()
    identity: tuple[str, ...] = ("base_url",)
    polite_requests_per_second: float = 1.0
    sandbox: str | None = None
    token_path: str = "/oauth/token"  # noqa: S105 - a path
    dialect_path: Callable[[Any], str] = lambda _section: ""
    """What follows `sandbox` for the dialect that a section chooses."""
    serves: Callable[[Any, Relation], Relation | None] = lambda _section, relation: relation
    """Given a section and a row of `relations`, returns the row as the dialect in use has it, None if it has it not."""
    check: Callable[[Any, Keep], str | None] = lambda _section, _keep: None
    """Says what is wrong with a section that holds only allowed values, for example a consent that is not given."""
