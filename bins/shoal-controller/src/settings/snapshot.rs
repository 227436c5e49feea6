//! One reading of the configuration, to be compared with the next one: what is different, who set it,
//! and whether it may change while the controller runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};
use zeroize::Zeroizing;

use super::{Error, key, reader::Reader};

/// Keys that name files whose content counts as part of the configuration.
const FILES: [&str; 7] = [
    "TLS_CERT_FILE",
    "TLS_KEY_FILE",
    "USERS_FILE",
    "REGISTRY_USERS_FILE",
    "REGISTRY_CREDENTIALS_FILE",
    "REDFISH_PROFILE_DIR",
    "WEBHOOK_CLIENT_CA_FILE",
];

/// Larger files are none of those.
const MAX_BYTES: u64 = 1024 * 1024;

/// Every key as it was in force at one reading. Prints nothing of it.
#[derive(Clone)]
pub struct Snapshot(BTreeMap<String, Entry>);

#[derive(Clone)]
struct Entry {
    /// None: unset.
    text: Option<Zeroizing<String>>,
    /// SHA-256 of what the named file holds.
    content: Option<[u8; 32]>,
    source: String,
}

/// One key that two readings differ in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key.
    pub key: String,
    /// Before, `***` for a secret.
    pub from: String,
    /// After, `***` for a secret.
    pub to: String,
    /// Who sets it now.
    pub source: String,
    /// Whether a reload may change it.
    pub reload: bool,
}

impl Snapshot {
    pub(super) fn of(reader: &Reader) -> Result<Self, Error> {
        let mut entries = BTreeMap::new();
        let names = key::all().map(|key| key.name).chain(reader.budgets());
        for name in names {
            let (text, source) = reader.in_force(name);
            let content = match text.filter(|_| FILES.contains(&name)) {
                Some(path) => Some(content(Path::new(path)).map_err(|error| Error::Missing {
                    key: name.to_owned(),
                    origin: source.clone(),
                    path: PathBuf::from(path),
                    source: error,
                })?),
                None => None,
            };
            let text = text.map(|text| Zeroizing::new(text.to_owned()));
            entries.insert(name.to_owned(), Entry { text, content, source });
        }
        Ok(Self(entries))
    }

    /// What is different in `newer`, by name.
    pub fn differences(&self, newer: &Self) -> Vec<Difference> {
        let names: BTreeSet<&String> = self.0.keys().chain(newer.0.keys()).collect();
        names.into_iter().filter_map(|name| self.difference(newer, name)).collect()
    }

    fn difference(&self, newer: &Self, name: &str) -> Option<Difference> {
        let (old, new) = (self.0.get(name), newer.0.get(name));
        let text = |entry: Option<&Entry>| entry.and_then(|entry| entry.text.clone());
        let content = |entry: Option<&Entry>| entry.and_then(|entry| entry.content);
        let same_text = text(old) == text(new);
        if same_text && content(old) == content(new) {
            return None;
        }
        let key = key::find(name);
        let secret = key.is_some_and(|key| key.secret);
        let shown = |entry: Option<&Entry>| match text(entry) {
            None => "unset".to_owned(),
            Some(_) if secret => "***".to_owned(),
            Some(text) => text.to_string(),
        };
        let to = shown(new);
        let to = if same_text { format!("{to} (other content)") } else { to };
        let source = new.map_or_else(|| "the defaults".to_owned(), |entry| entry.source.clone());
        // A job keeps the budgets it was created with, so those of new ones may change.
        let reload = key.is_none_or(|key| key.reload);
        Some(Difference { key: name.to_owned(), from: shown(old), to, source, reload })
    }

    /// SHA-256 of everything but secrets, in lower-case hexadecimal: two controllers with the same
    /// one are configured alike.
    pub fn sha256(&self) -> String {
        let mut context = Context::new(&SHA256);
        for (name, entry) in &self.0 {
            let secret = key::find(name).is_some_and(|key| key.secret);
            let text = entry.text.as_ref().map(|text| if secret { "***" } else { text.as_str() });
            // Private keys and passwords are among the files.
            let secret = ["TLS_KEY_FILE", "REGISTRY_CREDENTIALS_FILE"].contains(&name.as_str());
            let content = entry.content.filter(|_| !secret);
            context.update(format!("{name}\0{text:?}\0{content:?}\0").as_bytes());
        }
        HEXLOWER.encode(context.finish().as_ref())
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Snapshot").field(&self.0.len()).finish()
    }
}

/// SHA-256 of a file, or of the names and contents of a directory's files.
fn content(path: &Path) -> io::Result<[u8; 32]> {
    let mut context = Context::new(&SHA256);
    if path.is_dir() {
        let mut names: Vec<PathBuf> =
            fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        names.sort();
        for name in names.iter().filter(|name| name.is_file()) {
            context.update(name.as_os_str().as_encoded_bytes());
            context.update(&[0]);
            context.update(&whole(name)?);
        }
    } else {
        context.update(&whole(path)?);
    }
    let mut sha256 = [0; 32];
    sha256.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    Ok(sha256)
}

/// A file that is small enough to be what it was named for.
fn whole(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    fs::File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it exceeds 1 MiB"));
    }
    Ok(bytes)
}
