"""Taking our own secrets out of what a service says: an answer may echo a credential, in a link or in an error.

It is done where answers come in, so that records, cursors, kept answers and messages never hold one. Credentials of
others, which are known by the names of their fields, are the providers' business.
"""

from __future__ import annotations

from urllib.parse import quote, quote_plus

REPLACEMENT = b"(secret)"
_SHORTEST = 8
_SHORTEST_WORD = 12


class Secrets:
    """The secrets known so far, in the forms in which they travel."""

    def __init__(self) -> None:
        self._forms: list[bytes] = []

    def __repr__(self) -> str:
        return f"Secrets({len(self._forms)})"

    def add(self, secret: str) -> None:
        """Know one more. What is short, a number or a plain word is left alone: any record may hold it by chance."""
        shortest = _SHORTEST_WORD if secret.isalpha() else _SHORTEST
        if len(secret) < shortest or secret.isdigit():
            return
        forms = {secret.encode(), quote(secret, safe="").encode(), quote_plus(secret).encode()}
        self._forms = sorted({*self._forms, *forms}, key=len, reverse=True)

    def clean(self, data: bytes) -> bytes:
        """Return the data without them."""
        for form in self._forms:
            if form in data:
                data = data.replace(form, REPLACEMENT)
        return data
