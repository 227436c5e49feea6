//! Lists that clients page through: tags, repositories, referrers. A page is bounded in rows and in
//! bytes, so that a hundred thousand tags are no more memory than a thousand.

use std::collections::BTreeMap;

use shoal_sqlite::rusqlite::Row;

use super::{Catalogue, Size, find_repository};
use crate::digest::Digest;
use crate::error::Error;
use crate::name::{Repository, Tag};

/// Most bytes of names in one page; clients read no more than 4 MiB of such an answer.
const PAGE_BYTES: usize = 3 * 1024 * 1024;

/// A part of a list, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Whether there are more after the last of them.
    pub more: bool,
}

/// A manifest that names another one as its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// The manifest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// What kind of artifact it says to be.
    pub artifact_type: Option<String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Catalogue {
    /// The tags of a repository strictly after `last`, at most `most`, in byte order; none when
    /// there is no such repository.
    pub(crate) async fn tags(
        &self,
        repository: &Repository,
        last: String,
        most: usize,
    ) -> Result<Option<Page<Tag>>, Error> {
        let repository = repository.clone();
        self.database
            .read(move |tx| {
                let Some(id) = find_repository(tx, &repository)? else { return Ok(None) };
                let sql = "SELECT name FROM tags WHERE repository = ?1 AND name > ?2 ORDER BY name";
                let mut query = tx.prepare_cached(sql)?;
                let rows = query.query_map((id, last), |row| row.get(0))?;
                Ok(Some(take(rows, most, |tag: &Tag| tag.as_str().len() + 3)?))
            })
            .await
    }

    /// The repositories strictly after `last`, at most `most`, in byte order.
    pub(crate) async fn repositories(
        &self,
        last: String,
        most: usize,
    ) -> Result<Page<Repository>, Error> {
        self.database
            .read(move |tx| {
                let sql = "SELECT name FROM repositories WHERE name > ?1 ORDER BY name";
                let mut query = tx.prepare_cached(sql)?;
                let rows = query.query_map([last], |row| row.get(0))?;
                take(rows, most, |name: &Repository| name.as_str().len() + 3)
            })
            .await
    }

    /// The manifests of a repository whose subject is `subject`, with a digest strictly after `last`.
    pub(crate) async fn referrers(
        &self,
        repository: &Repository,
        subject: Digest,
        artifact_type: Option<String>,
        last: String,
    ) -> Result<Page<Referrer>, Error> {
        let repository = repository.clone();
        self.database
            .read(move |tx| {
                let sql = "SELECT manifests.digest, media_type, size, artifact_type, annotations
                    FROM manifests
                    JOIN repositories ON repositories.id = manifests.repository
                    JOIN blobs ON blobs.digest = manifests.digest
                    WHERE repositories.name = ?1 AND subject = ?2 AND manifests.digest > ?3
                    AND (?4 IS NULL OR artifact_type = ?4) ORDER BY manifests.digest";
                let mut query = tx.prepare_cached(sql)?;
                let values = (&repository, subject, last, artifact_type);
                let rows = query.query_map(values, Referrer::read)?;
                take(rows, usize::MAX, Referrer::length)
            })
            .await
    }
}

impl Referrer {
    fn read(row: &Row<'_>) -> shoal_sqlite::rusqlite::Result<Self> {
        let annotations: Option<String> = row.get(4)?;
        // Written by us from a map; what cannot be read back is shown as none.
        let annotations = annotations.and_then(|text| serde_json::from_str(&text).ok());
        Ok(Self {
            digest: row.get(0)?,
            media_type: row.get(1)?,
            size: row.get::<_, Size>(2)?.0,
            artifact_type: row.get(3)?,
            annotations: annotations.unwrap_or_default(),
        })
    }

    /// About what its descriptor takes in an answer.
    fn length(&self) -> usize {
        let annotations: usize = self.annotations.iter().map(|(k, v)| k.len() + v.len() + 6).sum();
        let artifact_type = self.artifact_type.as_ref().map_or(0, String::len);
        200 + self.media_type.len() + artifact_type + annotations
    }
}

/// Reads rows until the page is full; at least one, if there is one and `most` is not 0.
pub(super) fn take<T>(
    rows: impl Iterator<Item = shoal_sqlite::rusqlite::Result<T>>,
    most: usize,
    length: impl Fn(&T) -> usize,
) -> Result<Page<T>, Error> {
    let mut page = Page { items: Vec::new(), more: false };
    let mut bytes = 0;
    for row in rows {
        let item = row?;
        bytes += length(&item);
        if page.items.len() >= most || (bytes > PAGE_BYTES && !page.items.is_empty()) {
            page.more = true;
            break;
        }
        page.items.push(item);
    }
    Ok(page)
}
