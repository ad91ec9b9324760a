from __future__ import annotations

import copy
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.errors import ProviderError
from crawler.model import NodeId, Relation, Response, Task
from crawler.providers.oauth import read_token
from crawler.providers.soundcloud import Keep, SoundCloud
from crawler.providers.soundcloud_v2 import SoundCloudV2
from tests.sandbox.bad_days import BadDay

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "api" / "payloads"
KEEPS: tuple[Keep, ...] = ("graph", "profile", "raw")
PROVIDERS = {
    dialect.name: tuple(dialect("https://api.example.test", keep) for keep in KEEPS)
    for dialect in (SoundCloud, SoundCloudV2)
}
TASKS = [(name, relation) for name, providers in PROVIDERS.items() for relation in providers[0].relations]
WEIRD = st.sampled_from(
    [
        *(None, True, False, 0, -1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 0.5, 1e308, "", "0", "7", " ", "\x00"),
        *(
            "\ud800",
            "é" * 300,
            "user",
            "track",
            "soundcloud:users:7",
            "soundcloud:tracks:",
            "2011/04/06 15:37:43 +0000",
        ),
        *(
            "2011-04-06T15:37:43Z",
            "0000-00-00T00:00:00Z",
            "https://[",
            "//x",
            "https://h/a?offset=99999999999999999999",
        ),
        *("https://h/users/1/x?cursor=%zz&page_size=-5", [], {}, [[]], [None], {"id": None}, {"kind": "user"}),
    ]
)


def shapes() -> list[tuple[Relation, Any]]:
    """Return what the sandbox serves for each list that it has."""
    day = BadDay("", users=9)
    found = []
    for relation in SoundCloud.relations:
        for node in (1, 5, 1_700_000_001, 2_200_000_001):
            reply = day.get(relation.path.format(node).partition("?")[0] + "?limit=3&linked_partitioning=true")
            if reply.status == 200 and "?urns" not in relation.path:
                found.append((relation, json.loads(reply.body)))
                break
    return found


def recorded() -> list[Any]:
    """Return recorded bodies, none where they are not beside this repository; the longest lists are cut."""
    found = []
    for path in sorted(FOLDER.glob("soundcloud*/*.json")):
        body = json.loads(path.read_bytes())
        rows = body.get("collection") if isinstance(body, dict) else body
        if isinstance(rows, list):
            del rows[3:]
        found.append(body)
    return found


SERVED = shapes()
BODIES = [body for _, body in SERVED] + recorded()


def places(value: object) -> list[tuple[Any, Any]]:
    """Return every place of a JSON value that can be changed: (its object or array, key or index)."""
    inside = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    found = [(value, key) for key, _ in inside]
    for _, part in inside:
        found += places(part)
    return found


@st.composite
def mutated(draw: st.DrawFn) -> Any:  # noqa: ANN401 - JSON
    """Return a real shape with a few values changed, taken away, put twice, or put elsewhere."""
    body = copy.deepcopy(draw(st.sampled_from(BODIES)))
    for _ in range(draw(st.integers(1, 4))):
        found = places(body)
        if not found:
            break
        holder, key = found[draw(st.integers(0, len(found) - 1))]
        how = draw(st.sampled_from(["change", "change", "remove", "move", "repeat"]))
        if how == "change":
            holder[key] = copy.deepcopy(draw(WEIRD))
        elif how == "remove":
            del holder[key]
        elif how == "move":
            other, place = found[draw(st.integers(0, len(found) - 1))]
            if isinstance(other, dict) or place < len(other):
                holder[key] = copy.deepcopy(other.get(place) if isinstance(other, dict) else other[place])
        elif isinstance(holder, list):
            holder.append(holder[key])
    return body


def asked(relation: Relation) -> Task:
    return Task(NodeId("soundcloud", relation.kind, 7), relation)


def read(dialect: str, task: Task, response: Response) -> None:
    """Read an answer in every way, write what was read, and ask for what follows; a `ProviderError` is fine."""
    for provider in PROVIDERS[dialect]:
        with suppress(ProviderError):
            page = provider.parse(task, response)
            for item in page.items:
                for each in (item, item.owner):
                    if each is not None and each.body is not None:
                        json.loads(each.body.encode())
            if page.next is not None:
                provider.request(Task(task.node, task.relation, page.next))
                provider.request(Task(task.node, task.relation, page.next, limit=9))


def test_every_list_has_a_shape() -> None:
    """The mutations begin at a real answer of every list that the sandbox serves."""
    lists = {relation.name for relation, _ in SERVED}
    assert lists >= {"followers", "likes_tracks", "comments", "tracks", "related", "profile"}


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(TASKS), mutated(), st.sampled_from([200, 200, 200, 302, 403, 404, 429]))
def test_no_mutation_of_a_real_answer_escapes(chosen: tuple[str, Relation], body: Any, status: int) -> None:  # noqa: ANN401
    """Whatever has changed in an answer, it is a page whose nodes can be written, or a `ProviderError`."""
    response = Response(status, {}, json.dumps(body).encode("utf-8", "surrogatepass"))
    read(chosen[0], asked(chosen[1]), response)
    with suppress(ProviderError):
        read_token(response)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(SERVED), st.data())
def test_no_cut_and_no_flip_of_a_real_answer_escapes(served: tuple[Relation, Any], data: st.DataObject) -> None:
    """Bytes that are cut off, changed or doubled are no bug either."""
    relation, body = served
    text = bytearray(json.dumps(body).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(text)))
    for form in (text[:cut], text):
        read("soundcloud", asked(relation), Response(200, {}, bytes(form)))


@pytest.mark.slow
@settings(max_examples=5_000, deadline=None)
@given(st.sampled_from(TASKS), mutated())
def test_many_mutations(chosen: tuple[str, Relation], body: Any) -> None:  # noqa: ANN401
    """The same, for as long as a night's test may take."""
    read(chosen[0], asked(chosen[1]), Response(200, {}, json.dumps(body).encode("utf-8", "surrogatepass")))
