-- A queued job may take the place of an unfinished one, and waits until that is complete.
ALTER TABLE jobs ADD COLUMN after_job TEXT;
-- How long the job has worked on its BMC.
ALTER TABLE jobs ADD COLUMN worked_ms INTEGER NOT NULL DEFAULT 0;
-- Written in several ways, an address is still the same BMC.
ALTER TABLE servers ADD COLUMN bmc TEXT
    GENERATED ALWAYS AS (rtrim(lower(json_extract(body, '$.bmc_address')), '/')) VIRTUAL;

DROP INDEX jobs_unfinished;
CREATE INDEX jobs_unfinished ON jobs (server_serial, status) WHERE status <> 'complete';
CREATE UNIQUE INDEX jobs_one_per_server ON jobs (server_serial)
    WHERE status <> 'complete' AND after_job IS NULL;
CREATE UNIQUE INDEX jobs_after ON jobs (after_job) WHERE status <> 'complete';
CREATE INDEX jobs_queue ON jobs (priority DESC, created_at, id) WHERE status = 'queued';
CREATE INDEX jobs_completed ON jobs (task_target, completed_at) WHERE status = 'complete';
CREATE INDEX servers_by_bmc ON servers (bmc);
CREATE INDEX audit_by_time ON audit (at);
