//! The few number and text encodings of ECMA-119 clause 7, so that the other modules read like the
//! tables of the standard.

/// Appends a 16-bit number in both byte orders (ECMA-119, 7.2.3).
pub(crate) fn both_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a 32-bit number in both byte orders (ECMA-119, 7.3.3).
pub(crate) fn both_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends zeros until `out` is a whole number of `unit` bytes long.
pub(crate) fn fill_to_multiple(out: &mut Vec<u8>, unit: usize) {
    out.resize(out.len().next_multiple_of(unit), 0);
}

/// Where the next `len` bytes go when `used` bytes are taken and nothing may cross the boundary of
/// a sector: directory records (ECMA-119, 6.8.1.1) and continuation areas alike.
pub(crate) fn within_sector(used: usize, len: usize) -> usize {
    let sector = crate::SECTOR as usize;
    if used % sector + len > sector { used.next_multiple_of(sector) } else { used }
}
