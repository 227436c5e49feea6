//! Tokens and passwords pass through structs that are printed while debugging. One type that cannot
//! be printed keeps them out of messages and tests by construction.

use std::fmt;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::Error;

/// Longer files are not what they were named for.
const MAX_BYTES: u64 = 64 * 1024;

/// A token or a password. `Debug` prints `***`; memory is cleared on drop.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(plain: String) -> Self {
        Self(Zeroizing::new(plain))
    }

    /// The first line of a file; the newline an editor leaves at its end is not part of the secret.
    pub(crate) fn from_file(path: &Path) -> Result<Self, Error> {
        let mut text = Zeroizing::new(String::new());
        let read = std::fs::File::open(path)
            .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
        read.map_err(|source| Error::File { path: path.to_owned(), source })?;
        let line = text.trim_end_matches(['\n', '\r']);
        let usable = !line.is_empty() && !line.contains(char::is_control);
        if !usable {
            return Err(Error::SecretFile { path: path.to_owned() });
        }
        Ok(Self::new(line.to_owned()))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_value() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "***");
    }

    #[test]
    fn a_file_of_one_line_is_read_without_its_newline_and_any_other_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = |text: &str| {
            let path = directory.path().join("secret");
            std::fs::write(&path, text).unwrap();
            Secret::from_file(&path).map(|secret| secret.reveal().to_owned())
        };

        assert_eq!(file("with spaces \r\n").unwrap(), "with spaces ");
        for wrong in ["", "\n", "two\nlines\n", "bell\u{7}"] {
            assert!(matches!(file(wrong), Err(Error::SecretFile { .. })), "{wrong:?}");
        }
    }
}
