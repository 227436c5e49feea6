//! Where each panel lies: a grid of 24 columns without holes. Panels of a row are spread over as few
//! lines as hold three each, and every line is filled.

/// Columns of the grid.
pub(super) const COLUMNS: u32 = 24;
/// Most panels beside one another.
const ABREAST: usize = 3;

/// A rectangle of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) w: u32,
    pub(super) h: u32,
}

impl Place {
    pub(super) fn overlaps(self, other: Self) -> bool {
        let apart = self.x + self.w <= other.x
            || other.x + other.w <= self.x
            || self.y + self.h <= other.y
            || other.y + other.h <= self.y;
        !apart
    }
}

/// The places of `count` panels from the line `y` down.
pub(super) fn places(count: usize, y: u32, h: u32) -> Vec<Place> {
    let lines = count.div_ceil(ABREAST);
    let mut places = Vec::with_capacity(count);
    let mut left = count;
    for line in 0..lines {
        let abreast = left.div_ceil(lines - line);
        left -= abreast;
        let y = y + h * u32::try_from(line).unwrap_or_default();
        let abreast = u32::try_from(abreast).unwrap_or(1);
        let edge = |number: u32| COLUMNS * number / abreast;
        places.extend((0..abreast).map(|number| {
            let x = edge(number);
            Place { x, y, w: edge(number + 1) - x, h }
        }));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_filled_and_nothing_overlaps() {
        for count in 1..20 {
            let places = places(count, 7, 8);
            assert_eq!(places.len(), count);
            let area: u32 = places.iter().map(|place| place.w * place.h).sum();
            assert_eq!(area % (COLUMNS * 8), 0, "{count} panels leave a hole");
            for (number, place) in places.iter().enumerate() {
                assert!(place.x + place.w <= COLUMNS && place.y >= 7);
                assert!(places.iter().skip(number + 1).all(|other| !place.overlaps(*other)));
            }
        }
    }
}
