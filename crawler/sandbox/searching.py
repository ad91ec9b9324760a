"""The official search: what a text finds, and which of it the filters let through."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import numpy as np

from crawler.sandbox.finding import found
from crawler.sandbox.objects import Objects
from crawler.sandbox.reply import Call
from crawler.sandbox.world import World

Json = dict[str, Any]


def matching(world: World, objects: Objects, kind: str, query: Mapping[str, str]) -> list[Json]:
    """Return the objects that a search finds, those that the filters of the query let through."""
    ids = np.array(found(world, kind, query.get("q", "")), dtype=np.int64)
    if not len(ids):
        return []
    if kind == "playlist":
        body = objects.playlists(ids, with_tracks=query.get("show_tracks", "true") == "true")
    else:
        body = objects.users(ids) if kind == "user" else objects.tracks(ids)
    rows: list[Json] = json.loads(b"[%b]" % body)
    checks = [check for name, check in _FILTERS.items() if name in query] if kind == "track" else []
    return [row for row in rows if all(check(row, query) for check in checks)]


def onward(call: Call, offset: int, limit: int) -> str:
    """Return the link to the next page of a search."""
    kept = [
        f"{quote(name)}={quote(value, safe='')}"
        for name, value in call.query.items()
        if name not in {"offset", "limit", "page_size", "client_id"}
    ]
    pairs = [f"page_size={limit}", f"offset={offset}", *kept]
    return f"http://{call.headers.get('host', '127.0.0.1')}{call.path}?{'&'.join(pairs)}"


def _listed(name: str, column: str) -> Callable[[Json, Mapping[str, str]], bool]:
    def check(row: Json, query: Mapping[str, str]) -> bool:
        wanted = {one.strip().lower() for one in query[name].split(",")}
        words = {str(row[column]).lower(), *str(row[column]).lower().split()}
        return bool(wanted & words)

    return check


def _from(name: str, column: str) -> Callable[[Json, Mapping[str, str]], bool]:
    return lambda row, query: row[column] is not None and _comparable(row[column]) >= _comparable(query[name])


def _to(name: str, column: str) -> Callable[[Json, Mapping[str, str]], bool]:
    return lambda row, query: row[column] is not None and _comparable(row[column]) <= _comparable(query[name])


def _comparable(value: Any) -> tuple[float, str]:  # noqa: ANN401 - a number or a date
    text = str(value).replace("/", "-").removesuffix(" +0000")
    return (float(text), "") if text.replace(".", "").isdigit() else (0.0, text)


_FILTERS: dict[str, Callable[[Json, Mapping[str, str]], bool]] = {
    "genres": _listed("genres", "genre"),
    "tags": _listed("tags", "tag_list"),
    "access": _listed("access", "access"),
    "license": _listed("license", "license"),
    "types": _listed("types", "kind"),
    **{f"{name}[from]": _from(f"{name}[from]", name) for name in ("bpm", "duration", "created_at")},
    **{f"{name}[to]": _to(f"{name}[to]", name) for name in ("bpm", "duration", "created_at")},
}
