"""Two hidden limits in real time, beside Scrapy and crawlee: `make bench-limits`.

    python benchmarks/limits_beside.py --rivals PYTHON [--pages 5000]

Every user of the world follows twenty others, so every list is one page. The sandbox keeps a limit of 50 requests a
second to itself. A share is of the pages that a client could have had that knows the limit: in the time after the first
30 seconds, and in all the time from the program's start to its end, learning included. `lost` are pages that were never
served. All have 32 requests under way at most. The crawler's rate is "auto". What takes longer than `--patience`
seconds is ended; what it has not got by then is lost, marked as "not yet".
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from pipeline import CONFIG, write_world

HERE = Path(__file__).resolve().parent
WORKERS = 32
RATE = 50.0
LEARNING_SECONDS = 30.0
LIMITS = {
    "50/s, burst 50, Retry-After 1": (50.0, "bucket:50/s,burst=50,retry_after=1"),
    "50/s, burst 10, Retry-After 5": (10.0, "bucket:50/s,burst=10,retry_after=5"),
}


@contextmanager
def served(world: Path, limits: str) -> Iterator[tuple[str, str]]:
    """Serve a world behind limits; give its address and a token."""
    command = [sys.executable, "-m", "crawler", "sandbox", "--world", str(world), "--until-stdin-closes"]
    with subprocess.Popen(
        [*command, "--limits", limits], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        basic = base64.b64encode(b"benchmark:secret").decode()
        body = b"grant_type=client_credentials"
        request = urllib.request.Request(f"{url}/oauth/token", body, {"authorization": f"Basic {basic}"})
        with urllib.request.urlopen(request) as answer:
            token = json.load(answer)["access_token"]
        try:
            yield url, token
        finally:
            process.stdin.close()


def report(url: str) -> dict[str, Any]:
    """Return what the sandbox saw."""
    with urllib.request.urlopen(f"{url}/_sandbox/report") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def command_of(program: str, python: str, url: str, token: str, folder: Path) -> list[str]:
    """Return how a program is started."""
    if program == "this crawler":
        config = CONFIG.format(workers=WORKERS, url=url).replace(
            "[soundcloud]\n", '[soundcloud]\nrequests_per_second = "auto"\n'
        )
        (folder / "config.toml").write_text(config, encoding="utf-8")
        run = [sys.executable, "-m", "crawler", "crawl", str(folder / "run")]
        return [*run, "--config", str(folder / "config.toml"), "--seed", "1"]
    name, _, style = program.partition(" ")
    script = str(HERE / "rivals" / f"{name}_crawl.py")
    return [python, script, style or "expert", url, token, str(WORKERS), str(folder)]


def measure(program: str, python: str, limit: str, world: Path, options: argparse.Namespace) -> str:
    """Run one program behind one limit; return its row."""
    burst, limits = LIMITS[limit]
    with tempfile.TemporaryDirectory() as name, served(world, limits) as (url, token):
        folder = Path(name)
        environment = os.environ | {"PIPELINE_CLIENT_ID": "benchmark", "PIPELINE_CLIENT_SECRET": "secret"}
        command = command_of(program, python, url, token, folder)
        began, learnt, code = perf_counter(), 0, "-"
        with subprocess.Popen(
            command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(LEARNING_SECONDS)
            learnt = report(url)["requests"].get("users/followings", {}).get("200", 0)
            with suppress(subprocess.TimeoutExpired):
                code = str(process.wait(options.patience - LEARNING_SECONDS))
            seconds = perf_counter() - began
            process.kill()
        statuses = report(url)["requests"].get("users/followings", {})
    pages, refused = statuses.get("200", 0), statuses.get("429", 0)
    after = (pages - learnt) / (RATE * max(1e-9, seconds - LEARNING_SECONDS))
    learned = f"{after:.1%}" if seconds > LEARNING_SECONDS + 5 else "-"
    share, refusals = pages / (burst + RATE * seconds), refused / max(1, pages + refused)
    lost = f"{max(0, options.pages - pages)}{' not yet' if code == '-' else ''}"
    return f"| {limit} | {program} | {learned} | {share:.1%} | {refusals:.2%} | {lost} | {seconds:.0f} | {code} |"


def _program(text: str) -> str:
    """Return the whole path of a program: rivals run in folders of their own, and a link is not followed."""
    return os.path.abspath(text)  # noqa: PTH100 - a link to the Python of an environment must stay the link


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals", type=_program, help="a Python that has Scrapy and crawlee")
    parser.add_argument("--pages", type=int, default=5000)
    parser.add_argument("--patience", type=float, default=130.0)
    parser.add_argument("--only", default="", help="only programs with this in their name")
    options = parser.parse_args()
    rivals = ["scrapy", "scrapy throttled", "crawlee", "crawlee throttled"] if options.rivals else []
    head = ("hidden limit", "program", "share after 30 s", "share of all", "refused", "lost", "seconds", "exit")
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    with tempfile.TemporaryDirectory() as folder:
        write_world(Path(folder), options.pages, 20)
        for limit in LIMITS:
            for program in ["this crawler", *rivals]:
                if options.only in program:
                    print(measure(program, options.rivals, limit, Path(folder), options), flush=True)


if __name__ == "__main__":
    main()
