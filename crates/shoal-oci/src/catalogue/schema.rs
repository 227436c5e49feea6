//! The tables, and why each is there. Released migrations are never edited.

use shoal_sqlite::Migration;

/// SQLite's `application_id` of the registry's file: `ShOC`.
pub(super) const APPLICATION_ID: i32 = 0x5368_4F43;

/// Digests are kept as text, since an operator reads these tables when everything else failed.
pub(super) const MIGRATIONS: &[Migration] = &[REGISTRY, KEEPING, USAGE, ASKED];

const REGISTRY: Migration = Migration {
    name: "registry",
    sql: "
-- A repository exists from the first content that was pushed or mounted into it.
CREATE TABLE repositories (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Content whose file is in the layout, manifests included.
CREATE TABLE blobs (
    digest TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    stored_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which blobs a repository may be asked for. Manifests are not in it.
CREATE TABLE repository_blobs (
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    digest TEXT NOT NULL REFERENCES blobs (digest),
    linked_at INTEGER NOT NULL,
    PRIMARY KEY (repository, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX repository_blobs_by_digest ON repository_blobs (digest);

CREATE TABLE manifests (
    id INTEGER PRIMARY KEY,
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    digest TEXT NOT NULL REFERENCES blobs (digest),
    media_type TEXT NOT NULL,
    artifact_type TEXT,
    subject TEXT,
    annotations TEXT,
    pushed_at INTEGER NOT NULL,
    UNIQUE (repository, digest)
) STRICT;
CREATE INDEX manifests_by_digest ON manifests (digest);
CREATE INDEX manifests_by_subject ON manifests (repository, subject, digest)
    WHERE subject IS NOT NULL;

-- What a manifest needs to be whole; its subject is none of it, nor are layers kept elsewhere.
CREATE TABLE manifest_references (
    manifest INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('blob', 'manifest')),
    PRIMARY KEY (manifest, digest, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX manifest_references_by_digest ON manifest_references (digest);

CREATE TABLE tags (
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    manifest INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    tagged_at INTEGER NOT NULL,
    PRIMARY KEY (repository, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_manifest ON tags (manifest);

-- Sessions clients were told of. Up to durable_bytes the file survives a power failure.
CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    repository TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    durable_bytes INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    touched_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Small content whose file may not have reached the disk yet; see the module of the journal.
CREATE TABLE journal (
    digest TEXT PRIMARY KEY REFERENCES blobs (digest) ON DELETE CASCADE,
    content BLOB NOT NULL
) STRICT;

-- Single values, such as the boot the file was last written in.
CREATE TABLE state (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
",
};

/// What the retention counts by: the clock may go back, the order of pushes does not.
const KEEPING: Migration = Migration {
    name: "keeping",
    sql: "
ALTER TABLE tags ADD COLUMN pushed INTEGER NOT NULL DEFAULT 0;
UPDATE tags SET pushed = ranked.place FROM (
    SELECT repository, name,
        row_number() OVER (PARTITION BY repository ORDER BY tagged_at, name) AS place
    FROM tags
) AS ranked WHERE ranked.repository = tags.repository AND ranked.name = tags.name;
CREATE INDEX tags_by_push ON tags (repository, pushed);
",
};

/// How much each repository holds, kept by the database itself so that no push has to add it up.
const USAGE: Migration = Migration {
    name: "usage",
    sql: "
ALTER TABLE repositories ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE repositories SET bytes =
    (SELECT coalesce(sum(size), 0) FROM repository_blobs JOIN blobs USING (digest)
        WHERE repository = repositories.id)
    + (SELECT coalesce(sum(size), 0) FROM manifests JOIN blobs USING (digest)
        WHERE repository = repositories.id);
CREATE TRIGGER blob_linked AFTER INSERT ON repository_blobs BEGIN
    UPDATE repositories SET bytes = bytes + (SELECT size FROM blobs WHERE digest = NEW.digest)
        WHERE id = NEW.repository;
END;
CREATE TRIGGER blob_unlinked AFTER DELETE ON repository_blobs BEGIN
    UPDATE repositories SET bytes = bytes - (SELECT size FROM blobs WHERE digest = OLD.digest)
        WHERE id = OLD.repository;
END;
CREATE TRIGGER manifest_stored AFTER INSERT ON manifests BEGIN
    UPDATE repositories SET bytes = bytes + (SELECT size FROM blobs WHERE digest = NEW.digest)
        WHERE id = NEW.repository;
END;
CREATE TRIGGER manifest_deleted AFTER DELETE ON manifests BEGIN
    UPDATE repositories SET bytes = bytes - (SELECT size FROM blobs WHERE digest = OLD.digest)
        WHERE id = OLD.repository;
END;
",
};

/// What operators ask of repositories and uploads: who pulls, and who pushes.
const ASKED: Migration = Migration {
    name: "asked",
    sql: "
ALTER TABLE repositories ADD COLUMN pulled_at INTEGER;
ALTER TABLE uploads ADD COLUMN owner TEXT NOT NULL DEFAULT '';
",
};
