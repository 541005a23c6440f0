-- +goose Up
-- Programs of the schema before go on with this one: they leave the new columns at their defaults, and take only tokens of the
-- kind 'user' for genuine.

-- How a token was made and where it may be used.
ALTER TABLE token ADD COLUMN kind TEXT NOT NULL DEFAULT 'user' CHECK (kind IN ('user', 'cli', 'web'));
CREATE INDEX token_expires ON token (expires);

-- From where an issue was asked for.
ALTER TABLE issue ADD COLUMN ip TEXT NOT NULL DEFAULT '';
ALTER TABLE issue ADD COLUMN agent TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_event_issue ON audit_event (issue, seq, idx) WHERE issue <> '';

-- A person as an identity provider knows the person.
CREATE TABLE identity (
    issuer    TEXT   NOT NULL,
    subject   TEXT   NOT NULL,
    principal TEXT   NOT NULL REFERENCES principal (name),
    created   INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT;
CREATE INDEX identity_principal ON identity (principal);

-- A sign-in that is under way. Digests are made with a key that is not in the database.
CREATE TABLE login_flow (
    digest    BLOB  PRIMARY KEY,
    kind      TEXT   NOT NULL CHECK (kind IN ('code', 'device', 'link')),
    user_code BLOB  UNIQUE,
    program   TEXT   NOT NULL,
    host      TEXT   NOT NULL,
    ip        TEXT   NOT NULL,
    redirect  TEXT   NOT NULL,
    challenge TEXT   NOT NULL,
    state     TEXT   NOT NULL CHECK (state IN ('open', 'approved', 'denied', 'used')),
    principal TEXT   NOT NULL,
    token     TEXT   NOT NULL,
    created   INTEGER NOT NULL,
    expires   INTEGER NOT NULL,
    polled    INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX login_flow_expires ON login_flow (expires);
