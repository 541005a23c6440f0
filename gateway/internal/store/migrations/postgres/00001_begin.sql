-- +goose Up
-- Times are microseconds since 1970 in UTC; zero means never.

-- The one row of the gateway. A program whose newest schema is older than needs does not open the database.
CREATE TABLE gateway (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    id     TEXT    NOT NULL,
    frozen TEXT    NOT NULL DEFAULT '',
    needs  BIGINT  NOT NULL
);

CREATE TABLE principal (
    name            TEXT    PRIMARY KEY,
    source_identity TEXT    NOT NULL UNIQUE,
    disabled        BOOLEAN NOT NULL,
    created         BIGINT  NOT NULL
);

CREATE TABLE grp (
    name    TEXT   PRIMARY KEY,
    created BIGINT NOT NULL
);

CREATE TABLE membership (
    grp       TEXT NOT NULL REFERENCES grp (name) ON DELETE CASCADE,
    principal TEXT NOT NULL REFERENCES principal (name),
    PRIMARY KEY (grp, principal)
);

CREATE TABLE policy_version (
    seq     BIGINT PRIMARY KEY CHECK (seq > 0),
    parent  BIGINT REFERENCES policy_version (seq),
    doc     BYTEA  NOT NULL,
    sha256  BYTEA  NOT NULL,
    author  TEXT   NOT NULL,
    message TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    CHECK (seq = 1 AND parent IS NULL OR seq > 1 AND parent IS NOT NULL AND parent = seq - 1)
);

CREATE TABLE token (
    id        TEXT   PRIMARY KEY,
    principal TEXT   NOT NULL REFERENCES principal (name),
    mac       BYTEA  NOT NULL,
    key_id    TEXT   NOT NULL,
    label     TEXT   NOT NULL,
    created   BIGINT NOT NULL,
    expires   BIGINT NOT NULL,
    revoked   BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX token_principal ON token (principal);

CREATE TABLE issue (
    id            TEXT    PRIMARY KEY,
    principal     TEXT    NOT NULL,
    token         TEXT    NOT NULL,
    account       TEXT    NOT NULL,
    role_arn      TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('intent', 'issued', 'failed', 'withheld', 'unknown')),
    at            BIGINT  NOT NULL,
    access_key_id TEXT    UNIQUE,
    expires       BIGINT  NOT NULL DEFAULT 0,
    chained       BOOLEAN NOT NULL DEFAULT false,
    error         TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX issue_principal ON issue (principal, at);
CREATE INDEX issue_account ON issue (account, at);
CREATE INDEX issue_at ON issue (at);
CREATE INDEX issue_intent ON issue (at) WHERE state = 'intent';

CREATE TABLE audit_batch (
    seq    BIGINT PRIMARY KEY,
    prev   BYTEA  NOT NULL,
    hash   BYTEA  NOT NULL,
    n      BIGINT NOT NULL,
    writer TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    auth   BIGINT NOT NULL
);

-- A redacted event has neither salt nor body, and empty columns.
CREATE TABLE audit_event (
    seq     BIGINT NOT NULL,
    idx     BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    type    TEXT   NOT NULL,
    actor   TEXT   NOT NULL,
    subject TEXT   NOT NULL,
    account TEXT   NOT NULL,
    role    TEXT   NOT NULL,
    issue   TEXT   NOT NULL,
    salt    BYTEA,
    body    BYTEA,
    leaf    BYTEA  NOT NULL,
    PRIMARY KEY (seq, idx)
);
CREATE INDEX audit_event_at ON audit_event (at);
CREATE INDEX audit_event_actor ON audit_event (actor, seq, idx);
CREATE INDEX audit_event_account ON audit_event (account, seq, idx);
CREATE INDEX audit_event_type ON audit_event (type, seq, idx);

-- The server's role may not change the log, but it may redact an event: this runs with the rights of the owner.
-- +goose StatementBegin
CREATE FUNCTION audit_redact(of_seq BIGINT, of_idx BIGINT) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE audit_event
       SET salt = NULL, body = NULL, at = 0, type = '', actor = '', subject = '', account = '', role = '', issue = ''
     WHERE seq = of_seq AND idx = of_idx AND body IS NOT NULL AND type NOT IN ('audit.redacted', 'gateway.restored');
    RETURN FOUND;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION audit_redact(BIGINT, BIGINT) FROM PUBLIC;
