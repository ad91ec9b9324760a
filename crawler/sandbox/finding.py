"""What a search finds in a world, and what its charts show: chosen by a fixed rule, the same in all dialects.

Nothing is indexed. A number in the text finds the node of that number first; then come nodes that the text chooses by
its hash. Every word of a search is in none of their names, which nobody who tests paging and filters minds.
"""

from __future__ import annotations

import hashlib
import re

from crawler.sandbox.world import World

MOST_FOUND = 120


def found(world: World, kind: str, text: str, most: int = MOST_FOUND) -> list[int]:
    """Return the ids of the nodes of a kind that a text finds, at most so many, each once."""
    named = [int(digits) for digits in re.findall(r"\d{1,10}", text)]
    first = [node for node in named if world.exists(kind, node)]
    return list(dict.fromkeys((*first, *_chosen(world, kind, text, most))))[:most]


def _chosen(world: World, kind: str, text: str, most: int) -> list[int]:
    """Return nodes that belong to users whom the text chooses; a user's tracks and playlists count for the user."""
    chosen: list[int] = []
    for turn in range(3 * most):
        digest = hashlib.blake2b(f"{text}\0{turn}".encode(), digest_size=8).digest()
        user = int.from_bytes(digest, "big") % (world.largest["user"] + 1)
        if not world.exists("user", user):
            continue
        own = [user] if kind == "user" else world.rows("user", user, f"{kind}s", 0, _few(world, user, kind)).tolist()
        chosen += own
        if len(chosen) >= most:
            break
    return chosen


def _few(world: World, user: int, kind: str) -> int:
    return min(4, world.count("user", user, f"{kind}s"))
