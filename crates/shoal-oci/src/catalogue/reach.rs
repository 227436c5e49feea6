//! What belongs to an artifact: its manifest, what that needs, and so on through every index it
//! lists. Asked for each request of somebody who may read one artifact and nothing else.

use shoal_sqlite::rusqlite::{OptionalExtension as _, Transaction};

use super::{Catalogue, find_repository};
use crate::digest::Digest;
use crate::error::Error;
use crate::name::{Reference, Repository};

impl Catalogue {
    /// Whether the digest is one of these artifacts of a repository, or belongs to one.
    pub(crate) async fn belongs(
        &self,
        repository: &Repository,
        roots: Vec<Reference>,
        digest: Digest,
    ) -> Result<bool, Error> {
        let repository = repository.clone();
        self.database
            .read(move |tx| {
                let Some(repository) = find_repository(tx, &repository)? else { return Ok(false) };
                for root in &roots {
                    if reaches(tx, repository, root, digest)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            })
            .await
    }
}

fn reaches(
    tx: &Transaction<'_>,
    repository: i64,
    root: &Reference,
    digest: Digest,
) -> Result<bool, Error> {
    let root = match root {
        Reference::Digest(root) => *root,
        Reference::Tag(tag) => {
            let sql = "SELECT manifests.digest FROM tags
                JOIN manifests ON manifests.id = tags.manifest
                WHERE tags.repository = ?1 AND tags.name = ?2";
            let mut query = tx.prepare_cached(sql)?;
            let found = query.query_row((repository, tag), |row| row.get(0)).optional()?;
            let Some(root) = found else { return Ok(false) };
            root
        }
    };
    let sql = "WITH RECURSIVE part (digest) AS (
            VALUES (?2)
            UNION
            SELECT manifest_references.digest FROM part
            JOIN manifests ON manifests.repository = ?1 AND manifests.digest = part.digest
            JOIN manifest_references ON manifest_references.manifest = manifests.id
        )
        SELECT 1 FROM part WHERE digest = ?3";
    Ok(tx.prepare_cached(sql)?.exists((repository, root, digest))?)
}
