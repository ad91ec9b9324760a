"""The composition root: the only place that builds things. Config -> wired objects -> one function per command.

Everything that can be wrong with what the operator gave is found before anything is opened or changed.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, closing, suppress
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from crawler import charting, sources
from crawler import config as configuration
from crawler.charting import Wanted
from crawler.clock import SystemClock, iso
from crawler.config import Config
from crawler.dataset import repair as dataset_repair
from crawler.dataset import status as dataset_status
from crawler.dataset import verify as dataset_verify
from crawler.dataset.again import check_verdicts, lists_with
from crawler.engine.kinds import Kinds
from crawler.engine.observer import Observer
from crawler.engine.progress import Display, Snapshot, summary, tell
from crawler.engine.requeue import requeue
from crawler.engine.run import Run, Settings
from crawler.engine.supervisor import Ending
from crawler.engine.wake import Watch
from crawler.engine.worker import Source
from crawler.errors import ConfigError, CrawlerError, ProviderError, Refused, Spent, StorageError, disk_errors
from crawler.frontier.lock import hold
from crawler.frontier.store import Frontier
from crawler.log import Log, open_log
from crawler.model import Item, NodeId, Task
from crawler.providers import chartmetric, registry
from crawler.providers.soundcloud import empty_data
from crawler.providers.soundcloud_items import claimed_followers
from crawler.sandbox.child import embedded
from crawler.sandbox.faults.plan import parse_faults
from crawler.sandbox.limits import parse_limits
from crawler.seeds import ME, NETWORK, Seed, parse, read_seeds
from crawler.sources import Credentials
from crawler.transport.allowance import wait_until

EXIT_DONE = 0
EXIT_STOPPED = 3
SEEDS_FOLDER = Path("seeds")
_OWN_FILES = ("frontier.sqlite", "config.toml", "lock")
_Result = TypeVar("_Result")


class Plan(Struct, frozen=True):
    """A crawl as asked for, checked, before anything is opened. `credentials` are in memory only.

    `waits`: when a budget is used up that has a date, the crawl waits for the date and goes on.
    """

    folder: Path
    config: Config
    seeds: list[Seed]
    credentials: Credentials
    waits: bool = False


def crawl(
    run: Path,
    *,
    config: Path | None,
    seeds: Sequence[str],
    seed_files: Sequence[Path],
    overrides: Mapping[str, object],
    waits: bool = False,
) -> int:
    """Start or resume the crawl in the folder `run`; return the exit code, 0 when all is done and 3 when it can go on.

    Raises `ConfigError` before anything is changed, `Refused` and `StorageError` with all that was committed kept.
    """
    plan = _plan(run, _settled(run, config, overrides), seeds, seed_files)
    return in_loop(_crawl(replace(plan, waits=waits)))


def status(run: Path) -> dict[str, Any]:
    """Return how far the run has come, and what is left of its budgets; see `dataset.status`."""
    found = dataset_status.status(run)
    found["budgets"] |= sources.days_left(chosen(run, None), os.environ, run)
    return found


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
    return in_loop(_recheck(run, verdicts))


async def _recheck(run: Path, verdicts: Sequence[str]) -> int:
    check_verdicts(verdicts)
    status(run)  # raises where there is no run: nothing is made there
    with hold(run / "lock", iso(SystemClock().now())):
        chosen = lists_with(run, verdicts)
        async with Frontier(run / "frontier.sqlite") as frontier:
            return await requeue(frontier, sources.relation_table(), registry.networks(), chosen)


def check_config(path: Path) -> Config:
    """Return the configuration in a file. Raises `ConfigError`."""
    return configuration.load(path)


def seed_charts(wanted: Wanted, config: Path | None) -> list[str]:
    """Return charts as lines of a file of seeds. Raises `ConfigError`, `Refused` or `Transient`."""
    charting.check(wanted)
    return in_loop(_seed_charts(wanted, chosen(Path(), config)))


async def _seed_charts(wanted: Wanted, config: Config) -> list[str]:
    async with AsyncExitStack() as stack:
        config, opened = await sources.opened_one(stack, config, chartmetric.NAME)
        today = SystemClock().now().date().isoformat()
        return await charting.seeds(opened, config, wanted, today)


def resolve(urls: Sequence[str], config: Path | None) -> list[tuple[str, str | None, str | None]]:
    """Return (URL, URN or None, reason or None) for each URL. Raises `ConfigError` for what is no URL of SoundCloud."""
    seeds = [parse(url, "command line") for url in urls]
    return in_loop(_resolve(chosen(Path(), config), seeds))


def _settled(run: Path, path: Path | None, overrides: Mapping[str, object]) -> Config:
    """Return the configuration of this start, after comparing it with that of the run's earlier starts."""
    config = configuration.with_overrides(chosen(run, path), overrides)
    sandbox = configuration.uses_sandbox(config, os.environ)
    config = replace(config, sandbox=replace(config.sandbox, enabled=sandbox))
    before = run / "config.toml"
    if before.exists() and (run / "frontier.sqlite").exists():
        changed = configuration.differences(configuration.load(before), config)
        if changed:
            message = (
                f"{run} was begun with another {', '.join(changed)} (see {before}); "
                "go on without that change, or crawl into another folder"
            )
            raise ConfigError(message)
    return config


def chosen(run: Path, path: Path | None) -> Config:
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
    _check_seeds(seeds, config)
    if config.sandbox.enabled:
        _check_sandbox(config)
    return Plan(run, config, seeds, sources.credentials_of(config, os.environ))


def _check_sandbox(config: Config) -> None:
    from crawler.sandbox.serve import check_world  # what makes worlds takes a while to import

    try:
        check_world(config.sandbox.world, config.sandbox.users)
    except ConfigError as error:
        raise ConfigError(f"[sandbox]: {error}") from error
    parse_faults(config.sandbox.faults)
    parse_limits(";".join(config.sandbox.limits))
    sources.check_sandbox(config)


def _check_folder(run: Path) -> None:
    for part in (run, *run.parents):
        if os.path.lexists(part) and not part.is_dir():
            what = "a file" if part.exists() else "a link that leads nowhere"
            message = f"{part} is {what}; a run is a folder"
            raise ConfigError(message)
    if run.is_dir() and any(run.iterdir()) and not any((run / name).exists() for name in _OWN_FILES):
        message = f"{run} is not empty and holds no crawl; choose a new folder"
        raise ConfigError(message)


async def _crawl(plan: Plan) -> int:
    clock, config = SystemClock(), plan.config
    async with AsyncExitStack() as stack:
        with disk_errors(f"make the folder {plan.folder}"):
            plan.folder.mkdir(parents=True, exist_ok=True)
        stack.enter_context(hold(plan.folder / "lock", iso(clock.now())))
        if config.sandbox.enabled:  # before anything is written: a world may turn out to be unreadable
            url = await stack.enter_async_context(embedded(config.sandbox))
            config = sources.pointed_at(config, url)
        _keep_config(plan)
        log = stack.enter_context(closing(open_log(plan.folder / "log.jsonl", sources.secrets_of(plan.credentials))))
        try:
            while True:
                code, ending = await _crawl_with(plan, config, log, clock)
                until = ending.until_epoch_seconds
                if not plan.waits or until is None or ending.by_signal:
                    return code
                print(f"waiting until {iso(until)}: {ending.reason}", file=sys.stderr)  # noqa: T201 - for who looks on
                await wait_until(until, clock)
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


async def _crawl_with(plan: Plan, config: Config, log: Log, clock: SystemClock) -> tuple[int, Ending]:
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(sources.opened(config, plan.credentials, plan.folder, hide=log.hide))
        run = Run(plan.folder, _settings(config), opened.sources, clock, random.random)
        run.report, run.scrub = log.logger.warning, log.scrubbed
        await stack.enter_async_context(run)
        opened.keep_to(run.budget)
        await run.note_start()
        seeded = _seed(run, plan.seeds, config)
        log.logger.info("started", seeds=seeded, recovered=run.recovered, sandbox=config.sandbox.enabled)
        asked = "the embedded sandbox, no real data" if config.sandbox.enabled else sources.hosts_of(config)
        watch = await stack.enter_async_context(Watch(clock, opened.gates.values(), log.logger.warning))
        observer = Observer(run, opened.gates, clock, asked, watch)
        try:
            async with Display(observer.snapshot, sys.stderr):
                ending = await run.crawl()
        except Refused as error:
            raise Refused(sources.refusal(config, list(run.crew.out)[-1], error)) from error
        code = await _close(plan, run, ending, observer.snapshot(), log)
        return sources.say_out(config, run.crew.out) or code, _with_date(ending, run)


def _with_date(ending: Ending, run: Run) -> Ending:
    """Return the ending with the date from which a source that is out may be asked again, if it has one."""
    dates = [error.until_epoch_seconds for error in run.crew.out.values() if isinstance(error, Spent)]
    known = [date for date in (ending.until_epoch_seconds, *dates) if date is not None]
    return replace(ending, until_epoch_seconds=min(known, default=None))


async def _close(plan: Plan, run: Run, ending: Ending, snapshot: Snapshot, log: Log) -> int:
    """Say how the crawl ended, on the screen and in the log; return the exit code."""
    failed, reason = snapshot.lists.get("failed", 0), ending.reason
    if ending.finished and run.crew.out:
        reason = f"{' and '.join(run.crew.out)} stopped; what it had left is read at the next start"
    elif ending.finished and failed:
        reason = f"{failed:,} lists failed again and again; the next start tries them once more"
    log.logger.info("ended", finished=reason is None, reason=reason, requests=snapshot.requests, lists=snapshot.lists)
    for url, why in run.ledger.unresolved:
        tell(f"could not be resolved: {url}: {why}")
    depth_max = plan.config.crawl.max_depth
    tell(summary(snapshot, plan.folder, finished=reason is None, reason=reason, depth_max=depth_max))
    return EXIT_DONE if reason is None else EXIT_STOPPED


def _seed(run: Run, seeds: Sequence[Seed], config: Config) -> int:
    """Enter the seeds in their order, each under the first source that knows its kind; return how many are new."""
    new, ways = 0, registry.aliases()
    for (network, source), some in groupby(seeds, lambda seed: (seed.node.network, _source_of(seed, config))):
        items = [Item(seed.kind, seed.id, seed.id, "full" if seed.kind in ways else "id", None) for seed in some]
        new += run.seed(items, network, source or config.crawl.sources[0])
    return new


def _source_of(seed: Seed, config: Config) -> str | None:
    return next((name for name in config.crawl.sources if seed.kind in registry.service(name).kinds), None)


def _check_seeds(seeds: Sequence[Seed], config: Config) -> None:
    for seed in seeds:
        name = _source_of(seed, config)
        if seed.kind == ME and name is not None and not sources.acts_for_person(config, name):
            raise ConfigError(
                f'the seed "{ME}" needs a person: set acting_as = "user" in [{name}], see crawler auth login'
            )
        if name is None:
            knowing = " or ".join(row.name for row in registry.SERVICES if seed.kind in row.kinds)
            raise ConfigError(f'the seed "{seed.text}" needs {knowing} among the sources in [crawl]')


def _settings(config: Config) -> Settings:
    crawl = config.crawl
    return Settings(
        relations=configuration.relations_of(config),
        kinds=Kinds(registry.networks(), registry.aliases(), sources.naming(config)),
        empty_data=empty_data(config.dataset.keep),
        workers=crawl.workers,
        depth_max=crawl.max_depth,
        nodes_max=crawl.max_nodes,
        requests_max=crawl.max_requests,
        seconds_max=crawl.max_seconds,
        pages_per_list_max=crawl.max_pages_per_list,
        long_list_pages=crawl.long_list_pages,
        strategy=crawl.strategy,
        claim=claimed_followers,
        sets_bugs_aside=crawl.on_bug == "set_aside",
        hydrate=(NETWORK,) if crawl.hydrate == "undescribed" else (),
        compression=config.shards.compression,
        shard_bytes_max=config.shards.bytes_max,
    )


async def _resolve(config: Config, seeds: Sequence[Seed]) -> list[tuple[str, str | None, str | None]]:
    async with AsyncExitStack() as stack:
        _, source = await sources.opened_one(stack, config, _resolving(config))
        return [await _resolve_one(source, seed) for seed in seeds]


def _resolving(config: Config) -> str:
    """Return the first source in use that can resolve an address."""
    for name in config.crawl.sources:
        if "url" in registry.service(name).always:
            return name
    raise ConfigError("no source in use can resolve addresses: name soundcloud among the sources in [crawl]")


async def _resolve_one(source: Source, seed: Seed) -> tuple[str, str | None, str | None]:
    if seed.kind != "url":
        return seed.text, f"{NETWORK}:{seed.kind}s:{seed.id}", None
    provider = source.provider
    relation = next(relation for relation in provider.relations if relation.name == "resolve")
    task = Task(NodeId(NETWORK, "url", seed.id), relation)
    try:
        page = provider.parse(task, await source.client.ask(provider.request(task)))
    except Refused:
        raise
    except ProviderError as error:
        return seed.text, None, str(error)
    item = page.items[0]
    return seed.text, f"{NETWORK}:{item.kind}s:{item.id}", None


def in_loop(main: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end on the fastest loop there is."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)
