from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crawler.dataset.reader import lines
from crawler.dataset.verify import text, verify
from crawler.errors import ConfigError
from tests.dataset.runs import Lines, crawled, rewrite, shard


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run; nobody changes it."""
    return crawled(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Iterator[Path]:
    """Return a copy of the finished run, to be damaged."""
    return shutil.copytree(whole, tmp_path / "run")


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every shard."""
    return {path.name: path.read_bytes() for path in sorted((folder / "shards").iterdir())}


def problems(run: Path) -> list[str]:
    """Return what is found wrong, and make sure that the verdict says so."""
    found = verify(run)
    assert found["ok"] is not bool(found["problems"])
    return list(found["problems"])


def test_a_finished_run_is_as_promised(whole: Path) -> None:
    """A crawl's own output has no problems, and its lines are counted."""
    found = verify(whole)
    assert found["problems"] == []
    assert found["ok"]
    assert found["lines"] == {kind: sum(1 for _ in lines(whole, kind)) for kind in ("nodes", "edges", "lists")}
    assert "all is as promised" in text(found, whole)


@pytest.mark.parametrize("requests_max", [1, 7, 50, 150])
def test_a_stopped_run_is_as_promised(tmp_path: Path, requests_max: int) -> None:
    """Listings that are half read are no problem: the frontier says how many edges they gave."""
    assert problems(crawled(tmp_path / "run", requests_max)) == []


def test_many_small_and_uncompressed_shards_are_as_promised(tmp_path: Path) -> None:
    """Shards of any size and compression are read alike."""
    run = crawled(tmp_path / "run", compression="none", shard_bytes_max=2000)
    assert problems(run) == []
    assert verify(run)["shards"] > 9


def test_verify_changes_nothing(run: Path) -> None:
    """Not a byte of the shards is touched."""
    before = snapshot(run)
    verify(run)
    assert snapshot(run) == before


def test_a_folder_without_a_run_is_a_config_error(tmp_path: Path) -> None:
    """Whoever mistypes the folder is told that there is no run in it."""
    with pytest.raises(ConfigError, match="is no run folder"):
        verify(tmp_path)


def test_a_missing_shard_is_found(run: Path) -> None:
    """A shard that somebody deleted is named."""
    shard(run, "edges").unlink()
    assert any("edges-000000.ndjson.zst is missing" in problem for problem in problems(run))


def test_a_shard_cut_short_is_found(run: Path) -> None:
    """A shard shorter than what was committed is named."""
    path = shard(run, "edges")
    path.write_bytes(path.read_bytes()[:-10])
    assert any("10 bytes shorter" in problem for problem in problems(run))


def test_a_flipped_bit_is_found(run: Path) -> None:
    """A sealed shard that differs in a single bit is named."""
    path = shard(run, "nodes")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert any("nodes-000000.ndjson.zst: is not what was sealed" in problem for problem in problems(run))


def test_a_longer_sealed_shard_is_found(run: Path) -> None:
    """Nothing may be added to a sealed shard."""
    path = shard(run, "lists")
    path.write_bytes(path.read_bytes() + b"x")
    assert any("were committed" in problem for problem in problems(run))


def test_a_stray_file_is_found(run: Path) -> None:
    """A file that the frontier does not know is named."""
    (run / "shards" / "edges-000007.ndjson.zst").write_bytes(b"")
    assert problems(run) == ["edges-000007.ndjson.zst: the frontier does not know this file"]


def test_a_tail_that_was_never_committed_is_no_problem(run: Path) -> None:
    """What a kill leaves behind a committed length is not looked at; the next start cuts it off."""
    stopped = crawled(run.parent / "stopped", 50)
    (stopped / "shards" / "edges-000009.ndjson.zst.open").write_bytes(b"torn")
    assert problems(stopped) == []


def drop_last(lines: Lines) -> Lines:
    return lines[:-1]


def double_last(lines: Lines) -> Lines:
    return [*lines, lines[-1]]


def break_second(lines: Lines) -> Lines:
    return [lines[0], b'{"kind":\n', *lines[2:]]


def add_key(lines: Lines) -> Lines:
    return [lines[0].replace(b"}\n", b',"more":1}\n'), *lines[1:]]


def drop_key(lines: Lines) -> Lines:
    return [lines[0].replace(b'"source":"toy",', b""), *lines[1:]]


def rename_edge(lines: Lines) -> Lines:
    return [lines[0].replace(b'"type":"follows"', b'"type":"likes"'), *lines[1:]]


@pytest.mark.parametrize(
    "kind, change, sentence",
    [
        ("edges", drop_last, "its list says"),
        ("edges", double_last, "are there twice from the same list"),
        ("edges", break_second, "edges-000000.ndjson.zst, line 2:"),
        ("edges", add_key, "line 1: Object contains unknown field `more`"),
        ("edges", drop_key, "line 1: Object missing required field `source`"),
        ("edges", rename_edge, "were counted"),
        ("nodes", drop_last, "that has no line in nodes"),
        ("nodes", double_last, "is there twice, the second time no richer"),
        ("nodes", break_second, "nodes-000000.ndjson.zst, line 2:"),
        ("nodes", drop_key, "line 1: Object missing required field `source`"),
        ("lists", drop_last, "gave edges, have not ended, and are not in the frontier"),
        ("lists", double_last, "is certified twice"),
        ("lists", add_key, "line 1: Object contains unknown field `more`"),
    ],
)
def test_a_wrong_line_is_found(run: Path, kind: str, change: Callable[[Lines], Lines], sentence: str) -> None:
    """A line that is missing, doubled, broken or misshapen is a problem, also when its shard's hash is right."""
    rewrite(run, kind, change)
    assert any(sentence in problem for problem in problems(run)), problems(run)
