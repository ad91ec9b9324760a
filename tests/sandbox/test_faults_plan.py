"""Choosing faults: the table, the syntax, the seed, and that a good day stays what it was."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from crawler.cli import cli
from crawler.errors import ConfigError
from crawler.sandbox.faults.answers import ANSWERS
from crawler.sandbox.faults.layer import FaultyDialect
from crawler.sandbox.faults.paging import LINKS, STEERS
from crawler.sandbox.faults.plan import FAMILIES, GROUPS, listed, parse_faults
from crawler.sandbox.faults.rows import ROWS
from crawler.sandbox.faults.table import BEHAVIOURS, FAULTS
from crawler.sandbox.faults.things import THINGS
from crawler.sandbox.faults.wires import WIRES
from crawler.sandbox.official import LISTINGS
from tests.sandbox.bad_days import BadDay

REMEMBERING = {"dead-tokens", "refused-refresh", "token-quota"}


def test_every_behaviour_of_the_report_is_in_the_table() -> None:
    """S1 to S41 all have a row, with a sentence and a source; names are used once."""
    assert {row.number for row in BEHAVIOURS} == set(range(42))
    assert len({row.name for row in BEHAVIOURS}) == len(BEHAVIOURS)
    assert all(row.what and row.seen for row in BEHAVIOURS)


def test_every_behaviour_has_a_test_of_its_own() -> None:
    """Each of S1 to S41 is in the name of a test that shows it; test_faults_crawl.py crawls what can be chosen."""
    texts = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_faults_*.py")]
    heads = [line for text in texts for line in text.splitlines() if re.match(r"(async )?def test_", line)]
    shown = {int(number) for head in heads for number in re.findall(r"_s(\d+)(?=_)", head)}
    assert shown == set(range(1, 42))


def test_every_fault_does_something() -> None:
    """Each name that can be chosen has an action, and each action a name."""
    assert set(FAULTS) == {*ANSWERS, *STEERS, *LINKS, *ROWS, *THINGS, *WIRES, *REMEMBERING}


def test_the_command_lists_all_of_them() -> None:
    """`crawler sandbox --list-faults` shows each number, name and source, and how to choose."""
    shown = CliRunner().invoke(cli, ["sandbox", "--list-faults"])
    assert shown.exit_code == 0
    assert shown.output == listed() + "\n"
    for row in BEHAVIOURS:
        assert any(
            line.split()[1].split(":")[0] == row.name and row.seen in line
            for line in listed().splitlines()[: len(BEHAVIOURS)]
        )


def test_the_families_are_those_of_the_dialect() -> None:
    """A scope can name every family that the dialect has, so that no list is out of reach of a fault."""
    assert {f"{listing.kind}s/{listing.relation}" for listing in LISTINGS} < set(FAMILIES)
    assert set().union(*GROUPS.values()) | {"token"} == set(FAMILIES)


def test_probability_and_scope_can_be_named() -> None:
    """NAME[:PROBABILITY][@FAMILY]: what is left out comes from the table; patterns and groups are spelt out."""
    plan = parse_faults("storm:0.5@users/*, short-pages ,short-pages:1@playlists/tracks")
    storm, short, shorter = plan.faults
    assert (storm.probability, "users/followers" in storm.scope, "tracks/related" in storm.scope) == (0.5, True, False)
    assert (short.probability, short.scope) == (0.2, frozenset(GROUPS["lists"]))
    assert (shorter.probability, shorter.scope) == (1.0, frozenset({"playlists/tracks"}))
    assert parse_faults("").faults == ()


@pytest.mark.parametrize(
    "text,sentence",
    [
        ("short-page", 'did you mean "short-pages"'),
        ("xyz", "--list-faults"),
        ("storm:2", "from 0 to 1"),
        ("storm:nan", "from 0 to 1"),
        ("storm:often", "from 0 to 1"),
        ("storm@users/follower", 'did you mean "users/followers"'),
        ("storm@qqqq", "there are users/followers"),
        ("basic-only", "always"),
        ("echoed-client-id", "does not speak yet"),
    ],
)
def test_what_there_is_not_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    """A wrong name, probability or family is a `ConfigError` that says what would be right."""
    with pytest.raises(ConfigError, match=sentence):
        parse_faults(f"wrong-host,{text}")


def everything(faults: str, seed: int) -> list[object]:
    day = BadDay(faults, users=40, seed=seed)
    paths = [f"/users/{user}/{relation}?limit=5" for user in range(1, 41) for relation in ("followers", "related")]
    return [day.get(path)[:3] for path in paths for _ in range(2)]


def test_the_same_seed_makes_the_same_bad_day() -> None:
    """Two sandboxes with one seed answer the same requests alike to the byte, and another seed has other luck."""
    faults = "short-pages:0.5,text-504:0.3,repeated-cursor:0.3,null-items,throttled-dated:0.1"
    assert everything(faults, 1) == everything(faults, 1)
    day, other = ([parse_faults(faults, seed).faults[0].draw(n) for n in range(9)] for seed in (1, 2))
    assert day != other


def test_a_fault_that_is_about_a_list_keeps_to_its_lists() -> None:
    """The share of lists hit is the probability, and a list that is hit is hit whenever it is asked for."""
    day = BadDay("forbidden-empty:0.3@users/followers")
    hit = [[day.get(f"/users/{user}/followers").status for user in range(1, 301)] for _ in range(2)]
    assert hit[0] == hit[1]
    assert 0.2 < hit[0].count(403) / 300 < 0.4
    assert {day.get(f"/users/{user}/followings").status for user in range(1, 51)} == {200}


def test_a_list_is_the_same_list_by_number_and_by_urn() -> None:
    """Whoever names users by URN meets the same faults."""
    day = BadDay("forbidden-empty:0.5")
    for user in range(1, 40):
        named = (day.get(f"/users/{name}/followers").status for name in (user, f"soundcloud:users:{user}"))
        assert len(set(named)) == 1


def test_without_faults_nothing_is_in_the_way() -> None:
    """Without a plan the dialect itself answers, and a plan without faults answers alike but for space."""
    good, empty = BadDay("", users=40), BadDay("", users=40)
    good.sandbox = type(good.sandbox)(good.world, now=good.clock)
    good.pair = json.loads(good.grant("grant_type=client_credentials", basic="a:b").body)
    assert not isinstance(good.sandbox._dialect, FaultyDialect)
    assert good.sandbox.lists() == {}
    for path in ("/users/1", "/users/1/followers?limit=3", "/users/1/tracks", "/tracks?ids=5", "/users/9999"):
        assert good.json(path) == empty.json(path) if path != "/users/9999" else empty.get(path).status == 404


def test_the_account_of_lists_can_be_asked_for() -> None:
    """/_sandbox/lists says of each list what it has, what its pages stood for, and what became of the rows."""
    day = BadDay("short-pages:1,null-items:1,ms-ties:1")
    day.some(day.path("user", "followers", limit=20), 100)
    (account,) = json.loads(day.get("/_sandbox/lists").body).values()
    parts = ("visible", "duplicates", "unread", "own", "hidden", "hidden_at_end")
    assert account["rows"] == sum(account[part] for part in parts)
    assert min(account[part] for part in parts[:3]) > 0
    assert account["length"] == account["rows"] - (account["pages"] - 1)
