"""What a seed stands for: the world, the settings of the crawl, and which kinds of fault there are at all.

The world and the settings that shape its dataset depend on `world` alone, a small number, so that the dataset of an
undisturbed crawl can be kept and compared with that of many disturbed ones.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from crawler.engine.run import Settings
from crawler.providers.soundcloud import SoundCloud, empty_data
from crawler.providers.soundcloud_items import claimed_followers

WORLDS = 24
KINDS = (
    "timeouts",
    "resets",
    "server errors",
    "cut bodies",
    "nonsense",
    "outages",
    "throttling",
    "revoked tokens",
    "kills",
    "power cuts",
    "signals",
    "full disks",
    "slow disk",
    "budget",
)
"""Kinds of fault that a run has or has not. Empty pages and foreign hosts in links belong to the world instead."""

BASE_URL = "https://api.sandbox.example"
TOKEN_URL = f"{BASE_URL}/oauth/token"
PROVIDER_NAME = "soundcloud"

_USER = ("followers", "followings", "likes_tracks", "tracks", "playlists", "reposts_tracks", "likes_playlists")


@dataclass(frozen=True)
class Shape:
    """What decides which records a crawl writes."""

    number: int
    users: int
    page_limit: int
    gaps: float
    foreign_hosts: bool
    seeds: tuple[int, ...]
    settings: Settings

    @property
    def relations(self) -> dict[str, list[str]]:
        """The names of the listings to read by kind of node."""
        return {kind: [row.name for _, row in rows] for kind, rows in self.settings.relations.items()}


@dataclass(frozen=True)
class Plan:
    """One run: a shape, kinds of fault, a rate. `requests_max` is the budget of the first starts, None without one."""

    seed: int
    shape: Shape
    kinds: frozenset[str]
    requests_per_second: float
    workers: int
    requests_max: int | None = None
    stops_max: int = 8
    writers: int = field(default=1)


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed."""
    chance = random.Random(f"plan {seed}")
    kinds = frozenset(kind for kind in KINDS if chance.random() < 0.4)
    shape = shape_of(seed % WORLDS)
    return Plan(
        seed,
        shape,
        kinds,
        requests_per_second=10 ** chance.uniform(-4, 0.7),
        workers=chance.choice((1, 2, 4, 8)),
        requests_max=chance.randrange(1, 120) if "budget" in kinds else None,
        stops_max=chance.randrange(1, 9),
    )


def undisturbed(shape: Shape) -> Plan:
    """Return the plan of a crawl of the same world to which nothing happens."""
    return Plan(0, shape, frozenset(), requests_per_second=100.0, workers=4)


def shape_of(number: int) -> Shape:
    """Return the world of a number: 10 to 60 users, the larger the fewer relations are read."""
    chance = random.Random(f"world {number}")
    users = chance.choice((10, 12, 15, 20, 30, 45, 60))
    names = chance.sample(_USER, k=1 if users > 40 else 2 if users > 15 else chance.choice((2, 3)))
    if not {"followers", "followings"} & set(names):
        names[0] = "followers"
    relations = {"user": sorted(names, key=_USER.index)}
    if chance.random() < 0.5:
        relations["user"].insert(0, "profile")
    if users <= 15 and chance.random() < 0.5:
        relations["track"] = ["favoriters"]
    if users <= 20 and chance.random() < 0.5:
        relations["playlist"] = ["tracks"]
    hydrate = chance.random() < 0.3
    if hydrate:
        relations["users"] = relations["tracks"] = ["profile"]
    both = {"followers", "followings"} <= set(names)
    spares = both and random.Random(f"strategy {number}").random() < 0.6
    table = {(row.kind, row.name): row for row in SoundCloud.relations}
    settings = Settings(
        relations={kind: [(PROVIDER_NAME, table[kind, name]) for name in rows] for kind, rows in relations.items()},
        empty_data=empty_data("graph"),
        strategy="followings_first" if spares else "every_list",
        claim=claimed_followers,
        long_list_pages=chance.choice((2, 4, 64)),
        hydrate=(PROVIDER_NAME,) if hydrate else (),
        shard_bytes_max=chance.choice((400, 2_000, 1 << 20)),
    )
    seeds = tuple(chance.sample(range(1, users + 1), k=chance.choice((1, 1, 2, 4))))
    return Shape(
        number,
        users,
        page_limit=chance.choice((2, 3, 5, 20)),
        gaps=chance.choice((0.0, 0.0, 0.15, 0.4)),
        foreign_hosts=chance.random() < 0.5,
        seeds=seeds,
        settings=settings,
    )
