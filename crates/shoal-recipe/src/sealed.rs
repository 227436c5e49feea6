//! Secrets travel through recipes and job files next to plain data, so they need a type that cannot
//! slip into a log line, an error or a serialised answer by accident.

use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// Text that is never printed or serialised, and whose memory is wiped when it is dropped.
///
/// Copies that a parser made on the way in are not wiped.
/// It can be read from JSON but not written to it: whoever must write it calls [`Sealed::reveal`],
/// which is a word one can search for.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Zeroizing<String>);

impl Sealed {
    /// Seals `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Length in bytes, which may be shown.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_nothing_of_the_text() {
        let sealed = Sealed::new("hunter2");

        assert_eq!(format!("{sealed:?} {:#?}", Some(&sealed)), "*** Some(\n    ***,\n)");
        assert_eq!((sealed.len(), sealed.is_empty(), sealed.reveal()), (7, false, "hunter2"));
    }
}
