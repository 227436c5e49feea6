//! Small content is made durable by the transaction that makes it known: its bytes are in the
//! journal table until its file has reached the disk. One flush then serves as many pushes as
//! committed together, instead of two flushes for each.
//!
//! The file is written and named before the transaction, so readers never look into the journal. A
//! power failure may take the file; the next start writes it again from the journal.

use std::fs;

use crate::catalogue::{Catalogue, Journaled};
use crate::digest::Digest;
use crate::error::Error;
use crate::layout::{Layout, remove};

/// Rows read at once when the journal is replayed; each is small.
const BATCH: u32 = 256;

/// Flushes the files of journaled content, then forgets it. Blocks.
pub(crate) fn settle(layout: &Layout, catalogue: &Catalogue) -> Result<(), Error> {
    // Listed first: what comes after the flush began is not covered by it.
    let digests = catalogue.journaled_digests()?;
    if digests.is_empty() {
        return Ok(());
    }
    layout.sync_all()?;
    catalogue.settle(digests)
}

/// Writes the files of journaled content that a power failure took, then settles. Blocks.
pub(crate) fn replay(layout: &Layout, catalogue: &Catalogue) -> Result<(), Error> {
    loop {
        let batch = catalogue.journaled(BATCH)?;
        if batch.is_empty() {
            return Ok(());
        }
        for Journaled { digest, content } in &batch {
            if !is_whole(layout, digest) {
                tracing::warn!(%digest, "content is written again from the journal");
                remove(&layout.blob(digest))?;
                layout.write_blob(digest, content)?;
            }
        }
        layout.sync_all()?;
        catalogue.settle(batch.into_iter().map(|row| row.digest).collect())?;
    }
}

fn is_whole(layout: &Layout, digest: &Digest) -> bool {
    let content = fs::read(layout.blob(digest));
    content.is_ok_and(|content| Digest::of(digest.algorithm(), &content) == *digest)
}
