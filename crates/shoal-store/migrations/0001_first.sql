-- Times are milliseconds since 1970. A BLOB called "sealed" is key id, nonce, ciphertext and tag.

-- The first time this installation used a sealing key; the cell proves that a key is the right one.
CREATE TABLE sealing_keys (
    id TEXT PRIMARY KEY,
    proof BLOB NOT NULL                 -- sealed
) STRICT, WITHOUT ROWID;

-- The one controller that owns this file, and when it was last known to run.
CREATE TABLE controller (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    instance TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    alive_at INTEGER
) STRICT;

CREATE TABLE servers (
    serial TEXT PRIMARY KEY,
    body TEXT NOT NULL,                 -- JSON, what the operator said
    quarantine TEXT GENERATED ALWAYS AS (json_extract(body, '$.quarantine')) VIRTUAL,
    credentials BLOB,                   -- sealed
    hardware TEXT,                      -- JSON, what the BMC said
    hardware_at INTEGER,
    hands_off_until INTEGER,
    residue TEXT NOT NULL DEFAULT '[]', -- JSON, slots that may still hold a medium
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    server_serial TEXT NOT NULL,
    task_target TEXT NOT NULL,
    status TEXT NOT NULL,
    phase TEXT NOT NULL,
    bmc_active INTEGER NOT NULL,        -- 1 while the job occupies a worker
    deadline INTEGER,
    progressed_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    completed_at INTEGER,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,                 -- JSON, the job itself
    priority INTEGER NOT NULL,
    labels TEXT NOT NULL,               -- JSON
    retry_of TEXT,
    lineage TEXT NOT NULL,
    boot_url TEXT,
    traceparent TEXT,
    recipe BLOB NOT NULL,               -- sealed
    recipe_bytes INTEGER NOT NULL,
    recipe_sha256 TEXT NOT NULL,
    lease_instance TEXT,
    lease_epoch INTEGER,
    stretch TEXT,                       -- what provisioning_phase_duration_seconds is told at its end
    stretch_since INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX jobs_unfinished ON jobs (server_serial) WHERE status <> 'complete';
CREATE INDEX jobs_by_age ON jobs (created_at DESC, id DESC);
CREATE INDEX jobs_by_status ON jobs (status, task_target);
CREATE INDEX jobs_by_server ON jobs (server_serial, created_at DESC);

CREATE TABLE job_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    detail TEXT NOT NULL                -- JSON
) STRICT;
CREATE INDEX job_events_by_job ON job_events (job_id, id);

CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    key TEXT NOT NULL,
    request_sha256 BLOB NOT NULL,
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    PRIMARY KEY (actor, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_job ON idempotency (job_id);

-- Reports that were answered for good, so that a repeat is recognised.
CREATE TABLE reports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    identity TEXT NOT NULL,
    UNIQUE (job_id, attempt, identity)
) STRICT;

CREATE TABLE attempts (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    frozen BLOB NOT NULL,               -- sealed
    medium_bytes INTEGER,
    medium_sha256 TEXT,
    PRIMARY KEY (job_id, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE media_objects (
    id BLOB PRIMARY KEY,
    job_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    kind TEXT NOT NULL,
    opened_at INTEGER,
    FOREIGN KEY (job_id, attempt) REFERENCES attempts (job_id, attempt) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX media_objects_by_attempt ON media_objects (job_id, attempt);

CREATE TABLE keys (
    purpose TEXT NOT NULL,
    id INTEGER NOT NULL,
    secret BLOB NOT NULL,               -- sealed
    state TEXT NOT NULL CHECK (state IN ('current', 'accepted', 'revoked')),
    accepted_until INTEGER,
    PRIMARY KEY (purpose, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX keys_current ON keys (purpose) WHERE state = 'current';

CREATE TABLE api_tokens (
    name TEXT PRIMARY KEY,
    sha256 BLOB NOT NULL UNIQUE,
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL,
    ok INTEGER NOT NULL
) STRICT;

CREATE TABLE installation_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL                -- JSON
) STRICT;
CREATE INDEX installation_events_by_time ON installation_events (at);
