"""`crawler seeds search` and `crawler resolve --oembed`: seeds from a search, and ids without credentials.

A search keeps to the rate and the credentials of the configuration, and gives nothing rather than a part: when the
service fails, nothing has been printed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from msgspec import Struct

from crawler import config as configuration
from crawler import sources
from crawler.clock import Clock
from crawler.config import Config
from crawler.engine.worker import Source
from crawler.errors import BadPage, ConfigError, ProviderError, Refused, Throttled, Transient
from crawler.model import Item, NodeId, Page, Relation, Task
from crawler.providers import registry, soundcloud_oembed
from crawler.providers.soundcloud import search_id
from crawler.sandbox.child import embedded as serving
from crawler.transport.gate import Gate
from crawler.transport.http import Http, Timeouts, is_loopback

TRIES = 4
LONGEST_WAIT_SECONDS = 120.0
RANGES = ("bpm", "duration", "created_at")
_NAMES = ("user", "track", "playlist")


class Wanted(Struct, frozen=True):
    """A search: what for, in which words, narrowed how (`filters` as the service names them), at most how many."""

    what: str
    text: str
    limit: int
    filters: Mapping[str, str] = {}
    source: str = "soundcloud"


def ranged(name: str, text: str) -> dict[str, str]:
    """Return `FROM..TO`, either of which may be left out, as the service's two parameters. Raises `ConfigError`."""
    first, dots, last = text.partition("..")
    if not dots or not (first or last):
        raise ConfigError(f'"{text}" is no range: write FROM..TO, FROM.. or ..TO')
    both = {f"{name}[from]": first.strip(), f"{name}[to]": last.strip()}
    return {key: value for key, value in both.items() if value}


def check(wanted: Wanted, config: Config) -> Relation:
    """Return the relation that searches so. Raises `ConfigError` before anybody is asked."""
    row = registry.service(wanted.source)
    problem = row.check(configuration.section_of(config, wanted.source), config.dataset.keep)
    if problem:
        raise ConfigError(problem)
    served = [row.serves(configuration.section_of(config, wanted.source), one) for one in row.relations]
    found = {one.name: one for one in served if one is not None and one.kind == "search"}
    if wanted.what not in found:
        raise ConfigError(f'{wanted.source} has no search for "{wanted.what}"; it has: {", ".join(found)}')
    if not wanted.text.strip():
        raise ConfigError("a search needs words")  # without, the service refuses it (soundcloud/api issue 249)
    if wanted.filters and (wanted.what != "tracks" or wanted.source != "soundcloud"):
        raise ConfigError("only the search of soundcloud for tracks can be narrowed: leave the filters out")
    return found[wanted.what]


async def search(config: Config, wanted: Wanted, clock: Clock) -> list[str]:
    """Return the lines of a file of seeds. Raises `ConfigError`, `Refused`, `Throttled` or `Transient`."""
    relation = check(wanted, config)
    async with AsyncExitStack() as stack:
        _, source = await sources.opened_one(stack, config, wanted.source)
        node = NodeId("soundcloud", "search", search_id(wanted.text, wanted.filters))
        items = await _pages(source, Task(node, relation), wanted.limit, clock)
    narrowed = "".join(f" {name}={value}" for name, value in wanted.filters.items())
    head = (
        f"# {wanted.source}: {wanted.what} found for {wanted.text!r}{narrowed}; {len(items)} of at most {wanted.limit}"
    )
    return [head, *(f"soundcloud:{item.kind}s:{item.id}" for item in items)]


async def _pages(source: Source, task: Task, limit: int, clock: Clock) -> list[Item]:
    """Return the first so many nodes that a search finds, each once."""
    found: dict[tuple[str, object], Item] = {}
    barren, followed = 0, set[str]()
    while len(found) < limit:
        page = await _page(source, task, clock)
        before = len(found)
        found |= {(item.kind, item.id): item for item in page.items if item.kind in _NAMES}
        barren = barren + 1 if len(found) == before else 0
        if page.next is None or page.next in followed or barren >= TRIES:
            break
        followed.add(page.next)
        task = Task(task.node, task.relation, page.next)
    return list(found.values())[:limit]


async def _page(source: Source, task: Task, clock: Clock) -> Page:
    """Ask for a page, a few times when that fails in a way that may pass; waits are the gate's, which all share."""
    for tried in range(1, TRIES + 1):
        try:
            return source.provider.parse(task, await source.client.ask(source.provider.request(task)))
        except (Transient, Throttled) as error:
            seconds = _wait_seconds(error, tried, clock)
            if tried == TRIES or seconds > LONGEST_WAIT_SECONDS:
                raise
            source.gate.pause(seconds, reason=str(error), named=True)
    raise AssertionError("the last try returns or raises")


def _wait_seconds(error: ProviderError, tried: int, clock: Clock) -> float:
    until = getattr(error, "until_epoch_seconds", None)
    named = getattr(error, "wait_seconds", None) or (until - clock.epoch_seconds() if until else 0.0)
    return max(float(named), 2.0**tried)


async def embedded(config: Config, urls: Sequence[str]) -> list[tuple[str, str | None, str | None]]:
    """Return (address, URN or None, reason or None) for each address, as `oembed_url` has it; no credential is sent."""
    section, endpoint = config.soundcloud, config.soundcloud.oembed_url
    answers: list[tuple[str, str | None, str | None]] = []
    async with AsyncExitStack() as stack:
        if configuration.uses_sandbox(config, os.environ):
            endpoint = f"{await stack.enter_async_context(serving(config.sandbox))}/oembed"
        gate = Gate(None if is_loopback(urlsplit(endpoint).hostname or "") else 1.0, 4)
        timeouts = Timeouts(total_seconds=section.timeout_seconds)
        http = await stack.enter_async_context(
            Http(endpoint, connections=1, timeouts=timeouts, contact=section.contact or "")
        )
        for url in urls:
            await gate.enter("oembed")
            try:
                response = await http.send(soundcloud_oembed.request(endpoint, url))
                answers.append((url, soundcloud_oembed.parse(response), None))
            except Refused:
                raise
            except (ProviderError, BadPage) as error:
                answers.append((url, None, str(error)))
    return answers
