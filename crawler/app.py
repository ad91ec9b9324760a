"""The composition root: the only place that builds things. Config -> wired objects -> one function per command.

Everything that can be wrong with what the operator gave is found before anything is opened or changed.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from crawler import config as configuration
from crawler.clock import SystemClock, iso
from crawler.config import Config
from crawler.dataset import repair as dataset_repair
from crawler.dataset import status as dataset_status
from crawler.dataset import verify as dataset_verify
from crawler.dataset.again import lists_with
from crawler.engine.observer import Observer
from crawler.engine.progress import Display, Snapshot, summary
from crawler.engine.requeue import requeue
from crawler.engine.run import Run, Settings
from crawler.engine.supervisor import Ending
from crawler.engine.worker import Source
from crawler.errors import ConfigError, CrawlerError, ProviderError, Refused, StorageError, disk_errors
from crawler.frontier.lock import hold
from crawler.frontier.store import Frontier
from crawler.log import Log, open_log
from crawler.model import Item, NodeId, Provider, Relation, Task
from crawler.providers.oauth import OAuth
from crawler.providers.soundcloud import SoundCloud, empty_data
from crawler.sandbox.child import embedded
from crawler.sandbox.faults.plan import parse_faults
from crawler.sandbox.limits import parse_limits
from crawler.seeds import NETWORK, Seed, parse, read_seeds
from crawler.transport.client import Client
from crawler.transport.credentials import TokenOwner
from crawler.transport.gate import Gate
from crawler.transport.http import Http, Timeouts, is_loopback

EXIT_DONE = 0
EXIT_STOPPED = 3
SEEDS_FOLDER = Path("seeds")
_OWN_FILES = ("frontier.sqlite", "config.toml", "lock")
_Result = TypeVar("_Result")


class Plan(Struct, frozen=True):
    """A crawl as asked for, checked, before anything is opened. `credentials` are the app's id and secret."""

    folder: Path
    config: Config
    seeds: list[Seed]
    credentials: tuple[str, str]


def crawl(
    run: Path,
    *,
    config: Path | None,
    seeds: Sequence[str],
    seed_files: Sequence[Path],
    overrides: Mapping[str, object],
) -> int:
    """Start or resume the crawl in the folder `run`; return the exit code, 0 when all is done and 3 when it can go on.

    Raises `ConfigError` before anything is changed, `Refused` and `StorageError` with all that was committed kept.
    """
    plan = _plan(run, _settled(run, config, overrides), seeds, seed_files)
    return _loop(_crawl(plan))


def status(run: Path) -> dict[str, Any]:
    """Return how far the run has come; see `dataset.status`."""
    return dataset_status.status(run)


def verify(run: Path, *, repair: bool = False) -> dict[str, Any]:
    """Return what is wrong with the run; see `dataset.verify`.

    With `repair` the run's lock is taken and its shards are first brought into the committed state, as the next start
    would do it; "repaired" then says what was done. Raises `ConfigError` while somebody crawls.
    """
    if not repair:
        return dataset_verify.verify(run)
    dataset_verify.frontier_of(run)
    with hold(run / "lock", iso(SystemClock().now())):
        done = dataset_repair.repair(run)
        return {**dataset_verify.verify(run), "repaired": done}


def recheck(run: Path, verdicts: Sequence[str]) -> int:
    """Queue the lists of a run again that ended in one of `verdicts`; return how many. Raises as `status` does."""
    return _loop(_recheck(run, verdicts))


async def _recheck(run: Path, verdicts: Sequence[str]) -> int:
    relations = {(SoundCloud.name, row.kind, row.name): row for row in SoundCloud.relations}
    status(run)  # raises where there is no run: nothing is made there
    with hold(run / "lock", iso(SystemClock().now())):
        chosen = lists_with(run, verdicts)
        async with Frontier(run / "frontier.sqlite") as frontier:
            return await requeue(frontier, relations, NETWORK, chosen)


def check_config(path: Path) -> Config:
    """Return the configuration in a file. Raises `ConfigError`."""
    return configuration.load(path)


def resolve(urls: Sequence[str], config: Path | None) -> list[tuple[str, str | None, str | None]]:
    """Return (URL, URN or None, reason or None) for each URL. Raises `ConfigError` for what is no URL of SoundCloud."""
    seeds = [parse(url, "command line") for url in urls]
    chosen = _chosen(Path(), config)
    return _loop(_resolve(chosen, seeds))


def _settled(run: Path, path: Path | None, overrides: Mapping[str, object]) -> Config:
    """Return the configuration of this start, after comparing it with that of the run's earlier starts."""
    config = configuration.with_overrides(_chosen(run, path), overrides)
    sandbox = configuration.uses_sandbox(config, os.environ)
    config = replace(config, sandbox=replace(config.sandbox, enabled=sandbox))
    before = run / "config.toml"
    if before.exists():
        changed = configuration.differences(configuration.load(before), config)
        if changed:
            message = (
                f"{run} was begun with another {', '.join(changed)} (see {before}); "
                "go on without that change, or crawl into another folder"
            )
            raise ConfigError(message)
    return config


def _chosen(run: Path, path: Path | None) -> Config:
    """Return the named configuration, else that of the run, else config.toml here, else the defaults."""
    if path is not None:
        return configuration.load(path)
    for candidate in (run / "config.toml", Path("config.toml")):
        if candidate.exists():
            return configuration.load(candidate)
    return Config()


def _plan(run: Path, config: Config, texts: Sequence[str], files: Sequence[Path]) -> Plan:
    _check_folder(run)
    begun = (run / "frontier.sqlite").exists()
    if not texts and not files and not begun:
        files = sorted(SEEDS_FOLDER.glob("*.txt"))
    seeds = read_seeds(files, texts)
    if not seeds and not begun:
        message = f"there is nothing to begin with: give --seed or --seeds, or put a file into {SEEDS_FOLDER}/"
        raise ConfigError(message)
    if config.sandbox.enabled and config.sandbox.world != "synthetic" and not Path(config.sandbox.world).is_dir():
        message = f'world in [sandbox]: there is no folder "{config.sandbox.world}"'
        raise ConfigError(message)
    if config.sandbox.enabled:
        parse_faults(config.sandbox.faults)
        parse_limits(";".join(config.sandbox.limits))
    return Plan(run, config, seeds, _credentials(config))


def _check_folder(run: Path) -> None:
    if run.exists() and not run.is_dir():
        message = f"{run} is a file; a run is a folder"
        raise ConfigError(message)
    if run.is_dir() and any(run.iterdir()) and not any((run / name).exists() for name in _OWN_FILES):
        message = f"{run} is not empty and holds no crawl; choose a new folder"
        raise ConfigError(message)


def _credentials(config: Config) -> tuple[str, str]:
    if config.sandbox.enabled:
        return "sandbox", "sandbox"
    names = (config.soundcloud.client_id_env, config.soundcloud.client_secret_env)
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        message = (
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set in the environment; "
            "set the credentials of your app, or enabled = true in [sandbox] to try things without"
        )
        raise ConfigError(message)
    return os.environ[names[0]], os.environ[names[1]]


async def _crawl(plan: Plan) -> int:
    clock = SystemClock()
    with disk_errors(f"make the folder {plan.folder}"):
        plan.folder.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        stack.enter_context(hold(plan.folder / "lock", iso(clock.now())))
        _keep_config(plan)
        log = stack.enter_context(closing(open_log(plan.folder / "log.jsonl", plan.credentials)))
        config = plan.config
        if config.sandbox.enabled:
            url = await stack.enter_async_context(embedded(config.sandbox))
            config = _pointed_at(config, url)
        try:
            return await _crawl_with(plan, config, log, clock)
        except CrawlerError as error:
            with suppress(StorageError):  # a full disk takes no line, and must not hide why the crawl stopped
                log.logger.error("stopped", reason=str(error), kind=type(error).__name__)  # noqa: TRY400 - no bug
            raise
        except Exception as bug:
            with suppress(StorageError):
                log.logger.exception("a bug", where=getattr(bug, "__notes__", []))
            raise


def _keep_config(plan: Plan) -> None:
    """Write the configuration as used, whole or not at all: a kill must not leave half of it for the next start."""
    path, text = plan.folder / "config.toml", configuration.dumps(plan.config)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    draft = path.with_suffix(".new")
    with disk_errors(f"write {path}"), draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        draft.replace(path)


async def _crawl_with(plan: Plan, config: Config, log: Log, clock: SystemClock) -> int:
    async with AsyncExitStack() as stack:
        gate = _gate(config)
        runs: list[Run] = []

        def within_budget() -> None:
            for run in runs:
                run.keep_budget()

        client = await stack.enter_async_context(_client(config, plan.credentials, gate, within_budget))
        provider = SoundCloud(config.soundcloud.base_url, config.dataset.keep)
        source = Source(provider, client, gate)
        run = Run(plan.folder, _settings(config, provider), {provider.name: source}, clock, random.random)
        run.report = log.logger.warning
        runs.append(await stack.enter_async_context(run))
        await run.note_start()
        seeded = _seed(run, plan.seeds, provider.name)
        log.logger.info("started", seeds=seeded, recovered=run.recovered, sandbox=config.sandbox.enabled)
        asked = (
            "the embedded sandbox, no real data"
            if config.sandbox.enabled
            else urlsplit(config.soundcloud.base_url).netloc
        )
        observer = Observer(run, {provider.name: gate}, clock, asked)
        try:
            async with Display(observer.snapshot, sys.stderr):
                ending = await run.crawl()
        except Refused as error:
            raise Refused(_refusal(config, error)) from error
        return await _close(plan, run, ending, observer.snapshot(), log)


async def _close(plan: Plan, run: Run, ending: Ending, snapshot: Snapshot, log: Log) -> int:
    """Say how the crawl ended, on the screen and in the log; return the exit code."""
    failed, reason = snapshot.lists.get("failed", 0), ending.reason
    if ending.finished and failed:
        reason = f"{failed:,} lists failed again and again; the next start tries them once more"
    log.logger.info("ended", finished=reason is None, reason=reason, requests=snapshot.requests, lists=snapshot.lists)
    for url, why in run.ledger.unresolved:
        print(f"could not be resolved: {url}: {why}")  # noqa: T201 - the answer
    print(summary(snapshot, plan.folder, finished=reason is None, reason=reason))  # noqa: T201 - the answer
    return EXIT_DONE if reason is None else EXIT_STOPPED


def _refusal(config: Config, error: Refused) -> str:
    section = config.soundcloud
    return (
        f"{urlsplit(section.base_url).netloc} does not accept the credentials in {section.client_id_env} and "
        f"{section.client_secret_env} ({error}); all that was read is kept, mend them and give the same command again"
    )


def _seed(run: Run, seeds: Sequence[Seed], source: str) -> int:
    items = [Item(seed.kind, seed.id, seed.id, "full" if seed.kind == "url" else "id", None) for seed in seeds]
    return run.seed(items, NETWORK, source)


def _settings(config: Config, provider: Provider) -> Settings:
    crawl = config.crawl
    return Settings(
        relations=_relations(config, provider),
        empty_data=empty_data(config.dataset.keep),
        workers=crawl.workers,
        depth_max=crawl.max_depth,
        nodes_max=crawl.max_nodes,
        requests_max=crawl.max_requests,
        seconds_max=crawl.max_seconds,
        pages_per_list_max=crawl.max_pages_per_list,
        long_list_pages=crawl.long_list_pages,
        sets_bugs_aside=crawl.on_bug == "set_aside",
        hydrate=(provider.network,) if crawl.hydrate == "undescribed" else (),
        compression=config.shards.compression,
        shard_bytes_max=config.shards.bytes_max,
    )


def _relations(config: Config, provider: Provider) -> dict[str, list[tuple[str, Relation]]]:
    """Return the listings to read by kind of node: those of the config, and those that are ways to ask for nodes."""
    chosen = config.crawl.relations
    wanted = {
        "user": chosen.user,
        "track": chosen.track,
        "playlist": chosen.playlist,
        "url": ("resolve",),
        "users": ("profile",),
        "tracks": ("profile",),
    }
    table = {(relation.kind, relation.name): relation for relation in provider.relations}
    return {kind: [(provider.name, table[kind, name]) for name in names] for kind, names in wanted.items()}


def _gate(config: Config) -> Gate:
    """Return the gate; a service on this computer is the operator's own, and has no limit unless one is set."""
    own = is_loopback(urlsplit(config.soundcloud.base_url).hostname or "")
    rate = configuration.rate_in_force(config, sandbox=bool(config.sandbox.enabled) or own)
    return Gate("auto" if rate is None else rate, config.soundcloud.burst)


@asynccontextmanager
async def _client(
    config: Config,
    credentials: tuple[str, str],
    gate: Gate,
    before_send: Any = None,  # noqa: ANN401 - a callable
) -> AsyncIterator[Client]:
    section = config.soundcloud
    owner = TokenOwner(OAuth(*credentials, token_url=section.token_url).exchange, SystemClock())
    async with Http(
        section.base_url,
        token_url=section.token_url,
        connections=config.crawl.workers,
        timeouts=Timeouts(total_seconds=section.timeout_seconds),
        contact=section.contact or "",
    ) as http:
        yield Client(http, gate, owner, before_send)


def _pointed_at(config: Config, url: str) -> Config:
    return replace(config, soundcloud=replace(config.soundcloud, base_url=url, token_url=f"{url}/oauth/token"))


async def _resolve(config: Config, seeds: Sequence[Seed]) -> list[tuple[str, str | None, str | None]]:
    async with AsyncExitStack() as stack:
        if configuration.uses_sandbox(config, os.environ):
            config = replace(config, sandbox=replace(config.sandbox, enabled=True))
            config = _pointed_at(config, await stack.enter_async_context(embedded(config.sandbox)))
        gate = _gate(config)
        client = await stack.enter_async_context(_client(config, _credentials(config), gate))
        provider = SoundCloud(config.soundcloud.base_url, config.dataset.keep)
        return [await _resolve_one(provider, client, seed) for seed in seeds]


async def _resolve_one(provider: SoundCloud, client: Client, seed: Seed) -> tuple[str, str | None, str | None]:
    if seed.kind != "url":
        return seed.text, f"{NETWORK}:{seed.kind}s:{seed.id}", None
    relation = next(relation for relation in provider.relations if relation.name == "resolve")
    task = Task(NodeId(NETWORK, "url", seed.id), relation)
    try:
        page = provider.parse(task, await client.ask(provider.request(task)))
    except Refused:
        raise
    except ProviderError as error:
        return seed.text, None, str(error)
    item = page.items[0]
    return seed.text, f"{NETWORK}:{item.kind}s:{item.id}", None


def _loop(main: Coroutine[Any, Any, _Result]) -> _Result:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)
