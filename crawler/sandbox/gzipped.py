"""Compressed answers, as the service sends them to whoever says that it understands them."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b

from crawler.sandbox.reply import Reply
from crawler.sandbox.wire import Handler

SMALLEST_BODY_BYTES = 860
"""What is shorter fits into one packet anyway."""
KEPT_BYTES_MAX = 256 * 2**20
_LEVEL = 1
_GZIP = 16 + zlib.MAX_WBITS


class Gzipped:
    """A handler around another: compresses bodies for clients that accept gzip.

    Compressing a page of 200 users takes longer than making it, so pages are kept compressed, up to `KEPT_BYTES_MAX`,
    the oldest leave first: asked for a second time, a page costs no more than its digest. Answers that a fault cuts or
    delays stay as they are.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._size = 0

    def __call__(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answer one request."""
        reply = self._handler(method, target, headers, body)
        is_small = len(reply.body) < SMALLEST_BODY_BYTES
        if is_small or reply.delivery is not None or not _accepts(headers.get("accept-encoding", "")):
            return reply
        more = (("content-encoding", "gzip"), ("vary", "accept-encoding"))
        return Reply(reply.status, (*reply.headers, *more), self._compressed(reply.body))

    def _compressed(self, body: bytes) -> bytes:
        name = blake2b(body, digest_size=16).digest()
        found = self._kept.get(name)
        if found is not None:
            return found
        press = zlib.compressobj(_LEVEL, wbits=_GZIP)
        made = self._kept[name] = press.compress(body) + press.flush()
        self._size += len(made)
        while self._size > KEPT_BYTES_MAX:
            self._size -= len(self._kept.popitem(last=False)[1])
        return made


def _accepts(accepted: str) -> bool:
    """Tell whether gzip is among the encodings that a client accepts; `q=0` refuses it (RFC 9110, 12.5.3)."""
    for part in accepted.lower().split(","):
        coding, _, quality = part.partition(";")
        if coding.strip() == "gzip":
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
