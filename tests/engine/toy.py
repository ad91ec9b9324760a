"""A toy service: a random graph, served in process in small pages, with answers that arrive in a random order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec

from crawler.engine.run import Disk, Run, Settings
from crawler.engine.supervisor import Ending
from crawler.engine.worker import Source
from crawler.errors import Gone, Spent, Transient
from crawler.model import Item, Page, Relation, Request, Response, Task
from crawler.transport.gate import Gate

PAGE_ROWS = 3
DISK = Disk()
RELATIONS = (
    Relation("user", "followers", "user", "follows", "/users/{}/followers", inward=True),
    Relation("user", "followings", "user", "follows", "/users/{}/followings"),
    Relation("user", "likes_tracks", "track", "likes", "/users/{}/likes"),
    Relation("track", "favoriters", "user", "likes", "/tracks/{}/favoriters", inward=True),
)


class World:
    """`lists[kind, id, relation]` is the true list; every track has an owner."""

    def __init__(self, seed: int, users: int, tracks: int) -> None:
        chance = random.Random(seed)
        names = range(users)
        follows = {(a, b) for a in names for b in chance.sample(names, chance.choice((0, 1, 2, 7))) if a != b}
        follows |= {(a, 0) for a in names if a}
        likes = {(a, b) for a in names for b in chance.sample(range(tracks), min(tracks, chance.choice((0, 2, 5))))}
        self.owners = {track: chance.choice(names) for track in range(tracks)}
        self.follows, self.likes = follows, likes
        self.lists: dict[tuple[str, int, str], list[int]] = {}
        for a in names:
            self.lists["user", a, "followings"] = [y for x, y in sorted(follows) if x == a]
            self.lists["user", a, "followers"] = [x for x, y in sorted(follows) if y == a]
            self.lists["user", a, "likes_tracks"] = [y for x, y in sorted(likes) if x == a]
        for b in range(tracks):
            self.lists["track", b, "favoriters"] = [x for x, y in sorted(likes) if y == b]

    def depths(self, seed: int) -> dict[tuple[str, int], int]:
        """Return the true distance of every node from a user, a track's owner being shown wherever the track is."""
        depth = {("user", seed): 0}
        edge = [("user", seed)]
        while edge:
            found = []
            for kind, node in edge:
                for relation in RELATIONS:
                    if relation.kind != kind:
                        continue
                    rows = self.lists[kind, node, relation.name]
                    near = [(relation.to_kind, row) for row in rows]
                    if relation.to_kind == "track":
                        near += [("user", self.owners[row]) for row in rows]
                    new = [name for name in dict.fromkeys(near) if name not in depth]
                    depth.update(dict.fromkeys(new, depth[kind, node] + 1))
                    found += new
            edge = found
        return depth


class Described(msgspec.Struct):
    """The body of a toy node."""

    name: str

    def encode(self) -> bytes:
        """Return the data object."""
        return msgspec.json.encode(self)


class ToyProvider:
    """The toy's dialect: {"rows": [...], "owners": [...], "next": path or null}."""

    name = "toy"
    network = "soundcloud"
    relations = RELATIONS

    def request(self, task: Task) -> Request:
        """Ask for a page."""
        path = task.cursor or f"/{task.node.kind}/{task.node.id}/{task.relation.name}?from=0"
        return Request(f"http://toy{path}", task.relation.name)

    def parse(self, task: Task, response: Response) -> Page:
        """Read a page."""
        if response.status == 404:
            raise Gone("no such node")
        body = msgspec.json.decode(response.body)
        kind = task.relation.to_kind
        items = [Item(kind, row, row, "full", Described(f"{kind} {row}")) for row in body["rows"]]
        for item, owner in zip(items, body["owners"], strict=False):
            item.owner = Item("user", owner, owner, "mini", None)
        return Page(items, body["next"], PAGE_ROWS)


class ToyClient:
    """Answers from a world, each after a random number of turns of the loop; `trouble` may raise instead."""

    def __init__(self, world: World, seed: int, requests_max: int | None = None) -> None:
        self.requests = self.in_flight = 0
        self.asked: list[str] = []
        self.trouble: Callable[[str, int], None] = lambda _url, _times: None
        self._times: dict[str, int] = {}
        self._world = world
        self._chance = random.Random(seed)
        self._requests_max = requests_max

    async def ask(self, request: Request) -> Response:
        """Answer a request."""
        if self._requests_max is not None and self.requests >= self._requests_max:
            raise Spent("max_requests is reached")
        self.requests += 1
        self.asked.append(request.url)
        for _ in range(self._chance.randrange(6)):
            await asyncio.sleep(0)
        times = self._times[request.url] = self._times.get(request.url, 0) + 1
        self.trouble(request.url, times)
        return self._answer(request.url)

    def _answer(self, url: str) -> Response:
        parts = urlsplit(url)
        _, kind, node, relation = parts.path.split("/")
        rows = self._world.lists.get((kind, int(node), relation))
        if rows is None:
            return Response(404, {}, b"")
        start = int(parse_qs(parts.query)["from"][0])
        shown = rows[start : start + PAGE_ROWS]
        owners = [self._world.owners[row] for row in shown] if relation == "likes_tracks" else []
        more = f"{parts.path}?from={start + PAGE_ROWS}" if start + PAGE_ROWS < len(rows) else None
        return Response(200, {}, msgspec.json.encode({"rows": shown, "owners": owners, "next": more}))


class StillClock:
    """A clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def now(self) -> datetime:
        """Return the time."""
        return datetime.fromtimestamp(self.seconds, UTC)

    def epoch_seconds(self) -> float:
        """Return the time."""
        return self.seconds

    def monotonic_seconds(self) -> float:
        """Return the time."""
        return self.seconds


def settings(**changes: object) -> Settings:
    """Return the settings of a toy crawl."""
    relations = {
        kind: [("toy", relation) for relation in RELATIONS if relation.kind == kind] for kind in ("user", "track")
    }
    values: dict[str, object] = {"relations": relations, "empty_data": b"null", "workers": 4, **changes}
    return Settings(**values)  # type: ignore[arg-type]


async def crawl(
    folder: Path, client: ToyClient, seeds: list[int], chosen: Settings | None = None, disk: Disk = DISK
) -> Ending:
    """Start or resume a toy crawl in a folder."""
    folder.mkdir(exist_ok=True)
    sources = {"toy": Source(ToyProvider(), client, Gate())}
    async with Run(folder, chosen or settings(), sources, StillClock(), lambda: 0.0, disk) as run:
        run.seed([Item("user", seed, seed, "id", None) for seed in seeds], "soundcloud", "toy")
        return await run.crawl()


def fail_twice(url: str, times: int) -> None:
    """Fail the first two requests of some pages."""
    if times < 3 and hash(url) % 3 == 0:
        raise Transient("the toy is broken")
