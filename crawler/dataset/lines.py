"""The shapes of the lines, as contracts: exactly these keys in every line of a kind of file, nulls written out."""

from __future__ import annotations

from msgspec import Raw, Struct

from crawler.model import Certificate, CrossReference, Detail, Id, Point, Ranking


class NodeLine(Struct, forbid_unknown_fields=True, gc=False):
    """A line of `nodes`: one per node, again only when a fuller object came."""

    kind: str
    id: Id
    urn: str | None
    source: str
    depth: int
    via: str
    detail: Detail
    observed_at: str
    data: Raw


class EdgeLine(Struct, forbid_unknown_fields=True, gc=False):
    """A line of `edges`; `rank` is its place in the list that showed it, None for what no list showed."""

    type: str
    src_kind: str
    src: Id
    dst_kind: str
    dst: Id
    at: str | None
    rank: int | None
    via: str
    source: str
    observed_at: str


class ListLine(Certificate, forbid_unknown_fields=True):
    """A line of `lists`: how a listing ended."""


class SeriesLine(Point, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A line of `series`: one value of a time series."""

    via: str
    source: str
    observed_at: str


class ChartLine(Ranking, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A line of `charts`: one place in a chart on a date."""

    via: str
    source: str
    observed_at: str


class CrossReferenceLine(CrossReference, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A line of `xrefs`: another name of a node, and how it is known."""

    via: str
    source: str
    observed_at: str


SHAPES: dict[str, type[Struct]] = {
    "nodes": NodeLine,
    "edges": EdgeLine,
    "lists": ListLine,
    "series": SeriesLine,
    "charts": ChartLine,
    "xrefs": CrossReferenceLine,
}
RECORDS = ("series", "charts", "xrefs")
"""Kinds of files that a run has only when a source tells such things."""
