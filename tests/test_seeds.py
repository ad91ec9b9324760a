from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import ConfigError
from crawler.model import NodeId
from crawler.seeds import ID_MAX, parse, read_seeds


@pytest.mark.parametrize(
    "text, kind, identity",
    [
        ("1", "user", 1),
        ("0", "user", 0),
        ("user:1", "user", 1),
        ("track:2", "track", 2),
        ("playlist:3", "playlist", 3),
        ("soundcloud:users:1", "user", 1),
        ("soundcloud:tracks:2260000001", "track", 2260000001),
        ("soundcloud:playlists:3", "playlist", 3),
        ("https://api.soundcloud.com/users/1", "user", 1),
        ("https://api.soundcloud.com/tracks/soundcloud:tracks:7?secret_token=x", "track", 7),
        ("https://api.soundcloud.com/playlists/soundcloud%3Aplaylists%3A7", "playlist", 7),
        ("http://soundcloud.com/a", "url", "https://soundcloud.com/a"),
        ("https://www.soundcloud.com/a/b/?utm_source=x#t=1", "url", "https://soundcloud.com/a/b"),
        ("m.soundcloud.com/a/sets/c", "url", "https://soundcloud.com/a/sets/c"),
        ("https://on.soundcloud.com/Ab1", "url", "https://on.soundcloud.com/Ab1"),
        ("HTTPS://SoundCloud.com/a/B", "url", "https://soundcloud.com/a/B"),
        ("SoundCloud.com/a", "url", "https://soundcloud.com/a"),
        ("HTTPS://API.SoundCloud.com/users/1", "user", 1),
    ],
)
def test_every_form_names_its_node(text: str, kind: str, identity: int | str) -> None:
    """Ids, URNs and addresses mean the node they name; public addresses come out in one spelling."""
    assert parse(text, "here").node == NodeId("soundcloud", kind, identity)


@pytest.mark.parametrize(
    "text, node",
    [
        ("chart:top:techno:US:2026-05-01", NodeId("soundcloud", "chart", "top:techno:US:2026-05-01")),
        (
            "artist:11e81bcc-9c1c-ce38-b96b-a0369fe50396",
            NodeId("soundcharts", "artist", "11e81bcc-9c1c-ce38-b96b-a0369fe50396"),
        ),
        ("platform:soundcloud:US", NodeId("soundcharts", "platform", "soundcloud:US")),
        ("permalink:someone", NodeId("soundcloud", "permalink", "someone")),
        ("isrc:USABC2600001", NodeId("soundcloud", "isrc", "USABC2600001")),
    ],
)
def test_nodes_of_other_sources_are_written_kind_and_id(text: str, node: NodeId) -> None:
    """What other sources know is named `kind:id`, in the network of its kind."""
    assert parse(text, "here").node == node


@pytest.mark.parametrize(
    "text",
    [
        "abc def",
        "-1",
        "1.5",
        "user:",
        "comment:5",
        "soundcloud:groups:1",
        str(ID_MAX + 1),
        "\uff11\uff12",
        "https://example.org/a",
        "https://soundcloud.com.example.org/a",
        "https://soundcloud.com@example.org/a",
        "https://soundcloud.com/",
        "https://soundcloud.com:x/a",
        "https://[",
        "ftp://soundcloud.com/a",
    ],
)
def test_what_is_no_seed_names_file_and_line(text: str, tmp_path: Path) -> None:
    """A malformed line is a `ConfigError` that begins with file and line number and quotes the line."""
    file = tmp_path / "x.txt"
    file.write_text(f"# fine\n1\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_seeds([file], [])
    assert str(caught.value).startswith(f'{file}:3: "{text}" is no ')


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"1\n2\r\n\xff\n", ":3: is not UTF-8 text"),
        (b"1\r2\r\xff", ":3: is not UTF-8 text"),
        (b"1\xe2\x80\xa8\nx y\n", ':2: "x y" is no user'),
        (b"9" * 5000, f':1: "{"9" * 80}..." is no user'),
        (b"a\x1b[2Jb\x00", ':1: "a\\x1b[2Jb\\x00" is no user'),
    ],
)
def test_lines_are_counted_and_quoted_as_an_editor_shows_them(content: bytes, sentence: str, tmp_path: Path) -> None:
    """Lines end as in an editor, also before what is no text; a quoted line is short, and no terminal obeys it."""
    file = tmp_path / "x.txt"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_seeds([file], [])
    assert str(caught.value).startswith(f"{file}{sentence}")


def test_comments_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    """`#` begins a comment at the start of a line and after a space; a byte order mark is no part of a seed."""
    file = tmp_path / "x.txt"
    file.write_bytes(b"\xef\xbb\xbf1  # one\r\n\r\n   # nothing\n\ttrack:2\t# two\n")
    assert [seed.node[1:] for seed in read_seeds([file], [])] == [("user", 1), ("track", 2)]


def test_each_node_is_a_seed_once_and_in_order(tmp_path: Path) -> None:
    """Texts of the command line come first, then the files; a node named again, in any form, changes nothing."""
    file = tmp_path / "x.txt"
    file.write_text("3\nsoundcloud:users:1\nuser:2\n", encoding="utf-8")
    seeds = read_seeds([file], ["1", "https://soundcloud.com/a", "http://soundcloud.com/a?x=1"])
    assert [seed.text for seed in seeds] == ["1", "https://soundcloud.com/a", "3", "user:2"]


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    """A missing file, and one that is no text, are configuration errors that name the file, and the line if any."""
    with pytest.raises(ConfigError, match=r"absent\.txt: cannot be read: No such file"):
        read_seeds([tmp_path / "absent.txt"], [])
    (tmp_path / "bytes.txt").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"bytes\.txt:1: is not UTF-8"):
        read_seeds([tmp_path / "bytes.txt"], [])


@given(st.text(max_size=60))
def test_any_text_is_a_seed_or_a_sentence(text: str) -> None:
    """No text at all makes the reader fail in any other way than with a `ConfigError`."""
    try:
        seed = parse(text, "here")
    except ConfigError as error:
        assert str(error).startswith("here: ")  # noqa: PT017 - either outcome is fine
    else:
        assert seed.kind in {"user", "track", "playlist", "url"}
