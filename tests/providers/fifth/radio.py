"""A fifth source, small and invented, added as docs/providers/README.md says: this file, a row, bodies and a page.

A radio station has played tracks of SoundCloud, and tells how many people listened on which day.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from crawler.errors import BadPage, Denied, Gone
from crawler.model import Item, Page, Point, Relation, Request, Response, Task
from crawler.providers.described import described
from crawler.providers.service import Access, Section, Service, Variable
from crawler.providers.soundcloud_answers import failure
from crawler.providers.soundcloud_fields import Keep

RELATIONS: tuple[Relation, ...] = (
    Relation("station", "plays", "track", "plays", "/stations/{}/plays"),
    Relation("station", "listeners", "station", None, "/stations/{}/listeners", "none", rows="records"),
)


class RadioSection(Section, frozen=True):
    """[radio]: where the stations are, and the variable of the key."""

    base_url: str = "https://radio.example.test"
    radio_key_env: Variable = "RADIO_KEY"


class Radio:
    """The provider `radio`."""

    name = "radio"
    network = "radio"
    relations: tuple[Relation, ...] = RELATIONS

    def __init__(self, section: RadioSection, keep: Keep) -> None:
        self._base = section.base_url
        self._keep: Keep = keep

    def request(self, task: Task) -> Request:
        """Return the request for a page."""
        path = task.cursor or task.relation.path.replace("{}", str(task.node.id))
        return Request(self._base + path, task.relation.name)

    def parse(self, task: Task, response: Response) -> Page:
        """Return the page in an answer."""
        if response.status == 404:
            raise Gone("there is no such station")
        if response.status == 403:
            raise Denied("the station is private")
        if response.status != 200:
            raise failure(response, task.relation.name)
        body = msgspec.json.decode(response.body)
        if not isinstance(body, dict) or not isinstance(body.get("rows"), list):
            raise BadPage("the body has no rows")
        if task.relation.name == "listeners":
            page = Page([])
            node = task.node
            page.records = [Point("station", node.id, "radio", "listeners", None, day, n) for day, n in body["rows"]]
            return page
        items = [self._track(row) for row in body["rows"] if isinstance(row.get("track"), int)]
        return Page(items, body.get("next"), unread=len(body["rows"]) - len(items))

    def _track(self, row: dict[str, object]) -> Item:
        track = row["track"]
        assert isinstance(track, int)
        return Item("track", track, track, "mini", described({"title": row.get("title")}, row, self._keep))


def _access(_section: RadioSection, values: Mapping[str, str]) -> Access:
    return Access(parameters={"key": values["radio_key_env"]})


SERVICE = Service(
    name="radio",
    section=RadioSection,
    relations=RELATIONS,
    provider=Radio,
    credentials=lambda _section: ("radio_key_env",),
    access=_access,
    kinds={"station": "radio", "track": "soundcloud"},
    defaults={"station": ("plays", "listeners")},
)
