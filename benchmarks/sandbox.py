"""How many pages a second the sandbox serves from one core: `python benchmarks/sandbox.py [FOLDER OF EDGE LISTS ...]`.

The server runs pinned to the first core, this process, which only reads bytes, on the last one. Every page is another
one: followers of the most followed users, page after page, 200 full users each; then short pages, a user's followings
at most five at a time. Nothing of an answer is cached by the server. Two figures: by the clock, and by the processor
time of the server, which other work on the machine disturbs less.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import selectors
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

SECONDS = 4.0
CONNECTIONS = 8
PAGES = 3000
SERVER = "from crawler.sandbox.serve import main_child; import sys; main_child(sys.argv[1], int(sys.argv[2]))"


def main(worlds: list[tuple[str, int]]) -> None:
    """Measure each world and print a line for each kind of page."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    for world, users in worlds:
        command = [sys.executable, "-c", SERVER, world, str(users)]
        started = time.perf_counter()
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            base = server.stdout.readline().strip()
            print(f"{world}: {time.perf_counter() - started:.1f} s to start")
            os.sched_setaffinity(server.pid, {cores[0]})
            measure_world(base, server.pid)
            server.stdin.close()


def measure_world(base: str, pid: int) -> None:
    """Measure long and short pages of a server."""
    token = exchanged(base)
    long_targets, short_targets = found_targets(base, token)
    for name, targets in (("pages of 200 users", long_targets), ("short pages", short_targets)):
        cpu = cpu_seconds(pid)
        pages, size, seconds = measured(base, token, targets)
        cpu = cpu_seconds(pid) - cpu
        print(
            f"  {name}: {pages / seconds:,.0f} pages/s, {size / seconds / 1e6:,.0f} MB/s by the clock; "
            f"{pages / cpu:,.0f} pages/s, {size / cpu / 1e6:,.0f} MB/s by the server's processor time "
            f"({len(targets)} distinct pages, {size / pages:,.0f} bytes a page)"
        )


def exchanged(base: str) -> str:
    """Get a token."""
    basic = base64.b64encode(b"benchmark:secret").decode()
    request = urllib.request.Request(
        f"{base}/oauth/token", b"grant_type=client_credentials", {"authorization": f"Basic {basic}"}
    )
    with urllib.request.urlopen(request) as answer:
        return str(json.load(answer)["access_token"])


def found_targets(base: str, token: str) -> tuple[list[str], list[str]]:
    """Walk from user to user and return the addresses of many long pages and of many short ones."""
    known, waiting, hubs = set(range(1, 20)), list(range(1, 20)), []
    while waiting and len(known) < PAGES:
        page = fetched(base, token, f"/users/{waiting.pop(0)}/followings?limit=200")
        for user in page["collection"]:
            if user["id"] not in known:
                known.add(user["id"])
                waiting.append(user["id"])
                hubs.append((user["followers_count"], user["id"]))
    long_targets: list[str] = []
    for count, user in sorted(hubs, reverse=True)[:150]:
        target = f"/users/{user}/followers?limit=200"
        for _ in range(min(count // 200, PAGES // 100)):
            long_targets.append(target)
            target = fetched(base, token, target)["next_href"] or ""
            target = target.removeprefix(base)
            if not target:
                break
        if len(long_targets) >= PAGES:
            break
    return long_targets, [f"/users/{user}/followings?limit=5" for user in sorted(known)]


def fetched(base: str, token: str, target: str) -> Any:  # noqa: ANN401 - JSON
    """Return a page."""
    request = urllib.request.Request(base + target, headers={"authorization": f"OAuth {token}"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def measured(base: str, token: str, targets: list[str]) -> tuple[int, int, float]:
    """Ask for the targets in turn for some seconds and return the pages and bytes read, and the seconds taken."""
    host, _, port = base.removeprefix("http://").partition(":")
    lines = f"HTTP/1.1\r\nhost: {host}:{port}\r\nauthorization: OAuth {token}\r\n\r\n"
    requests = itertools.cycle([f"GET {target} {lines}".encode() for target in targets])
    started = time.perf_counter()
    pages = size = 0
    for length in responses(host, int(port), requests, started + SECONDS):
        pages += 1
        size += length
    return pages, size, time.perf_counter() - started


def responses(host: str, port: int, requests: Iterator[bytes], until: float) -> Iterator[int]:
    """Keep every connection busy until a moment; yield the length of each response."""
    selector = selectors.DefaultSelector()
    buffer = memoryview(bytearray(1 << 20))
    left: dict[socket.socket, int] = {}
    for _ in range(CONNECTIONS):
        connection = socket.create_connection((host, port))
        selector.register(connection, selectors.EVENT_READ)
        left[connection] = 0
        connection.sendall(next(requests))
    while time.perf_counter() < until:
        for key, _ in selector.select(1.0):
            connection = cast("socket.socket", key.fileobj)
            got = connection.recv_into(buffer)
            if left[connection] == 0:
                length = response_length(bytes(buffer[:1024]))
                left[connection] = length
                yield length
            left[connection] -= got
            if left[connection] == 0:
                connection.sendall(next(requests))
    for connection in left:
        connection.close()
    selector.close()


def response_length(start: bytes) -> int:
    """Return the length of a response with its head, from its first bytes; only a 200 is a page."""
    assert start.startswith(b"HTTP/1.1 200"), start
    end = start.index(b"\r\n\r\n") + 4
    return end + int(start[start.index(b"content-length: ") + 16 : end].split(b"\r")[0])


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used, its own and the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main([("synthetic", 100_000_000), *((folder, 1) for folder in sys.argv[1:])])
