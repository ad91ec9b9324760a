from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from crawler.config import Config, dumps, with_overrides
from crawler.dataset.reader import records
from crawler.dataset.status import status
from crawler.engine.run import Run
from crawler.engine.supervisor import Ending
from crawler.engine.worker import Source
from crawler.log import open_log
from crawler.model import Item, Page, Response, Task
from crawler.transport.gate import Gate
from tests.dataset.runs import RELATIONS
from tests.engine.toy import StillClock, ToyClient, ToyProvider, World, settings


class Broken(ToyProvider):
    """A provider with a bug that one list brings out, for as many answers as `times` says."""

    def __init__(self, times: int) -> None:
        self.times = times

    def parse(self, task: Task, response: Response) -> Page:
        """Read a page, or fail over it."""
        if task.relation.name == "followers" and task.node.id == 5 and self.times:
            self.times -= 1
            raise KeyError("nobody thought of this")
        return super().parse(task, response)


async def crawl(folder: Path, times: int, *, sets_bugs_aside: bool) -> Ending:
    """Crawl a toy world with a broken provider."""
    source = Source(Broken(times), ToyClient(World(1, 12, 5), 1), Gate())
    chosen = settings(empty_data=b"{}", sets_bugs_aside=sets_bugs_aside)
    async with Run(folder, chosen, {"toy": source}, StillClock(), lambda: 0.0) as run:
        run.seed([Item("user", 3, 3, "id", None)], "soundcloud", "toy")
        return await run.crawl()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.engine.worker.BUG_SECONDS", 0.0)


async def test_a_bug_stops_the_crawl_and_names_the_page(tmp_path: Path) -> None:
    """While testing, the first answer on which our own code fails ends the crawl."""
    with pytest.raises(KeyError) as caught:
        await crawl(tmp_path, 1, sets_bugs_aside=False)
    assert "while reading followers of user 5, page 1" in caught.value.__notes__


async def test_a_bug_that_stays_costs_one_list_and_is_counted(tmp_path: Path) -> None:
    """After the third time the answer is kept, the list has failed, the others go on, and status tells of it."""
    assert (await crawl(tmp_path, 3, sets_bugs_aside=True)).finished
    failed = [line for line in records(tmp_path, "lists") if line["verdict"] == "failed"]
    assert [(line["relation"], line["id"], line["reason"]) for line in failed] == [
        ("followers", 5, "a bug of the crawler: KeyError: 'nobody thought of this'")
    ]
    (tmp_path / "config.toml").write_text(dumps(with_overrides(Config(), RELATIONS)), encoding="utf-8")
    found = status(tmp_path)
    assert (found["bugs"], found["parked"], found["lists"]["failed"]) == (1, 1, 1)
    assert (found["state"], found["pending"], found["waiting"]) == ("stopped", 0, 0)
    (kept,) = (tmp_path / "unreadable").glob("*.body")
    assert kept.read_bytes().startswith(b'{"rows":')
    assert "nobody thought of this" in kept.with_suffix(".txt").read_text()
    assert (await crawl(tmp_path, 0, sets_bugs_aside=True)).finished
    assert status(tmp_path)["lists"] == {"complete": 41}
    assert status(tmp_path)["bugs"] == 0
    assert status(tmp_path)["state"] == "finished"


async def test_a_bug_that_passes_costs_nothing(tmp_path: Path) -> None:
    """An answer that goes well the second or third time is a page like any other."""
    assert (await crawl(tmp_path, 2, sets_bugs_aside=True)).finished
    assert status(tmp_path)["lists"] == {"complete": 41}


def test_a_service_that_breaks_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answer is kept once, however often it comes, and different ones up to a number."""
    monkeypatch.setattr("crawler.engine.run.UNREADABLE_MAX", 5)
    run = Run(tmp_path, settings(empty_data=b"{}"), {}, StillClock(), lambda: 0.0)
    for page in range(100):
        run.unreadable(f"page {page}", b"", "the endpoint was removed")
    (kept,) = (tmp_path / "unreadable").glob("*.txt")
    assert kept.read_text() == "page 0\nthe endpoint was removed\n"
    for page in range(100):
        run.unreadable("page", b"%d" % page, "no page")
    assert len(list((tmp_path / "unreadable").glob("*.body"))) == 5


def test_an_unreadable_answer_is_kept_without_the_credentials_it_echoes(tmp_path: Path) -> None:
    """What takes secrets out of the log takes them out of kept answers too: the web's API echoes the client id."""
    run = Run(tmp_path, settings(empty_data=b"{}"), {}, StillClock(), lambda: 0.0)
    with closing(open_log(tmp_path / "log.jsonl", ["client-id-of-mine"])) as log:
        run.scrub = log.scrubbed
        run.unreadable("comments of track 5, page 1", b'{"next_href":"x?client_id=client-id-of-mine&a=1"}', "no page")
    (kept,) = (tmp_path / "unreadable").glob("*.body")
    assert kept.read_bytes() == b'{"next_href":"x?client_id=(secret)&a=1"}'
