"""The commands that look for nodes: `crawler seeds search`, and `crawler resolve --oembed`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

_FILE = click.Path(path_type=Path)


@click.command(short_help="Search users, tracks or playlists, and print them as seeds.")
@click.argument("what")
@click.argument("query")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="At most so many.")
@click.option(
    "--source",
    default="soundcloud",
    show_default=True,
    type=click.Choice(["soundcloud", "soundcloud_v2"]),
    help="Which service to search.",
)
@click.option("--genre", "genres", multiple=True, help="Tracks of a genre; may be repeated.")
@click.option("--tag", "tags", multiple=True, help="Tracks with a tag; may be repeated.")
@click.option("--bpm", metavar="FROM..TO", help="Tracks with so many beats a minute.")
@click.option("--duration", metavar="FROM..TO", help="Tracks of such a length, in milliseconds.")
@click.option(
    "--created", metavar="FROM..TO", help="Tracks made between two dates, as 2024-01-01.. or 2024-01-01..2024-02-01"
)
@click.option(
    "--access",
    "access",
    multiple=True,
    type=click.Choice(["playable", "preview", "blocked"]),
    help="Tracks that may be heard whole, in part, or not; may be repeated.",
)
@click.option("--license", "license_", metavar="NAME", help="Tracks under a licence, as cc-by; legacy dialect.")
@click.option("--type", "types", multiple=True, help="Tracks of a type, as remix; legacy dialect.")
@click.option("--config", type=_FILE, help="Configuration. [default: ./config.toml, else none]")
def search(
    what: str, query: str, *, limit: int, source: str, config: Path | None, **narrowing: str | tuple[str, ...] | None
) -> None:
    """Search for QUERY among WHAT (users, tracks or playlists), and print what is found as a file of seeds.

    With --source soundcloud_v2 WHAT may be everything, users, tracks, albums or playlists_without_albums. The first
    line says what was asked. Nothing is printed when the service fails.

    \b
    Examples:
      crawler seeds search users "field recordings" --limit 20 > seeds/field.txt
      crawler seeds search tracks rain --genre Ambient --bpm 60..90 > seeds/rain.txt
    """  # noqa: D301
    from crawler import app, searching
    from crawler.clock import SystemClock

    chosen = app.chosen(Path(), config)
    wanted = searching.Wanted(what, query, limit, _filters(narrowing), source)
    for line in app.in_loop(searching.search(chosen, wanted, SystemClock())):
        click.echo(line)


def _filters(narrowing: dict[str, str | tuple[str, ...] | None]) -> dict[str, str]:
    """Return the parameters of the service for the options that were given."""
    from crawler.searching import ranged

    named = {"genres": "genres", "tags": "tags", "access": "access", "types": "types"}
    found = {name: ",".join(narrowing[option] or ()) for option, name in named.items() if narrowing[option]}
    if narrowing["license_"]:
        found["license"] = str(narrowing["license_"])
    for option, name in {"bpm": "bpm", "duration": "duration", "created": "created_at"}.items():
        if narrowing[option]:
            found |= ranged(name, str(narrowing[option]))
    return found


def embedded_ids(urls: Sequence[str], config: Path | None) -> list[tuple[str, str | None, str | None]]:
    """Return (address, URN or None, reason or None) for each address of the web site."""
    from crawler import app, searching
    from crawler.seeds import parse

    for url in urls:
        parse(url, "command line")
    return app.in_loop(searching.embedded(app.chosen(Path(), config), urls))
