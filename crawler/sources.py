"""The sources of one run: the rows of the registry that the configuration names, with credentials, gates and clients.

Each source has its own credential, gate and connection; nothing is shared between two but the run.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from crawler.clock import SystemClock
from crawler.config import Config, rate_in_force, relations_of, section_of, uses_sandbox, with_section
from crawler.consenting import consent_of
from crawler.engine.worker import Source
from crawler.errors import ConfigError, ProviderError, Refused, Spent
from crawler.model import Id, Item, Relation
from crawler.providers import registry
from crawler.providers.described import ISRC, PERMALINK, aliases_of
from crawler.sandbox.child import embedded
from crawler.transport.allowance import Budget, DayBudget
from crawler.transport.client import Client
from crawler.transport.credentials import TokenOwner
from crawler.transport.gate import Gate
from crawler.transport.http import Http, Timeouts, is_loopback
from crawler.transport.redaction import Secrets
from crawler.transport.vault import Vault, open_vault, state_folder

Credentials = Mapping[str, Mapping[str, str]]
"""By source, the value of each key of its section that names an environment variable. Never written anywhere."""


class Opened(Struct):
    """The sources of a run, ready to be asked, and their gates and clients, by name."""

    sources: dict[str, Source]
    gates: dict[str, Gate]
    clients: dict[str, Client]

    def keep_to(self, budget: Budget) -> None:
        """Let all of them keep to a budget, besides each to its own."""
        for client in self.clients.values():
            client.budgets = (budget, *client.budgets)


def credentials_of(config: Config, environment: Mapping[str, str]) -> Credentials:
    """Return the credentials of all sources in use; made-up ones for the sandbox. Raises `ConfigError`."""
    found: dict[str, dict[str, str]] = {}
    missing: list[str] = []
    for name in config.crawl.sources:
        section = section_of(config, name)
        variables = {key: getattr(section, key) for key in registry.service(name).credentials(section)}
        values = {key: environment.get(variable, "").strip() for key, variable in variables.items()}
        missing += [variables[key] for key, value in values.items() if not value]
        found[name] = dict.fromkeys(values, "sandbox") if config.sandbox.enabled else values
    if missing and not config.sandbox.enabled:
        message = (
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set in the environment; "
            "set the credentials of your app, or enabled = true in [sandbox] to try things without"
        )
        raise ConfigError(message)
    for name in found:
        if acts_for_person(config, name):
            _person(config)
    return found


def secrets_of(credentials: Credentials) -> list[str]:
    """Return every text that must not appear in a log."""
    return [value for values in credentials.values() for value in values.values()]


def check_sandbox(config: Config) -> None:
    """Raise `ConfigError` when the sandbox does not speak the dialect of a source in use."""
    silent = [name for name in config.crawl.sources if registry.service(name).sandbox is None]
    if silent:
        message = f"the sandbox does not speak {' and '.join(silent)}: leave it out of sources in [crawl]"
        raise ConfigError(message)


def pointed_at(config: Config, url: str) -> Config:
    """Return a configuration whose sources are all served by the sandbox at an address."""
    for name in config.crawl.sources:
        row = registry.service(name)
        base = url + (row.sandbox or "") + row.dialect_path(section_of(config, name))
        changes = {"base_url": base}
        if hasattr(section_of(config, name), "token_url"):
            changes["token_url"] = base + row.token_path
        config = with_section(config, name, **changes)
    return config


def gate_of(config: Config, name: str = "soundcloud") -> Gate:
    """Return the gate of a source; a service on this computer is the operator's own: no limit unless one is set."""
    section = section_of(config, name)
    own = is_loopback(urlsplit(section.base_url).hostname or "")
    rate = rate_in_force(config, name, sandbox=bool(config.sandbox.enabled) or own)
    return Gate(rate, section.burst, random.random)


@asynccontextmanager
async def opened(
    config: Config,
    credentials: Credentials,
    folder: Path | None = None,
    *,
    hide: Callable[[str], object] = lambda _secret: None,
) -> AsyncIterator[Opened]:
    """Open the sources in use; they are closed with the block.

    `folder` is the run's, None without one; `hide` is told every secret that comes up.
    """
    async with AsyncExitStack() as stack:
        found, secrets = Opened({}, {}, {}), Secrets()

        def keep_secret(text: str) -> None:
            secrets.add(text)
            hide(text)

        for text in secrets_of(credentials):
            keep_secret(text)
        for name in config.crawl.sources:
            gate = gate_of(config, name)
            vault = _vault(config, name, credentials[name], folder)
            owner = _owner(config, name, credentials[name], vault, keep_secret)
            client = await stack.enter_async_context(_client(config, name, gate, owner, credentials[name], secrets))
            if (day := _day(config, name, vault)) is not None:
                client.budgets = (day,)
                stack.callback(day.close)
            found.clients[name] = client
            provider = registry.service(name).provider(section_of(config, name), config.dataset.keep)
            if acts_for_person(config, name):
                provider.act_for(_person(config))  # type: ignore[attr-defined]
            found.sources[name], found.gates[name] = Source(provider, client, gate), gate
        yield found


@asynccontextmanager
async def _client(
    config: Config, name: str, gate: Gate, owner: TokenOwner | None, values: Mapping[str, str], secrets: Secrets
) -> AsyncIterator[Client]:
    section = section_of(config, name)
    access = registry.service(name).access(section, values)
    async with Http(
        section.base_url,
        token_url=getattr(section, "token_url", None),
        connections=config.crawl.workers,
        timeouts=Timeouts(total_seconds=section.timeout_seconds),
        contact=section.contact or "",
        access=access,
    ) as http:
        yield Client(http, gate, owner, quota=access.quota, locks_paths=access.locks_paths, secrets=secrets)


def _owner(
    config: Config, name: str, values: Mapping[str, str], vault: Vault | None, hide: Callable[[str], object]
) -> TokenOwner | None:
    access = registry.service(name).access(section_of(config, name), values)
    if access.flow is None:
        return None
    if acts_for_person(config, name):
        consent, oauth = consent_of(config)
        return TokenOwner(oauth.refresh, SystemClock(), scheme=access.scheme, vault=consent.vault, hide=hide)
    return TokenOwner(access.flow, SystemClock(), scheme=access.scheme, vault=vault, hide=hide)


def _vault(config: Config, name: str, values: Mapping[str, str], folder: Path | None) -> Vault | None:
    """Return what outlives the process about a source's credentials; the first of them tells whose they are.

    The embedded sandbox ends with the process, and its tokens with it; what it was asked for today is the run's.
    """
    section = section_of(config, name)
    if not config.sandbox.enabled:
        address = getattr(section, "token_url", section.base_url)
        return open_vault(state_folder(os.environ), address, next(iter(values.values()), ""), SystemClock().reading)
    if folder is None or section.requests_per_day is None:
        return None
    return Vault(folder / f"sandbox-{name}.json", SystemClock().reading, keeps_token=False)


def _day(config: Config, name: str, vault: Vault | None) -> DayBudget | None:
    allowed = section_of(config, name).requests_per_day
    if vault is None or allowed is None:
        return None
    return DayBudget(vault, allowed, f"requests_per_day in [{name}]")


def days_left(config: Config, environment: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Return what is left today of each source that has a budget, ready for JSON."""
    found = {}
    for name in config.crawl.sources:
        section = section_of(config, name)
        keys = registry.service(name).credentials(section)
        values = {key: environment.get(getattr(section, key), "") for key in keys}
        if section.requests_per_day is None or not (config.sandbox.enabled or all(values.values())):
            continue
        vault = _vault(config, name, values, folder)
        if vault is not None:
            found[f"requests_per_day in [{name}]"] = vault.peek(section.requests_per_day)._asdict()
    return found


async def opened_one(stack: AsyncExitStack, config: Config, name: str) -> tuple[Config, Source]:
    """Open one source alone, of the service or of the sandbox; return the configuration that points at it."""
    config = replace(config, crawl=replace(config.crawl, sources=(name,)))
    sandbox = uses_sandbox(config, os.environ)
    config = replace(config, sandbox=replace(config.sandbox, enabled=sandbox))
    credentials = credentials_of(config, os.environ)
    if sandbox:
        config = pointed_at(config, await stack.enter_async_context(embedded(config.sandbox)))
    found = await stack.enter_async_context(opened(config, credentials))
    return config, found.sources[name]


def acts_for_person(config: Config, name: str) -> bool:
    """Tell whether a source is asked with a person's own tokens."""
    return getattr(section_of(config, name), "acting_as", "app") == "user"


def _person(config: Config) -> Id:
    """Return who agreed to what the crawl does in their name. Raises `ConfigError` when nobody did."""
    person = consent_of(config)[0].person()
    if person is None:
        raise ConfigError('acting_as = "user" in [soundcloud] needs a person\'s consent: give crawler auth login first')
    return person.id


def relation_table() -> dict[tuple[str, str, str], Relation]:
    """Return every relation of every source by (source, kind, name)."""
    return {
        (row.name, relation.kind, relation.name): relation for row in registry.SERVICES for relation in row.relations
    }


def naming(config: Config) -> Callable[[Item], Iterable[Item]] | None:
    """Return what tells the other names of a node, only those by which this run asks for something; None for none."""
    asked = {PERMALINK, ISRC} & relations_of(config).keys()
    if not asked:
        return None
    return lambda item: [alias for alias in aliases_of(item) if alias.kind in asked]


def hosts_of(config: Config) -> str:
    """Return who is asked, for the display."""
    return ", ".join(urlsplit(section_of(config, name).base_url).netloc for name in config.crawl.sources)


def say_out(config: Config, out: Mapping[str, ProviderError | Spent]) -> int:
    """Say on the screen why sources stopped before the crawl was done; return the exit code, 0 when none did."""
    for name, error in out.items():
        print(f"{name} stopped: {refusal(config, name, error)}", file=sys.stderr)  # noqa: T201 - the answer
    return max((error.exit_code for error in out.values()), default=0)


def refusal(config: Config, name: str, error: Exception) -> str:
    """Return what to tell the operator of a source whose credentials are out."""
    if not isinstance(error, Refused):
        return f"{error}; all that was read is kept, give the same command again when it may be asked again"
    section = section_of(config, name)
    variables = [getattr(section, key) for key in registry.service(name).credentials(section)]
    return (
        f"{urlsplit(section.base_url).netloc} does not accept the credentials in {' and '.join(variables)} ({error}); "
        "all that was read is kept, mend them and give the same command again"
    )
