"""The table of behaviours S1 to S41: name, what happens, where it was seen, and what a fault hits unless it is told.

`S` numbers are those of the field report's checklist. Sources: `#N` is issue N of the official tracker (soundcloud/api
on GitHub); "recorded" is a recorded answer; "spec" and "docs" are SoundCloud's own.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Mark = Literal["fault", "always", "v2"]
Per = Literal["list", "page", "request", "node", "outage", "visit"]
"""What a fault's probability is about.

list     a share of the lists; whoever asks, whenever
page     a share of the pages, again for ever
request  a share of the requests: asked again, the same page may come
node     a share of the nodes, with all their lists
outage   a share of the requests within the first ten minutes of each hour of the sandbox's clock
visit    the fault decides by itself: a share of the rows, of the objects, of the tokens
"""


class Behaviour(NamedTuple):
    """One row. `number` is 0 for what is not in the checklist. `what` and `seen` are for people."""

    number: int
    name: str
    what: str
    seen: str
    mark: Mark = "fault"
    scope: str = "lists"
    probability: float = 0.2
    per: Per = "list"


def _always(number: int, name: str, what: str, seen: str) -> Behaviour:
    return Behaviour(number, name, what, seen, "always", "", 1.0)


def _v2(number: int, name: str, what: str, seen: str) -> Behaviour:
    return Behaviour(number, name, what, seen, "v2", "", 1.0)


_ENVELOPE = (
    Behaviour(
        1, "swapped-end", "lists that end with next_href null end without the key, and the reverse", "spec; #485"
    ),
    Behaviour(2, "bare-arrays", "a page is a bare array although an envelope was asked for", "recorded; spec"),
    Behaviour(
        3, "short-pages", "15 % of a list's rows are cut away after the page was cut", "recorded; #55, #139, #439"
    ),
    Behaviour(4, "empty-pages", "three empty pages in a row in the middle of a list of five or more", "recorded; #439"),
    Behaviour(5, "empty-last-page", "a last page that is full names a next one, which is empty", "#485"),
    Behaviour(6, "null-items", "5 % of a list's rows are null", "yt-dlp guards against it", probability=0.1),
    Behaviour(
        6, "null-collection", "the same, and the collection of an empty last page is null", "yt-dlp guards against it"
    ),
    _always(7, "renamed-limit", "limit comes back as page_size in next_href", "recorded"),
    Behaviour(
        7, "small-pages", "pages are cut at 10 rows, whatever limit asks for", "yt-dlp: /stream at 50", probability=1
    ),
    _v2(8, "echoed-client-id", "next_href of comments and related repeats the client_id", "recorded"),
)
_CURSORS = (
    _always(9, "cursor-grammars", "each list's cursor has its own form", "recorded; #12, #165, #368, #485, #505"),
    Behaviour(10, "wrong-host", "next_href names an internal host, over http", "#309, #368", probability=0.5),
    Behaviour(11, "repeated-cursor", "from the second page on next_href names the page it stands on", "#12"),
    Behaviour(11, "cursor-cycle", "the third page names the second one as the next", "#12"),
    Behaviour(
        12,
        "endless-offsets",
        "lists of more than 1,000 rows show 1,000, then empty pages without end",
        "#505",
        scope="offset-lists",
        probability=1,
    ),
    Behaviour(12, "endless-end", "the same past the end of any list", "harsher than #505", scope="offset-lists"),
    Behaviour(
        13, "dropped-access", "next_href loses access, show_tracks and linked_partitioning", "#40, #58", probability=0.5
    ),
    Behaviour(
        14, "ms-ties", "a page begins with the last row of the one before", "inferred", scope="ms-lists", per="page"
    ),
    Behaviour(14, "ms-ties-lost", "a page leaves out its first row", "inferred", "fault", "ms-lists", 0.05, "page"),
    Behaviour(
        15,
        "inserts",
        "rows come in while a list is read: offsets repeat a row, counts grow",
        "inferred",
        scope="changing",
    ),
    Behaviour(
        15, "unfollows", "rows go while a list is read: offsets skip a row, counts shrink", "inferred", scope="changing"
    ),
    Behaviour(
        16, "related-seed-first", "a list of related things begins with the thing itself", "recorded", scope="*/related"
    ),
)
_OBJECTS = (
    Behaviour(
        17,
        "counter-drift",
        "a user's counts are 5, 16 or 89 % above what the lists show",
        "recorded; #59, #408",
        scope="users-shown",
        per="visit",
    ),
    Behaviour(
        17,
        "zero-counts",
        "an outage of ten minutes in which all counts are 0",
        "#279",
        "fault",
        "users-shown",
        1,
        "outage",
    ),
    _always(18, "nested-zero-counts", "users inside of tracks and playlists show zeros", "#66, #424, #442; recorded"),
    _always(19, "followings-limit", "nobody in a synthetic world follows more than 2,000", "#56, #479"),
    Behaviour(
        20,
        "missing-user",
        "an uploader is only {id, kind}",
        "soundcloud.py",
        scope="data",
        probability=0.1,
        per="visit",
    ),
    Behaviour(
        20,
        "suspended",
        "a user, and all lists of it, are 404",
        "recorded 404",
        scope="users-own",
        probability=0.05,
        per="node",
    ),
    Behaviour(
        20,
        "private",
        "a track or playlist, and all lists of it, are an empty 403",
        "#523; docs",
        scope="uploads-own",
        probability=0.05,
        per="node",
    ),
    Behaviour(
        21,
        "stub-tracks",
        "tracks of a playlist after the fifth are stubs",
        "recorded",
        scope="playlist-tracks",
        probability=0.5,
    ),
    Behaviour(
        22,
        "urn-only",
        "objects have a urn and no id",
        "docs; release 2025-04-23",
        scope="data",
        probability=0.3,
        per="request",
    ),
    _always(22, "id-and-urn", "objects have both", "recorded"),
    _always(23, "utm-permalinks", "permalink_url carries utm parameters with the app's id", "recorded"),
    _always(24, "date-forms", "objects have 2011/04/06 15:37:43 +0000, cursors ISO 8601", "recorded"),
    Behaviour(
        24, "iso-dates", "objects have ISO 8601 dates too", "recorded of the web's API", scope="data", per="request"
    ),
    _always(25, "large-ids", "ids of tracks pass 2**31 (not in worlds made of edge lists)", "recorded"),
    _v2(26, "playlists-without-urn", "playlists have no urn", "recorded"),
    Behaviour(
        27,
        "access-filter",
        "10 % of the tracks are blocked, and hidden unless access asks for them",
        "#439",
        scope="track-lists",
        probability=0.1,
        per="visit",
    ),
)
_CREDENTIALS = (
    _always(28, "basic-only", "client credentials are taken from a Basic header only", "SoundCloud's agent skills"),
    _always(29, "token-expiry", "tokens live 3,599 s, then an empty 401", "spec; #124, #125"),
    Behaviour(
        29,
        "dead-tokens",
        "a token dies before its time: an empty 401, for ever",
        "#124, #125",
        "fault",
        "data",
        0.001,
        "visit",
    ),
    _always(30, "single-use-refresh", "a refresh token works once, then invalid_grant", "#169, #173"),
    Behaviour(
        30, "refused-refresh", "refresh tokens are refused: invalid_grant", "#169", "fault", "token", 1, "request"
    ),
    Behaviour(
        31,
        "token-quota",
        "50 tokens in 12 hours, 30 in one, for client credentials",
        "docs; #212",
        "fault",
        "token",
        1,
        "visit",
    ),
    _always(32, "no-me", "an application's token gets 401 on /me", "#84, #378"),
    Behaviour(33, "throttled-dated", "429 with a reset_time a minute away", "docs", "fault", "data", 0.02, "request"),
    Behaviour(
        33,
        "throttled-bucket",
        "429 with two limits, bucket for group, two reset times",
        "#212",
        "fault",
        "data",
        0.02,
        "request",
    ),
    Behaviour(33, "throttled-long", "429 in the long form", "#148, #299", "fault", "data", 0.02, "request"),
    Behaviour(
        33, "throttled-gateway", "429 of a gateway: 38 bytes, no date", "#362, #529", "fault", "data", 0.02, "request"
    ),
    Behaviour(33, "throttled-edge", "429, a text: Please slow down.", "#189, #224", "fault", "data", 0.02, "request"),
    Behaviour(33, "throttled-tokens", "429 of the token endpoint", "#517", "fault", "token", 0.5, "request"),
    Behaviour(
        34, "bogus-limits", "x-ratelimit headers -1, 0, 0 on every answer", "#457", "fault", "data", 1, "request"
    ),
)
_FAILURES = (
    Behaviour(
        35, "forbidden-edge", "403 of CloudFront, 919 bytes of HTML", "#433, #481", "fault", "data", 0.02, "request"
    ),
    Behaviour(
        35,
        "forbidden-gateway",
        "403 of a gateway, 33 bytes of JSON: the app is out",
        "#523",
        "fault",
        "data",
        0.001,
        "request",
    ),
    Behaviour(35, "forbidden-empty", "403 with an empty body: a list is private", "docs", probability=0.05),
    Behaviour(36, "empty-500", "500 with an empty body", "#170, #215", "fault", "data", 0.02, "request"),
    Behaviour(36, "html-502", "502, HTML", "#264, #354", "fault", "data", 0.02, "request"),
    Behaviour(36, "text-503", "503: upstream connect error", "#308, #311", "fault", "data", 0.02, "request"),
    Behaviour(36, "text-504", "504: upstream request timeout", "#308, #314", "fault", "data", 0.02, "request"),
    Behaviour(
        36, "cut-body", "the connection closes in the middle of the body", "checklist", "fault", "data", 0.02, "request"
    ),
    Behaviour(
        36, "reset", "the connection is reset in the middle of the body", "checklist", "fault", "data", 0.02, "request"
    ),
    Behaviour(36, "slow-body", "the body trickles for 45 s", "checklist", "fault", "data", 0.005, "request"),
    Behaviour(
        36,
        "truncated-json",
        "the body is whole for HTTP and cut in the middle of its JSON",
        "checklist",
        "fault",
        "data",
        0.02,
        "request",
    ),
    Behaviour(36, "wrong-type", "200 with a page of HTML", "checklist", "fault", "data", 0.02, "request"),
    Behaviour(
        36, "other-json", "200 with JSON that is not what was asked for", "checklist", "fault", "data", 0.02, "request"
    ),
    Behaviour(
        37,
        "storm",
        "for ten minutes of each hour most calls fail: 502, 503, 504, HTML, text, nothing",
        "#308: 90 % of calls for hours",
        "fault",
        "users/followers",
        0.9,
        "outage",
    ),
    _always(38, "large-limit", "a limit above 200 is a 500 with an empty body", "#170"),
    _always(39, "batch-limit", "more than 50 of a batch are a 400, missing ids are dropped", "soundcloud-lib #8"),
    Behaviour(39, "reordered-batch", "a batch comes in another order", "recorded", "fault", "batches", 0.5, "request"),
    Behaviour(
        39,
        "dropped-batch",
        "10 % of a batch are dropped although they exist",
        "#286, #363",
        "fault",
        "batches",
        0.1,
        "visit",
    ),
    _always(40, "removed-endpoints", "endpoints that were removed are 405", "soundcloud-mcp"),
    Behaviour(
        40,
        "removed-list",
        "a list that was removed since: 405",
        "soundcloud-mcp",
        "fault",
        "users/reposts/playlists",
        1,
        "request",
    ),
    Behaviour(
        41, "write-lag", "the two newest rows of a list cannot be read for five minutes, but count", "#255, #524"
    ),
)
_HOLES = (
    Behaviour(
        0, "early-null", "next_href is null in the middle of a list", "planted, to test certificates", probability=0.05
    ),
    Behaviour(0, "lost-page", "one page of a list is skipped", "planted, to test certificates", probability=0.05),
    Behaviour(
        0,
        "silent-cap",
        "a list ends halfway, as if it were over",
        "planted, to test certificates",
        probability=0.05,
    ),
    Behaviour(
        0,
        "unknown-kinds",
        "3 % of a list's rows are of a kind that nobody knows",
        "system playlists, recorded",
        probability=0.1,
    ),
)
BEHAVIOURS: tuple[Behaviour, ...] = (*_ENVELOPE, *_CURSORS, *_OBJECTS, *_CREDENTIALS, *_FAILURES, *_HOLES)
FAULTS = {row.name: row for row in BEHAVIOURS if row.mark == "fault"}
"""What can be chosen, by name."""
