"""Which faults a sandbox has: "NAME[:PROBABILITY][@FAMILY],..." -> a plan, or a sentence that says what is wrong."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from crawler.errors import ConfigError
from crawler.sandbox.faults.table import BEHAVIOURS, FAULTS, Behaviour
from crawler.sandbox.official import LISTINGS, Listing


def _lists(*grammars: str, item: str = "") -> tuple[str, ...]:
    return tuple(
        family_of(listing)
        for listing in LISTINGS
        if (not grammars or listing.grammar in grammars) and item in ("", listing.item)
    )


def family_of(listing: Listing) -> str:
    """Return the name of a list's family: "users/followers"."""
    return f"{listing.kind}s/{listing.relation}"


_ONES = ("users/one", "tracks/one", "playlists/one")
_BATCHES = ("users", "tracks", "playlists")
_LISTS = _lists()
FAMILIES = (*_LISTS, "users/web-profiles", *_ONES, *_BATCHES, "resolve", "token")
GROUPS: Mapping[str, tuple[str, ...]] = {
    "lists": _LISTS,
    "offset-lists": _lists("offset"),
    "ms-lists": _lists("milliseconds"),
    "track-lists": _lists(item="track"),
    "playlist-tracks": ("playlists/tracks", "playlists/one", "users/playlists"),
    "changing": (*_LISTS, "users/one"),
    "users-shown": (*_lists(item="user"), "users/one", "users"),
    "users-own": (*(name for name in _LISTS if name.startswith("users/")), "users/web-profiles", "users/one"),
    "uploads-own": (*(name for name in _LISTS if not name.startswith("users/")), "tracks/one", "playlists/one"),
    "batches": _BATCHES,
    "data": tuple(name for name in FAMILIES if name != "token"),
}
"""What a scope may also be called: "storm@lists"."""


class Chosen(NamedTuple):
    """One fault of a plan. `draw` is its luck."""

    behaviour: Behaviour
    seed: int
    probability: float
    scope: frozenset[str]

    def draw(self, *parts: object) -> float:
        """Return a number from 0 up to 1 that depends on the seed, the fault and the parts, and on nothing else."""
        text = f"{self.seed} {self.behaviour.name} {parts}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest()) / 2**56

    def strikes(self, *parts: object) -> bool:
        """Draw with the fault's own probability."""
        return self.draw(*parts) < self.probability


class Plan(NamedTuple):
    """The faults of a sandbox. With none chosen it still keeps the account of its lists (see `book`)."""

    faults: tuple[Chosen, ...] = ()


def parse_faults(text: str, seed: int = 0) -> Plan:
    """Read "short-pages,storm:0.9@users/followers". Raises `ConfigError` for what there is not."""
    return Plan(tuple(_chosen(part.strip(), seed) for part in text.split(",") if part.strip()))


def _chosen(text: str, seed: int) -> Chosen:
    rest, at, scope = text.partition("@")
    name, colon, probability = rest.partition(":")
    row = FAULTS.get(name)
    if row is None:
        raise ConfigError(_unknown(name))
    chance = _probability(text, probability) if colon else row.probability
    return Chosen(row, seed, chance, families(scope if at else row.scope, text))


def _unknown(name: str) -> str:
    row = next((row for row in BEHAVIOURS if row.name == name), None)
    if row is not None and row.mark == "always":
        return f'the fault "{name}" need not be asked for: the sandbox always behaves like that'
    if row is not None:
        return f'the fault "{name}" belongs to the web\'s API, which the sandbox does not speak yet'
    near = difflib.get_close_matches(name, FAULTS, n=1)
    guess = f'did you mean "{near[0]}"?' if near else "`crawler sandbox --list-faults` shows all"
    return f'there is no fault "{name}"; {guess}'


def _probability(text: str, written: str) -> float:
    try:
        chance = float(written)
    except ValueError:
        chance = -1.0
    if not 0 <= chance <= 1:
        message = f'in the fault "{text}" the probability must be a number from 0 to 1'
        raise ConfigError(message)
    return chance


def families(scope: str, text: str) -> frozenset[str]:
    """Return the families in a scope: a group, a family, or a pattern like "users/*". Raises `ConfigError`."""
    found = GROUPS.get(scope) or tuple(name for name in FAMILIES if fnmatchcase(name, scope))
    if not found:
        near = difflib.get_close_matches(scope, (*FAMILIES, *GROUPS), n=1)
        guess = f'did you mean "{near[0]}"?' if near else f"there are {', '.join((*FAMILIES, *GROUPS))}"
        message = f'in the fault "{text}" nothing is called "{scope}"; {guess}'
        raise ConfigError(message)
    return frozenset(found)


def listed(rows: Iterable[Behaviour] = BEHAVIOURS) -> str:
    """Return the whole table as text, one line a behaviour."""
    lines = [f"{_number(row):4} {_usage(row):42} {row.what}  [{row.seen}]" for row in rows]
    return "\n".join((*lines, "", *_LEGEND))


def _number(row: Behaviour) -> str:
    return f"S{row.number}" if row.number else "-"


def _usage(row: Behaviour) -> str:
    if row.mark == "fault":
        return f"{row.name}:{row.probability:g}@{row.scope}"
    return f"{row.name} ({'always' if row.mark == 'always' else 'with the v2 dialect'})"


_LEGEND = (
    "Choose with --faults NAME[:PROBABILITY][@FAMILY],... ; what is left out is as above.",
    f"Families: {', '.join(FAMILIES)}; patterns like users/* work too.",
    f"Groups: {', '.join(GROUPS)}.",
    "always: the sandbox does so unasked. with the v2 dialect: not yet, the sandbox speaks only the official one.",
    "In brackets where it was seen: #N is an issue of soundcloud/api; planted ones never were.",
)
