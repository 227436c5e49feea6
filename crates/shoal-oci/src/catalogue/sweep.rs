//! What the garbage collection asks and deletes. Everything it found is asked again in the
//! transaction that deletes it, and each transaction is small, so that no push waits long.

use std::sync::Arc;

use shoal_sqlite::rusqlite::{OptionalExtension as _, Transaction};

use super::{Catalogue, Size};
use crate::digest::Digest;
use crate::error::Error;
use crate::lease::{Condemned, Leases};
use crate::name::Repository;
use crate::retention::{Doomed, Graph, Node, Pointer};

/// Blobs listed in one go.
const PAGE: u32 = 256;

/// True for the row `link` of `repository_blobs` when a manifest of its repository needs it; `?2` is
/// a JSON array of rows of manifests that are taken for deleted.
macro_rules! needed {
    () => {
        "EXISTS (SELECT 1 FROM manifest_references AS need
            JOIN manifests ON manifests.id = need.manifest
            WHERE need.digest = link.digest AND need.kind = 'blob'
            AND manifests.repository = link.repository
            AND manifests.id NOT IN (SELECT value FROM json_each(?2)))"
    };
}

/// A blob that at least one repository has and does not need, or none has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Garbage {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Repositories that have it and do not need it.
    pub(crate) links: u64,
    /// Nobody needs it at all.
    pub(crate) whole: bool,
}

/// What became of one digest in a transaction.
#[derive(Debug)]
pub(crate) enum Swept {
    /// A client may count on it.
    Leased,
    /// Something needs it by now.
    Needed,
    /// Its rows are gone.
    Removed(Removed),
}

/// Rows that are gone. As long as this lives, nobody is told that the content exists.
#[derive(Debug)]
pub(crate) struct Removed {
    pub(crate) condemned: Condemned,
    pub(crate) links: u64,
    /// The size of the content when it is gone as a whole.
    pub(crate) whole: Option<u64>,
}

/// What became of a manifest.
#[derive(Debug)]
pub(crate) struct Dropped {
    pub(crate) swept: Swept,
    /// Positions of the tags that were deleted.
    pub(crate) tags: Vec<usize>,
}

impl Catalogue {
    /// Blobs after `last` that are garbage, in the order of their digests, at most a page; `without`
    /// are rows of manifests that are taken for deleted. Blocks.
    pub(crate) fn garbage(&self, last: &str, without: &str) -> Result<Vec<Garbage>, Error> {
        self.database.read_blocking(|tx| {
            let sql = concat!(
                "SELECT digest, size, links, whole FROM (
                    SELECT digest, size,
                    (SELECT count(*) FROM repository_blobs AS link
                        WHERE link.digest = blobs.digest AND NOT ",
                needed!(),
                ") AS links,
                    NOT EXISTS (SELECT 1 FROM manifests WHERE digest = blobs.digest
                        AND id NOT IN (SELECT value FROM json_each(?2)))
                    AND NOT EXISTS (SELECT 1 FROM repository_blobs AS link
                        WHERE link.digest = blobs.digest AND ",
                needed!(),
                ") AS whole
                    FROM blobs WHERE digest > ?1)
                WHERE links > 0 OR whole ORDER BY digest LIMIT ?3"
            );
            let mut query = tx.prepare_cached(sql)?;
            let rows = query.query_map((last, without, PAGE), |row| {
                let (Size(size), Size(links)) = (row.get(1)?, row.get(2)?);
                Ok(Garbage { digest: row.get(0)?, size, links, whole: row.get(3)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Deletes the rows of what is garbage still and of which no client was told. Blocks.
    pub(crate) fn sweep_blobs(
        &self,
        leases: &Arc<Leases>,
        batch: Vec<Digest>,
    ) -> Result<Vec<Swept>, Error> {
        let leases = Arc::clone(leases);
        let swept = self.database.write_blocking(move |tx| {
            batch
                .iter()
                .map(|digest| sweep_blob(tx, &leases, digest))
                .collect::<Result<Vec<_>, _>>()
        })?;
        let whole = swept.iter().filter_map(|swept| match swept {
            Swept::Removed(Removed { whole, .. }) => *whole,
            Swept::Leased | Swept::Needed => None,
        });
        let (blobs, bytes) = whole.fold((0, 0), |(blobs, bytes), size| (blobs + 1, bytes + size));
        self.count_removed(blobs, bytes);
        Ok(swept)
    }

    /// Which of `digests` have no row. Blocks.
    pub(crate) fn unknown(&self, digests: &[Digest]) -> Result<Vec<Digest>, Error> {
        self.database.read_blocking(|tx| {
            let mut query = tx.prepare_cached("SELECT 1 FROM blobs WHERE digest = ?1")?;
            let mut unknown = Vec::new();
            for digest in digests {
                if !query.exists([digest])? {
                    unknown.push(*digest);
                }
            }
            Ok(unknown)
        })
    }

    /// Every repository with its row. Blocks.
    pub(crate) fn all_repositories(&self) -> Result<Vec<(i64, Repository)>, Error> {
        self.database.read_blocking(|tx| {
            let mut query = tx.prepare_cached("SELECT id, name FROM repositories ORDER BY name")?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The manifests and tags of a repository, as one moment shows them. Blocks.
    pub(crate) fn graph(&self, repository: i64) -> Result<Graph, Error> {
        self.database.read_blocking(|tx| {
            let mut entries = tx.prepare_cached(
                "SELECT digest FROM manifest_references WHERE manifest = ?1 AND kind = 'manifest'",
            )?;
            let sql = "SELECT id, digest, subject FROM manifests WHERE repository = ?1 ORDER BY id";
            let mut query = tx.prepare_cached(sql)?;
            let mut rows = query.query([repository])?;
            let mut graph = Graph::default();
            while let Some(row) = rows.next()? {
                let id = row.get(0)?;
                let entries =
                    entries.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?;
                graph.manifests.push(Node {
                    id,
                    digest: row.get(1)?,
                    subject: row.get(2)?,
                    entries,
                });
            }
            let sql = "SELECT name, manifest, pushed FROM tags WHERE repository = ?1 ORDER BY name";
            let mut query = tx.prepare_cached(sql)?;
            let tags = query.query_map([repository], |row| {
                Ok(Pointer { tag: row.get(0)?, manifest: row.get(1)?, pushed: row.get(2)? })
            })?;
            graph.tags = tags.collect::<Result<_, _>>()?;
            Ok(graph)
        })
    }

    /// Deletes tags that were not pushed again meanwhile, and manifests that nothing came to need
    /// meanwhile. Blocks.
    pub(crate) fn drop_manifests(
        &self,
        leases: &Arc<Leases>,
        batch: Vec<Doomed>,
    ) -> Result<Vec<Dropped>, Error> {
        let leases = Arc::clone(leases);
        self.database.write_blocking(move |tx| {
            batch.iter().map(|doomed| drop_manifest(tx, &leases, doomed)).collect()
        })
    }
}

fn sweep_blob(tx: &Transaction<'_>, leases: &Leases, digest: &Digest) -> Result<Swept, Error> {
    let Some(condemned) = leases.condemn(digest) else { return Ok(Swept::Leased) };
    let sql =
        concat!("DELETE FROM repository_blobs AS link WHERE link.digest = ?1 AND NOT ", needed!());
    let links = tx.prepare_cached(sql)?.execute((digest, "[]"))?;
    let sql = "DELETE FROM blobs WHERE digest = ?1
        AND NOT EXISTS (SELECT 1 FROM repository_blobs WHERE digest = ?1)
        AND NOT EXISTS (SELECT 1 FROM manifests WHERE digest = ?1) RETURNING size";
    let size = tx.prepare_cached(sql)?.query_row([digest], |row| row.get(0)).optional()?;
    if links == 0 && size.is_none() {
        return Ok(Swept::Needed);
    }
    let links = u64::try_from(links).unwrap_or(u64::MAX);
    Ok(Swept::Removed(Removed { condemned, links, whole: size.map(|Size(bytes)| bytes) }))
}

fn drop_manifest(tx: &Transaction<'_>, leases: &Leases, doomed: &Doomed) -> Result<Dropped, Error> {
    let Doomed { manifest, digest, tags, whole } = doomed;
    let Some(condemned) = leases.condemn(digest) else {
        return Ok(Dropped { swept: Swept::Leased, tags: Vec::new() });
    };
    let mut deleted = Vec::new();
    let mut delete =
        tx.prepare_cached("DELETE FROM tags WHERE manifest = ?1 AND name = ?2 AND pushed = ?3")?;
    for (position, (tag, pushed)) in tags.iter().enumerate() {
        if delete.execute((manifest, tag, pushed))? > 0 {
            deleted.push(position);
        }
    }
    if !whole {
        let swept = Swept::Removed(Removed { condemned, links: 0, whole: None });
        return Ok(Dropped { swept, tags: deleted });
    }
    promise_needs(tx, leases, *manifest)?;
    let sql = "DELETE FROM manifests WHERE id = ?1
        AND NOT EXISTS (SELECT 1 FROM tags WHERE manifest = ?1)
        AND NOT EXISTS (SELECT 1 FROM manifest_references AS need
            JOIN manifests AS parent ON parent.id = need.manifest
            WHERE need.digest = manifests.digest AND need.kind = 'manifest'
            AND parent.repository = manifests.repository)
        AND NOT EXISTS (SELECT 1 FROM manifests AS subject
            WHERE subject.repository = manifests.repository AND subject.digest = manifests.subject)";
    let swept = match tx.prepare_cached(sql)?.execute([manifest])? {
        0 => Swept::Needed,
        _ => Swept::Removed(Removed { condemned, links: 0, whole: None }),
    };
    Ok(Dropped { swept, tags: deleted })
}

/// Who has just pulled a manifest goes on to pull what it needs: that stays for another grace.
pub(super) fn promise_needs(
    tx: &Transaction<'_>,
    leases: &Leases,
    manifest: i64,
) -> Result<(), Error> {
    let mut query =
        tx.prepare_cached("SELECT digest FROM manifest_references WHERE manifest = ?1")?;
    let mut rows = query.query([manifest])?;
    while let Some(row) = rows.next()? {
        leases.promise(&row.get(0)?);
    }
    Ok(())
}
