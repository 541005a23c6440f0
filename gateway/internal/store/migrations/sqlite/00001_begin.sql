-- +goose Up
-- Times are microseconds since 1970 in UTC; zero means never.

-- The one row of the gateway. A program whose newest schema is older than needs does not open the database.
CREATE TABLE gateway (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    id     TEXT    NOT NULL,
    frozen TEXT    NOT NULL DEFAULT '',
    needs  INTEGER NOT NULL
) STRICT;

CREATE TABLE principal (
    name            TEXT    PRIMARY KEY,
    source_identity TEXT    NOT NULL UNIQUE,
    disabled        INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created         INTEGER NOT NULL
) STRICT;

CREATE TABLE grp (
    name    TEXT    PRIMARY KEY,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE membership (
    grp       TEXT NOT NULL REFERENCES grp (name) ON DELETE CASCADE,
    principal TEXT NOT NULL REFERENCES principal (name),
    PRIMARY KEY (grp, principal)
) STRICT;

CREATE TABLE policy_version (
    seq     INTEGER PRIMARY KEY CHECK (seq > 0),
    parent  INTEGER REFERENCES policy_version (seq),
    doc     BLOB    NOT NULL,
    sha256  BLOB    NOT NULL,
    author  TEXT    NOT NULL,
    message TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    CHECK (seq = 1 AND parent IS NULL OR seq > 1 AND parent IS NOT NULL AND parent = seq - 1)
) STRICT;

CREATE TABLE token (
    id        TEXT    PRIMARY KEY,
    principal TEXT    NOT NULL REFERENCES principal (name),
    mac       BLOB    NOT NULL,
    key_id    TEXT    NOT NULL,
    label     TEXT    NOT NULL,
    created   INTEGER NOT NULL,
    expires   INTEGER NOT NULL,
    revoked   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX token_principal ON token (principal);

CREATE TABLE issue (
    id            TEXT    PRIMARY KEY,
    principal     TEXT    NOT NULL,
    token         TEXT    NOT NULL,
    account       TEXT    NOT NULL,
    role_arn      TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('intent', 'issued', 'failed', 'withheld', 'unknown')),
    at            INTEGER NOT NULL,
    access_key_id TEXT    UNIQUE,
    expires       INTEGER NOT NULL DEFAULT 0,
    chained       INTEGER NOT NULL DEFAULT 0 CHECK (chained IN (0, 1)),
    error         TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX issue_principal ON issue (principal, at);
CREATE INDEX issue_account ON issue (account, at);
CREATE INDEX issue_at ON issue (at);
CREATE INDEX issue_intent ON issue (at) WHERE state = 'intent';

CREATE TABLE audit_batch (
    seq    INTEGER PRIMARY KEY,
    prev   BLOB    NOT NULL,
    hash   BLOB    NOT NULL,
    n      INTEGER NOT NULL,
    writer TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    auth   INTEGER NOT NULL
) STRICT;

-- A redacted event has neither salt nor body, and empty columns.
CREATE TABLE audit_event (
    seq     INTEGER NOT NULL,
    idx     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    type    TEXT    NOT NULL,
    actor   TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    account TEXT    NOT NULL,
    role    TEXT    NOT NULL,
    issue   TEXT    NOT NULL,
    salt    BLOB,
    body    BLOB,
    leaf    BLOB    NOT NULL,
    PRIMARY KEY (seq, idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_event_at ON audit_event (at);
CREATE INDEX audit_event_actor ON audit_event (actor);
CREATE INDEX audit_event_account ON audit_event (account);
CREATE INDEX audit_event_type ON audit_event (type);
