//! Looks for secrets in whatever was said and kept, and says whether the search itself works.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

/// Places below the controller's directory that hold secrets on purpose: what the first start makes,
/// and the files of accounts that the test wrote.
const ON_PURPOSE: [&str; 4] = ["storage/secrets", "storage/tls", "users", "registry-users"];

/// A secret by a name that may be printed.
pub(super) struct Secret {
    pub(super) name: &'static str,
    text: String,
}

impl Secret {
    pub(super) fn new(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, text: text.into() }
    }

    /// The text itself, and as it looks in `Authorization` headers and dumps.
    fn forms(&self) -> [Vec<u8>; 3] {
        let bytes = self.text.as_bytes();
        [
            bytes.to_vec(),
            data_encoding::BASE64_NOPAD.encode(bytes).into_bytes(),
            data_encoding::HEXLOWER.encode(bytes).into_bytes(),
        ]
    }
}

/// What a search came by.
#[derive(Debug, Default)]
pub(super) struct Searched {
    /// Files that hold the server's serial, which is no secret.
    pub(super) control: usize,
    pub(super) database: bool,
    pub(super) log: bool,
    /// What would show a crash.
    pub(super) printed: bool,
    /// Backups that hold the server.
    pub(super) backups: usize,
}

pub(super) fn search(
    root: &Path,
    at: &Path,
    secrets: &[Secret],
    searched: &mut Searched,
) -> Result<()> {
    for entry in fs::read_dir(at).with_context(|| format!("list {}", at.display()))? {
        let path = entry.context("list a directory")?.path();
        let below = path.strip_prefix(root).context("leave the directory")?;
        if ON_PURPOSE.iter().any(|place| below == Path::new(place)) {
            continue;
        }
        if path.is_dir() {
            search(root, &path, secrets, searched)?;
        } else if path.is_file() {
            let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            for secret in secrets {
                ensure!(!sings(&bytes, secret), "{} holds {}", below.display(), secret.name);
            }
            let control = holds(&bytes, b"SN0001");
            searched.control += usize::from(control);
            let in_backups = below.starts_with("storage/backups");
            searched.backups += usize::from(control && in_backups);
            searched.database |= below.ends_with("provisioner.db");
            searched.log |= below.ends_with("controller.log");
            searched.printed |= below.ends_with("controller.stderr");
        }
    }
    Ok(())
}

pub(super) fn sings(bytes: &[u8], secret: &Secret) -> bool {
    secret.forms().iter().any(|form| holds(bytes, form))
}

pub(super) fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = rest.get(at..).unwrap_or_default();
        if rest.starts_with(needle) {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}
