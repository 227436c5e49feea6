//! A medium as BMCs see it: content, the digest that gives its entity tag, and its tripwires, checked
//! against each other once so that serving needs no check.

use std::io;
use std::sync::Arc;

use http::HeaderValue;
use ring::digest;

use crate::content::{CHUNK_LEN, Content};
use crate::extent::Extent;
use crate::milestone::{Milestone, Milestones, Tripwire};

/// SHA-256 that identifies the bytes of a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self::finished(&digest::digest(&digest::SHA256, bytes))
    }

    /// The digest of a whole content. Blocks while it reads everything: once per image, at import.
    pub fn of_content(content: &Content) -> io::Result<Self> {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut offset = 0;
        while let Some(rest) = Extent::between(offset, content.len()) {
            let len = rest.len().min(CHUNK_LEN);
            let mut chunk = vec![0; usize::try_from(len).unwrap_or(0)];
            content.read_exact_at(offset, &mut chunk)?;
            context.update(&chunk);
            offset += len;
        }
        Ok(Self::finished(&context.finish()))
    }

    /// The identity of `boot` with `task` laid over it from `offset`. It is not the SHA-256 of those
    /// bytes, which would mean reading the whole boot ISO for every task.
    fn overlaid(boot: Self, task: Self, offset: u64) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [&b"shoal overlay\0"[..], &boot.0, &task.0, &offset.to_be_bytes()] {
            context.update(part);
        }
        Self::finished(&context.finish())
    }

    fn finished(digest: &digest::Digest) -> Self {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self(bytes)
    }
}

/// Why a medium could not be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediumError {
    /// A tripwire lies outside the content.
    #[error("place a {} tripwire at {offset}..{end} in a medium of {len} bytes", milestone.as_str())]
    TripwireOutside {
        /// What it stands for.
        milestone: Milestone,
        /// Its first byte.
        offset: u64,
        /// The offset behind its last byte.
        end: u64,
        /// The length of the medium in bytes.
        len: u64,
    },
    /// `Opened` and `BootAgain` follow from reads as such and have no extent.
    #[error("place a tripwire for {}, which has no extent", milestone.as_str())]
    NoExtent {
        /// The milestone.
        milestone: Milestone,
    },
    /// The task medium is longer than the extent reserved for it, or empty.
    #[error("fit a task medium of {task_len} bytes into {reserved_len} reserved bytes")]
    TaskTooLarge {
        /// Its length in bytes.
        task_len: u64,
        /// What the boot medium reserves.
        reserved_len: u64,
    },
    /// The boot medium has no manifest or reserves nothing for task bytes.
    #[error("overlay a boot medium that reserves no extent")]
    NothingReserved,
}

/// One medium, ready to be served. Clones are cheap and share everything.
#[derive(Debug, Clone)]
pub struct Medium {
    content: Content,
    digest: Digest,
    etag: HeaderValue,
    tripwires: Arc<[Tripwire]>,
}

impl Medium {
    /// A medium of `content`, which `digest` must identify: equal digests mean equal bytes, because
    /// the entity tag comes from it.
    pub fn new(
        content: Content,
        digest: Digest,
        tripwires: Vec<Tripwire>,
    ) -> Result<Self, MediumError> {
        for Tripwire { milestone, extent } in tripwires.iter().copied() {
            if !milestone.has_extent() {
                return Err(MediumError::NoExtent { milestone });
            }
            if extent.end() > content.len() {
                let (offset, end, len) = (extent.offset(), extent.end(), content.len());
                return Err(MediumError::TripwireOutside { milestone, offset, end, len });
            }
        }
        Ok(Self { etag: etag(digest), content, digest, tripwires: tripwires.into() })
    }

    /// `boot` with the bytes of `task` in its `reserved` extent: same length, an entity tag made of
    /// both, the tripwires of both.
    pub fn overlay(boot: &Self, task: &Self, reserved: Extent) -> Result<Self, MediumError> {
        let (task_len, reserved_len) = (task.content.len(), reserved.len());
        let too_large = MediumError::TaskTooLarge { task_len, reserved_len };
        if task_len > reserved_len {
            return Err(too_large);
        }
        let offset = reserved.offset();
        let content = Content::overlay(&boot.content, &task.content, offset).ok_or(too_large)?;
        let moved = task.tripwires.iter().filter_map(|wire| {
            let extent = wire.extent.shifted(offset)?;
            Some(Tripwire { milestone: wire.milestone, extent })
        });
        let tripwires = boot.tripwires.iter().copied().chain(moved).collect();
        Self::new(content, Digest::overlaid(boot.digest, task.digest, offset), tripwires)
    }

    /// The bytes.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// What identifies the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The strong entity tag, quotes included.
    pub fn etag(&self) -> &HeaderValue {
        &self.etag
    }

    /// The extents that prove something.
    pub fn tripwires(&self) -> &[Tripwire] {
        &self.tripwires
    }

    /// What serving a byte of `extent` proves by its place alone.
    pub(crate) fn crossed_by(&self, extent: Extent) -> Milestones {
        let touched = self.tripwires.iter().filter(|wire| wire.extent.touches(&extent));
        touched.map(|wire| wire.milestone).filter(|crossed| crossed.is_proved_by_place()).collect()
    }

    /// Whether `extent` holds a byte that a machine reads when it looks at the disc anew.
    pub(crate) fn is_looked_at_by(&self, extent: Extent) -> bool {
        let mut wires = self.tripwires.iter();
        wires.any(|wire| wire.milestone == Milestone::Reopened && wire.extent.touches(&extent))
    }
}

fn etag(digest: Digest) -> HeaderValue {
    let mut tag = String::from("\"");
    data_encoding::HEXLOWER.encode_append(digest.0.get(..16).unwrap_or_default(), &mut tag);
    tag.push('"');
    HeaderValue::try_from(tag).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn medium(len: usize, tripwires: Vec<Tripwire>) -> Result<Medium, MediumError> {
        let bytes = vec![1; len];
        let digest = Digest::of(&bytes);
        Medium::new(Content::memory(Bytes::from(bytes)), digest, tripwires)
    }

    fn wire(milestone: Milestone, offset: u64, len: u64) -> Tripwire {
        Tripwire { milestone, extent: Extent::new(offset, len).unwrap() }
    }

    #[test]
    fn a_content_is_digested_over_all_its_chunks() {
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let content = Content::memory(Bytes::from(bytes.clone()));
        assert_eq!(Digest::of_content(&content).unwrap(), Digest::of(&bytes));
        let abc = Digest::of_content(&Content::memory(Bytes::from_static(b"abc"))).unwrap();
        assert_eq!(abc.0[..4], [0xba, 0x78, 0x16, 0xbf], "the example of FIPS 180-4");
    }

    #[test]
    fn tripwires_lie_inside_and_stand_for_bytes() {
        assert!(medium(10, vec![wire(Milestone::TaskRead, 9, 1)]).is_ok());
        let outside = medium(10, vec![wire(Milestone::TaskRead, 9, 2)]).unwrap_err();
        assert!(matches!(outside, MediumError::TripwireOutside { end: 11, len: 10, .. }));
        for milestone in [Milestone::Opened, Milestone::BootAgain] {
            let implied = medium(10, vec![wire(milestone, 0, 1)]).unwrap_err();
            assert_eq!(implied, MediumError::NoExtent { milestone });
        }
    }

    #[test]
    fn an_overlaid_medium_keeps_its_size_and_has_both_media_s_tripwires() {
        let boot = medium(1000, vec![wire(Milestone::BootImageRead, 10, 5)]).unwrap();
        let task = medium(20, vec![wire(Milestone::TaskRead, 4, 6)]).unwrap();
        let reserved = Extent::new(500, 100).unwrap();
        let both = Medium::overlay(&boot, &task, reserved).unwrap();
        assert_eq!(both.content().len(), 1000);
        let wires = [wire(Milestone::BootImageRead, 10, 5), wire(Milestone::TaskRead, 504, 6)];
        assert_eq!(both.tripwires(), wires);
        assert_ne!(both.etag(), boot.etag());
        let again = Medium::overlay(&boot, &task, reserved).unwrap();
        assert_eq!(both.etag(), again.etag());
        let other = Medium::overlay(&boot, &medium(21, vec![]).unwrap(), reserved).unwrap();
        assert_ne!(both.etag(), other.etag());
    }

    #[test]
    fn a_task_medium_larger_than_what_is_reserved_is_refused() {
        let (boot, task) = (medium(1000, vec![]).unwrap(), medium(20, vec![]).unwrap());
        let error = Medium::overlay(&boot, &task, Extent::new(0, 19).unwrap()).unwrap_err();
        assert_eq!(error, MediumError::TaskTooLarge { task_len: 20, reserved_len: 19 });
        assert!(Medium::overlay(&boot, &task, Extent::new(990, 20).unwrap()).is_err());
    }
}
