"""Records -> lines. The shapes written here are contracts: the same keys in every line of a kind, nulls written out.

The constant part of a line is built once per page and the rest is joined as text: a page of 200 edges makes no object
per edge.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from crawler.model import Certificate, Detail, Id, Item, NodeId, Record, Relation
from crawler.shards.writer import Lines

_json = msgspec.json.encode
ANY_KIND = "any"
_WITH_URN = frozenset({"user", "track", "playlist"})


def id_text(value: Id) -> str:
    """Return the JSON of an id: `42`, or `"a-uuid"`."""
    return str(value) if type(value) is int else _json(value).decode()


def urn_text(network: str, kind: str, value: Id) -> str:
    """Return the JSON of a node's URN, `"soundcloud:users:42"`, or `null` for kinds that have none."""
    return f'"{network}:{kind}s:{value}"' if kind in _WITH_URN else "null"


def edge_lines(
    relation: Relation, node: NodeId, items: Sequence[Item], first_rank: int, stamp: tuple[str, str]
) -> Lines:
    """Return one line per item: the edge that the listing's row means.

    In a list of several kinds (`to_kind` "any") each item says its own; such edges run from the node to the item.
    `first_rank` is the place in the listing of the first item, counted from 0; `stamp` is (source, observed_at).
    """
    source, observed_at = stamp
    if relation.to_kind == ANY_KIND:
        rows = [
            edge_lines(replace(relation, to_kind=item.kind), node, [item], rank, stamp).data
            for rank, item in enumerate(items, first_rank)
        ]
        return Lines(b"".join(rows), len(rows))
    here = id_text(node.id)
    src_kind, dst_kind = (relation.to_kind, node.kind) if relation.inward else (node.kind, relation.to_kind)
    head = f'{{"type":"{relation.edge}","src_kind":"{src_kind}","src":'
    middle = f',"dst_kind":"{dst_kind}","dst":'
    tail = f',"via":"{relation.name}","source":"{source}","observed_at":"{observed_at}"}}\n'
    if relation.inward:
        start, end = head, f"{middle}{here}"
    else:
        start, end = f"{head}{here}{middle}", ""
    if not any([type(item.id) is not int or item.at is not None for item in items]):  # noqa: C419 - a generator takes twice the time
        return _plain_lines(items, first_rank, f'{start}\0{end},"at":null,"rank":\0{tail}')
    text = "".join(
        [
            f"{start}{item.id if type(item.id) is int else id_text(item.id)}{end}"
            f',"at":{_at(item.at)},"rank":{rank}{tail}'
            for rank, item in enumerate(items, first_rank)
        ]
    )
    return Lines(text.encode(), len(items))


def _plain_lines(items: Sequence[Item], first_rank: int, line: str) -> Lines:
    """Fill integer ids and ranks into a line's two gaps, for a whole page at once: a quarter of the time."""
    count = len(items)
    numbers: list[Id] = [0] * (2 * count)
    numbers[::2] = [item.id for item in items]
    numbers[1::2] = range(first_rank, first_rank + count)
    template = line.replace("%", "%%").replace("\0", "%d").encode()
    return Lines(template * count % tuple(numbers), count)


def posted_lines(owned: Sequence[Item], via: str, stamp: tuple[str, str]) -> Lines:
    """Return a `posted` edge for each track or playlist that names its uploader; its rank is null, it is no row."""
    source, observed_at = stamp
    tail = f',"at":null,"rank":null,"via":"{via}","source":"{source}","observed_at":"{observed_at}"}}\n'
    text = "".join(
        [
            f'{{"type":"posted","src_kind":"{item.owner.kind}","src":{id_text(item.owner.id)}'
            f',"dst_kind":"{item.kind}","dst":{id_text(item.id)}{tail}'
            for item in owned
            if item.owner is not None
        ]
    )
    return Lines(text.encode(), text.count("\n"))


def node_line(item: Item, depth: int, via: str, stamp: tuple[str, str, str], empty_data: bytes) -> bytes:
    """Return a node's line; `stamp` is (network, source, observed_at), `empty_data` stands for a missing body."""
    network, source, observed_at = stamp
    detail: Detail = item.detail
    head = (
        f'{{"kind":"{item.kind}","id":{id_text(item.id)},"urn":{urn_text(network, item.kind, item.id)}'
        f',"source":"{source}","depth":{depth},"via":"{via}","detail":"{detail}","observed_at":"{observed_at}","data":'
    )
    return b"".join((head.encode(), empty_data if item.body is None else item.body.encode(), b"}\n"))


def record_line(record: Record, via: str, stamp: tuple[str, str]) -> bytes:
    """Return the line of a point, a ranking or a cross reference; `stamp` is (source, observed_at)."""
    source, observed_at = stamp
    return _json(record)[:-1] + f',"via":"{via}","source":"{source}","observed_at":"{observed_at}"}}\n'.encode()


def certificate_line(certificate: Certificate) -> bytes:
    """Return the line of a listing that ended."""
    return _json(certificate) + b"\n"


def _at(value: str | None) -> str:
    return "null" if value is None else _json(value).decode()
