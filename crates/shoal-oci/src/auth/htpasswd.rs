//! A file of users. Checking a password is dear on purpose, and clients send it with every request,
//! so credentials that were right are remembered for a while, by a keyed digest, until the file is
//! read again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ::http::HeaderValue;
use data_encoding::BASE64;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::Semaphore;

use super::password::PasswordHash;
use super::{Access, Authenticating, Claim, Principal, Refused, Rights};

/// How long credentials are remembered.
const REMEMBERED: Duration = Duration::from_mins(10);

/// Most credentials remembered.
const REMEMBERED_MAX: usize = 1024;

/// Passwords checked at the same time: guessing must not take the whole processor.
const CHECKS: usize = 2;

/// A file of users cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadUsers {
    /// It cannot be read.
    #[error("read the users of {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not `user:hash`.
    #[error(
        "read the users of {}: line {line} must be user:hash with a hash of bcrypt (cost at most 16) \
         or argon2id (at most 256 MiB and 16 passes)",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The system gave no randomness.
    #[error("make a key to remember credentials by")]
    NoRandomness,
}

/// The users of a file. Each may do everything the policy allows.
#[derive(Debug)]
pub struct Htpasswd {
    path: PathBuf,
    users: RwLock<Arc<Users>>,
    checks: Arc<Semaphore>,
}

impl Htpasswd {
    /// Reads the file. Blocks.
    ///
    /// # Errors
    /// [`BadUsers`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, BadUsers> {
        let path = path.into();
        let users = RwLock::new(Arc::new(Users::read(&path)?));
        Ok(Self { path, users, checks: Arc::new(Semaphore::new(CHECKS)) })
    }

    /// Reads the file again and forgets all remembered credentials. If it cannot be used the former
    /// users stay. Blocks.
    ///
    /// # Errors
    /// [`BadUsers`].
    pub fn reload(&self) -> Result<(), BadUsers> {
        let users = Arc::new(Users::read(&self.path)?);
        *self.users.write().unwrap_or_else(PoisonError::into_inner) = users;
        Ok(())
    }

    fn users(&self) -> Arc<Users> {
        Arc::clone(&self.users.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who was recognised by exactly this header a short while ago. Costs next to nothing, so that
    /// whoever limits attempts need not count those that are sure to be right.
    pub fn remembered(&self, header: &HeaderValue) -> Option<Principal> {
        let users = self.users();
        let name = users.remembered(&users.key(header))?;
        Some(Principal::new(name, Rights::All))
    }

    async fn recognise(&self, header: Option<&HeaderValue>) -> Result<Principal, Refused> {
        let header = header.ok_or(Refused::Unauthenticated)?;
        if let Some(principal) = self.remembered(header) {
            return Ok(principal);
        }
        let users = self.users();
        let seen = users.key(header);
        let (name, password) = basic(header).ok_or(Refused::Unauthenticated)?;
        let checks = Arc::clone(&self.checks);
        let place = checks.acquire_owned().await.map_err(|_| Refused::Unavailable)?;
        let checked = tokio::task::spawn_blocking(move || {
            let _place = place;
            let known = users.check(&name, &password);
            if let Some(name) = &known {
                users.remember(seen, Arc::clone(name));
            }
            known
        });
        let known = checked.await.map_err(|_| Refused::Unavailable)?;
        let name = known.ok_or(Refused::Unauthenticated)?;
        Ok(Principal::new(name, Rights::All))
    }
}

impl Access for Htpasswd {
    fn authenticate<'a>(&'a self, claim: Claim<'a>) -> Authenticating<'a> {
        Box::pin(self.recognise(claim.header))
    }
}

/// Who was recognised by which keyed digest of a header, and when.
type Remembered = HashMap<[u8; 32], (Arc<str>, Instant)>;

/// One reading of the file, with what was recognised by it.
struct Users {
    hashes: HashMap<Arc<str>, PasswordHash>,
    key: hmac::Key,
    remembered: Mutex<Remembered>,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} users", self.hashes.len())
    }
}

impl Users {
    fn read(path: &Path) -> Result<Self, BadUsers> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| BadUsers::Read { path: path.to_owned(), source })?;
        let mut hashes = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = || BadUsers::Line { path: path.to_owned(), line: number };
            let (name, hash) = line.split_once(':').ok_or_else(bad)?;
            let hash = hash.parse().map_err(|_| bad())?;
            hashes.insert(name.into(), hash);
        }
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let key = key.map_err(|_| BadUsers::NoRandomness)?;
        Ok(Self { hashes, key, remembered: Mutex::default() })
    }

    /// The user whose name and password these are. An unknown name takes as long as a known one.
    fn check(&self, name: &str, password: &[u8]) -> Option<Arc<str>> {
        match self.hashes.get_key_value(name) {
            Some((name, hash)) => hash.matches(password).then(|| Arc::clone(name)),
            None => {
                let _ = self.hashes.values().next().map(|hash| hash.matches(password));
                None
            }
        }
    }

    fn key(&self, header: &HeaderValue) -> [u8; 32] {
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(hmac::sign(&self.key, header.as_bytes()).as_ref()) {
            *to = *from;
        }
        key
    }

    fn remembered(&self, key: &[u8; 32]) -> Option<Arc<str>> {
        let remembered = self.lock();
        let (name, since) = remembered.get(key)?;
        (since.elapsed() < REMEMBERED).then(|| Arc::clone(name))
    }

    fn remember(&self, key: [u8; 32], name: Arc<str>) {
        let mut remembered = self.lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(key, (name, Instant::now()));
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Name and password of a `Basic` header.
fn basic(header: &HeaderValue) -> Option<(String, Vec<u8>)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let mut name = BASE64.decode(encoded.trim().as_bytes()).ok()?;
    let colon = name.iter().position(|byte| *byte == b':')?;
    let password = name.split_off(colon + 1);
    name.pop();
    Some((String::from_utf8(name).ok()?, password))
}
