"""The old HTTP API of SoundCloud (seed 002) as a provider: a client id for a token, and arrays without links.

It is what archives, mirrors and recordings of the years before 2021 speak; the service itself has refused bare client
ids since then. Pages are asked for by `limit` and `offset`, and nothing says how many rows there are, so only an array
without rows ends a list: a short one may have been filtered after it was cut. `/favorites` are a user's liked tracks.
"""

from __future__ import annotations

import re

import msgspec

from crawler.model import Item, NodeId, Page, Relation, Task
from crawler.providers.dates import iso_utc
from crawler.providers.soundcloud import SoundCloud
from crawler.providers.soundcloud_fields import Keep
from crawler.providers.soundcloud_items import BUILDERS, identity_of
from crawler.providers.soundcloud_links import read_id
from crawler.providers.soundcloud_objects import Answer, Unreadable, shape

RELATIONS: tuple[Relation, ...] = (
    Relation(
        "user", "followers", "user", "follows", "/users/{}/followers", "offset", inward=True, count="followers_count"
    ),
    Relation("user", "followings", "user", "follows", "/users/{}/followings", "offset", count="followings_count"),
    Relation("user", "likes_tracks", "track", "likes", "/users/{}/favorites", "offset"),
    Relation("user", "tracks", "track", "posted", "/users/{}/tracks", "offset", count="track_count"),
    Relation("user", "playlists", "playlist", "posted", "/users/{}/playlists", "offset", count="playlist_count"),
    Relation("user", "comments_written", "track", "commented", "/users/{}/comments", "offset"),
    Relation("user", "web_profiles", "web_profile", "links", "/users/{}/web-profiles", "none"),
    Relation("user", "profile", "user", None, "/users/{}", "none"),
    Relation("track", "favoriters", "user", "likes", "/tracks/{}/favoriters", "offset", inward=True),
    Relation("track", "related", "track", "related", "/tracks/{}/related", "offset"),
    Relation("track", "comments", "user", "commented", "/tracks/{}/comments", "offset", inward=True),
    Relation("track", "profile", "track", None, "/tracks/{}", "none"),
    Relation("playlist", "tracks", "track", "contains", "/playlists/{}", "none"),
    Relation("playlist", "profile", "playlist", None, "/playlists/{}", "none"),
    Relation("tracks", "profile", "track", None, "/tracks?ids={}", "none"),
    Relation("url", "resolve", "any", None, "/resolve?url={}", "none"),
    Relation("search", "users", "user", None, "/users?q={}", "offset"),
    Relation("search", "tracks", "track", None, "/tracks?q={}", "offset"),
    Relation("search", "playlists", "playlist", None, "/playlists?q={}&representation=compact", "offset"),
)
"""The table. Names and edges are those of the current dialect, so that a run's records do not tell which was spoken."""

_OFFSET = re.compile(r"(?<=[?&])offset=([0-9]{1,9})")


class SoundCloudLegacy(SoundCloud):
    """The provider `soundcloud` with `dialect = "legacy"`."""

    relations = RELATIONS

    def __init__(self, base_url: str, keep: Keep) -> None:
        super().__init__(base_url, keep)
        for listing in self._listings.values():
            listing.own.pop("linked_partitioning", None)

    def _name_in_url(self, node: NodeId) -> str:
        """Return a node's id as the URL has it: this API knows no URNs."""
        if node.kind == "tracks":
            return ",".join(str(read_id(name, "track")) for name in str(node.id).split(","))
        return super()._name_in_url(node)

    def _list(self, task: Task, body: bytes) -> Page:
        relation = task.relation
        if (relation.kind, relation.name) == ("playlist", "tracks"):
            return self._inside(task, body)
        if (relation.kind, relation.name) == ("user", "comments_written"):
            return self._commented(task, body)
        return super()._list(task, body)

    def _paged(self, task: Task, page: Page, answer: Answer) -> Page:
        """Name the page that follows an array with rows; an answer that has a link of its own is taken at its word."""
        page = super()._paged(task, page, answer)
        if not answer.bare or task.relation.paging == "none":
            return page
        page.doubt = page.asked = None
        if answer.rows:
            here = self.request(task).url.removeprefix(self._base)
            found = _OFFSET.search(here)
            limit = task.limit or self._listings[task.relation.kind, task.relation.name].limit
            page.mark = (int(found[1]) if found else 0) + limit
            page.next = _OFFSET.sub(f"offset={page.mark}", here) if found else f"{here}&offset={page.mark}"
        return page

    def _inside(self, task: Task, body: bytes) -> Page:
        """Read the tracks of a playlist from the playlist."""
        served = msgspec.json.decode(body)
        tracks = served.get("tracks") if isinstance(served, dict) else None
        if not isinstance(tracks, list) or read_id(served.get("id"), "playlist") != task.node.id:
            raise Unreadable("the object is not the playlist that was asked for, with its tracks")
        read = [(shape("track", self._keep).read(thing), thing if self._keep == "raw" else None) for thing in tracks]
        built = [BUILDERS["track"](row, thing, False) for row, thing in read if row is not None]  # noqa: FBT003
        items = [item for item in built if item is not None]
        return Page(items, unread=len(tracks) - len(items))

    def _commented(self, task: Task, body: bytes) -> Page:
        """Read what a user commented on: the item is the track, told apart by the comment's own id."""
        answer = shape("comment", self._keep).read_page(body)
        items = []
        for row in answer.rows:
            key = identity_of(row, "comment") if row is not None else None
            track = read_id(row.track_id, "track") if row is not None else None
            if key is not None and track is not None:
                items.append(Item("track", track, key, "id", None, at=_moment(row)))
        return self._paged(task, Page(items, unread=len(answer.rows) - len(items), doubt=answer.doubt), answer)


def _moment(row: object) -> str | None:
    served = getattr(row, "created_at", None)
    return iso_utc(served) if isinstance(served, str) else None
