"""Faults of objects: counts that are wrong, uploaders that are gone, stubs, ids that moved, dates of another form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from crawler.sandbox.faults.paging import Rewrite
from crawler.sandbox.faults.plan import Chosen
from crawler.sandbox.faults.visit import Sheet, Visit

DRIFTS = (0.05, 0.16, 0.89)
"""Recorded or reported: 58 of 61 followings (recorded), 2,556 of 3,031 likes (#59), 22 of 195 likes (#408)."""
FULL_TRACKS = 5
_COUNTS = (
    "followers_count",
    "followings_count",
    "track_count",
    "playlist_count",
    "likes_count",
    "public_favorites_count",
)
_DATES = ("created_at", "last_modified")
_MINI_LENGTH = len("2011/04/06 15:37:43 +0000")


def _objects(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Yield an object and all objects inside it."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


def _users(sheet: Sheet) -> Iterator[dict[str, Any]]:
    return (row for row in sheet.rows if isinstance(row, dict) and row.get("kind") == "user")


def _counted(sheet: Sheet, change: Callable[[dict[str, Any], int], int]) -> None:
    for user in _users(sheet):
        user.update({name: max(0, change(user, user[name])) for name in _COUNTS if user.get(name)})


def _drift(_visit: Visit, fault: Chosen, sheet: Sheet) -> None:
    def drifted(user: dict[str, Any], count: int) -> int:
        if not fault.strikes("user", user["id"]):
            return count
        drift = DRIFTS[int(fault.draw("level", user["id"]) * len(DRIFTS))]
        return -int(-count // (1 - drift))

    _counted(sheet, drifted)


def _zero(_visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    _counted(sheet, lambda _user, _count: 0)


def _grown(visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    if sheet.single:
        _counted(sheet, lambda _user, count: count + visit.nth - 1)


def _shrunk(visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    if sheet.single:
        _counted(sheet, lambda _user, count: count - visit.nth + 1)


def _missing(_visit: Visit, fault: Chosen, sheet: Sheet) -> None:
    for thing in _objects(sheet.rows):
        user = thing.get("user")
        if isinstance(user, dict) and fault.strikes("user", user["id"]):
            thing["user"] = {"id": user["id"], "kind": "user"}


def _stubs(visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    if visit.family == "playlists/tracks":
        full = max(0, FULL_TRACKS - visit.start)
        sheet.rows[full:] = [_stub(row) for row in sheet.rows[full:]]
        return
    for playlist in sheet.rows:
        if isinstance(playlist, dict) and playlist.get("tracks"):
            playlist["tracks"][FULL_TRACKS:] = [_stub(track) for track in playlist["tracks"][FULL_TRACKS:]]


def _stub(track: Any) -> Any:  # noqa: ANN401
    if not isinstance(track, dict):
        return track
    return {"id": track["id"], "kind": "track", "monetization_model": "NOT_APPLICABLE", "policy": "ALLOW"}


def _urns(_visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    for thing in _objects(sheet.rows):
        if thing.get("kind") == "comment":
            thing["urn"] = f"soundcloud:comments:{thing['id']}"
        if "urn" in thing:
            thing.pop("id", None)
            thing.pop("user_id", None)


def _iso(_visit: Visit, _fault: Chosen, sheet: Sheet) -> None:
    for thing in _objects(sheet.rows):
        for name in _DATES:
            date = thing.get(name)
            if isinstance(date, str) and len(date) == _MINI_LENGTH:
                thing[name] = f"{date[:10].replace('/', '-')}T{date[11:19]}Z"


THINGS: Mapping[str, Rewrite] = {
    "counter-drift": _drift,
    "inserts": _grown,
    "unfollows": _shrunk,
    "zero-counts": _zero,
    "missing-user": _missing,
    "stub-tracks": _stubs,
    "iso-dates": _iso,
    "urn-only": _urns,
}
"""In the order in which they are applied; ids go last."""
