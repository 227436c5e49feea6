//! A stretch of a medium, so that a disc that lies inside another one is read by the same code as
//! a disc of its own.

use std::sync::Arc;

use bytes::Bytes;

use super::{Medium, MediumError};

/// A stretch of a medium that is read as a disc of its own.
#[derive(Clone)]
pub(crate) struct Window {
    medium: Arc<Medium>,
    base: u64,
    len: u64,
}

impl Window {
    /// The whole medium.
    pub(crate) fn whole(medium: Arc<Medium>) -> Self {
        let len = medium.len();
        Self { medium, base: 0, len }
    }

    /// A stretch of this one, cut at its end.
    pub(crate) fn part(&self, offset: u64, len: u64) -> Self {
        let offset = offset.min(self.len);
        let len = len.min(self.len - offset);
        Self { medium: Arc::clone(&self.medium), base: self.base + offset, len }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) async fn read(&self, offset: u64, len: u64) -> Result<Bytes, MediumError> {
        self.check(offset, len)?;
        self.medium.read(self.base + offset, len).await
    }

    pub(crate) async fn read_through(&self, offset: u64, len: u64) -> Result<(), MediumError> {
        self.check(offset, len)?;
        self.medium.read_through(self.base + offset, len).await
    }

    fn check(&self, offset: u64, len: u64) -> Result<(), MediumError> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(()),
            _ => Err(MediumError::BeyondEnd),
        }
    }

    /// A window on bytes, for tests of what reads windows.
    #[cfg(test)]
    pub(crate) fn of_bytes(content: &[u8]) -> Self {
        Self::whole(Arc::new(Medium::of_bytes(content)))
    }
}
