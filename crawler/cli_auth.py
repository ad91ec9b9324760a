"""The commands about a person's own consent: `crawler auth login`, `status` and `logout`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click

EXIT_NOBODY = 3
_FILE = click.Path(path_type=Path)
_CONFIG = click.option("--config", type=_FILE, help="Configuration. [default: ./config.toml, else none]")


@click.group(short_help="Crawl with a person's own consent: crawler auth login.")
def auth() -> None:
    """Give, show or take away the consent with which acting_as = "user" in [soundcloud] crawls."""


@auth.command(short_help="Ask a person to agree, in their browser.")
@_CONFIG
@click.option("--wait-seconds", default=300.0, show_default=True, type=click.FloatRange(1), help="How long to wait.")
def login(config: Path | None, wait_seconds: float) -> None:
    """Print an address; whoever opens it in a browser on this computer and agrees lets the crawl act for them.

    \b
    Example:
      crawler auth login
    """  # noqa: D301
    from crawler import app
    from crawler.consenting import login as ask

    def say(address: str) -> None:
        click.echo(f"Open this in a browser on this computer, and agree:\n\n{address}\n")

    person, consent = app.in_loop(ask(app.chosen(Path(), config), say, wait_seconds))
    click.echo(f"user {person.id} ({person.name}) agreed; kept in {consent.path}, which only you can read")


@auth.command(short_help="Tell whose consent there is.")
@_CONFIG
def status(config: Path | None) -> NoReturn:
    """Tell whose consent there is, and where it is kept. Exits with 3 when there is none.

    \b
    Example:
      crawler auth status
    """  # noqa: D301
    from crawler import app
    from crawler.consenting import consent_of

    consent, _ = consent_of(app.chosen(Path(), config))
    person = consent.person()
    if person is None:
        click.echo("nobody agreed; give crawler auth login")
        sys.exit(EXIT_NOBODY)
    click.echo(f"user {person.id} ({person.name}) agreed; kept in {consent.path}")
    sys.exit(0)


@auth.command(short_help="Remove a consent from this computer.")
@_CONFIG
def logout(config: Path | None) -> None:
    """Remove the consent from this computer. The service is not told: there the person takes it back in their settings.

    \b
    Example:
      crawler auth logout
    """  # noqa: D301
    from crawler import app
    from crawler.consenting import consent_of

    consent, _ = consent_of(app.chosen(Path(), config))
    found = consent.forget()
    click.echo(f"removed {consent.path}" if found else "there was none")
