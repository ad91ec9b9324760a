"""Which lists of a run to read again, and what they gave: from its own records, by the last certificate of each."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import Struct, field

from crawler.dataset.ledgers import INWARD
from crawler.dataset.lines import EdgeLine, ListLine
from crawler.dataset.reader import lines
from crawler.errors import ConfigError
from crawler.model import Id, Verdict

Name = tuple[str, str, str, Id]
"""A listing: source, relation, kind and id of its node."""


class Again(Struct):
    """A list to read again: its last certificate, the rows whose edges it gave, and the rank of its next edge.

    Its node and how it was read are the certificate's; see `engine.requeue`.
    """

    certificate: ListLine
    given: list[Id] = field(default_factory=list)
    next_rank: int = 0


def check_verdicts(verdicts: Collection[str]) -> None:
    """Raise `ConfigError` for a verdict that there is not, and for none at all."""
    unknown = [verdict for verdict in verdicts if verdict not in get_args(Verdict)]
    if unknown or not verdicts:
        known = ", ".join(get_args(Verdict))
        message = f'a list does not end in "{", ".join(unknown)}"; it ends in: {known}'
        raise ConfigError(message)


def lists_with(run: Path, verdicts: Collection[str]) -> list[Again]:
    """Return the lists whose last certificate has one of some verdicts, in the order in which they ended.

    Reads all certificates, and all edges when there are such lists. Raises `ConfigError` for a verdict that there is
    not and when there is no run, `StorageError` when the records are broken.
    """
    check_verdicts(verdicts)
    last: dict[Name, ListLine] = {}
    for certificate in _decoded(run, "lists", ListLine):
        name = (certificate.source, certificate.relation, certificate.kind, certificate.id)
        last.pop(name, None)
        last[name] = certificate
    chosen = {name: Again(line) for name, line in last.items() if line.verdict in verdicts}
    if any(again.certificate.distinct for again in chosen.values()):
        for edge in _decoded(run, "edges", EdgeLine):
            _take(chosen, edge)
    return list(chosen.values())


def _take(chosen: dict[Name, Again], edge: EdgeLine) -> None:
    if edge.rank is None:
        return
    here, there = (edge.src_kind, edge.src), (edge.dst_kind, edge.dst)
    if (edge.via, edge.type) in INWARD:
        here, there = there, here
    again = chosen.get((edge.source, edge.via, *here))
    if again is not None:
        again.given.append(f"{there[1]} {edge.at}" if edge.type == "commented" else there[1])
        again.next_rank = max(again.next_rank, edge.rank + 1)


def _decoded(run: Path, kind: str, shape: type[Any]) -> Iterator[Any]:
    decode = msgspec.json.Decoder(shape).decode
    for line in lines(run, kind):
        yield decode(line)
