"""The loop that keeps nothing: aiohttp, orjson, and the users it knows in a set. `bare.py URL TOKEN WORKERS OUT`.

It writes no file, keeps no certificate and survives no kill; what it found it only counts, and tells at the end.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import aiohttp
import orjson
import uvloop


async def crawl(base: str, token: str, workers: int) -> tuple[int, int, set[int]]:
    """Read the followings of everybody who can be reached from user 1; return pages, edges and the users known."""
    known, waiting, pages, edges = {1}, asyncio.Queue[str](), 0, 0
    waiting.put_nowait(f"{base}/users/1/followings?limit=200&linked_partitioning=true")
    headers = {"authorization": f"OAuth {token}"}

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal pages, edges
        while True:
            url = await waiting.get()
            async with session.get(url) as answer:
                page = orjson.loads(await answer.read())
            pages += 1
            for user in page["collection"]:
                edges += 1
                if user["id"] not in known:
                    known.add(user["id"])
                    waiting.put_nowait(f"{base}/users/{user['id']}/followings?limit=200&linked_partitioning=true")
            if page["next_href"]:
                waiting.put_nowait(page["next_href"])
            waiting.task_done()

    connector = aiohttp.TCPConnector(limit=workers)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        tasks = [asyncio.create_task(work(session)) for _ in range(workers)]
        await waiting.join()
        for task in tasks:
            task.cancel()
    return pages, edges, known


if __name__ == "__main__":
    _, base_url, secret, number, out = sys.argv
    found = uvloop.run(crawl(base_url, secret, int(number)))
    Path(out, "counts.json").write_text(json.dumps({"pages": found[0], "edges": found[1], "users": len(found[2])}))
