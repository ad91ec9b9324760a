"""The command line: arguments -> one function per command. No logic, no I/O of its own but printing.

Exit codes:
  0  all done               2  usage or config                     4  refused by the service (credentials)
  1  a bug                  3  stopped early, can be continued     5  storage
"""

from __future__ import annotations

import errno
import io
import json
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from crawler.cli_auth import auth
from crawler.cli_search import embedded_ids, search
from crawler.errors import ConfigError, CrawlerError, StorageError

EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_STOPPED = 3
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NO_WAY = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG)
"""What looking for a file may end with, before anything is opened: afterwards the disk has sentences of its own."""

_LIMITS = ("max_depth", "max_nodes", "max_requests", "max_seconds", "max_pages_per_list", "workers", "strategy")
_RUN = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)


class _Commands(click.Group):
    """Who closes the pipe, as `| head` does, has read enough: that is the end of a command, and no bug."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click has it
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _mute()
            ctx.exit(0)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="soundcloud-graph-crawler", prog_name="crawler")
def cli() -> None:
    """Crawl the SoundCloud social graph, and know what is missing from what you have.

    Start with a crawl of the embedded sandbox, which needs no credentials:

    \b
      crawler crawl runs/first --seed 1
      crawler status runs/first
      crawler verify runs/first
    """  # noqa: D301 - click's own mark


@cli.command(short_help="Crawl into a folder: start, or go on after a stop or a kill.")
@click.argument("run", type=_RUN)
@click.option("--config", type=_FILE, help="Configuration. [default: RUN/config.toml, else ./config.toml, else none]")
@click.option("--seed", "texts", multiple=True, metavar="ID|URN|URL", help="Where to begin; may be repeated.")
@click.option("--seeds", "files", multiple=True, type=_FILE, help="A file with one seed a line; may be repeated.")
@click.option("--max-depth", type=int, metavar="N", help="Expand no node farther than N steps from the seeds.")
@click.option("--max-nodes", type=int, metavar="N", help="Stop when N nodes are known.")
@click.option("--max-requests", type=int, metavar="N", help="Stop after N requests, over all starts of the run.")
@click.option("--max-seconds", type=float, metavar="N", help="Stop after N seconds of this start, pauses not counted.")
@click.option("--max-pages-per-list", type=int, metavar="N", help="Read at most N pages (of 200) of any one list.")
@click.option(
    "--requests-per-day", type=int, metavar="N", help="Send at most N requests in any 24 hours, over all runs."
)
@click.option("--wait", "waits", is_flag=True, help="When a budget is used up that has a date, wait for it and go on.")
@click.option("--workers", type=int, metavar="N", help="How many requests may be under way at once.")
@click.option(
    "--strategy",
    type=click.Choice(["every_list", "followings_first"]),
    help="followings_first reads a list of followers only where followings have not shown them all.",
)
@click.option(
    "--relations",
    multiple=True,
    metavar="KIND=A,B",
    help="Which lists to follow from nodes of a kind (user, track, playlist); the other kinds keep theirs. "
    "KIND= follows none. May be repeated.",
)
def crawl(
    run: Path,
    *,
    config: Path | None,
    texts: Sequence[str],
    files: Sequence[Path],
    relations: Sequence[str],
    waits: bool,
    **limits: float | str | None,
) -> NoReturn:
    """Crawl into the folder RUN: start there, or go on where an earlier start was stopped or killed.

    Without credentials in the environment this crawls the embedded sandbox. Without --seed and --seeds a new crawl
    begins with all of seeds/*.txt. Ctrl-C once finishes what is under way and stops; give the same command again to go
    on. Limits stay until you give others; --config with a file that has none lifts them. Nothing in RUN is ever
    deleted.

    Exits with 0 when all is done, 3 when stopped by a limit or signal, 2 for a mistake of yours, 4 when the service
    refuses the credentials, 5 when the disk fails, 1 for a bug.

    \b
    Examples:
      crawler crawl runs/first --seed 1 --max-depth 2
      crawler crawl runs/berlin --seeds seeds/first.txt --relations user=followers,followings
      crawler crawl runs/one --seed https://soundcloud.com/someone
    """  # noqa: D301
    from crawler import app

    overrides = _overrides(limits, relations)
    sys.exit(app.crawl(run, config=config, seeds=texts, seed_files=files, overrides=overrides, waits=waits))


@cli.command(short_help="Tell how far a crawl has come, also while it runs.")
@click.argument("run", type=_RUN)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(run: Path, *, as_json: bool) -> None:
    """Tell how far the crawl in RUN has come, also while it is running.

    \b
    Examples:
      crawler status runs/first
      crawler status runs/first --json
    """  # noqa: D301
    from crawler import app
    from crawler.dataset.status import text

    found = app.status(run)
    click.echo(json.dumps(found) if as_json else text(found, run))


@cli.command(short_help="Check every record in a folder; changes nothing unless told to.")
@click.argument("run", type=_RUN)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--repair", is_flag=True, help="First do what the next start would: remove what was never committed.")
def verify(run: Path, *, as_json: bool, repair: bool) -> NoReturn:
    """Read every record in RUN and check it against what the crawl promised. Changes nothing without --repair.

    --repair cuts from the shards what a kill left behind their committed length, finishes an interrupted renaming, and
    puts files that nobody committed into RUN/set-aside. Damaged records are reported, never mended.

    Exits with 0 when all is well and with 5 when something is missing, broken or doubled.

    \b
    Examples:
      crawler verify runs/first
      crawler verify runs/first --json
      crawler verify runs/first --repair
    """  # noqa: D301
    from crawler import app
    from crawler.dataset.verify import text

    found = app.verify(run, repair=True) if repair else app.verify(run)
    try:
        click.echo(json.dumps(found) if as_json else text(found, run))
    except BrokenPipeError:  # what was found is in the exit code all the same
        _mute()
    sys.exit(0 if found["ok"] else 5)


@cli.command(short_help="Queue lists again that were not whole.")
@click.argument("run", type=_RUN)
@click.option(
    "--verdict", default="failed,short", show_default=True, metavar="A,B", help="Which lists, by how they ended."
)
def recheck(run: Path, verdict: str) -> None:
    """Queue the lists of RUN again that ended in one of some verdicts; the next crawl of RUN reads them once more.

    Edges that a list gave before are not given twice, and none is taken back: where a second reading is complete and
    did not show an edge, the list's new certificate names it under "withdrawn".

    \b
    Examples:
      crawler recheck runs/first
      crawler recheck runs/first --verdict failed,short,capped
    """  # noqa: D301
    from crawler import app

    number = app.recheck(run, [name.strip() for name in verdict.split(",") if name.strip()])
    then = f"crawler crawl {shlex.quote(str(run))}"
    click.echo(f"{number:,} lists are queued again; lists that failed are queued anyway. Now: {then}")


@cli.command(short_help="Serve a local world that speaks SoundCloud's API.")
@click.option("--world", default="synthetic", show_default=True, help='"synthetic", or a folder of edge lists.')
@click.option("--users", default=400, show_default=True, type=click.IntRange(1), help="Users of a synthetic world.")
@click.option("--seed", default=1, show_default=True, type=int, help="Another seed, another synthetic world.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--until-stdin-closes", is_flag=True, help="End when standard input is closed, for use by programs.")
@click.option("--faults", metavar="NAME[:P][@FAMILY],...", help="What goes wrong: see docs/sandbox.md.")
@click.option(
    "--limits",
    default="",
    metavar="LIMIT;LIMIT...",
    help="What it refuses beyond: bucket:50/s,burst=10,retry_after=5 · sliding:600/10m · fixed:27500/1h · "
    "waf:10/s,block=60 · tokens; options family= from= until= retry_after= form=. See docs/sandbox.md.",
)
@click.option("--gzip", is_flag=True, help="Compress answers for clients that accept it, as the service does.")
@click.option("--list-faults", is_flag=True, help="Show every fault, and where it was seen.")
def sandbox(*, list_faults: bool, faults: str | None, limits: str, gzip: bool, **options: Any) -> None:  # noqa: ANN401 - as `serve.run` takes them
    """Serve a local world that speaks SoundCloud's API, to try things on.

    \b
    Examples:
      crawler sandbox --port 8070
      crawler sandbox --world shared/graphs/ego-twitter
      crawler sandbox --faults short-pages,storm:0.9@users/followers
      crawler sandbox --limits "bucket:50/s,burst=10,retry_after=5;tokens"
    """  # noqa: D301
    from crawler.sandbox import serve
    from crawler.sandbox.faults.plan import listed

    if list_faults:
        click.echo(listed())
    else:
        serve.run(**options, conditions=serve.Conditions(faults, limits, gzip))


@cli.command(short_help="Ask which node is behind a soundcloud.com URL.")
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option("--config", type=_FILE, help="Configuration. [default: ./config.toml, else none]")
@click.option("--oembed", is_flag=True, help="Ask oEmbed, which needs no credentials, instead of the API.")
def resolve(urls: Sequence[str], config: Path | None, *, oembed: bool) -> NoReturn:
    """Ask which user, track or playlist is behind each soundcloud.com URL.

    Prints a line for each: the URL, a tab, and its URN. Exits with 3 when some could not be resolved.

    \b
    Example:
      crawler resolve https://soundcloud.com/someone https://soundcloud.com/someone/a-track
    """  # noqa: D301
    from crawler import app

    answers = embedded_ids(urls, config) if oembed else app.resolve(urls, config)
    for url, urn, reason in answers:
        click.echo(f"{url}\t{urn}" if urn else f"{url}: {reason}", err=urn is None)
    sys.exit(0 if all(urn for _, urn, _ in answers) else EXIT_STOPPED)


@cli.group(short_help="Find seeds: crawler seeds charts > seeds/charts.txt.")
def seeds() -> None:
    """Find where to begin: each command prints the lines of a file of seeds."""


@seeds.command("charts")
@click.option("--kind", "kinds", default="top", show_default=True, metavar="A,B", help="top, trending.")
@click.option("--genre", "genres", default="all-music", show_default=True, metavar="A,B", help='Genres, or "all".')
@click.option("--country", "countries", default="GLOBAL", show_default=True, metavar="A,B", help='Countries, or "all".')
@click.option("--table", default="track", show_default=True, help="Which of the service's tables: track, trending.")
@click.option("--since", metavar="DATE", help="The first week; charts are dated by Fridays.")
@click.option("--until", metavar="DATE", help="The last week. [default: with --since or --last, today]")
@click.option("--last", is_flag=True, help="The last week that has rows, of each chart; costs some requests for each.")
@click.option("--config", type=_FILE, help="Configuration. [default: ./config.toml, else none]")
def charts(*, kinds: str, genres: str, countries: str, config: Path | None, **rest: Any) -> None:  # noqa: ANN401
    """Print SoundCloud's charts, as Chartmetric keeps them, as seeds: a chart leads to its tracks, and on from there.

    Without dates the latest chart is meant. What a crawl of them costs is said on standard error.

    \b
    Examples:
      crawler seeds charts --genre techno,house --country US,GB > seeds/charts.txt
      crawler seeds charts --genre all --last > seeds/charts.txt
      crawler seeds charts --since 2026-01-01 --until 2026-03-31 > seeds/charts.txt
    """  # noqa: D301
    from crawler import app
    from crawler.charting import Wanted

    wanted = Wanted(_names(kinds), _names(genres), _names(countries), **rest)
    for line in app.seed_charts(wanted, config):
        click.echo(line)


seeds.add_command(search)
cli.add_command(auth)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


@cli.group(short_help="Look at a configuration: crawler config check FILE.")
def config() -> None:
    """Look at a configuration."""


@config.command(short_help="Check a configuration and print it, defaults filled in.")
@click.argument("file", type=_FILE, default=Path("config.toml"))
def check(file: Path) -> None:
    """Check FILE (config.toml when not given) and print it as it is understood, defaults filled in.

    \b
    Example:
      crawler config check config.toml
    """  # noqa: D301
    from crawler import app
    from crawler.config import dumps

    click.echo(dumps(app.check_config(file)), nl=False)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; every failure is one sentence on standard error and an exit code.

    A SIGTERM before a crawl is under way, and looks out for signals itself, is what Ctrl-C is.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _mend_streams()
    sys.exit(_run(arguments))


def _mend_streams() -> None:
    """Give the process the three streams that a daemon may have closed, and let output say what its encoding cannot.

    Without them the next file that is opened gets the number 0, 1 or 2, and libuv ends the process when it closes one.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for good
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _mute() -> None:
    """Let what is still to be printed go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: Sequence[str] | None) -> int:
    try:
        cli.main(args=None if arguments is None else list(arguments), prog_name="crawler", standalone_mode=False)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except click.UsageError as error:
        return _usage(error)
    except (click.Abort, KeyboardInterrupt):
        return _say("stopped; give the same command again to go on", EXIT_STOPPED)
    except Exception as error:  # noqa: BLE001 - the last place that can turn a bug into a sentence
        return _say(*_failure(error))
    return 0


def _failure(error: Exception) -> tuple[str, int]:
    """Return the sentence and the exit code of what ended a command. The disk under a run has sentences of its own."""
    if isinstance(error, CrawlerError):
        return str(error), error.exit_code
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return f"{error.strerror}: could not write the answer", StorageError.exit_code
    if isinstance(error, OSError) and error.errno in _NO_WAY and error.filename:
        return f"{os.fsdecode(error.filename)} cannot be used: {error.strerror}", EXIT_USAGE
    return _bug(error), EXIT_BUG


def _usage(error: click.UsageError) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return EXIT_USAGE
    command = error.ctx.command_path if error.ctx else "crawler"
    return _say(f"{error.format_message().rstrip('.')} (see {command} --help)", EXIT_USAGE)


def _say(sentence: str, code: int) -> int:
    click.echo(f"crawler: {sentence}", err=True)
    return code


def _bug(error: Exception) -> str:
    """Say where a bug is; the log of the run has the whole traceback, and CRAWLER_TRACEBACK=1 prints it."""
    if os.environ.get("CRAWLER_TRACEBACK"):
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if f"{os.sep}crawler{os.sep}" in frame.filename] or frames
    where = f"{Path(own[-1].filename).name}, line {own[-1].lineno}" if own else "an unknown place"
    return f"a bug, in {where}: {type(error).__name__}: {error}; set CRAWLER_TRACEBACK=1 to see all of it"


def _overrides(limits: Mapping[str, float | str | None], relations: Sequence[str]) -> dict[str, object]:
    """Return flags as dotted keys of the configuration; those not given are left out."""
    overrides: dict[str, object] = {f"crawl.{name}": limits[name] for name in _LIMITS if limits[name] is not None}
    if limits["requests_per_day"] is not None:
        overrides["soundcloud.requests_per_day"] = limits["requests_per_day"]
    for text in relations:
        kind, equals, names = text.partition("=")
        if not equals or kind not in {"user", "track", "playlist"}:
            raise ConfigError(f'--relations "{text}" is not of the form user=followers,followings')
        overrides[f"crawl.relations.{kind}"] = [name.strip() for name in names.split(",") if name.strip()]
    return overrides
