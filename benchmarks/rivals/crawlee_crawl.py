"""Crawlee with its file storage: `crawlee_crawl.py taught|expert|throttled URL TOKEN WORKERS OUT`.

`taught` is a handler as the guide teaches it: it pushes a record for each edge and adds a request for each user that an
edge leads to, and crawlee's queue drops those it has seen. `expert` pushes one record a page, and adds new users only.
`throttled` is the same with crawlee's throttling request manager, for benchmarks/limits_beside.py.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from datetime import timedelta
from pathlib import Path

import orjson
from crawlee import ConcurrencySettings, Request
from crawlee.configuration import Configuration
from crawlee.crawlers import HttpCrawler, HttpCrawlingContext
from crawlee.request_loaders import ThrottlingRequestManager
from crawlee.storage_clients import FileSystemStorageClient
from crawlee.storages import RequestQueue


async def crawl(style: str, base: str, token: str, workers: int, out: str) -> None:
    """Read the followings of everybody who can be reached from user 1."""
    known = {1}

    def ask(user: int) -> Request:
        url = f"{base}/users/{user}/followings?limit=200&linked_partitioning=true"
        return Request.from_url(url, headers={"authorization": f"OAuth {token}"}, user_data={"src": user})

    manager = None
    if style == "throttled":
        manager = ThrottlingRequestManager(
            inner=await RequestQueue.open(), domains=[base], request_manager_opener=RequestQueue.open
        )
    crawler = HttpCrawler(
        request_manager=manager,
        configuration=Configuration(storage_dir=str(Path(out, "storage"))),
        storage_client=FileSystemStorageClient(),
        concurrency_settings=ConcurrencySettings(
            min_concurrency=workers, desired_concurrency=workers, max_concurrency=workers
        ),
        request_handler_timeout=timedelta(minutes=5),
        configure_logging=False,
        statistics_log_format="inline",
    )

    @crawler.router.default_handler
    async def handle(context: HttpCrawlingContext) -> None:
        page = orjson.loads(await context.http_response.read())
        src = int(str(context.request.user_data["src"]))
        users = [user["id"] for user in page["collection"]]
        if style == "taught":
            for user in users:
                await context.push_data({"src": src, "dst": user})
            await context.add_requests([ask(user) for user in users])
            return
        await context.push_data({"src": src, "dsts": users})
        new = [user for user in users if user not in known]
        known.update(new)
        await context.add_requests([ask(user) for user in new])

    await crawler.run([ask(1)])


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    _, chosen, base_url, secret, number, out_folder = sys.argv
    asyncio.run(crawl(chosen, base_url, secret, int(number), out_folder))
    print(json.dumps({"done": True}))
