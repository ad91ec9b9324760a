"""Several sources in one run: one that stops or pauses leaves the others going, and what it tells is told once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from crawler.dataset import ledgers
from crawler.dataset.lines import NodeLine, SeriesLine
from crawler.dataset.reader import records
from crawler.dataset.verify import verify
from crawler.engine.flight import Postponed
from crawler.engine.kinds import Kinds
from crawler.engine.ledger import Entry, Ledger
from crawler.engine.run import Disk, Run, Settings
from crawler.engine.supervisor import Ending
from crawler.engine.worker import Source
from crawler.errors import Denied, Refused, Spent, Throttled
from crawler.frontier.known import Known
from crawler.frontier.rows import Listing, Position
from crawler.frontier.store import Frontier
from crawler.model import CrossReference, Item, NodeId, Page, Point, Ranking, Relation, Request, Response, Task
from crawler.transport.gate import Gate
from tests.engine.toy import RELATIONS, StillClock, ToyClient, ToyProvider, World
from tests.engine.virtual import _connect
from tests.simulation.loop import VirtualClock, VirtualLoop

DAYS = 5
NUMBERS = (
    Relation("user", "numbers", "user", None, "/numbers/{}", "none", rows="records"),
    Relation("track", "number", "number", None, "/number/{}", "none"),
)


class Numbers:
    """A second source of the same users: it tells points, and names a node of a network of its own for each track."""

    name = "numbers"
    network = "numbers"
    relations: tuple[Relation, ...] = NUMBERS

    def request(self, task: Task) -> Request:
        return Request(f"http://numbers/{task.relation.name}/{task.node.id}", task.relation.name)

    def parse(self, task: Task, _response: Response) -> Page:
        node = int(task.node.id)
        if task.relation.name == "number":
            page = Page([Item("number", f"n{node}", node, "full", None)])
            page.records = [
                CrossReference("number", f"n{node}", "track", str(node), "by_identifier"),
                Ranking("chart", "track", 0, "2026-01-01", None, 1),  # told with every track: given once
            ]
            return page
        page = Page([])
        page.records = [
            Point("user", node, "toy", "fans", None, f"2026-01-{day:02}", day) for day in range(1, DAYS + 1)
        ]
        page.records += page.records[:2]
        return page


class NumbersClient:
    """Answers at once; from a request on it raises instead."""

    in_flight = 0

    def __init__(self, error: Exception | None = None, after: int = 0) -> None:
        self.requests = 0
        self.asked: Counter[str] = Counter()
        self._error, self._after = error, after

    async def ask(self, request: Request) -> Response:
        await asyncio.sleep(0)
        self.requests += 1
        self.asked[request.url] += 1
        if self._error is not None and self.requests > self._after:
            raise self._error
        return Response(200, {}, b"")


def settings() -> Settings:
    relations = {kind: [("toy", one) for one in RELATIONS if one.kind == kind] for kind in ("user", "track")}
    relations["user"].insert(1, ("numbers", NUMBERS[0]))
    relations["track"].append(("numbers", NUMBERS[1]))
    return Settings(relations, b"{}", Kinds({"number": "numbers"}), workers=4)


async def crawl(folder: Path, client: NumbersClient, world: World, gate: Gate | None = None) -> tuple[Ending, Run]:
    folder.mkdir(exist_ok=True)
    sources = {
        "toy": Source(ToyProvider(), ToyClient(world, 1), Gate()),
        "numbers": Source(Numbers(), client, gate or Gate()),
    }
    async with Run(folder, settings(), sources, StillClock(), lambda: 0.0) as run:
        run.seed([Item("user", 3, 3, "id", None)], "soundcloud", "toy")
        return await run.crawl(), run


def told(folder: Path) -> dict[str, int]:
    return {kind: sum(1 for _ in records(folder, kind)) for kind in ("nodes", "edges", "series", "charts", "xrefs")}


@pytest.fixture
def world() -> World:
    return World(4, 12, 5)


@pytest.fixture
def whole(tmp_path: Path, world: World) -> Path:
    asyncio.run(crawl(tmp_path / "whole", NumbersClient(), world))
    return tmp_path / "whole"


def test_what_many_pages_tell_is_given_once(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points, places and names are written once, the certificates count them, and verify agrees with all of it."""
    monkeypatch.setattr(ledgers, "_ROWS", frozenset({("numbers", "user", "numbers")}))
    assert verify(whole)["problems"] == []
    users = [node["id"] for node in records(whole, "nodes") if node["kind"] == "user"]
    points = Counter((one["id"], one["date"]) for one in records(whole, "series"))
    assert points == Counter({(user, f"2026-01-{day:02}"): 1 for user in users for day in range(1, DAYS + 1)})
    assert len(list(records(whole, "charts"))) == 1
    certificates = [one for one in records(whole, "lists") if one["relation"] == "numbers"]
    assert sum(one["distinct"] for one in certificates) == len(points)
    assert {one["verdict"] for one in certificates} == {"complete"}
    assert {one["visible"] + one["duplicates"] for one in certificates} == {DAYS + 2}


def test_verify_finds_what_is_told_twice_or_of_nobody() -> None:
    """A point that is there twice, and one of a node without a line, are problems."""
    nodes = ledgers.NodeCheck()
    nodes.take(NodeLine("user", 1, None, "s", 0, "seed", "id", "", msgspec.Raw(b"{}")))
    check = ledgers.RecordCheck(nodes, ledgers.EdgeCheck(nodes))
    for node in (1, 1, 2):
        head = {"kind": "user", "id": node, "platform": "p", "metric": "followers", "series": None}
        tail = {"date": "2026-01-01", "value": 1, "via": "v", "source": "s", "observed_at": ""}
        check.take(msgspec.convert(head | tail, SeriesLine))
    assert [one.partition(": ")[2].split()[-2:] for one in check.problems()] == [["there", "twice"], ["in", "nodes"]]


def test_a_pause_is_no_failure_of_a_list() -> None:
    """A list that is set aside because its source is paused comes no nearer to being given up."""
    listing = Listing(NodeId("soundcloud", "user", 1), NUMBERS[0], "numbers", 0)
    ledger = Ledger(Known(), 0, 0, None, b"{}")
    ledger.postpone(listing, Postponed(3600.0, "paused", "", paused=True), 0.0, Entry(Position()))
    assert (listing.state, listing.progress.set_asides) == ("waiting", 0)
    ledger.postpone(listing, Postponed(30.0, "failed", ""), 0.0, Entry(Position()))
    assert listing.progress.set_asides == 1


def test_a_page_may_show_nodes_of_another_network(whole: Path) -> None:
    """A track leads to a node of the second source's network, one step farther, with a line of its own."""
    depths = {node["id"]: node["depth"] for node in records(whole, "nodes") if node["kind"] == "track"}
    numbers = {node["id"]: node["depth"] for node in records(whole, "nodes") if node["kind"] == "number"}
    assert numbers == {f"n{track}": depth + 1 for track, depth in depths.items()}


@pytest.mark.parametrize(
    "error", [Refused("the key is out"), Spent("the month's quota is spent", of_source=True)], ids=["refused", "spent"]
)
def test_a_source_that_stops_leaves_the_other_going(
    tmp_path: Path, world: World, whole: Path, error: Exception
) -> None:
    """All that the first source has is read; the rest of the second is kept, without a certificate, and read later."""
    folder = tmp_path / "run"
    ending, run = asyncio.run(crawl(folder, NumbersClient(error, after=3), world))
    assert ending.finished
    assert list(run.crew.out) == ["numbers"]
    assert told(folder)["edges"] == told(whole)["edges"]
    assert {one["verdict"] for one in records(folder, "lists")} == {"complete"}
    assert told(folder)["series"] < told(whole)["series"]
    ending, _ = asyncio.run(crawl(folder, NumbersClient(), world))
    assert ending.finished
    assert told(folder) == told(whole)
    assert {one["distinct"] for one in records(folder, "lists") if one["relation"] == "number"} == {0}


def test_when_the_last_source_stops_the_crawl_ends(tmp_path: Path) -> None:
    """One source alone that is refused ends the crawl, as ever."""
    folder = tmp_path / "run"
    folder.mkdir()

    async def main() -> None:
        client = NumbersClient(Refused("the key is out"))
        chosen = Settings({"user": [("numbers", NUMBERS[0])]}, b"{}", workers=2)
        sources = {"numbers": Source(Numbers(), client, Gate())}
        async with Run(folder, chosen, sources, StillClock(), lambda: 0.0) as run:
            run.seed([Item("user", 3, 3, "id", None)], "soundcloud", "numbers")
            await run.crawl()

    with pytest.raises(Refused):
        asyncio.run(main())


def test_a_list_that_may_not_be_read_says_nothing_of_the_source(tmp_path: Path, world: World) -> None:
    """Not entitled to one path is a verdict of its list; the source goes on."""
    ending, run = asyncio.run(crawl(tmp_path / "run", NumbersClient(Denied("not in the plan")), world))
    assert ending.finished
    assert not run.crew.out
    assert {one["verdict"] for one in records(tmp_path / "run", "lists") if one["source"] == "numbers"} == {"denied"}


def test_a_long_pause_of_one_source_does_not_hold_the_other(tmp_path: Path, world: World, whole: Path) -> None:
    """An hour's pause of the second source: the first is done long before, and then the second goes on by itself."""
    loop = VirtualLoop(0.0, lambda: 1e-4)
    finished: list[float] = []

    class Pausing(NumbersClient):
        async def ask(self, request: Request) -> Response:
            await gate.enter("numbers")
            if loop.time() < 3600 and self.requests > 2:
                self.requests += 1
                raise Throttled("for an hour", wait_seconds=3600 - loop.time())
            return await super().ask(request)

    class Watched(ToyClient):
        async def ask(self, request: Request) -> Response:
            finished.append(loop.time())
            return await super().ask(request)

    folder = tmp_path / "run"
    folder.mkdir()
    gate = Gate()

    async def main() -> Ending:
        sources = {
            "toy": Source(ToyProvider(), Watched(world, 1), Gate()),
            "numbers": Source(Numbers(), Pausing(), gate),
        }
        disk = Disk(frontier=lambda path: Frontier(path, _connect))
        async with Run(folder, settings(), sources, VirtualClock(loop), random.Random(1).random, disk) as run:
            run.seed([Item("user", 3, 3, "id", None)], "soundcloud", "toy")
            return await run.crawl()

    ending = loop.run_until_complete(main())
    seconds = loop.time()
    loop.close()
    assert ending.finished
    assert max(finished) < 600
    assert 3600 <= seconds < 5000
    assert told(folder) == told(whole)
    assert {one["verdict"] for one in records(folder, "lists")} == {"complete"}
