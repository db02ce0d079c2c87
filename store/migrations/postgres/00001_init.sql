-- +goose Up
-- Times are Unix nanoseconds. Bodies are JSON; what is searched and sorted often has its own column.
CREATE TABLE findings (
    id       TEXT   NOT NULL PRIMARY KEY,
    time     BIGINT NOT NULL,
    severity INTEGER NOT NULL,
    rule     TEXT   NOT NULL,
    host     TEXT   NOT NULL,
    body     TEXT   NOT NULL
);
CREATE INDEX findings_time ON findings (time);

CREATE TABLE alerts (
    id         TEXT    NOT NULL PRIMARY KEY,
    gkey       TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    severity   INTEGER NOT NULL,
    rule       TEXT    NOT NULL,
    cluster    TEXT    NOT NULL,
    host       TEXT    NOT NULL,
    origin     TEXT    NOT NULL,
    namespace  TEXT    NOT NULL,
    container  TEXT    NOT NULL,
    image      TEXT    NOT NULL,
    assignee   TEXT    NOT NULL,
    first_seen BIGINT  NOT NULL,
    last_seen  BIGINT  NOT NULL,
    count      BIGINT  NOT NULL,
    version    BIGINT  NOT NULL,
    changed    BIGINT  NOT NULL, -- grows with every change of any alert: where a stream resumes
    finding    TEXT    NOT NULL  -- id of the latest one
);
CREATE UNIQUE INDEX alerts_open ON alerts (gkey) WHERE status <> 'closed';
CREATE INDEX alerts_last ON alerts (last_seen, id);
CREATE INDEX alerts_status ON alerts (status, last_seen, id);
CREATE INDEX alerts_severity ON alerts (severity, id);
CREATE INDEX alerts_first ON alerts (first_seen, id);
CREATE INDEX alerts_rule ON alerts (rule, last_seen, id);
CREATE INDEX alerts_host ON alerts (host, last_seen, id);
CREATE INDEX alerts_changed ON alerts (changed);

-- Apart, so that counting and filtering read narrow rows.
CREATE TABLE alert_bodies (
    id    TEXT NOT NULL PRIMARY KEY,
    words TEXT NOT NULL, -- what a search for text looks at, in lower case
    body  TEXT NOT NULL
);

CREATE TABLE alert_findings (
    alert   TEXT   NOT NULL,
    time    BIGINT NOT NULL,
    finding TEXT   NOT NULL,
    PRIMARY KEY (alert, time, finding)
);

CREATE TABLE alert_attack (
    alert     TEXT NOT NULL,
    tactic    TEXT NOT NULL,
    technique TEXT NOT NULL,
    PRIMARY KEY (alert, technique, tactic)
);
CREATE INDEX alert_attack_technique ON alert_attack (technique, alert);
CREATE INDEX alert_attack_tactic ON alert_attack (tactic, alert);

CREATE TABLE notes (
    id     TEXT   NOT NULL PRIMARY KEY,
    alert  TEXT   NOT NULL,
    time   BIGINT NOT NULL,
    author TEXT   NOT NULL,
    text   TEXT   NOT NULL
);
CREATE INDEX notes_alert ON notes (alert, time);

-- What the router remembers between two pieces of work.
CREATE TABLE threads (
    key   TEXT NOT NULL PRIMARY KEY,
    alert TEXT NOT NULL,
    due   BIGINT, -- NULL: when something happens
    body  TEXT NOT NULL
);
CREATE INDEX threads_due ON threads (due) WHERE due IS NOT NULL;
CREATE INDEX threads_alert ON threads (alert);
CREATE TABLE sources (
    key     TEXT   NOT NULL PRIMARY KEY,
    expires BIGINT NOT NULL,
    body    TEXT   NOT NULL
);
CREATE INDEX sources_expires ON sources (expires);
CREATE TABLE buckets (
    output TEXT NOT NULL PRIMARY KEY,
    due    BIGINT,
    body   TEXT NOT NULL
);

CREATE TABLE silences (
    id      TEXT   NOT NULL PRIMARY KEY,
    starts  BIGINT NOT NULL,
    ends    BIGINT NOT NULL,
    body    TEXT   NOT NULL
);
CREATE INDEX silences_ends ON silences (ends);

-- Notifications. A body is kept while it is not in the queue yet, and when it was given up.
CREATE TABLE deliveries (
    id       TEXT    NOT NULL PRIMARY KEY,
    output   TEXT    NOT NULL,
    alert    TEXT    NOT NULL,
    route    TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    status   TEXT    NOT NULL, -- pending, queued, retrying, delivered, dead
    attempts INTEGER NOT NULL,
    retries  INTEGER NOT NULL, -- times taken back from the dead letters
    error    TEXT    NOT NULL,
    created  BIGINT  NOT NULL,
    updated  BIGINT  NOT NULL,
    body     TEXT
);
CREATE INDEX deliveries_pending ON deliveries (created) WHERE status = 'pending';
CREATE INDEX deliveries_dead ON deliveries (output, updated, id) WHERE status = 'dead';
CREATE INDEX deliveries_alert ON deliveries (alert, created);
CREATE INDEX deliveries_updated ON deliveries (updated);

CREATE TABLE audit (
    seq    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time   BIGINT NOT NULL,
    actor  TEXT   NOT NULL,
    action TEXT   NOT NULL,
    object TEXT   NOT NULL,
    detail TEXT   NOT NULL
);
CREATE INDEX audit_object ON audit (object, seq);

-- Findings counted in spans of five minutes, and of an hour for long times.
CREATE TABLE rollup (
    width    BIGINT  NOT NULL, -- nanoseconds
    span     BIGINT  NOT NULL, -- the beginning
    severity INTEGER NOT NULL,
    rule     TEXT    NOT NULL,
    count    BIGINT  NOT NULL,
    PRIMARY KEY (width, span, severity, rule)
);

-- Alerts counted by the day on which they first showed a technique.
CREATE TABLE rollup_attack (
    day       BIGINT NOT NULL,
    tactic    TEXT   NOT NULL,
    technique TEXT   NOT NULL,
    count     BIGINT NOT NULL,
    PRIMARY KEY (day, tactic, technique)
);

CREATE TABLE counters (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters VALUES ('changed', 0);
