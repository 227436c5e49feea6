//! Garbage collection: what nothing needs is condemned, its rows are deleted, its file goes through
//! the trash. This is the record of one collection; [`crate::lease`] says how it never races a push.

use crate::digest::Digest;

/// What a collection did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Blobs that nothing needs.
    pub blobs: Vec<Digest>,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs nothing needs that a client may still count on.
    pub leased: u64,
}
