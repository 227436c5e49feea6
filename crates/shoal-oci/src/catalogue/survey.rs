//! What operators ask: what each repository holds, who shares it, what a manifest belongs to. Nothing
//! here is asked by a client, so an answer may cost a scan of one repository.

use std::sync::Arc;

use serde::Serialize;
use shoal_sqlite::rusqlite::{OptionalExtension as _, Row};

use super::list::{Page, take};
use super::{Catalogue, Size, find_repository};
use crate::digest::Digest;
use crate::error::Error;
use crate::lease::Leases;
use crate::name::{Repository, Tag};
use crate::upload::UploadId;

/// Tags named of one damaged blob, referrers and tags named of one manifest.
const NAMED_MAX: u32 = 100;

/// Rows of repositories deleted in one transaction.
const EMPTY_MAX: u32 = 1000;

/// What a repository holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepositoryState {
    /// Its name.
    pub repository: Repository,
    /// Its tags.
    pub tags: u64,
    /// Its manifests, those without a tag included.
    pub manifests: u64,
    /// Bytes of the blobs and manifests it refers to.
    pub bytes: u64,
    /// When its newest manifest was pushed, Unix seconds.
    pub pushed_at: Option<i64>,
    /// When a manifest of it was last asked for, Unix seconds, to the minute or so.
    pub pulled_at: Option<i64>,
}

/// A tag and what it points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TagState {
    /// The tag.
    pub tag: Tag,
    /// The manifest it points at.
    pub digest: Digest,
    /// The manifest's type.
    pub media_type: String,
    /// What kind of artifact it says to be.
    pub artifact_type: Option<String>,
    /// Bytes of everything the manifest needs, itself included, each blob once.
    pub bytes: u64,
    /// When the tag was pushed, Unix seconds.
    pub tagged_at: i64,
}

/// A tag with its repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TagName {
    /// The repository.
    pub repository: Repository,
    /// The tag.
    pub tag: Tag,
}

/// What the catalogue knows of a manifest.
#[derive(Debug)]
pub(crate) struct ManifestRow {
    pub(crate) media_type: String,
    pub(crate) artifact_type: Option<String>,
    pub(crate) subject: Option<Digest>,
    pub(crate) size: u64,
    pub(crate) pushed_at: i64,
    pub(crate) tags: Vec<Tag>,
    pub(crate) referrers: Vec<Digest>,
}

/// What one repository holds, by whom else has it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Share {
    /// Bytes that no other repository has.
    pub(crate) own: u64,
    /// Bytes among them that it does not need and that nobody may count on any more.
    pub(crate) reclaimable: u64,
}

/// Who began an upload, and when.
#[derive(Debug)]
pub(crate) struct UploadOrigin {
    pub(crate) id: UploadId,
    pub(crate) started_at: i64,
    pub(crate) owner: String,
}

/// True for a row `held` whose digest another repository than `?1` has as well.
macro_rules! shared {
    () => {
        "(EXISTS (SELECT 1 FROM repository_blobs AS other
            WHERE other.digest = held.digest AND other.repository <> ?1)
        OR EXISTS (SELECT 1 FROM manifests AS other
            WHERE other.digest = held.digest AND other.repository <> ?1))"
    };
}

const REPOSITORY: &str = "SELECT name, bytes, pulled_at,
    (SELECT count(*) FROM tags WHERE repository = repositories.id),
    (SELECT count(*) FROM manifests WHERE repository = repositories.id),
    (SELECT max(pushed_at) FROM manifests WHERE repository = repositories.id)
    FROM repositories";

const TAG: &str = "SELECT tags.name, manifests.digest, media_type, artifact_type, tagged_at,
    (WITH RECURSIVE whole (digest) AS (
        SELECT manifests.digest
        UNION SELECT need.digest FROM whole
        JOIN manifests AS inner ON inner.digest = whole.digest AND inner.repository = ?1
        JOIN manifest_references AS need ON need.manifest = inner.id)
    SELECT coalesce(sum(size), 0) FROM whole JOIN blobs USING (digest))
    FROM tags JOIN manifests ON manifests.id = tags.manifest
    WHERE tags.repository = ?1 AND tags.name > ?2 ORDER BY tags.name";

impl Catalogue {
    /// What the repositories hold whose names begin with `prefix`, those after `last`, at most `most`.
    pub(crate) async fn survey(
        &self,
        (prefix, last): (String, String),
        most: usize,
    ) -> Result<Page<RepositoryState>, Error> {
        self.database
            .read(move |tx| {
                let sql = format!(
                    "{REPOSITORY} WHERE name > ?1 AND substr(name, 1, length(?2)) = ?2 ORDER BY name"
                );
                let mut query = tx.prepare_cached(&sql)?;
                let rows = query.query_map((last, prefix), RepositoryState::read)?;
                take(rows, most, |_| 0)
            })
            .await
    }

    /// The repositories that hold most, at most `most`. Blocks.
    pub(crate) fn largest(&self, most: u32) -> Result<Vec<(i64, RepositoryState)>, Error> {
        self.database.read_blocking(|tx| {
            let sql = format!("{REPOSITORY} ORDER BY bytes DESC, name LIMIT ?1");
            let mut query = tx.prepare_cached(&sql)?;
            let rows: Vec<_> =
                query.query_map([most], RepositoryState::read)?.collect::<Result<_, _>>()?;
            let mut found = Vec::new();
            for state in rows {
                found.extend(find_repository(tx, &state.repository)?.map(|id| (id, state)));
            }
            Ok(found)
        })
    }

    /// What one repository holds; none when there is no such repository.
    pub(crate) async fn repository(
        &self,
        repository: &Repository,
    ) -> Result<Option<RepositoryState>, Error> {
        let repository = repository.clone();
        self.database
            .read(move |tx| {
                let mut query = tx.prepare_cached(&format!("{REPOSITORY} WHERE name = ?1"))?;
                Ok(query.query_row([&repository], RepositoryState::read).optional()?)
            })
            .await
    }

    /// How many repositories there are. Blocks.
    pub(crate) fn repository_count(&self) -> Result<u64, Error> {
        self.database.read_blocking(|tx| {
            let sql = "SELECT count(*) FROM repositories";
            let Size(count) = tx.query_row(sql, [], |row| row.get(0))?;
            Ok(count)
        })
    }

    /// The tags of a repository after `last` with what they point at, at most `most`; none when there
    /// is no such repository.
    pub(crate) async fn tag_states(
        &self,
        repository: &Repository,
        last: String,
        most: usize,
    ) -> Result<Option<Page<TagState>>, Error> {
        let repository = repository.clone();
        self.database
            .read(move |tx| {
                let Some(id) = find_repository(tx, &repository)? else { return Ok(None) };
                let mut query = tx.prepare_cached(TAG)?;
                let rows = query.query_map((id, last), TagState::read)?;
                Ok(Some(take(rows, most, |_| 0)?))
            })
            .await
    }

    /// What is known of a manifest. Blocks.
    pub(crate) fn manifest_row(
        &self,
        repository: &Repository,
        digest: Digest,
    ) -> Result<Option<ManifestRow>, Error> {
        self.database.read_blocking(|tx| {
            let Some(repository) = find_repository(tx, repository)? else { return Ok(None) };
            let sql =
                "SELECT id, media_type, artifact_type, subject, size, pushed_at FROM manifests
                JOIN blobs ON blobs.digest = manifests.digest
                WHERE repository = ?1 AND manifests.digest = ?2";
            let found = tx.prepare_cached(sql)?.query_row((repository, digest), |row| {
                let Size(size) = row.get(4)?;
                let manifest = ManifestRow {
                    media_type: row.get(1)?,
                    artifact_type: row.get(2)?,
                    subject: row.get(3)?,
                    size,
                    pushed_at: row.get(5)?,
                    tags: Vec::new(),
                    referrers: Vec::new(),
                };
                Ok((row.get::<_, i64>(0)?, manifest))
            });
            let Some((id, mut manifest)) = found.optional()? else { return Ok(None) };
            let sql = "SELECT name FROM tags WHERE manifest = ?1 ORDER BY name LIMIT ?2";
            let mut query = tx.prepare_cached(sql)?;
            manifest.tags =
                query.query_map((id, NAMED_MAX), |row| row.get(0))?.collect::<Result<_, _>>()?;
            let sql = "SELECT digest FROM manifests WHERE repository = ?1 AND subject = ?2
                ORDER BY digest LIMIT ?3";
            let mut query = tx.prepare_cached(sql)?;
            let rows = query.query_map((repository, digest, NAMED_MAX), |row| row.get(0))?;
            manifest.referrers = rows.collect::<Result<_, _>>()?;
            Ok(Some(manifest))
        })
    }

    /// What of a repository's content is its own, and what of that a collection would free. Blocks.
    pub(crate) fn share(&self, repository: i64, leases: &Arc<Leases>) -> Result<Share, Error> {
        self.database.read_blocking(|tx| {
            let sql = concat!(
                "WITH held (digest) AS (
                    SELECT digest FROM repository_blobs WHERE repository = ?1
                    UNION SELECT digest FROM manifests WHERE repository = ?1)
                SELECT coalesce(sum(size), 0) FROM held JOIN blobs USING (digest) WHERE NOT ",
                shared!()
            );
            let Size(own) = tx.prepare_cached(sql)?.query_row([repository], |row| row.get(0))?;
            let sql = concat!(
                "SELECT held.digest, size FROM repository_blobs AS held
                JOIN blobs USING (digest) WHERE held.repository = ?1
                AND NOT EXISTS (SELECT 1 FROM manifest_references AS need
                    JOIN manifests ON manifests.id = need.manifest
                    WHERE need.digest = held.digest AND manifests.repository = ?1)
                AND NOT EXISTS (SELECT 1 FROM manifests
                    WHERE repository = ?1 AND digest = held.digest)
                AND NOT ",
                shared!()
            );
            let mut query = tx.prepare_cached(sql)?;
            let mut rows = query.query([repository])?;
            let mut reclaimable = 0;
            while let Some(row) = rows.next()? {
                let Size(size) = row.get(1)?;
                if !leases.is_leased(&row.get(0)?) {
                    reclaimable += size;
                }
            }
            Ok(Share { own, reclaimable })
        })
    }

    /// Tags whose manifests are a blob or need it, through any number of indexes. Blocks.
    pub(crate) fn tags_hurt(&self, digest: Digest) -> Result<Vec<TagName>, Error> {
        self.database.read_blocking(|tx| {
            let sql = "WITH RECURSIVE hurt (id) AS (
                    SELECT id FROM manifests WHERE digest = ?1
                    UNION SELECT manifest FROM manifest_references WHERE digest = ?1
                    UNION SELECT parent.id FROM hurt
                    JOIN manifests AS child ON child.id = hurt.id
                    JOIN manifest_references AS need
                        ON need.digest = child.digest AND need.kind = 'manifest'
                    JOIN manifests AS parent
                        ON parent.id = need.manifest AND parent.repository = child.repository)
                SELECT repositories.name, tags.name FROM hurt
                JOIN tags ON tags.manifest = hurt.id
                JOIN repositories ON repositories.id = tags.repository
                ORDER BY repositories.name, tags.name LIMIT ?2";
            let mut query = tx.prepare_cached(sql)?;
            let rows = query.query_map((digest, NAMED_MAX), |row| {
                Ok(TagName { repository: row.get(0)?, tag: row.get(1)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Who began each upload. Blocks.
    pub(crate) fn upload_origins(&self) -> Result<Vec<UploadOrigin>, Error> {
        self.database.read_blocking(|tx| {
            let mut query = tx.prepare_cached("SELECT id, started_at, owner FROM uploads")?;
            let rows = query.query_map([], |row| {
                Ok(UploadOrigin { id: row.get(0)?, started_at: row.get(1)?, owner: row.get(2)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Writes down when repositories were last asked for. Blocks.
    pub(crate) fn note_pulls(&self, pulls: Vec<(Repository, i64)>) -> Result<(), Error> {
        self.database.write_blocking(move |tx| {
            let sql = "UPDATE repositories SET pulled_at = ?2 WHERE name = ?1";
            let mut update = tx.prepare_cached(sql)?;
            for pull in pulls {
                update.execute(pull)?;
            }
            Ok(())
        })
    }

    /// Forgets repositories that hold nothing and into which nobody brings anything. Blocks.
    pub(crate) fn drop_empty_repositories(&self) -> Result<(), Error> {
        self.database.write_blocking(|tx| {
            let sql = "DELETE FROM repositories WHERE id IN (
                SELECT id FROM repositories
                WHERE NOT EXISTS (SELECT 1 FROM repository_blobs WHERE repository = repositories.id)
                AND NOT EXISTS (SELECT 1 FROM manifests WHERE repository = repositories.id)
                AND NOT EXISTS (SELECT 1 FROM uploads WHERE repository = repositories.name)
                LIMIT ?1)";
            tx.prepare_cached(sql)?.execute([EMPTY_MAX])?;
            Ok(())
        })
    }
}

impl RepositoryState {
    fn read(row: &Row<'_>) -> shoal_sqlite::rusqlite::Result<Self> {
        let (Size(bytes), Size(tags), Size(manifests)) = (row.get(1)?, row.get(3)?, row.get(4)?);
        Ok(Self {
            repository: row.get(0)?,
            tags,
            manifests,
            bytes,
            pushed_at: row.get(5)?,
            pulled_at: row.get(2)?,
        })
    }
}

impl TagState {
    fn read(row: &Row<'_>) -> shoal_sqlite::rusqlite::Result<Self> {
        let Size(bytes) = row.get(5)?;
        Ok(Self {
            tag: row.get(0)?,
            digest: row.get(1)?,
            media_type: row.get(2)?,
            artifact_type: row.get(3)?,
            bytes,
            tagged_at: row.get(4)?,
        })
    }
}
