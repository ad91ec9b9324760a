"""Sends one request and brings back one answer: the only importer of aiohttp's client.

The law of this file: a request goes to the provider's own host or nowhere, so a token cannot leave for another; every
failure of the network becomes `Transient` here, once; no message tells more than the kind of the failure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self
from urllib.parse import urlencode, urlsplit

import aiohttp
from yarl import URL

from crawler.errors import BadPage, ConfigError, ProviderError, Transient, Unreached
from crawler.model import Request, Response

if TYPE_CHECKING:
    from types import TracebackType

VERSION = "0.1.0"
TOKEN_FAMILY = "token"  # noqa: S105 - the name of an endpoint
LARGEST_BODY = 32 * 2**20
"""A page of 200 tracks is about 1 MB; a body of 32 MB is a mistake, or a bomb of compressed zeros."""

_READ_SIZE = 2**18


class ForeignHost(AssertionError):  # noqa: N818 - a bug of the caller, never an answer of the service
    """A request was about to leave for another host than the configured one."""


class Timeouts(NamedTuple):
    """How long a request may take in all, and until it is connected.

    There is none between two pieces of an answer: it would be set again with each piece, and the whole bounds it.
    """

    total_seconds: float = 60.0
    connect_seconds: float = 15.0


class Access(Protocol):
    """Credentials that every request to the API itself carries, in its header and in its address."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Header names and values."""
        ...

    @property
    def parameters(self) -> Mapping[str, str]:
        """Query parameters."""
        ...


class Open(NamedTuple):
    """No credentials of that kind."""

    headers: Mapping[str, str] = {}
    parameters: Mapping[str, str] = {}


class Http:
    """A client for one API, and for the token endpoint that belongs to it. An async context manager.

    `base_url` and `token_url` are the only places that requests go to. `connections` should be the number of workers.
    Raises `ConfigError` for an address that is not https, unless it is this machine's own.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token_url: str | None = None,
        connections: int = 32,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - it cannot be changed
        contact: str = "",
        largest_body: int = LARGEST_BODY,
        access: Access = Open(),  # noqa: B008 - it cannot be changed
    ) -> None:
        self._origin = origin_of(base_url)
        self._token_origin = origin_of(token_url) if token_url else None
        self._connections = connections
        self._timeout = aiohttp.ClientTimeout(timeouts.total_seconds, sock_connect=timeouts.connect_seconds)
        self._headers = {"User-Agent": user_agent(contact), "Accept": "application/json"}
        self._largest_body = largest_body
        self._access_headers = dict(access.headers)
        self._access_query = urlencode(access.parameters)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, ttl_dns_cache=300, keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            timeout=self._timeout,
            read_bufsize=_READ_SIZE,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: Request, *, authorization: str | None = None) -> Response:
        """Send a request, and return its answer with whatever status; redirects are answers, not followed.

        Raises `Transient` for every failure of the network, `BadPage` for a body beyond all bounds, `ForeignHost` for
        a request to anywhere else.
        """
        self._refuse_foreign(request, authorization)
        session = self._session
        if session is None:
            raise RuntimeError("Http is used outside of its `async with`")
        url, headers = self._addressed(request, authorization)
        try:
            async with session.request(
                request.method,
                URL(url, encoded=True),
                headers=headers,
                data=request.body,
                allow_redirects=False,
            ) as answer:
                body = await self._read(answer, request.family)
                return Response(answer.status, {name.lower(): value for name, value in answer.headers.items()}, body)
        except ProviderError:
            raise
        except (aiohttp.ClientError, OSError, EOFError, TimeoutError) as error:
            failed, missing = type(error).__name__, _missing(error)
        # Raised out here, without the cause: aiohttp's errors carry the request, and with it the token.
        message = f"the network failed ({failed} at {request.family})"
        raise Unreached(message, missing) if missing else Transient(message)

    def _addressed(self, request: Request, authorization: str | None) -> tuple[str, Mapping[str, str]]:
        """Return address and headers with the credentials of the API; a token request has its own."""
        url, headers = request.url, request.headers
        if authorization is not None:
            headers = {**headers, "Authorization": authorization}
        if request.family == TOKEN_FAMILY:
            return url, headers
        if self._access_headers:
            headers = {**headers, **self._access_headers}
        if self._access_query:
            url += ("&" if "?" in url else "?") + self._access_query
        return url, headers

    async def _read(self, answer: aiohttp.ClientResponse, family: str) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in answer.content.iter_any():
            size += len(chunk)
            if size > self._largest_body:
                answer.close()
                raise BadPage(f"the body is longer than {self._largest_body} bytes ({family})")
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _refuse_foreign(self, request: Request, authorization: str | None) -> None:
        """Compare text with text: what stands before the first slash of the path is the origin, whatever follows."""
        is_token = request.family == TOKEN_FAMILY
        origin = self._token_origin if is_token else self._origin
        if origin is None or not request.url.startswith(origin + "/") or (is_token and authorization is not None):
            raise ForeignHost(f"a request of {request.family} was about to leave its host")


def _missing(error: Exception) -> str:
    """Return what was missing on the way to the service, nothing when the request may have arrived there."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "names are not found"
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return "no connection"
    return ""


def origin_of(url: str) -> str:
    """Return scheme, host and port of a configured address. Raises `ConfigError`, also for http to another machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"} or "@" in parts.netloc:
        raise ConfigError("an address of a service must be a URL with https, without a name and password")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(f"plain http would show the token to everybody on the way to {host}: use https")
    return f"{url[: len(parts.scheme)]}://{parts.netloc}"


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def user_agent(contact: str = "") -> str:
    """Return the name under which the crawler shows itself, with a way to reach its operator when there is one."""
    name = f"soundcloud-graph-crawler/{VERSION}"
    return f"{name} (+{contact})" if contact else name
