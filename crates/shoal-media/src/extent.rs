//! Runs of bytes: ranges, tripwires and the reserved extent all compare the same kind of interval,
//! so the arithmetic that could overflow or be off by one lives here once.

/// A run of bytes of a medium, never empty and never past `u64::MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Extent {
    start: u64,
    end: u64,
}

impl Extent {
    /// The `len` bytes from `offset`; `None` when that is no byte at all or runs past `u64::MAX`.
    pub fn new(offset: u64, len: u64) -> Option<Self> {
        Self::between(offset, offset.checked_add(len)?)
    }

    /// The bytes from `start` up to and without `end`; `None` when there are none.
    pub(crate) fn between(start: u64, end: u64) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// The first byte's offset.
    pub fn offset(&self) -> u64 {
        self.start
    }

    /// The number of bytes, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "an extent is never empty")]
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// The offset behind the last byte.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Whether the two share a byte.
    pub fn touches(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// The same run `by` bytes further on; `None` past `u64::MAX`.
    pub(crate) fn shifted(&self, by: u64) -> Option<Self> {
        Self::between(self.start.checked_add(by)?, self.end.checked_add(by)?)
    }

    /// What is left of the run without its first `by` bytes.
    pub(crate) fn skip(&self, by: u64) -> Option<Self> {
        Self::between(self.start.saturating_add(by), self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extent_is_never_empty_and_never_overflows() {
        assert_eq!(Extent::new(5, 0), None);
        assert_eq!(Extent::new(u64::MAX, 1), None);
        assert_eq!(Extent::new(u64::MAX - 1, 1).unwrap().end(), u64::MAX);
    }

    #[test]
    fn neighbours_do_not_touch() {
        let first = Extent::new(0, 10).unwrap();
        assert!(!first.touches(&Extent::new(10, 1).unwrap()));
        assert!(first.touches(&Extent::new(9, 1).unwrap()));
        assert_eq!(first.skip(10), None);
    }
}
