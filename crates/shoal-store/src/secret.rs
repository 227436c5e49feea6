//! Secrets live in the same records as plain data, so they need a type that cannot slip into a log
//! line, an error or an answer by accident.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use zeroize::{Zeroize, Zeroizing};

use crate::{Error, sealing::random};

/// Something that is never printed or serialised, and whose memory is wiped when it is dropped.
///
/// Whoever needs the content calls [`Secret::expose`], which is a word one can search for.
#[derive(Clone)]
pub struct Secret<T: Zeroize = String>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Takes over `value`. Copies the caller kept are not wiped.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The content.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl Secret {
    /// A text nobody can guess: 256 random bits as 52 characters of lower-case base32.
    ///
    /// # Errors
    /// [`Error::NoRandomness`].
    pub fn draw() -> Result<Self, Error> {
        let bytes = random::<32>()?;
        Ok(Self::new(BASE32_NOPAD.encode(bytes.as_slice()).to_ascii_lowercase()))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
