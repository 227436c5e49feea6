-- What is known of kinds of BMCs: which request forms they take.
CREATE TABLE bmc_learned (
    kind TEXT PRIMARY KEY,              -- vendor, model and firmware
    at INTEGER NOT NULL,
    forms TEXT NOT NULL                 -- JSON, as the BMC client writes it
) STRICT, WITHOUT ROWID;

-- What was said between controller and BMC before a command of a job failed: the newest of each step
-- of an attempt.
CREATE TABLE transcripts (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    step TEXT NOT NULL,
    at INTEGER NOT NULL,
    fault TEXT NOT NULL,
    exchanges TEXT NOT NULL,            -- JSON, without secrets
    PRIMARY KEY (job_id, attempt, step)
) STRICT, WITHOUT ROWID;
