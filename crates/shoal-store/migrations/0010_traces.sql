-- How far the trace of a job was told to a collector: by which span each process of the controller took
-- the job up, and whether its whole run was told. Jobs have no row while no spans are exported.
CREATE TABLE traces (
    job_id TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    taken_up TEXT NOT NULL,             -- JSON, a traceparent each, the oldest first
    told INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
