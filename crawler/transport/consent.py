"""Where a person's consent is kept, and the address of this computer to which their browser comes back.

The tokens are in a vault of their own, the person's id in a file beside it; both are readable by the owner only. The
server answers one path on one address of this computer, and takes only the answer that carries its own `state`.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from crawler.clock import Reading
from crawler.errors import ConfigError, Refused, StorageError, disk_errors
from crawler.transport.http import is_loopback
from crawler.transport.vault import Vault, state_folder, vault_name

if TYPE_CHECKING:
    from aiohttp import web  # a server is not needed by a crawl, and would make every start 30 ms longer

_PAGE = "<!doctype html><meta charset=utf-8><title>crawler</title><p>{}</p>"


class Person(Struct):
    """Whose consent it is."""

    id: int | str
    name: str | None = None


class Consent:
    """The files of one person's consent; `path` is that of the vault."""

    def __init__(self, path: Path, reading: Callable[[], Reading]) -> None:
        self.path = path
        self.vault = Vault(path, reading)
        self._who = path.with_suffix(".person")

    def person(self) -> Person | None:
        """Return whose it is, None when there is none. Raises `StorageError` for a file that is not ours."""
        try:
            return msgspec.json.decode(self._who.read_bytes(), type=Person)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError):
            broken = f"{self._who} cannot be read; give crawler auth logout and crawler auth login"
        raise StorageError(broken)

    def keep(self, person: Person) -> None:
        """Keep whose consent the vault holds, readable by the owner only."""
        with disk_errors(f"write {self._who}"):
            handle = os.open(self._who, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(person))

    def forget(self) -> bool:
        """Remove the files; return whether there were any."""
        found = False
        with disk_errors(f"remove {self.path}"):
            for path in (self._who, self.path, *(self.path.with_suffix(end) for end in (".lock", ".exchange"))):
                found = found or path.exists()
                path.unlink(missing_ok=True)
        return found


def consent_path(chosen: str | None, token_url: str, client_id: str, environment: Mapping[str, str]) -> Path:
    """Return where the consent for an app is kept: the file that was chosen, else one in the user's own folder."""
    if chosen is not None:
        return Path(chosen)
    return state_folder(environment) / f"consent-{vault_name(token_url, client_id)}"


class Callback:
    """Waits for the browser. `code` is what it brought."""

    def __init__(self, state: str) -> None:
        self._state = state
        self._code: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def answer(self, request: web.Request) -> web.Response:
        """Take the code from an answer to our own question; any other is turned away and changes nothing."""
        if not hmac.compare_digest(request.query.get("state", "").encode(), self._state.encode()):
            return _shown(403, "This answer belongs to no question of this program.")
        code = request.query.get("code")
        if not self._code.done():
            if code:
                self._code.set_result(code)
            else:
                self._code.set_exception(Refused("the person did not agree"))
        return _shown(200, "Done. You may close this page." if code else "Nothing was agreed to.")

    async def code(self, seconds: float) -> str:
        """Return the code. Raises `Refused` when the person did not agree, or not in time."""
        try:
            return await asyncio.wait_for(self._code, seconds)
        except TimeoutError:
            raise Refused(f"nobody agreed within {seconds:g} seconds") from None


@asynccontextmanager
async def listening(redirect_url: str, state: str) -> AsyncIterator[Callback]:
    """Serve the address that the browser comes back to. Raises `ConfigError` when it cannot be served."""
    parts = urlsplit(redirect_url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme != "http" or not is_loopback(host) or not port:
        raise ConfigError(
            "redirect_url in [soundcloud] must be an address of this computer, as http://127.0.0.1:8914/callback"
        )
    from aiohttp import web

    callback = Callback(state)
    application = web.Application()
    application.router.add_get(parts.path or "/", callback.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise ConfigError(
                f"redirect_url in [soundcloud]: cannot listen at {host}:{port}: {error.strerror}"
            ) from error
        yield callback
    finally:
        await runner.cleanup()


def _shown(status: int, text: str) -> web.Response:
    from aiohttp import web

    return web.Response(status=status, text=_PAGE.format(text), content_type="text/html")
