//! What content is called after: its hash.

use std::fmt;
use std::str::FromStr;

use ring::digest::{Algorithm, Context, SHA256, SHA512};

/// A SHA-256 or SHA-512 in its text form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Digest(String);

impl Digest {
    /// The SHA-256 of a text.
    pub(super) fn of(content: &[u8]) -> Self {
        let mut hash = Hash::new("sha256");
        hash.update(content);
        hash.finish()
    }

    /// Whether it is the hash of the content.
    pub(super) fn is_of(&self, content: &[u8]) -> bool {
        let mut hash = self.hash();
        hash.update(content);
        hash.finish() == *self
    }

    /// An empty hash of its kind.
    pub(super) fn hash(&self) -> Hash {
        Hash::new(self.algorithm())
    }

    /// `sha256` or `sha512`.
    pub(super) fn algorithm(&self) -> &'static str {
        if self.0.starts_with("sha512:") { "sha512" } else { "sha256" }
    }

    /// The tag under which registries without a list of referrers keep one.
    pub(super) fn as_tag(&self) -> String {
        self.0.replace(':', "-")
    }
}

impl FromStr for Digest {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (algorithm, hex) = text.split_once(':').ok_or(())?;
        let length = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return Err(()),
        };
        let legal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_hash = hex.len() == length && hex.bytes().all(legal);
        if is_hash { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A hash of what has come so far.
pub(super) struct Hash {
    name: &'static str,
    context: Context,
}

impl Hash {
    fn new(name: &'static str) -> Self {
        let algorithm: &'static Algorithm = if name == "sha512" { &SHA512 } else { &SHA256 };
        Self { name, context: Context::new(algorithm) }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    pub(super) fn finish(self) -> Digest {
        use std::fmt::Write as _;
        let mut text = format!("{}:", self.name);
        for byte in self.context.finish().as_ref() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Digest(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_in_their_one_form_and_compared_with_content() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest: Digest = empty.parse().unwrap();
        assert_eq!(Digest::of(b""), digest);
        assert!(digest.is_of(b"") && !digest.is_of(b"x"));
        for wrong in ["", "sha256:", "sha256:E3", "md5:00", &empty.replace("sha256", "sha512")] {
            assert_eq!(wrong.parse::<Digest>(), Err(()), "{wrong}");
        }
    }
}
