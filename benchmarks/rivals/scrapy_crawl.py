"""Scrapy with JOBDIR and a JSON lines feed: `scrapy_crawl.py taught|expert|throttled URL TOKEN WORKERS OUT`.

`taught` is a spider as the tutorial teaches it: it yields an item for each edge and a request for each user that an
edge leads to, and Scrapy's filter drops those it has seen. `expert` yields one item a page, and asks for new users
only. `throttled` is the same with AutoThrottle, for benchmarks/limits_beside.py.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response


class Followings(scrapy.Spider):
    """Reads the followings of everybody who can be reached from user 1."""

    name = "followings"

    def __init__(self, base: str, token: str, style: str) -> None:
        super().__init__()
        self.base, self.style, self.known = base, style, {1}
        self.own_headers = {"authorization": f"OAuth {token}"}

    def ask(self, user: int) -> scrapy.Request:
        """Return the request for a user's first page."""
        url = f"{self.base}/users/{user}/followings?limit=200&linked_partitioning=true"
        return scrapy.Request(url, self.parse, headers=self.own_headers, cb_kwargs={"src": user})

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """Begin."""
        yield self.ask(1)

    def parse(self, response: Response, src: int = 0) -> Iterator[Any]:
        """Read a page."""
        page = response.json()
        users = [user["id"] for user in page["collection"]]
        if self.style == "taught":
            for user in users:
                yield {"src": src, "dst": user}
                yield self.ask(user)
        else:
            yield {"src": src, "dsts": users}
            for user in users:
                if user not in self.known:
                    self.known.add(user)
                    yield self.ask(user)
        if page["next_href"]:
            yield response.follow(page["next_href"], self.parse, headers=self.own_headers, cb_kwargs={"src": src})


if __name__ == "__main__":
    _, chosen, base_url, secret, number, out = sys.argv
    settings = {
        "CONCURRENT_REQUESTS": int(number),
        "CONCURRENT_REQUESTS_PER_DOMAIN": int(number),
        "JOBDIR": str(Path(out, "job")),
        "FEEDS": {str(Path(out, "edges.jsonl")): {"format": "jsonlines"}},
        "LOG_LEVEL": "ERROR",
        "DOWNLOAD_DELAY": 0,
        "ROBOTSTXT_OBEY": False,
        "TELNETCONSOLE_ENABLED": False,
        "RETRY_ENABLED": True,
        "COMPRESSION_ENABLED": True,
        "AUTOTHROTTLE_ENABLED": chosen == "throttled",
        "AUTOTHROTTLE_START_DELAY": 0.1,
        "AUTOTHROTTLE_TARGET_CONCURRENCY": float(number),
    }
    process = CrawlerProcess(settings)
    process.crawl(Followings, base=base_url, token=secret, style=chosen)
    process.start()
