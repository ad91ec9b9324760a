from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.config import (
    Config,
    differences,
    dumps,
    load,
    loads,
    rate_in_force,
    uses_sandbox,
    with_overrides,
)
from crawler.errors import ConfigError
from crawler.providers.soundcloud_service import POLITE_REQUESTS_PER_SECOND, USER_RELATIONS

SHIPPED = Path(__file__).parent.parent / "config.toml"

OVERRIDES = st.fixed_dictionaries(
    {},
    optional={
        "crawl.workers": st.integers(1, 1000),
        "crawl.max_depth": st.none() | st.integers(0, 20),
        "crawl.max_seconds": st.floats(0.001, 1e9),
        "crawl.relations.user": st.lists(st.sampled_from(USER_RELATIONS), unique=True),
        "soundcloud.requests_per_second": st.sampled_from([0.5, 30, "auto"]),
        "soundcloud.contact": st.text("abc @.#\"'\\[]", min_size=1),
        "sandbox.enabled": st.booleans(),
        "sandbox.world": st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1),
        "shards.compression": st.sampled_from(["zstd", "none"]),
        "dataset.keep": st.sampled_from(["graph", "profile", "raw"]),
    },
)


def test_the_shipped_file_says_the_defaults() -> None:
    """The comments in config.toml call its values the defaults."""
    assert load(SHIPPED) == Config()


@given(OVERRIDES)
def test_what_is_written_is_read_back(overrides: dict[str, Any]) -> None:
    """`loads` gives back every configuration that `dumps` wrote."""
    config = with_overrides(Config(), overrides)
    assert loads(dumps(config)) == config


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("[crawl]\nmax_dept = 1", 'unknown key "max_dept" in [crawl]; did you mean "max_depth"?'),
        ("[crawll]", 'unknown section or key "crawll"; did you mean "crawl"?'),
        ("[crawl]\nworkers = 0", "workers in [crawl] must be a whole number from 1 to 1000"),
        ("[crawl]\nmax_nodes = 0", "max_nodes in [crawl]: expected a whole number >= 1"),
        ("[crawl]\nmax_seconds = nan", "max_seconds in [crawl]: expected a number above 0"),
        ('[crawl]\nmax_depth = "2"', "max_depth in [crawl]: expected a whole number, got text"),
        ("[crawl]\nmax_depth = true", "max_depth in [crawl]: expected a whole number, got true or false"),
        ("crawl = 3", "[crawl]: expected a table, got a whole number"),
        ("[crawl]\nsources = []", "sources in [crawl] must name at least one source"),
        (
            '[crawl.relations]\nuser = ["fans"]',
            'user in [crawl.relations] does not know "fans"; known: "profile", "comments_written", "followers"',
        ),
        ('[crawl.relations]\nuser = ["related", "related"]', "user in [crawl.relations] names the same thing twice"),
        ('[crawl.relations]\ntrack = ["reposter"]', 'does not know "reposter"; did you mean "reposters"?'),
        ('[dataset]\nkeep = "all"', 'keep in [dataset] does not know "all"; known: "graph", "profile", "raw"'),
        ('[soundcloud]\nbase_url = "http://example.org"', "base_url in [soundcloud] must begin with https://"),
        ('[soundcloud]\nbase_url = "https://u:p@example.org"', "base_url in [soundcloud] must be a URL like"),
        ('[soundcloud]\ntoken_url = "https://example.org/?a=b"', "token_url in [soundcloud] must be a URL like"),
        ('[soundcloud]\nrequests_per_second = "fast"', 'must be a number from 0.001 to 1000000, or "auto"'),
        ("[soundcloud]\nrequests_per_second = 1e-300", "must be a number from 0.001 to 1000000"),
        ("[chartmetric]\nrequests_per_second = 1e9", "must be a number from 0.001 to 1000000"),
        ('[soundcloud]\ncontact = "a\\nb"', "contact in [soundcloud] must be plain ASCII text on one line"),
        ("[crawl", "is not valid TOML"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_its_key(text: str, sentence: str) -> None:
    """Every mistake is a `ConfigError` of one line that begins with the file and holds the sentence."""
    with pytest.raises(ConfigError) as caught:
        loads(text, "my.toml")
    said = str(caught.value)
    assert said.startswith("my.toml: ")
    assert sentence in said
    assert "\n" not in said


def test_a_pasted_secret_is_not_repeated() -> None:
    """Who puts the secret where its variable's name belongs is told so, without the secret."""
    with pytest.raises(ConfigError, match="name of an environment variable") as caught:
        loads('[soundcloud]\nclient_secret_env = "hunter2-hunter2"')
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8070", "http://localhost:8070", "http://[::1]:8070", "https://a.b/c"]
)
def test_plain_http_is_for_this_computer(url: str) -> None:
    """Addresses of this computer may be http, for a sandbox; all others are https."""
    assert loads(f'[soundcloud]\nbase_url = "{url}"').soundcloud.base_url == url


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file, and one that is no text, are configuration errors that name the file."""
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read: No such file"):
        load(tmp_path / "absent.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"bytes\.toml: is not UTF-8"):
        load(tmp_path / "bytes.toml")


def test_overrides_blame_the_command_line() -> None:
    """A flag with an impossible value is an error of the command line, not of a file."""
    with pytest.raises(ConfigError, match=r"^command line: max_nodes in \[crawl\]"):
        with_overrides(Config(), {"crawl.max_nodes": 0})


def test_an_override_of_none_takes_a_limit_away() -> None:
    """None as an override means: no limit."""
    limited = with_overrides(Config(), {"crawl.max_depth": 2})
    assert with_overrides(limited, {"crawl.max_depth": None}) == Config()


@pytest.mark.parametrize(
    "key, value",
    [
        ("crawl.relations.user", ["followings", "followers"]),
        ("crawl.hydrate", "undescribed"),
        ("soundcloud.base_url", "https://example.org"),
        ("sandbox.seed", 2),
        ("sandbox.enabled", True),
        ("dataset.keep", "raw"),
    ],
)
def test_another_question_is_another_run(key: str, value: object) -> None:
    """What is asked, of whom, and how much is kept make a run; the difference is named by its key."""
    assert differences(Config(), with_overrides(Config(), {key: value})) == [key]


@pytest.mark.parametrize(
    "key, value",
    [
        ("crawl.workers", 4),
        ("crawl.max_requests", 9),
        ("soundcloud.requests_per_second", 9),
        ("shards.bytes_max", 9),
        ("crawl.max_depth", 1),
    ],
)
def test_limits_and_speed_may_change_between_starts(key: str, value: object) -> None:
    """A run may be continued with other limits, workers, rates and shard sizes."""
    assert not differences(Config(), with_overrides(Config(), {key: value}))


def test_the_sandbox_is_used_exactly_when_no_client_id_is_set() -> None:
    """Unless the file says so, credentials in the environment decide; an empty variable is none."""
    assert uses_sandbox(Config(), {})
    assert uses_sandbox(Config(), {"SOUNDCLOUD_CLIENT_ID": ""})
    assert not uses_sandbox(Config(), {"SOUNDCLOUD_CLIENT_ID": "x"})
    assert uses_sandbox(loads("[sandbox]\nenabled = true"), {"SOUNDCLOUD_CLIENT_ID": "x"})
    assert not uses_sandbox(loads("[sandbox]\nenabled = false"), {})


def test_the_service_is_asked_politely_unless_told_otherwise() -> None:
    """Without a rate in the file there is a polite one for the service and none for the sandbox."""
    assert rate_in_force(Config(), sandbox=False) == POLITE_REQUESTS_PER_SECOND
    assert rate_in_force(Config(), sandbox=True) is None
    told = loads("[soundcloud]\nrequests_per_second = 7")
    assert rate_in_force(told, sandbox=False) == rate_in_force(told, sandbox=True) == 7
