from __future__ import annotations

from pathlib import Path

import pytest

from crawler.config import Config, loads, relations_of
from crawler.errors import ConfigError
from crawler.providers import registry
from crawler.providers.service import Service

PAGES = Path(__file__).resolve().parents[2] / "docs" / "providers"


def test_a_kind_belongs_to_one_network() -> None:
    """(kind, id) names a node in the records, so no two sources put one kind into two networks."""
    networks = registry.networks()
    for row in registry.SERVICES:
        read = {*row.defaults, *row.offered, *row.always}
        assert read <= networks.keys()
        shown = {relation.to_kind for relation in row.relations if relation.kind in read}
        assert shown - {"any"} <= networks.keys()
        assert set(row.aliases) <= set(row.kinds)


def test_an_edge_tells_whose_list_it_is_of() -> None:
    """The name of a relation and the type of its edges fix which end the list belongs to, over all sources."""
    table = [relation for row in registry.SERVICES for relation in row.relations if relation.edge is not None]
    inward = {(relation.name, relation.edge) for relation in table if relation.inward}
    outward = {(relation.name, relation.edge) for relation in table if not relation.inward}
    assert not inward & outward
    assert inward == registry.inward()


@pytest.mark.parametrize("row", registry.SERVICES, ids=lambda row: row.name)
def test_a_row_fits_together(row: Service) -> None:
    """A row's defaults and choices are relations that it has, and its credentials are variables that it names."""
    names = {(relation.kind, relation.name) for relation in row.relations}
    assert len(names) == len(row.relations)
    for table in (row.defaults, row.offered, row.always):
        assert {(kind, name) for kind, relations in table.items() for name in relations} <= names
    section = row.section()
    for key in row.credentials(section):
        assert getattr(section, key).isupper()
    provider = row.provider(section, "profile")
    assert provider.name == row.name
    assert set(row.identity) <= set(row.section.__struct_fields__)


def test_every_source_but_the_first_has_a_page() -> None:
    """Step seven: a source that no page explains does not exist."""
    for row in registry.SERVICES[1:]:
        assert (PAGES / f"{row.name}.md").is_file()
        assert f"({row.name}.md)" in (PAGES / "README.md").read_text(encoding="utf-8")


def test_a_name_is_read_from_the_first_source_that_has_it() -> None:
    """A plain name belongs to the first source in use that offers it, "source/name" to that one; others are unknown."""
    head = '[crawl]\nsources = ["soundcloud", "soundcharts"]\n[crawl.relations]\n'
    chosen = relations_of(loads(head + 'artist = ["related"]\ntrack = ["related", "soundcharts/song"]\n'))
    assert [(source, relation.name) for source, relation in chosen["track"]] == [
        ("soundcloud", "related"),
        ("soundcharts", "song"),
    ]
    assert [source for source, _ in chosen["artist"]] == ["soundcharts"]
    both = (
        '[crawl]\nsources = ["soundcloud", "soundcloud_v2"]\n[soundcloud_v2]\naccept_unofficial_terms = true\n'
        '[crawl.relations]\ntrack = ["soundcloud_v2/related", "related", "likers"]\n'
    )
    assert [(source, relation.name) for source, relation in relations_of(loads(both))["track"]] == [
        ("soundcloud_v2", "related"),
        ("soundcloud", "related"),
        ("soundcloud_v2", "likers"),
    ]
    with pytest.raises(ConfigError, match=r'does not know "song"; '):
        loads('[crawl.relations]\ntrack = ["song"]\n')
    with pytest.raises(ConfigError, match=r'sources in \[crawl\] does not know "chartmetrics"; did you mean'):
        loads('[crawl]\nsources = ["chartmetrics"]')


def test_what_no_source_in_use_has_is_left_out_of_the_defaults() -> None:
    """SoundCloud alone reads no charts, although the defaults name them; nor is a section written that says nothing."""
    assert not set(relations_of(Config())) & {"chart", "artist", "song", "song_chart", "platform", "permalink", "isrc"}
