"""The run's log: one JSON object a line, from which every secret is taken before it reaches the disk."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
import structlog
from structlog.typing import FilteringBoundLogger

from crawler.errors import disk_errors

REDACTED = "(secret)"

_SECRET_KEYS = frozenset(
    (
        *("authorization", "proxy-authorization", "cookie", "set-cookie"),
        *("client_id", "client_secret", "access_token", "refresh_token", "oauth_token", "track_authorization"),
        *("token", "refreshtoken", "x-app-id", "x-api-key"),
    )
)
_SECRET_TEXTS = re.compile(
    r"(?P<name>\b(?:client_id|client_secret|oauth_token|access_token|refresh_?token|track_authorization|x-app-id|x-api-key)"
    r"[\"']?\s*[=:]\s*[\"']?)[^&\s\"',;})#]+"
    r"|(?P<scheme>\b(?:oauth|bearer|basic)\s+)[\w.~+/=-]{8,}",
    re.IGNORECASE,
)


class Log:
    """A log file and the logger that writes to it; a line is with the operating system when the call returns.

    A line that cannot be written is a `StorageError`, like every other failure of the disk. Nothing is buffered, so
    closing the file cannot fail for what did not fit.
    """

    def __init__(self, file: FileIO, name: str, secrets: Sequence[str]) -> None:
        self._file = file
        self._name = name
        self._secrets = [secret for secret in secrets if secret]
        self.logger: FilteringBoundLogger = structlog.wrap_logger(
            structlog.BytesLogger(cast("BinaryIO", self)),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
                structlog.processors.ExceptionRenderer(),
                secrets_filter(self._secrets),
                structlog.processors.JSONRenderer(serializer=_line),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            cache_logger_on_first_use=True,
        )

    def hide(self, secret: str) -> None:
        """Take a text out of every line from now on: a token, when it is issued."""
        if secret:
            self._secrets.append(secret)

    def scrubbed(self, data: bytes) -> bytes:
        """Return bytes without the secrets: some services echo what they were asked with."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            data = data.replace(secret.encode(), REDACTED.encode())
        return data

    def write(self, line: bytes) -> int:
        """Append a line; raises `StorageError`."""
        with disk_errors(f"write to {self._name}"):
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
        return len(line)

    def flush(self) -> None:
        """Do nothing: what was written is with the operating system already."""

    def close(self) -> None:
        """Close the file; writing afterwards is an error."""
        self._file.close()


def open_log(path: Path, secrets: Sequence[str]) -> Log:
    """Open a log for appending; `secrets` are texts (client secret, tokens) that must not appear in any line.

    A line that a kill or a full disk cut off is ended first. Raises `StorageError` when the file cannot be written.
    """
    with disk_errors(f"write to {path}"):
        file = FileIO(path, "a+")
    log = Log(file, str(path), secrets)
    if _ends_within_a_line(file):
        log.write(b"\n")
    return log


def _ends_within_a_line(file: FileIO) -> bool:
    if not file.seekable() or not file.seek(0, os.SEEK_END):
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def secrets_filter(
    secrets: Sequence[str],
) -> Callable[[Any, str, MutableMapping[str, Any]], MutableMapping[str, Any]]:
    """Return a structlog processor that replaces secrets wherever they are: by key, in addresses, in free text."""

    def clean(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: _clean(key, value, secrets) for key, value in event.items()}

    return clean


def _clean(key: object, value: Any, secrets: Sequence[str]) -> Any:  # noqa: ANN401 - whatever is logged
    if str(key).lower() in _SECRET_KEYS:
        return REDACTED
    if isinstance(value, Mapping):
        return {name: _clean(name, one, secrets) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", one, secrets) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return clean_text(text, secrets)


def clean_text(text: str, secrets: Sequence[str] = ()) -> str:
    """Return the text without the given secrets, `OAuth ...` values and credentials in query parameters."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return _SECRET_TEXTS.sub(lambda found: f"{found['name'] or found['scheme']}{REDACTED}", text)


def _line(event: Mapping[str, Any], **_: object) -> bytes:
    return orjson.dumps(event, option=orjson.OPT_NON_STR_KEYS)
