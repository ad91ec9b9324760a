"""Every way to fail, sorted by who must act.

    CrawlerError
      ConfigError             the operator: fix the file or the command     exit 2, before anything is opened
      ProviderError           the engine: `policy.retry` decides
        Transient             ask again later                               timeouts, resets, 5xx, bodies cut short
          Unreached           ask again at once when the network is back    no name, no connection: counts nowhere
          Resting             ask again later; nothing was sent             its family of endpoints fails
        Throttled             ask again, but not before a moment            429, quota headers, a gateway's 403
        Refused               this credential is out                        401 after one refresh     exit 4
        Gone                  a fact: the node does not exist               404, 410
        Denied                a fact: the node may not be read              403 with an empty body, private
        BadPage               an answer nobody understands                  its body is kept
          Removed             asked a few times, and at the next start      405: there is no such endpoint any more
      Spent                   nobody: stop until its date                   budgets and quotas  exit 3
      StorageError            nobody: stop; the next start recovers         exit 5

Anything else that is raised is a bug: it propagates, names its task, and ends the process with exit 1.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class CrawlerError(Exception):
    """The root: a failure that has a plain sentence and an exit code."""

    exit_code = 1


class ConfigError(CrawlerError):
    """The operator must change the configuration, the command line or a seed file; nothing was opened or changed."""

    exit_code = 2


class ProviderError(CrawlerError):
    """What a provider makes of an answer that is not a page; the vendor's wording ends here."""


class Transient(ProviderError):  # noqa: N818 - named for what it is, as in the design, not for being an exception
    """The same request may succeed later; never an end of list."""


class Unreached(Transient):
    """The request did not reach the service, so it counts for no budget; `kind` says in two words what is missing."""

    def __init__(self, message: str, kind: str = "no connection") -> None:
        super().__init__(message)
        self.kind = kind


class Resting(Transient):
    """The request was not sent: its family of endpoints fails again and again, and rests for a while."""


class Throttled(ProviderError):  # noqa: N818
    """The service asks for a pause, which all requests of the same family share.

    `wait_seconds` counts from the answer (a Retry-After); `until_epoch_seconds` is a moment (a reset date). Both may be
    None: SoundCloud's gateway names neither (soundcloud/api issues 362, 457 and 529).
    """

    def __init__(
        self, message: str, *, wait_seconds: float | None = None, until_epoch_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds
        self.until_epoch_seconds = until_epoch_seconds


class Refused(ProviderError):  # noqa: N818
    """The service does not accept this credential (any more); its source stops."""

    exit_code = 4


class Gone(ProviderError):  # noqa: N818
    """A final answer: there is no such node."""


class Denied(ProviderError):  # noqa: N818
    """A final answer: the node exists and may not be read."""


class BadPage(ProviderError):  # noqa: N818
    """The answer is neither a page nor a known failure; it never becomes records with holes, nor an end of list."""


class Removed(BadPage):
    """The service has no such endpoint (any more): a gap of ours, for which it is not worth waiting for hours."""


class Spent(CrawlerError):  # noqa: N818
    """A budget of ours, or a quota of the service's, is used up: nothing more is asked before its date.

    `until_epoch_seconds` is when it may go on, None when nobody can tell or when somebody must raise a limit.
    `of_source` tells that it is one source's, and that others may go on.
    """

    exit_code = 3

    def __init__(self, message: str, *, until_epoch_seconds: float | None = None, of_source: bool = False) -> None:
        super().__init__(message)
        self.until_epoch_seconds = until_epoch_seconds
        self.of_source = of_source


class StorageError(CrawlerError):
    """The disk or the frontier failed, or they disagree; the run ends, and the next start recovers."""

    exit_code = 5


_SENTENCES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "no permission",
}


@contextmanager
def disk_errors(doing: str) -> Iterator[None]:
    """Turn an `OSError` into a `StorageError` that says what was being done and what to do."""
    try:
        yield
    except OSError as error:
        why = _SENTENCES.get(error.errno or 0, error.strerror or str(error))
        message = f"{why}: could not {doing}; all that was committed is safe, mend it and give the same command again"
        raise StorageError(message) from error
