"""What must outlive the process about one credential: its token, its exchanges, what it was asked for today.

One file for each credential, outside of all run folders, because all runs of a credential share its limits, and
readable by its owner only, because it holds the token. Its name is a hash. Every change is made under a lock, on a copy
that takes the file's place when it is on the disk, so a kill leaves the old state or the new one. Times in it are those
of `policy.budget.Time`, which no jump of a clock moves.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field

from crawler.clock import Reading, iso
from crawler.errors import StorageError, Throttled, disk_errors
from crawler.policy import budget
from crawler.policy.budget import Time, Window

EXCHANGES_AN_APP = (50, 12 * 3600.0)
EXCHANGES_AN_ADDRESS = (30, 3600.0)
"""Exchanges of client credentials and the seconds they are counted over (field report, 1.2)."""

_FORMER_MAX = 20


class Kept(Struct):
    """A token as it is kept; `refresh_at` and `expires_at` are by the vault's time."""

    access_token: str
    refresh_token: str | None
    refresh_at: float
    expires_at: float

    def __repr__(self) -> str:
        return f"Kept(expires_at={self.expires_at})"


class Hold(Struct):
    """An exchange failed `failures` times in a row; nobody tries again before `until`."""

    failures: int
    until: float
    reason: str


class State(Struct):
    """The file. `exchanges` holds when client credentials were exchanged, `day` what was asked for.

    `former` are the latest tokens that were replaced: nobody accepts them, and still they are nobody's business.
    """

    time: Time = field(default_factory=Time)
    token: Kept | None = None
    former: list[str] = field(default_factory=list)
    hold: Hold | None = None
    exchanges: list[float] = field(default_factory=list)
    day: Window = field(default_factory=Window)


class Granted(NamedTuple):
    """Requests that may be sent, booked under a name; when none may, `until_epoch_seconds` is when some will."""

    requests: int
    name: float
    until_epoch_seconds: float


class Left(NamedTuple):
    """What is left of a budget; `more_at` is when more will be, ISO 8601, None when nothing was sent of it."""

    allowed: int
    left: int
    more_at: str | None


class Vault:
    """The file of one credential, at `path`. All methods are quick, and may be called from any thread.

    `reading` reads the clocks. Without `keeps_token` no token is written: it belongs to a service that ends with the
    process. `address` is the file that counts the exchanges of all credentials of this computer, None not to. Raises
    `StorageError` when the disk fails, or when the file is not what was written.
    """

    def __init__(
        self, path: Path, reading: Callable[[], Reading], *, keeps_token: bool = True, address: Path | None = None
    ) -> None:
        self._path = path
        self.reading = reading
        self._keeps_token = keeps_token
        self._address = address

    def time(self) -> float:
        """Return the vault's time in seconds."""
        with self._changing(self._path) as state:
            return state.time.seconds

    def token(self) -> tuple[Kept | None, Hold | None, float]:
        """Return the token, the hold on exchanges, and the time by which they are told."""
        with self._changing(self._path) as state:
            return state.token, state.hold, state.time.seconds

    def secrets(self) -> list[str]:
        """Return every token that is kept, and those it replaced; for hiding them."""
        state = _read(self._path)
        return [*state.former, *_texts(state.token)]

    def keep(
        self, access_token: str, refresh_token: str | None, refresh_seconds: float, lifetime_seconds: float
    ) -> None:
        """Keep a new token, whose refreshing is due, and whose life ends, so many seconds from now."""
        with self._changing(self._path) as state:
            now = state.time.seconds
            state.hold = None
            if self._keeps_token:
                state.former = [*state.former, *_texts(state.token)][-_FORMER_MAX:]
                state.token = Kept(access_token, refresh_token, now + refresh_seconds, now + lifetime_seconds)

    def forget_access(self, access_token: str) -> None:
        """Note that a token was rejected: it has expired, its refresh token may still be good."""
        with self._changing(self._path) as state:
            if state.token is not None and state.token.access_token == access_token:
                state.token.refresh_at = state.token.expires_at = 0.0

    def hold(self, failures: int, seconds: float, reason: str) -> None:
        """Keep that an exchange failed, and for how long nobody is to try again."""
        with self._changing(self._path) as state:
            state.hold = Hold(failures, state.time.seconds + seconds, reason)

    def book_exchange(self) -> None:
        """Count an exchange of client credentials, before it is sent. Raises `Throttled` for one too many."""
        if self._address is not None:
            self._book_exchange(self._address, EXCHANGES_AN_ADDRESS, "an hour for this computer")
        self._book_exchange(self._path, EXCHANGES_AN_APP, "in twelve hours for this app")

    def unbook_exchange(self) -> None:
        """Take the last booking back: the request did not reach the service."""
        for path in (self._path, self._address):
            if path is not None:
                with self._changing(path) as state:
                    del state.exchanges[-1:]

    def reserve(self, requests: int, allowed: int) -> Granted:
        """Book up to so many requests of the day's `allowed`; they are to be sent within `budget.STALE_SECONDS`."""
        with self._changing(self._path) as state:
            now = state.time.seconds
            granted = min(requests, budget.left(state.day, allowed, now))
            name = budget.book(state.day, granted, now) if granted > 0 else 0.0
            wait_seconds = budget.again_at(state.day, allowed, now) - now
            return Granted(granted, name, self.reading().epoch_seconds + wait_seconds)

    def peek(self, allowed: int) -> Left:
        """Return what is left of a day's requests, without a lock and without changing anything."""
        state, reading = _read(self._path), self.reading()
        now = budget.advance(state.time, reading)
        left = budget.left(state.day, allowed, now)
        if not state.day.sent:
            return Left(allowed, left, None)
        oldest = state.day.sent[0].last + state.day.seconds + budget.STALE_SECONDS
        return Left(allowed, left, iso(reading.epoch_seconds + oldest - now))

    def give_back(self, requests: int, name: float) -> None:
        """Take back a part of a booking that was not used."""
        with self._changing(self._path) as state:
            budget.take_back(state.day, requests, name)

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Hold the right to exchange, which one process has at a time; gives False when another has it."""
        with self._locked(self._path.with_suffix(".exchange"), fcntl.LOCK_EX | fcntl.LOCK_NB) as held:
            yield held

    def _book_exchange(self, path: Path, limit: tuple[int, float], words: str) -> None:
        number, seconds = limit
        with self._changing(path) as state:
            now = state.time.seconds
            state.exchanges = [moment for moment in state.exchanges if moment + seconds > now]
            if len(state.exchanges) >= number:
                wait_seconds = state.exchanges[-number] + seconds - now
                raise Throttled(f"all {number} token exchanges {words} are spent", wait_seconds=wait_seconds)
            state.exchanges.append(now)

    @contextmanager
    def _changing(self, path: Path) -> Iterator[State]:
        """Give the state, its time being now, and write what became of it; nothing is written when the block raises."""
        with disk_errors(f"write {path}"):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked(path.with_suffix(".lock"), fcntl.LOCK_EX):
            state = _read(path)
            budget.advance(state.time, self.reading())
            yield state
            with disk_errors(f"write {path}"):
                _write(path, msgspec.json.encode(state))

    @contextmanager
    def _locked(self, path: Path, way: int) -> Iterator[bool]:
        with disk_errors(f"open {path}"):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            held = False
            with suppress(BlockingIOError):
                fcntl.flock(handle, way)
                held = True
            yield held
        finally:
            os.close(handle)


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of all vaults: that of the XDG rules, in the user's own, on no network drive of a project."""
    home = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "soundcloud-graph-crawler"


def open_vault(folder: Path, token_url: str, client_id: str, reading: Callable[[], Reading]) -> Vault:
    """Return the vault of an app's credentials."""
    return Vault(folder / vault_name(token_url, client_id), reading, address=folder / address_name(token_url))


def vault_name(token_url: str, client_id: str) -> str:
    """Return the name of a credential's file: a hash, so that the folder does not show which apps there are."""
    return hashlib.blake2b(f"{token_url}\n{client_id}".encode(), digest_size=12).hexdigest() + ".json"


def address_name(token_url: str) -> str:
    """Return the name of the file that counts the exchanges of this computer with a service."""
    return f"address-{hashlib.blake2b(urlsplit(token_url).netloc.encode(), digest_size=6).hexdigest()}.json"


def _texts(token: Kept | None) -> list[str]:
    return [] if token is None else [text for text in (token.access_token, token.refresh_token) if text]


def _read(path: Path) -> State:
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError:
        broken = f"{path} is damaged; remove it, and a new token will be asked for and the day's requests be forgotten"
    raise StorageError(broken)  # out here, without the cause, whose text may show what it could not read


def _write(path: Path, data: bytes) -> None:
    draft = path.with_suffix(".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
