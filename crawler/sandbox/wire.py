"""HTTP/1.1 on a socket, as little as a well-behaved client needs, and fast: bodies leave uncopied in one write.

Keep-alive and pipelining work; bodies need a content-length. A reader that is slow holds back its own connection only.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import cast

from crawler.sandbox.reply import Delivery, Reply

Handler = Callable[[str, str, Mapping[str, str], bytes], Reply]

LARGEST_HEAD_BYTES = 65_536
LARGEST_BODY_BYTES = 1_048_576
_PIECE_SECONDS = 1.0
_START_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class Malformed(Exception):  # noqa: N818 - what the request is
    """The bytes are no request that this server understands."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Connection(asyncio.Protocol):
    """One connection: it answers its requests in their order, each as soon as it is complete."""

    def __init__(self, handler: Handler, connections: set[Connection]) -> None:
        self._handler = handler
        self._connections = connections
        self._waiting = b""
        self._paused = False
        self._delivering = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has the methods, not the base class
        self._connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget the connection."""
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Answer what is complete, keep the rest."""
        self._waiting += data
        self._answer_waiting()

    def pause_writing(self) -> None:
        """Stop answering a client that does not read."""
        self._paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on answering."""
        self._paused = False
        self._transport.resume_reading()
        self._answer_waiting()

    def close(self) -> None:
        """End the connection after what has been written."""
        self._transport.close()

    def _answer_waiting(self) -> None:
        while self._waiting and not self._paused and not self._delivering and not self._transport.is_closing():
            try:
                taken = self._answer_first(self._waiting)
            except Malformed as malformed:
                self._write(Reply(malformed.status, ()), keep=False, with_body=True)
                return
            if not taken:
                return
            self._waiting = self._waiting[taken:]

    def _answer_first(self, data: bytes) -> int:
        """Answer the first request in the data and return its length, 0 when it is not complete."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > LARGEST_HEAD_BYTES:
                raise Malformed(431)
            return 0
        method, target, version, headers = read_head(data[:end])
        stop = end + 4 + _body_length(headers)
        if len(data) < stop:
            return 0
        keep = headers.get("connection", "keep-alive" if version == "HTTP/1.1" else "close").lower() == "keep-alive"
        reply = self._handler(method, target, headers, data[end + 4 : stop])
        self._write(reply, keep=keep, with_body=method != "HEAD")
        return stop

    def _write(self, reply: Reply, *, keep: bool, with_body: bool) -> None:
        lines = "".join([f"{name}: {value}\r\n" for name, value in reply.headers])
        connection = "" if keep else "connection: close\r\n"
        head = f"{_START_LINES[reply.status]}{lines}{connection}content-length: {len(reply.body)}\r\n\r\n"
        if reply.delivery is not None:
            self._deliver(head.encode("latin-1"), reply.body if with_body else b"", reply.delivery, keep=keep)
            return
        self._transport.writelines([head.encode("latin-1"), reply.body if with_body else b""])
        if not keep:
            self._transport.close()

    def _deliver(self, head: bytes, body: bytes, delivery: Delivery, *, keep: bool) -> None:
        """Send a reply as badly as it should arrive; what the client asks meanwhile waits."""
        self._transport.write(head)
        is_cut = delivery.cut_after_bytes is not None
        sent = body[: delivery.cut_after_bytes]
        pieces = max(1, round(delivery.seconds / _PIECE_SECONDS))
        size = -(-len(sent) // pieces) or 1
        parts = [sent[place : place + size] for place in range(0, len(sent), size)]
        self._delivering = True
        ending = "keep" if keep and not is_cut else "reset" if delivery.is_reset else "close"
        self._trickle(parts, delivery.seconds / pieces, ending)

    def _trickle(self, parts: list[bytes], wait_seconds: float, ending: str) -> None:
        if self._transport.is_closing():
            return
        if parts:
            self._transport.write(parts[0])
            asyncio.get_running_loop().call_later(wait_seconds, self._trickle, parts[1:], wait_seconds, ending)
            return
        self._delivering = False
        if ending == "reset":
            _reset(self._transport)
        elif ending == "close":
            self._transport.close()
        else:
            self._answer_waiting()


def _reset(transport: asyncio.Transport) -> None:
    """Close a connection so that the other side sees a reset, and no end."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def read_head(data: bytes) -> tuple[str, str, str, dict[str, str]]:
    """Return method, target, version and headers (names in lower case) of a request; `Malformed` when it is none."""
    start, *lines = data.decode("latin-1").split("\r\n")
    parts = start.split(" ")
    if not parts[1:] or not parts[1].startswith("/") or parts[2:] not in (["HTTP/1.1"], ["HTTP/1.0"]):
        raise Malformed(400)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Malformed(400)
        headers[name.lower()] = value.strip()
    return parts[0], parts[1], parts[2], headers


def _body_length(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise Malformed(411)
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdecimal()):
        raise Malformed(400)
    if int(text) > LARGEST_BODY_BYTES:
        raise Malformed(413)
    return int(text)
