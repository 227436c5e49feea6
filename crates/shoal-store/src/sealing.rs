//! Cells that hold secrets are sealed before they reach SQLite, so that a copied file, a backup or a
//! stray page on disk gives nothing away. Each cell is bound to its place: moved to another row or
//! column it does not open.

use std::fmt;

use data_encoding::HEXLOWER;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};
use shoal_sqlite::rusqlite::{OptionalExtension, Transaction};
use zeroize::Zeroizing;

use crate::Error;

/// Bytes of a key id in front of a sealed cell; shown as eight hex digits.
const KEY_ID_LEN: usize = 4;

/// What `sealing_keys.proof` says.
const PROOF: &[u8] = b"shoal";

/// The keys that seal and open secret cells: one seals, all of them open.
pub struct Sealing {
    current: SealingKey,
    older: Vec<SealingKey>,
}

/// One AES-256-GCM key. Its id is the first eight hex digits of the SHA-256 of its bytes.
pub struct SealingKey {
    id: [u8; KEY_ID_LEN],
    key: LessSafeKey,
}

/// The place of a sealed cell.
#[derive(Clone, Copy)]
pub(crate) struct Cell<'a> {
    pub(crate) column: &'static str,
    pub(crate) row: &'a str,
}

impl Sealing {
    /// Seals and opens with one key.
    pub fn new(current: SealingKey) -> Self {
        Self { current, older: Vec::new() }
    }

    /// Seals and opens with a fresh random key, for databases that end with the process.
    ///
    /// # Errors
    /// [`Error::NoRandomness`].
    pub fn generate() -> Result<Self, Error> {
        Ok(Self::new(SealingKey::from_bytes(*random::<32>()?)))
    }

    /// Opens with this key, too: cells sealed before a change of keys.
    #[must_use]
    pub fn and_older(mut self, key: SealingKey) -> Self {
        self.older.push(key);
        self
    }

    /// Id of the key that seals.
    pub fn key_id(&self) -> String {
        self.current.id()
    }

    pub(crate) fn seal(&self, cell: Cell<'_>, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let nonce = random::<NONCE_LEN>()?;
        let mut body = plain.to_vec();
        let tag = self
            .current
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(*nonce), cell.aad(), &mut body)
            .map_err(|_| cell.unseal_error())?;
        let id = self.current.id;
        Ok([id.as_slice(), nonce.as_slice(), &body, tag.as_ref()].concat())
    }

    pub(crate) fn open(&self, cell: Cell<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let failed = || cell.unseal_error();
        let (id, rest) = sealed.split_first_chunk::<KEY_ID_LEN>().ok_or_else(failed)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(failed)?;
        let key = self.keys().find(|key| key.id == *id).ok_or_else(failed)?;
        let mut body = Zeroizing::new(body.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length =
            key.key.open_in_place(nonce, cell.aad(), &mut body).map_err(|_| failed())?.len();
        body.truncate(length);
        Ok(body)
    }

    /// Refuses a database in which any cell may be sealed with a key that is not here, and notes
    /// the current key as used.
    pub(crate) fn prove(&self, tx: &Transaction<'_>) -> Result<(), Error> {
        let mut statement = tx.prepare("SELECT id, proof FROM sealing_keys ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, proof): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
            if self.open(proof_cell(&id), &proof).is_err() {
                let given = self.keys().map(SealingKey::id).collect();
                return Err(Error::WrongSealingKey { key_id: id, given });
            }
        }
        let id = self.key_id();
        let known = tx
            .query_row("SELECT 1 FROM sealing_keys WHERE id = ?1", [&id], |_| Ok(()))
            .optional()?;
        if known.is_none() {
            let proof = self.seal(proof_cell(&id), PROOF)?;
            tx.execute("INSERT INTO sealing_keys (id, proof) VALUES (?1, ?2)", (&id, proof))?;
        }
        Ok(())
    }

    /// No cell is sealed with an older key any more.
    pub(crate) fn forget_older(&self, tx: &Transaction<'_>) -> Result<(), Error> {
        tx.execute("DELETE FROM sealing_keys WHERE id <> ?1", [self.key_id()])?;
        Ok(())
    }

    /// What a cell sealed with the current key begins with.
    pub(crate) fn key_prefix(&self) -> [u8; KEY_ID_LEN] {
        self.current.id
    }

    fn keys(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.current).chain(&self.older)
    }
}

impl SealingKey {
    /// The key with these bytes, which must be random.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        let sha256 = digest(&SHA256, bytes.as_slice());
        let mut id = [0; KEY_ID_LEN];
        for (to, from) in id.iter_mut().zip(sha256.as_ref()) {
            *to = *from;
        }
        #[expect(clippy::expect_used, reason = "AES-256 takes exactly 32 bytes")]
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_slice()).expect("32 bytes are a key");
        Self { id, key: LessSafeKey::new(key) }
    }

    /// The key's id, which may be shown.
    pub fn id(&self) -> String {
        HEXLOWER.encode(&self.id)
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sealing").field(&self.key_id()).finish()
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealingKey").field(&self.id()).finish()
    }
}

impl Cell<'_> {
    /// A column name holds no slash, so that no two places have the same name.
    fn name(self) -> String {
        format!("{}/{}", self.column, self.row)
    }

    fn aad(self) -> Aad<Vec<u8>> {
        Aad::from(self.name().into_bytes())
    }

    fn unseal_error(self) -> Error {
        Error::Unseal { cell: self.name() }
    }
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Error> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| Error::NoRandomness)?;
    Ok(bytes)
}

fn proof_cell(id: &str) -> Cell<'_> {
    Cell { column: "sealing_keys.proof", row: id }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Cell<'_> = Cell { column: "jobs.recipe", row: "a" };

    fn sealing(byte: u8) -> Sealing {
        Sealing::new(SealingKey::from_bytes([byte; 32]))
    }

    #[test]
    fn sealed_cell_opens_in_its_place_only() {
        let sealing = sealing(1);
        let cell = sealing.seal(HERE, b"secret").unwrap();

        assert_eq!(*sealing.open(HERE, &cell).unwrap(), b"secret");
        for elsewhere in
            [Cell { column: "jobs.recipe", row: "b" }, Cell { column: "keys.secret", row: "a" }]
        {
            assert!(sealing.open(elsewhere, &cell).is_err());
        }
    }

    #[test]
    fn changed_or_shortened_cell_is_refused() {
        let sealing = sealing(1);
        let cell = sealing.seal(HERE, b"secret").unwrap();

        for at in 0..cell.len() {
            let mut changed = cell.clone();
            changed[at] ^= 1;
            assert!(sealing.open(HERE, &changed).is_err(), "byte {at}");
            assert!(sealing.open(HERE, &cell[..at]).is_err(), "length {at}");
        }
    }

    #[test]
    fn same_plain_text_never_seals_to_the_same_bytes() {
        let sealing = sealing(1);

        assert_ne!(sealing.seal(HERE, b"x").unwrap(), sealing.seal(HERE, b"x").unwrap());
    }

    #[test]
    fn older_keys_open_and_the_current_one_seals() {
        let cell = sealing(1).seal(HERE, b"secret").unwrap();
        let both = sealing(2).and_older(SealingKey::from_bytes([1; 32]));

        assert_eq!(*both.open(HERE, &cell).unwrap(), b"secret");
        assert!(sealing(1).open(HERE, &both.seal(HERE, b"new").unwrap()).is_err());
    }

    #[test]
    fn key_id_is_eight_hex_digits_of_the_keys_digest() {
        // printf '\1%.0s' {1..32} | sha256sum
        assert_eq!(SealingKey::from_bytes([1; 32]).id(), "72cd6e84");
    }
}
