"""How far a run has come: read from its frontier, also while it is being crawled, without changing anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crawler.clock import iso
from crawler.config import Config, load, relations_of
from crawler.frontier.lock import holder
from crawler.frontier.state import read_state

LOCK = "lock"


def status(run: Path) -> dict[str, Any]:
    """Return how far a run has come, ready for JSON.

    `nodes`, `edges`, `lists` and `relations` are counts by kind, type, verdict, and relation ("user/followers") and
    verdict, `records` those of points, rankings and cross references, `missing` the rows known to be missing by
    relation, `unchecked` the complete lists for which there is no
    count to check them by. `bugs` counts lists given up because our own code failed. `pending` counts the lists that
    are still to be read, `waiting` those set aside with a date, `parked` those given up until the next start.
    `rates` holds the rate in force by source and by lane ("all", or a family of endpoints with a limit of its own).
    `budgets` holds what is left of those that are set, by their key. `frontier_by_depth` counts nodes that wait to be
    expanded. `state` is "running", "finished" or "stopped": then the next start has something to do. Raises
    `ConfigError` when there is no run, `StorageError` when it cannot be read.
    """
    state = read_state(run / "frontier.sqlite")
    totals, listings, meta = state["totals"], state["listings"], state["meta"]
    fresh, frontier_by_depth = _fresh(state, _config(run))
    pending = fresh + listings.get("open", 0)
    waiting, parked = listings.get("waiting", 0), listings.get("parked", 0)
    stopped = "stopped" if pending or waiting or parked or not totals else "finished"
    return {
        "state": "running" if holder(run / LOCK) else stopped,
        **{name: _positive(totals.get(name, {})) for name in ("nodes", "edges", "lists", "records")},
        "relations": {name: _positive(verdicts) for name, verdicts in totals.get("relations", {}).items()},
        "missing": _positive(totals.get("missing", {})),
        "unchecked": _positive(totals.get("unchecked", {})),
        "bugs": totals.get("bugs", 0),
        "pending": pending,
        "waiting": waiting,
        "parked": parked,
        **{name: totals.get(name, 0) for name in ("requests", "retries", "pages", "skipped", "hidden", "unread")},
        "rates": _rates(totals),
        "duplicates": totals.get("duplicates", 0),
        "budgets": _run_budget(totals, _config(run)),
        "frontier_by_depth": {str(depth): number for depth, number in sorted(frontier_by_depth.items())},
        "started_at": meta.get("started_at"),
        "updated_at": meta.get("updated_at"),
        "shards": [
            {"name": row.name, "bytes": row.committed_bytes, "lines": row.lines, "sealed": row.sealed}
            for row in state["shards"]
        ],
    }


def text(found: Mapping[str, Any], run: Path) -> str:
    """Return what `status` found, for a person."""
    depths = ", ".join(f"{number:,} at depth {depth}" for depth, number in found["frontier_by_depth"].items())
    aside = f", {found['waiting']:,} waiting for a date, {found['parked']:,} given up until the next start"
    size_bytes = sum(shard["bytes"] for shard in found["shards"])
    rows = (
        ("nodes", _counts(found["nodes"])),
        ("edges", _counts(found["edges"])),
        ("lists", _counts(found["lists"])),
        ("to do", f"{found['pending']:,} lists{aside}"),
        ("frontier", f"{depths or 'no'} nodes to expand"),
        ("requests", f"{found['requests']:,}, {found['retries']:,} of them again"),
        *(("budget", budget_text(name, budget)) for name, budget in found["budgets"].items()),
        *(("rate", rate_text(name, lanes)) for name, lanes in found["rates"].items()),
        ("hidden", f"{found['hidden']:,} rows that the service cut away"),
        ("missing", f"{sum(found['missing'].values()):,} edges known to be missing"),
        ("unchecked", f"{sum(found['unchecked'].values()):,} complete lists without a count to check them by"),
        ("records", f"{len(found['shards'])} shards, {size_bytes:,} bytes in {run / 'shards'}"),
    )
    besides = [("besides", _counts(found["records"]))] if found["records"] else []
    bugs = (
        [("bugs", f"{found['bugs']:,} lists given up because the crawler's own code failed")] if found["bugs"] else []
    )
    lines = [f"  {name:<9} {words}" for name, words in (*rows, *besides, *bugs)]
    return "\n".join([f"{run}: {found['state']}", *lines, *coverage(found["relations"], found["missing"])])


def coverage(relations: Mapping[str, Mapping[str, int]], missing: Mapping[str, int]) -> list[str]:
    """Return a line for each relation: how its lists ended, and how many edges are known to be missing from them."""
    width = max((len(name) for name in relations), default=0)
    return [
        f"  {name:<{width}}  {_counts(verdicts)}"
        + (f"; edges known to be missing: {missing[name]:,}" if missing.get(name) else "")
        for name, verdicts in sorted(relations.items())
        if any(verdicts.values())
    ]


def budget_text(name: str, budget: Mapping[str, Any]) -> str:
    """Return what is left of a budget, for a person."""
    more = f"; more from {budget['more_at']} on" if budget.get("more_at") else ""
    return f"{budget['left']:,} requests left of {name} = {budget['allowed']:,}{more}"


def rate_text(source: str, lanes: Mapping[str, Any]) -> str:
    """Return how fast a source is asked at most, and why, for a person."""
    each = []
    for name, lane in lanes.items():
        rate = lane["requests_per_second"]
        place = "" if len(lanes) == 1 else f" for {name if name != 'all' else 'all others'}"
        paused = f", paused until {lane['paused_until']}" if lane["paused_until"] else ""
        each.append(f"{'no limit' if rate is None else f'{rate:.3g}/s'}{place} ({lane['why']}{paused})")
    return f"{source}: {'; '.join(each)}"


def _rates(totals: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rate in force by source and lane, and why, as of the last commit."""
    return {
        source: {
            name: {
                "requests_per_second": lane["requests_per_second"],
                "why": lane["why"],
                "form": lane["form"],
                "refusals": lane["refusals"],
                "paused_until": iso(lane["paused_until"]) if lane["paused_until"] else None,
            }
            for name, lane in lanes.items()
        }
        for source, lanes in totals.get("rates", {}).items()
    }


def _run_budget(totals: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """Return what is left of max_requests; what a kill left unsettled counts as sent."""
    allowed = config.crawl.max_requests
    if allowed is None:
        return {}
    charged = max(totals.get("requests", 0) + totals.get("unsettled", 0), totals.get("reserved", 0))
    return {"max_requests": {"allowed": allowed, "left": max(0, allowed - charged), "more_at": None}}


def _config(run: Path) -> Config:
    """Return the configuration of a run; it says how many lists a node has."""
    path = run / "config.toml"
    return load(path) if path.exists() else Config()


def _fresh(state: Mapping[str, Any], config: Config) -> tuple[int, Counter[int]]:
    """Return how many lists of the log are still to be begun, and how many of its nodes to be expanded, by depth."""
    position = state["position"]
    lists_per_node = {kind: len(listings) for kind, listings in relations_of(config).items()}
    due, nodes = 0, Counter[int]()
    for row, kind, depth, count in state["fresh"]:
        wanted = lists_per_node.get(kind, 0) * count
        if config.crawl.max_depth is not None and depth >= config.crawl.max_depth:
            wanted = 0
        if row == position["log_row"]:
            wanted -= position["relation_index"] * count + position["log_index"]
        if wanted > 0:
            due += wanted
            if depth >= 0:
                nodes[depth] += count
    return due, nodes


def _positive(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: number for name, number in counts.items() if number}


def _counts(counts: Mapping[str, int]) -> str:
    largest_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    each = ", ".join(f"{number:,} {name}" for name, number in largest_first)
    return f"{sum(counts.values()):,}" + (f" ({each})" if each else "")
