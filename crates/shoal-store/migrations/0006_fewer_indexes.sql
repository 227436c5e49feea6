-- Every index is paid for by every new job and most changes of one. Unfinished jobs are found by their
-- status, and the one that holds its server by the index that lets no second one in.
DROP INDEX jobs_unfinished;

-- Ids of jobs begin with their time, so the primary key has them in the order of age already.
DROP INDEX jobs_by_age;

-- Hardly any job waits for another.
DROP INDEX jobs_after;
CREATE UNIQUE INDEX jobs_after ON jobs (after_job)
    WHERE status <> 'complete' AND after_job IS NOT NULL;
