"""Read many lists of a service that lies in known ways, and count how often a certificate tells the truth.

    python benchmarks/certificates.py --lists 100000 --seed 1 --processes 2

No sockets, no disk: the provider, the ledger, the verdict and the retry policy are the product's own, and a list lives
in memory. The profile is read first, as with "profile" among the relations: a silent cap is visible against a count
only. Pages are of 200 rows. Each list has one planted fault, or none, or two that meet in reality.

Not detectable in principle, and not planted: a cap or a lost page where no count is known; a page that comes empty
though its rows are there, which looks like a page of hidden rows; the loss of the only row of a list; counts that are
wrong by themselves.

Not countable in principle: one row hidden on a last page that shows none (no page can be cut shorter than at one row),
and how many of the rows that are missing behind a false end were hidden on its page. `hidden_bound` says so.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import Pool
from urllib.parse import parse_qs, urlsplit

import msgspec

from crawler.engine.flight import Ended, Landed, Postponed, task_of
from crawler.engine.ledger import Entry, Ledger
from crawler.errors import ProviderError
from crawler.frontier.known import Known
from crawler.frontier.rows import Listing, Position
from crawler.model import NodeId, Response
from crawler.policy import retry
from crawler.providers.soundcloud import SoundCloud, empty_data

Other = str | tuple[str, str]

LIMIT = 200
LARGEST = 5000
NEWEST = 1_760_000_000_000
STEP = 1000
JSON = {"content-type": "application/json"}
NOW = "2026-01-01T00:00:00Z"
FOLLOWERS = next(row for row in SoundCloud.relations if (row.kind, row.name) == ("user", "followers"))
HIDDEN_RATES = (0.01, 0.05, 0.16, 0.89)
"""A little, and what is on record: 5 %, 16 % and 89 % of a list not shown (field report, S17)."""
STORM = (
    Response(502, {"content-type": "text/html", "server": "CloudFront"}, b"<html>502</html>"),
    Response(503, {"content-type": "text/plain"}, b"upstream connect error or disconnect/reset before headers"),
    Response(504, {"content-type": "text/plain"}, b"upstream request timeout"),
    Response(500, {}, b""),
    Response(200, JSON, b'{"collection":[{"id":1,'),
    Response(429, JSON, b'{\n    "error": "Rate Limit Exceeded"\n}'),
    Response(429, {"content-type": "text/plain"}, b"Please slow down.\n"),
    Response(403, {"content-type": "text/html", "server": "CloudFront"}, b"<TITLE>ERROR</TITLE>"),
)


@dataclass
class Liar:
    """One list and its fault. Row i of `size` has the time NEWEST - i * STEP; `gone` and `hidden` name rows."""

    chance: random.Random
    fault: str
    size: int
    hidden: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    at: int = 0
    requests: int = 0
    served_rows: int = 0
    wasted: int = 0
    added: int = 0
    named: bool = False
    cut: set[int] = field(default_factory=set)

    def answer(self, url: str, *, look: bool) -> Response:
        """Answer one request."""
        self.requests += 1
        parts = urlsplit(url)
        if self.fault in {"gone", "denied"}:
            return Response(404 if self.fault == "gone" else 403, {}, b"")
        if "storm" in self.fault and self.chance.random() < 0.5:
            return self.chance.choice(STORM)
        if parts.path == "/users/1":
            return Response(200, JSON, msgspec.json.encode({"id": 1, "kind": "user", "followers_count": self.count()}))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        limit = int(query.get("page_size") or query["limit"])
        cursor = query.get("cursor")
        start = -self.added if cursor is None else (NEWEST - int(cursor)) // STEP + 1
        page = self.page(start, limit, look=look)
        self.churn()
        return page

    def count(self) -> int:
        """Return what the profile says."""
        return self.size + self.added - len(self.gone)

    def churn(self) -> None:
        """Let rows go, or come at the head, while the list is read."""
        if "shrinks" in self.fault and self.requests == 1:
            self.gone |= {row for row in range(self.size) if self.chance.random() < 0.03}
        if "grows" in self.fault and self.requests == 1:
            self.added += self.chance.randint(1, 30)

    def page(self, start: int, limit: int, *, look: bool) -> Response:
        """Cut a page, filter it, and lie about what comes next."""
        end = self.at if "cap" in self.fault else self.size
        rows: list[int] = []
        place = start
        while place < end and len(rows) < limit:
            if place not in self.gone:
                rows.append(place)
            place += 1
        while place < end and place in self.gone:
            place += 1
        self.served_rows += len(set(rows) - self.cut if look else rows)  # a second look shows mostly the same once more
        self.cut |= set(rows)
        more = place < end
        last = rows[-1] if rows else start
        if "early null" in self.fault and start <= self.at < start + limit and not (look and "once" in self.fault):
            more = False
        if "lost page" in self.fault and start <= self.at < start + limit and more:
            last = min(last + LIMIT, self.size - 2)
        trapped = self.trap(start, last, more=more)
        if trapped is not None:
            more, last = True, trapped
            if self.fault == "endless" and not rows:
                self.wasted += 1
        shown = [{"id": 9000 + row, "kind": "user"} for row in rows if row not in self.hidden]
        if "overlap" in self.fault and start > 0:
            shown.insert(0, {"id": 9000 + start - 1, "kind": "user"})
            self.served_rows += 1
        cursor = NEWEST - last * STEP
        next_href = f"https://internal.example/users/1/followers?page_size={limit}&cursor={cursor}" if more else None
        return Response(200, JSON, msgspec.json.encode({"collection": shown, "next_href": next_href}))

    def trap(self, start: int, last: int, *, more: bool) -> int | None:
        """Return the row whose cursor a trap names, None where there is no trap (yet)."""
        if self.fault == "same cursor" and start <= self.at < start + LIMIT:
            self.wasted += self.named
            self.named = True
            return start - 1
        if self.fault == "two cursors" and start <= self.at < start + LIMIT and start > LIMIT:
            self.named = True
            return start - 1 - LIMIT
        if self.fault == "endless" and not more:
            return max(last, start) + LIMIT
        return None


SHARES = {
    "none": 30,
    "hidden": 12,
    "hidden run": 4,
    "shrinks": 5,
    "grows": 5,
    "storm": 5,
    "storm, hidden": 2,
    "storm, silent cap": 2,
    "storm, early null": 2,
    "overlap": 3,
    "gone": 1,
    "denied": 1,
    "silent cap": 6,
    "silent cap, hidden": 4,
    "lost page": 6,
    "lost page, hidden": 4,
    "early null": 5,
    "early null, hidden": 3,
    "early null once": 3,
    "early null, shrinks": 3,
    "same cursor": 2,
    "two cursors": 2,
    "endless": 3,
}
OF_SEVERAL_PAGES = ("lost page", "early null", "same cursor", "two cursors")


def make(chance: random.Random) -> Liar:
    """Return a list of up to 5,000 rows, half of them under 71, with one planted fault."""
    fault = chance.choices(list(SHARES), list(SHARES.values()))[0]
    size = int(LARGEST ** chance.random())
    if size <= LIMIT and any(name in fault for name in OF_SEVERAL_PAGES):  # where there is one page, none can be lost
        fault = next((name for name in ("storm", "hidden") if name in fault), "none")
    liar = Liar(chance, fault, size)
    if "hidden" in fault:
        rate = chance.choice(HIDDEN_RATES)
        liar.hidden = {row for row in range(size) if chance.random() < rate}
    if fault == "hidden run":
        begin = chance.randrange(size)
        liar.hidden = set(range(begin, min(size, begin + LIMIT * chance.randint(1, 8))))
    if "cap" in fault:
        liar.at = chance.randint(1, size)
    elif size > LIMIT:
        liar.at = chance.randrange((size - 1) // LIMIT * LIMIT)
    return liar


def read(provider: SoundCloud, ledger: Ledger, liar: Liar) -> dict[str, object]:
    """Read a list to its certificate."""
    listing = Listing(NodeId("soundcloud", "user", 1), FOLLOWERS, "soundcloud", 0)
    listing.progress.advertised = liar.count() or None
    tries = 0
    while True:
        entry, task = Entry(Position()), task_of(listing)
        look = listing.progress.look is not None
        response = liar.answer(provider.request(task).url, look=look)
        try:
            page = provider.parse(task, response)
        except ProviderError as error:
            decision = retry.decide(error, tries, listing.progress.set_asides, 0.5)
            tries += 1
            if isinstance(decision, retry.Finish):
                ledger.end(listing, Ended(decision.verdict, decision.reason, NOW), entry)
            elif isinstance(decision, retry.SetAside):
                ledger.postpone(listing, Postponed(decision.delay_seconds, str(error), NOW), 0.0, entry)
                tries = 0
        else:
            tries = 0
            ledger.page(listing, Landed(page, NOW), entry)
        if entry.lists:
            return msgspec.json.decode(entry.lists[0])


def truth(liar: Liar) -> str:
    """Return what the list is: trapped, refused, or by the rows that were there all the time and were never cut."""
    if liar.fault in {"gone", "denied"}:
        return liar.fault
    if liar.named or liar.wasted:
        return "trapped"
    there = set(range(liar.size)) - liar.gone
    return "incomplete" if there - liar.cut else "whole"


def judge_many(work: tuple[int, int]) -> tuple[Counter[tuple[str, str, str]], Counter[Other]]:
    """Read so many lists from a seed; return counts by (fault, truth, verdict), and other counts.

    Those by (truth, state) tell whether visible + hidden + duplicates is what the service served.
    """
    seed, lists = work
    chance = random.Random(seed)
    provider = SoundCloud("https://api.example.test", "graph", LIMIT)
    ledger = Ledger(Known(), 0, 0, None, empty_data("graph"))
    found: Counter[tuple[str, str, str]] = Counter()
    other: Counter[Other] = Counter()
    for _ in range(lists):
        liar = make(chance)
        certificate = read(provider, ledger, liar)
        what = truth(liar)
        found[liar.fault, what, str(certificate["verdict"])] += 1
        other["requests"] += liar.requests
        if what == "trapped":
            other["wasted most"] = max(other["wasted most"], liar.wasted)
        if what not in {"gone", "denied"}:
            numbers = sum(int(str(certificate[name])) for name in ("visible", "hidden", "duplicates"))
            bound = int(str(certificate["hidden_bound"] or 0))
            state = "within bound" if numbers < liar.served_rows <= numbers + bound else "wrong"
            other[what, "right" if numbers == liar.served_rows else state] += 1
    return found, other


def main() -> None:
    """Print the confusion matrix, and what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    began = time.perf_counter()
    share = -(-options.lists // options.processes)
    with Pool(options.processes) as pool:
        parts = pool.map(judge_many, [(options.seed * 1000 + n, share) for n in range(options.processes)])
    found = sum((part[0] for part in parts), Counter[tuple[str, str, str]]())
    other: Counter[Other] = Counter()
    for _, counts in parts:
        most = max(other["wasted most"], counts["wasted most"])
        other.update(counts)
        other["wasted most"] = most
    report(found, other, time.perf_counter() - began)


def report(found: Counter[tuple[str, str, str]], other: Counter[Other], seconds: float) -> None:
    """Print what was measured, as Markdown."""
    matrix: Counter[tuple[str, str]] = Counter()
    for (_, what, verdict), number in found.items():
        matrix[what, verdict] += number
    verdicts = sorted({verdict for _, verdict in matrix})
    print(f"| the list is | {' | '.join(verdicts)} |\n|---|{'---|' * len(verdicts)}")
    for what in sorted({what for what, _ in matrix}):
        print(f"| {what} | {' | '.join(f'{matrix[what, verdict]:,}' for verdict in verdicts)} |")
    incomplete = sum(number for (what, _), number in matrix.items() if what == "incomplete")
    whole = sum(number for (what, _), number in matrix.items() if what == "whole")
    alarms = whole - matrix["whole", "complete"]
    print(f"\nlists {sum(matrix.values()):,}, requests {other['requests']:,}, {seconds:.0f} s")
    print(f"recall of incomplete lists {1 - matrix['incomplete', 'complete'] / incomplete:.5%} of {incomplete:,}")
    print(f"false alarms {alarms / whole:.5%} of {whole:,}")
    print(f"wasted requests of a trapped list, at most {other['wasted most']}")
    print("\n| visible + hidden + duplicates | equals the rows served | and up to hidden_bound more | neither |")
    print("|---|---|---|---|")
    for what in ("whole", "incomplete", "trapped"):
        states = " | ".join(f"{other[what, state]:,}" for state in ("right", "within bound", "wrong"))
        print(f"| {what} lists | {states} |")
    print()
    for (fault, what, verdict), number in sorted(found.items()):
        if (what == "incomplete" and verdict == "complete") or (what == "whole" and verdict != "complete"):
            print(f"  wrong: {fault}: {what}, called {verdict}: {number:,}")
        if what == "trapped" and verdict not in {"looped", "capped"}:
            print(f"  trapped: {fault}: called {verdict}: {number:,}")


if __name__ == "__main__":
    main()
