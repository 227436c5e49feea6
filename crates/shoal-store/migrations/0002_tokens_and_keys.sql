-- An API token may end, and says when it was last used, to the day.
ALTER TABLE api_tokens ADD COLUMN expires_at INTEGER;
ALTER TABLE api_tokens ADD COLUMN used_at INTEGER;

-- Where a key came from decides whether a configured value may take its place again.
ALTER TABLE keys ADD COLUMN source TEXT NOT NULL DEFAULT 'drawn';
ALTER TABLE keys ADD COLUMN created_at INTEGER;
ALTER TABLE keys ADD COLUMN revoked_at INTEGER;
