//! What was read of an attempt's media, coarsely: which stretches, how many bytes, when last. It is
//! told to people who wonder how far a machine has come; nothing is decided by it, and the last half
//! minute of it may be lost.

use serde::{Deserialize, Serialize};
use shoal_core::{JobId, Time};
use shoal_sqlite::rusqlite::Transaction;

use crate::{Error, MediaKind, Store, row};

/// Stretches kept of one medium; beyond that the nearest ones are taken for one.
const MOST_RANGES: usize = 32;

/// What was read of one medium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaReads {
    /// Bytes sent, repeated ones counted again.
    bytes: u64,
    /// Stretches as first byte and the one behind the last: ascending, apart, at most 32.
    ranges: Vec<(u64, u64)>,
    last_at: Time,
}

impl MediaReads {
    /// One read of `len` bytes from `offset`.
    pub fn of(offset: u64, len: u64, at: Time) -> Self {
        let range = (offset, offset.saturating_add(len));
        Self { bytes: len, ranges: Vec::from_iter((len > 0).then_some(range)), last_at: at }
    }

    /// Adds what was read besides.
    pub fn add(&mut self, other: &Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.last_at = self.last_at.max(other.last_at);
        self.ranges.extend(&other.ranges);
        self.ranges.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::with_capacity(self.ranges.len());
        for (start, end) in self.ranges.drain(..) {
            match joined.last_mut() {
                Some((_, so_far)) if start <= *so_far => *so_far = end.max(*so_far),
                _ => joined.push((start, end)),
            }
        }
        while joined.len() > MOST_RANGES {
            join_nearest(&mut joined);
        }
        self.ranges = joined;
    }

    /// Bytes sent, repeated ones counted again.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Stretches as offset and length in bytes, ascending. Where a medium was read in very many
    /// places, small gaps between them count as read.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        self.ranges.iter().map(|(start, end)| (*start, end - start))
    }

    /// When something was read last.
    pub fn last_at(&self) -> Time {
        self.last_at
    }
}

/// Joins the two neighbours with the smallest gap.
fn join_nearest(ranges: &mut Vec<(u64, u64)>) {
    let gaps = ranges.windows(2).enumerate().filter_map(|(at, pair)| match pair {
        [(_, end), (start, _)] => Some((start - end, at)),
        _ => None,
    });
    let Some((_, at)) = gaps.min() else { return };
    let (_, end) = ranges.remove(at + 1);
    if let Some(range) = ranges.get_mut(at) {
        range.1 = end;
    }
}

impl Store {
    /// Adds to what was read of media, named by their object ids. Unknown ones are passed over: their
    /// jobs are gone.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn add_reads(&self, reads: Vec<([u8; 16], MediaReads)>) -> Result<(), Error> {
        self.write(move |tx, _| {
            for (object, new) in &reads {
                let sql = "SELECT reads FROM media_objects WHERE id = ?1";
                let known = row::first(tx, sql, [object], |found| {
                    let stored: Option<String> = found.get(0)?;
                    stored.map(|text| row::from_json::<MediaReads>("reads", &text)).transpose()
                })?;
                let Some(stored) = known else { continue };
                let mut reads = new.clone();
                if let Some(stored) = &stored {
                    reads.add(stored);
                }
                tx.execute(
                    "UPDATE media_objects SET reads = ?2 WHERE id = ?1",
                    (object, row::to_json("reads", &reads)?),
                )?;
            }
            Ok(())
        })
        .await
    }

    /// What was read of an attempt's media; those nobody read are left out.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn reads(
        &self,
        job: JobId,
        attempt: u32,
    ) -> Result<Vec<(MediaKind, MediaReads)>, Error> {
        self.read(move |tx, _| of_attempt(tx, job, attempt)).await
    }
}

pub(crate) fn of_attempt(
    tx: &Transaction<'_>,
    job: JobId,
    attempt: u32,
) -> Result<Vec<(MediaKind, MediaReads)>, Error> {
    let sql = "SELECT kind, reads FROM media_objects
               WHERE job_id = ?1 AND attempt = ?2 AND reads IS NOT NULL ORDER BY kind";
    row::all(tx, sql, (job.to_string(), attempt), |found| {
        let kind: String = found.get(0)?;
        let kind = row::word("media kind", &MediaKind::ALL, MediaKind::as_str, &kind)?;
        Ok((kind, row::from_json("reads", &found.get::<_, String>(1)?)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn ranges(reads: &MediaReads) -> Vec<(u64, u64)> {
        reads.ranges().collect()
    }

    #[test]
    fn stretches_that_touch_become_one() {
        let mut reads = MediaReads::of(100, 50, at(5));
        reads.add(&MediaReads::of(150, 50, at(3)));
        reads.add(&MediaReads::of(300, 10, at(9)));
        reads.add(&MediaReads::of(90, 20, at(4)));
        reads.add(&MediaReads::of(0, 0, at(1)));
        assert_eq!(ranges(&reads), [(90, 110), (300, 10)]);
        assert_eq!((reads.bytes(), reads.last_at()), (130, at(9)));
    }

    #[test]
    fn a_medium_read_in_very_many_places_keeps_the_widest_gaps() {
        let mut reads = MediaReads::of(0, 1, at(0));
        for place in 1..1000 {
            let gap = if place % 100 == 0 { 50 } else { 0 };
            reads.add(&MediaReads::of(place * 100 + gap, 1, at(place)));
            assert!(reads.ranges().count() <= 32);
        }
        let all = ranges(&reads);
        assert_eq!((all.len(), reads.bytes()), (32, 1000));
        let wide = all.windows(2).filter(|pair| pair[1].0 - (pair[0].0 + pair[0].1) == 149).count();
        assert_eq!(wide, 9);
    }
}
