//! Signing keys: which one signs, which ones are still accepted while a rotation is under way, and a
//! secret that cannot be printed.

use std::fmt;

use ring::hmac;
use zeroize::Zeroizing;

/// Bytes of the HMAC that travel in a segment: half of SHA-256, the least RFC 2104 section 5 advises.
pub(crate) const MAC_LEN: usize = 16;

/// Shortest secret accepted, in bytes: one that could be guessed would void every other check.
const MIN_SECRET_LEN: usize = 16;

/// Number of a signing key, 0 to 4095: it shares two bytes of the segment with the format version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(u16);

impl KeyId {
    /// The highest key id.
    pub const MAX: u16 = 0x0fff;

    /// `None` above [`KeyId::MAX`].
    pub fn new(id: u16) -> Option<Self> {
        (id <= Self::MAX).then_some(Self(id))
    }

    /// The number.
    pub fn value(self) -> u16 {
        self.0
    }
}

/// Why a key or a keyring could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The secret is shorter than 16 bytes.
    #[error("accept media signing secret of {len} bytes, at least {MIN_SECRET_LEN} are needed")]
    TooShort {
        /// Its length in bytes.
        len: usize,
    },
    /// Two keys of one keyring have the same id.
    #[error("tell apart two media signing keys with id {id}")]
    DuplicateId {
        /// The id they share.
        id: u16,
    },
}

/// One signing key. Its `Debug` shows the id only; the secret is wiped on drop.
pub struct Key {
    id: KeyId,
    secret: Zeroizing<Vec<u8>>,
}

impl Key {
    /// A key from raw secret bytes.
    pub fn new(id: KeyId, secret: Vec<u8>) -> Result<Self, KeyError> {
        let secret = Zeroizing::new(secret);
        if secret.len() < MIN_SECRET_LEN {
            return Err(KeyError::TooShort { len: secret.len() });
        }
        Ok(Self { id, secret })
    }

    /// The key's number.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The truncated HMAC-SHA256 over all parts in order; callers make the boundaries unambiguous.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; MAC_LEN] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let mut context = hmac::Context::with_key(&key);
        for part in parts {
            context.update(part);
        }
        let tag = context.sign();
        let mut mac = [0; MAC_LEN];
        mac.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        mac
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("secret", &"***").finish()
    }
}

/// The key that signs and all keys that are accepted.
#[derive(Debug)]
pub struct Keyring {
    current: Key,
    previous: Vec<Key>,
}

impl Keyring {
    /// A keyring that signs with `current` and still accepts `previous`. Ids must differ.
    pub fn new(current: Key, previous: Vec<Key>) -> Result<Self, KeyError> {
        let keyring = Self { current, previous };
        let mut ids: Vec<u16> = keyring.keys().map(|key| key.id.value()).collect();
        ids.sort_unstable();
        let twin = ids.windows(2).find_map(|pair| match pair {
            [a, b] if a == b => Some(*a),
            _ => None,
        });
        match twin {
            Some(id) => Err(KeyError::DuplicateId { id }),
            None => Ok(keyring),
        }
    }

    /// The key new paths are signed with.
    pub fn current(&self) -> &Key {
        &self.current
    }

    /// The accepted key with this number.
    pub(crate) fn find(&self, id: KeyId) -> Option<&Key> {
        self.keys().find(|key| key.id == id)
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u16) -> Key {
        Key::new(KeyId::new(id).unwrap(), vec![7; 32]).unwrap()
    }

    #[test]
    fn a_secret_is_never_printed() {
        let text = format!("{:?}", Keyring::new(key(1), vec![key(2)]).unwrap());
        assert!(text.contains("***") && !text.contains("7, 7"), "{text}");
    }

    #[test]
    fn short_secrets_and_shared_ids_are_refused() {
        let id = KeyId::new(1).unwrap();
        assert_eq!(Key::new(id, vec![1; 15]).unwrap_err(), KeyError::TooShort { len: 15 });
        let twins = Keyring::new(key(1), vec![key(2), key(1)]).unwrap_err();
        assert_eq!(twins, KeyError::DuplicateId { id: 1 });
        assert_eq!(KeyId::new(4096), None);
    }
}
