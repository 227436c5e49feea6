-- Logins that a BMC refused in a row; no row means none. A row with stopped_at lets nobody through.
CREATE TABLE bmc_logins (
    server_serial TEXT PRIMARY KEY REFERENCES servers (serial) ON DELETE CASCADE,
    refused INTEGER NOT NULL,
    stopped_at INTEGER
) STRICT, WITHOUT ROWID;

-- The newest look at each server's BMC.
CREATE TABLE probes (
    server_serial TEXT PRIMARY KEY REFERENCES servers (serial) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    report TEXT NOT NULL,               -- JSON, as callers see it
    discovery TEXT                      -- JSON, what a media plan is made from; NULL where the BMC was not read
) STRICT, WITHOUT ROWID;
