"""Checking a run against what the crawl promised. Reads everything, changes nothing.

What is checked: the frontier's pages and rows are whole, and then every shard is there, as long as it was committed,
and by its hash or CRC what was written; its frames and lines are whole and as many as were counted; every line has
exactly its keys; no node is given twice without becoming richer; no listing yields an edge twice or is certified twice;
every listing has as many edges as its certificate, or the frontier, says; both ends of every edge are nodes; the totals
and the log agree with the lines;
every point, ranking and cross reference is there once. It needs about 16 bytes of memory per edge and 300 per list.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from crawler.dataset.ledgers import EdgeCheck, ListCheck, Listing, NodeCheck, RecordCheck
from crawler.dataset.lines import RECORDS, SHAPES
from crawler.dataset.reader import OPEN, blocks, head, place_of
from crawler.errors import ConfigError, StorageError
from crawler.frontier import told
from crawler.frontier.checks import UNREADABLE, damage
from crawler.frontier.look import look
from crawler.frontier.rows import ShardRow
from crawler.frontier.schema import version_of
from crawler.frontier.state import read_state
from crawler.providers import registry

PROBLEMS_SHOWN = 100
_ALWAYS = tuple(kind for kind in SHAPES if kind not in RECORDS)
NO_NODES = registry.aliases()
"""Kinds in the log that are ways to ask for nodes, and have no line."""

_Pending = dict[Listing, int]


def verify(run: Path) -> dict[str, Any]:
    """Return `{"ok", "problems", "lines", "shards"}`: sentences for what is wrong, and counts of what was read.

    A run may be verified while it is crawled; what is committed later is not looked at. At most `PROBLEMS_SHOWN`
    problems are named, `problem_count` counts all. Raises `ConfigError` when there is no run, `StorageError` when its
    frontier cannot be read.
    """
    path = frontier_of(run)
    broken = list(damage(path))
    if broken:
        return _found(broken, dict.fromkeys(_ALWAYS, 0), 0)
    state, pending, log = _consistent(path)
    nodes, lists = NodeCheck(), ListCheck(pending)
    edges = EdgeCheck(nodes)
    records = RecordCheck(nodes, edges)
    checks: dict[str, Callable[[Any], None]] = {"nodes": nodes.take, "edges": edges.take, "lists": lists.take}
    checks |= dict.fromkeys(RECORDS, records.take)
    problems: list[str] = [*_strays(run / "shards", state["shards"], begun=bool(state["meta"] or state["totals"]))]
    counted: Counter[str] = Counter(dict.fromkeys(_ALWAYS, 0))
    for kind in SHAPES:
        for shard in state["shards"]:
            if shard.kind == kind:
                problems += _shard(run / "shards", shard, checks[kind], counted)
    problems += [*nodes.problems(), *edges.problems(), *lists.problems(edges), *records.problems()]
    counts = {"nodes": nodes.counts, "edges": edges.counts, "records": records.counts}
    problems += _totals(state["totals"], counts)
    problems += _log(log, nodes.counts)
    return _found(problems, counted, len(state["shards"]))


def _found(problems: list[str], counted: Mapping[str, int], shards: int) -> dict[str, Any]:
    return {
        "ok": not problems,
        "problems": problems[:PROBLEMS_SHOWN],
        "problem_count": len(problems),
        "lines": dict(counted),
        "shards": shards,
    }


def frontier_of(run: Path) -> Path:
    """Return the path of a run's frontier. Raises `ConfigError` when there is no run."""
    path = run / "frontier.sqlite"
    if not path.exists():
        raise ConfigError(f"{run} is no run folder: it has no {path.name}")
    return path


def text(found: Mapping[str, Any], run: Path) -> str:
    """Return what `verify` found, for a person."""
    read = ", ".join(f"{number:,} {kind}" for kind, number in found["lines"].items())
    verdict = "all is as promised" if found["ok"] else f"{found['problem_count']:,} problems"
    head = f"{run}: {verdict}; read {read} in {found['shards']} shards"
    repaired = [f"  {what}" for what in found.get("repaired", ())]
    return "\n".join([*repaired, head, *(f"  {problem}" for problem in found["problems"])])


def _consistent(path: Path) -> tuple[dict[str, Any], _Pending, Counter[str]]:
    """Return the state, the pending listings and the nodes in the log, of one and the same commit."""
    while True:
        state = read_state(path)
        pending, log = _pending(path)
        if read_state(path)["totals"] == state["totals"]:
            return state, pending, log


def _pending(path: Path) -> tuple[_Pending, Counter[str]]:
    """Return how many edges each unfinished listing has given so far, by (relation, kind, id), and the log's nodes."""
    try:
        with look(path) as connection:
            if not version_of(connection, path):
                return {}, Counter()
            rows = connection.execute("SELECT source, relation, kind, node, body FROM listings").fetchall()
            log = connection.execute(
                "SELECT kind, sum(count) FROM log WHERE fresh AND network <> ? GROUP BY kind", (told.NETWORK,)
            ).fetchall()
        pending = {tuple(listing): msgspec.json.decode(body)["distinct"] for *listing, body in rows}
    except UNREADABLE as error:
        raise StorageError(f"{path} cannot be read: {error}") from error
    return pending, Counter({kind: number for kind, number in log if kind not in NO_NODES})


def _strays(folder: Path, shards: list[ShardRow], *, begun: bool) -> Iterator[str]:
    """Name files that nobody committed; an open one may be left by a kill, and the next start sets it aside.

    But beside a frontier in which no start was ever noted there can be none: then the frontier was lost.
    """
    known = {shard.name for shard in shards}
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        if path.name not in known and not (begun and path.name.endswith(OPEN)):
            yield f"{path.name}: the frontier does not know this file"


def _shard(folder: Path, shard: ShardRow, take: Callable[[Any], None], counted: Counter[str]) -> Iterator[str]:
    lines = 0
    try:
        yield from _file(folder, shard)
        for block in blocks(folder, shard):
            for record in _decode(shard, block, lines):
                if isinstance(record, str):
                    yield record
                else:
                    take(record)
            lines += block.count(b"\n")
    except StorageError as error:
        yield str(error)
    if lines != shard.lines:
        yield f"{shard.name}: has {lines} lines, {shard.lines} were committed"
    counted[shard.kind] += lines


def _file(folder: Path, shard: ShardRow) -> Iterator[str]:
    path = place_of(folder, shard)
    length_bytes = path.stat().st_size
    if shard.sealed and length_bytes > shard.committed_bytes:
        yield f"{shard.name}: has {length_bytes} bytes, {shard.committed_bytes} were committed"
    digest, crc = hashlib.sha256(), 0
    with path.open("rb") as file:
        for chunk in head(file, shard.committed_bytes):
            digest.update(chunk)
            crc = zlib.crc32(chunk, crc)
    if shard.sealed and shard.sha256 != digest.hexdigest():
        yield f"{shard.name}: is not what was sealed, its sha256 differs"
    elif shard.bytes_crc32 not in {None, crc}:
        yield f"{shard.name}: is not what was committed, its CRC differs"


def _decode(shard: ShardRow, block: bytes, lines_before: int) -> list[Any]:
    """Return the block's records, and a sentence in the place of each line that is none."""
    decoder = msgspec.json.Decoder(SHAPES[shard.kind])
    try:
        return decoder.decode_lines(block)
    except (msgspec.DecodeError, UnicodeDecodeError):
        numbered = enumerate(block.splitlines(), lines_before + 1)
        return [_decode_line(decoder, line, f"{shard.name}, line {number}") for number, line in numbered]


def _decode_line(decoder: msgspec.json.Decoder[Any], line: bytes, place: str) -> Any:  # noqa: ANN401 - a record or a text
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"{place}: {error}"


def _log(log: Mapping[str, int], nodes: Mapping[str, int]) -> Iterator[str]:
    for kind in sorted(log.keys() | nodes.keys()):
        if log.get(kind, 0) != nodes.get(kind, 0):
            yield f"nodes: {nodes.get(kind, 0)} of {kind} are there, the log has {log.get(kind, 0)}"


def _totals(totals: Mapping[str, Any], found: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    for name, counts in found.items():
        stated = {kind: number for kind, number in totals.get(name, {}).items() if number}
        for kind in sorted(stated.keys() | counts.keys()):
            if stated.get(kind, 0) != counts.get(kind, 0):
                yield f"{name}: {counts.get(kind, 0)} of {kind} are there, {stated.get(kind, 0)} were counted"
