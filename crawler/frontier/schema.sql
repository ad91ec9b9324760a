-- The frontier: one file, one writer, moved by one transaction per commit.
-- The log is the truth of what is known, and the queue of what is to be expanded; nothing in it is ever changed.
-- `crc32` is over the other columns of a row (crawler/frontier/checks.py); null in rows written by schema 1.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    crc32 INTEGER
) WITHOUT ROWID;

-- One row for each run of nodes that one page (or the seeds) made known, or described more fully (`fresh` = 0).
-- ids: 64-bit little-endian integers (form 'int64') or a JSON array of texts (form 'text').
CREATE TABLE log (
    row     INTEGER PRIMARY KEY,
    network TEXT    NOT NULL,
    kind    TEXT    NOT NULL,
    depth   INTEGER NOT NULL,
    via     TEXT    NOT NULL,
    detail  TEXT    NOT NULL,
    fresh   INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    form    TEXT    NOT NULL,
    ids     BLOB    NOT NULL,
    crc32   INTEGER
);

-- Where the reading of the log stands: everything before it has become a listing, or has ended.
CREATE TABLE position (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    log_row        INTEGER NOT NULL,
    relation_index INTEGER NOT NULL,
    log_index      INTEGER NOT NULL,
    step           INTEGER NOT NULL,
    crc32          INTEGER
);

-- Only listings that are out of order have a row: those with more pages to come, set aside, or parked.
CREATE TABLE listings (
    id         INTEGER PRIMARY KEY,
    network    TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    node                NOT NULL,
    relation   TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    depth      INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('open', 'waiting', 'parked')),
    cursor     TEXT,
    due_step   INTEGER NOT NULL,
    not_before REAL,
    body       TEXT    NOT NULL,
    crc32      INTEGER
);

-- What a listing of several pages has shown so far, so that it never yields a row twice, nor follows a cursor twice.
CREATE TABLE listing_pages (
    listing INTEGER NOT NULL,
    page    INTEGER NOT NULL,
    cursor  BLOB    NOT NULL,
    form    TEXT    NOT NULL,
    keys    BLOB    NOT NULL,
    crc32   INTEGER,
    PRIMARY KEY (listing, page)
) WITHOUT ROWID;

-- Lengths of lists from objects that can be trusted, while the node's listings are still to come.
CREATE TABLE counts (
    network TEXT NOT NULL,
    kind    TEXT NOT NULL,
    node         NOT NULL,
    body    TEXT NOT NULL,
    crc32   INTEGER,
    PRIMARY KEY (network, kind, node)
) WITHOUT ROWID;

CREATE TABLE shards (
    name            TEXT PRIMARY KEY,
    kind            TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    committed_bytes INTEGER NOT NULL,
    lines           INTEGER NOT NULL,
    sealed          INTEGER NOT NULL,
    sha256          TEXT,
    bytes_crc32     INTEGER,
    crc32           INTEGER
) WITHOUT ROWID;

CREATE TABLE totals (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    body  TEXT NOT NULL,
    crc32 INTEGER
);
