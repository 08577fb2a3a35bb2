-- The durable model as SQLite holds it: the words are those of the code and of
-- docs/durability.md. `migrations[n]` takes a store from version n - 1 to n, so that
-- a store of an older release is brought up to date, and each is there for ever.

local M = {}

-- "orcl": how a file says whose it is (PRAGMA application_id).
M.APPLICATION_ID = 0x6f72636c

M.migrations = {
  [[
  -- A program's text, stored once however often it is run.
  CREATE TABLE program (
    number     INTEGER PRIMARY KEY,
    hash       TEXT NOT NULL UNIQUE,  -- SHA-256 of the fields below
    name       TEXT NOT NULL,         -- the file's name, for messages
    source     TEXT NOT NULL,
    first_line INTEGER NOT NULL,      -- where it begins in its file
    indent     INTEGER NOT NULL
  );

  -- A process that drives runs. One that has not renewed its row for 10 seconds, or is
  -- dead, holds nothing.
  CREATE TABLE driver (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    host    TEXT NOT NULL,
    boot    TEXT NOT NULL,     -- the boot id of the host, and who numbers its processes
    pid     INTEGER NOT NULL,
    started TEXT NOT NULL,     -- the process's start time, as the host counts it
    renewed REAL NOT NULL      -- seconds since the epoch
  );

  CREATE TABLE run (
    number  INTEGER PRIMARY KEY,
    id      TEXT NOT NULL UNIQUE,
    program INTEGER NOT NULL REFERENCES program,
    edited  INTEGER NOT NULL DEFAULT 0,  -- 1: the program has taken over from another one
    title   TEXT NOT NULL,
    parent  TEXT,              -- the id of the run whose request it answers
    status  TEXT NOT NULL,     -- running, completed, failed, cancelled
    options TEXT NOT NULL,     -- JSON: what `resume` needs to go on as it began
    created REAL NOT NULL,
    changed REAL NOT NULL,     -- when it last came to rest
    due     REAL,              -- when its next timer is due; infinite when only a signal can wake it
    steps   INTEGER NOT NULL DEFAULT 0,
    outcome TEXT,              -- JSON: its result, or its error
    last    INTEGER NOT NULL,  -- its last row of the journal, or, while it runs, one a little before
    driver  INTEGER,           -- who drives it
    fence   INTEGER NOT NULL   -- goes up with every driver: an older one can write no more
  );
  CREATE INDEX run_due ON run (due) WHERE due IS NOT NULL;
  CREATE INDEX run_cut_off ON run (number) WHERE status = 'running' AND due IS NULL;
  CREATE INDEX run_ended ON run (changed) WHERE status <> 'running';
  CREATE INDEX run_driver ON run (driver) WHERE driver IS NOT NULL;

  -- What the runs learned and asked for. Rows are only appended, so that a commit of
  -- many runs writes few pages; those of one run are a chain, from its last row back.
  CREATE TABLE journal (
    number   INTEGER PRIMARY KEY,
    previous INTEGER,          -- the row of the same run before this one
    run      INTEGER NOT NULL,
    seq      INTEGER NOT NULL, -- its place in its run, from 1
    kind     TEXT NOT NULL,    -- start reply try ask asked timer signal cancel resume; request event
    time     REAL NOT NULL,    -- when it came, seconds since the epoch
    request  INTEGER,          -- the number of the request or the wait
    name     TEXT,             -- whom it is for, the signal's name, the event's type
    branch   TEXT,
    line     INTEGER,
    attempt  INTEGER,
    duration REAL,             -- seconds
    body     TEXT,             -- the answer's text, the signal's or the event's JSON
    error    TEXT,             -- JSON
    usage    TEXT,             -- JSON
    readings TEXT              -- JSON list: clock readings and answers of user functions
  );

  -- A run at rest, as one value: with it, rows up to `seq` are not needed to go on, and
  -- are history. Older ones have no body: they divide the history into parts, which are
  -- let go one by one.
  CREATE TABLE snapshot (
    run  INTEGER NOT NULL,
    seq  INTEGER NOT NULL,
    row  INTEGER NOT NULL,     -- the row of the journal with that seq
    body BLOB,
    PRIMARY KEY (run, seq)
  );

  -- What was handed to a run from outside and its driver has not taken in yet.
  CREATE TABLE message (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run    INTEGER NOT NULL,
    kind   TEXT NOT NULL,      -- signal, cancel
    name   TEXT,
    body   TEXT,
    sent   REAL NOT NULL
  );
  CREATE INDEX message_run ON message (run);

  -- Entities outlive their run. Numbers are JSON, so that they come back exactly.
  CREATE TABLE entity (
    number     INTEGER PRIMARY KEY,
    type       TEXT NOT NULL,
    id         TEXT NOT NULL,
    properties TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (type, id)
  );
  ]],
  [[
  ALTER TABLE run ADD COLUMN usage TEXT;  -- JSON: what it has spent when it last changed its status
  ]],
  -- No table differs, but an older release takes `run.last` for the last row of a run.
  "",
  [[
  CREATE INDEX run_child ON run (parent) WHERE parent IS NOT NULL AND status = 'running';
  CREATE INDEX run_program ON run (program)
  ]],
}

return M
