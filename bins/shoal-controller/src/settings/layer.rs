//! The four layers and their merge. Every value keeps who set it, and stays text until it is read,
//! so that one parser serves file, environment and command line alike.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::Read,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{Error, budget, key};

/// The file that is read when none is named, if it exists.
const USUAL_FILE: &str = "/etc/shoal/shoal.toml";

/// Longer secrets are not what they were named for.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The configuration file, which must exist when it is named.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// `NAME=VALUE` from the command line.
    pub set: Vec<String>,
}

impl Sources {
    /// The usual file if it exists, and this process's environment.
    pub fn of_process(file: Option<PathBuf>, set: Vec<String>) -> Self {
        let usual = || Some(PathBuf::from(USUAL_FILE)).filter(|path| path.exists());
        Self { file: file.or_else(usual), environment: std::env::vars_os().collect(), set }
    }
}

/// One value and who set it.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) text: Zeroizing<String>,
    pub(super) origin: String,
}

/// Merged values by canonical key: `WORKER_CONCURRENCY`, `budgets.linux.settle`.
pub(super) type Layer = BTreeMap<String, Entry>;

/// Merges all layers, later ones over earlier ones. Also says which keys were ignored.
pub(super) fn merge(sources: &Sources) -> Result<(Layer, Vec<&'static str>), Error> {
    let mut merged = match &sources.file {
        Some(path) => file(path)?,
        None => Layer::new(),
    };
    let (environment, ignored) = environment(&sources.environment)?;
    override_with(&mut merged, environment);
    override_with(&mut merged, command_line(&sources.set)?);
    Ok((merged, ignored))
}

/// A secret and the file that holds it are two spellings of one setting: whichever a later layer
/// uses, it overrides both.
fn override_with(merged: &mut Layer, later: Layer) {
    for name in later.keys() {
        let secret = name.strip_suffix("_FILE").unwrap_or(name);
        if is_secret(secret) {
            merged.remove(secret);
            merged.remove(&format!("{secret}_FILE"));
        }
    }
    merged.extend(later);
}

fn file(path: &Path) -> Result<Layer, Error> {
    let read = std::fs::read_to_string(path);
    let text = read.map_err(|source| Error::File { path: path.to_owned(), source })?;
    let table: toml::Table = toml::from_str(&text)
        .map_err(|source| Error::Toml { path: path.to_owned(), source: Box::new(source) })?;
    let origin = format!("file {}", path.display());
    let mut layer = Layer::new();
    flatten(&mut layer, &origin, "", table)?;
    Ok(layer)
}

fn flatten(layer: &mut Layer, origin: &str, prefix: &str, table: toml::Table) -> Result<(), Error> {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        let text = match value {
            toml::Value::Table(inner) => {
                // Deeper than the budgets there is nothing, so the depth of a table is bounded.
                if key != "budgets" && !budget::is_table(&key) {
                    return Err(Error::Unknown { key, origin: origin.to_owned() });
                }
                flatten(layer, origin, &format!("{key}."), inner)?;
                continue;
            }
            toml::Value::Array(items) => list(items),
            scalar => plain(scalar),
        };
        let Some(text) = text else {
            let expected = "text, a number, true or false, or a list of texts".to_owned();
            return Err(Error::Invalid { key, origin: origin.to_owned(), expected, value: None });
        };
        let known = if prefix.is_empty() { key.to_ascii_uppercase() } else { key };
        let name = known_name(&known, origin)?;
        if is_secret(&name) {
            return Err(Error::SecretInPlainSight { key: name, origin: origin.to_owned() });
        }
        insert(layer, name, text, origin)?;
    }
    Ok(())
}

fn plain(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn list(items: Vec<toml::Value>) -> Option<String> {
    let items: Option<Vec<String>> = items.into_iter().map(plain).collect();
    Some(items?.join(","))
}

/// Names under our prefix that are the command line client's.
const OF_THE_CLIENT: [&str; 6] = ["CA", "CONFIG", "PROFILE", "TOKEN", "TOKEN_FILE", "URL"];

fn environment(variables: &[(OsString, OsString)]) -> Result<(Layer, Vec<&'static str>), Error> {
    let mut layer = Layer::new();
    let mut ignored = Vec::new();
    for (variable, value) in variables {
        let Some(variable) = variable.to_str() else { continue };
        let origin = format!("environment variable {variable}");
        let name = match variable.strip_prefix("SHOAL_") {
            // An operator's shell may carry what the command line client reads.
            Some(name) if OF_THE_CLIENT.contains(&name) => continue,
            // Whoever writes our prefix means us; a name without it may be another program's.
            Some(name) => known_name(name, &origin)?,
            None if known_name(variable, "").is_ok() => variable.to_owned(),
            None => {
                ignored.extend(key::LATER.iter().find(|later| **later == variable));
                continue;
            }
        };
        let Some(text) = value.to_str() else {
            let expected = "UTF-8 text".to_owned();
            return Err(Error::Invalid { key: name, origin, expected, value: None });
        };
        let twin = layer.get(&name).filter(|twin| twin.text.as_str() != text);
        if let Some(twin) = twin {
            let reason = format!("it differs from {}", twin.origin);
            return Err(Error::Contradiction { key: name, origin, reason });
        }
        layer.insert(name, Entry { text: Zeroizing::new(text.to_owned()), origin });
    }
    Ok((layer, ignored))
}

fn command_line(set: &[String]) -> Result<Layer, Error> {
    let origin = "--set";
    let mut layer = Layer::new();
    for item in set {
        let (given, text) = item.split_once('=').unwrap_or((item, ""));
        let name = known_name(given.strip_prefix("SHOAL_").unwrap_or(given), origin)?;
        // Every user of the machine can read the arguments of a process.
        if is_secret(&name) {
            return Err(Error::SecretInPlainSight { key: name, origin: origin.to_owned() });
        }
        insert(&mut layer, name, text.to_owned(), origin)?;
    }
    Ok(layer)
}

fn insert(layer: &mut Layer, key: String, text: String, origin: &str) -> Result<(), Error> {
    if layer.contains_key(&key) {
        return Err(Error::Twice { key, origin: origin.to_owned() });
    }
    layer.insert(key, Entry { text: Zeroizing::new(text), origin: origin.to_owned() });
    Ok(())
}

fn is_secret(name: &str) -> bool {
    key::find(name).is_some_and(|key| key.secret)
}

/// The canonical name of a key, or why it is refused.
fn known_name(name: &str, origin: &str) -> Result<String, Error> {
    let secret_file = name.strip_suffix("_FILE").is_some_and(is_secret);
    if secret_file || key::find(name).is_some() || budget::is_key(name) {
        return Ok(name.to_owned());
    }
    let (key, origin) = (name.to_owned(), origin.to_owned());
    if key::LATER.contains(&name) {
        return Err(Error::NotInThisRelease { key, origin });
    }
    Err(Error::Unknown { key, origin })
}

/// Replaces each `<KEY>_FILE` by the secret in that file.
pub(super) fn resolve_secrets(layer: &mut Layer) -> Result<(), Error> {
    for key in key::all().filter(|key| key.secret) {
        let name = format!("{}_FILE", key.name);
        let Some(Entry { text, origin }) = layer.remove(&name).filter(|it| !it.text.is_empty())
        else {
            continue;
        };
        if layer.get(key.name).is_some_and(|direct| !direct.text.is_empty()) {
            let reason = format!("{} is set as well", key.name);
            return Err(Error::Contradiction { key: name, origin, reason });
        }
        let path = PathBuf::from(text.as_str());
        let resolved = format!("file {} named by {origin}", path.display());
        let mut content = Zeroizing::new(String::new());
        std::fs::File::open(&path)
            .and_then(|file| file.take(MAX_SECRET_BYTES).read_to_string(&mut content))
            .map_err(|source| Error::Missing {
                key: name.clone(),
                origin: origin.clone(),
                path,
                source,
            })?;
        let line = content.trim_end_matches(['\n', '\r']);
        if line.is_empty() || line.contains(char::is_control) {
            let expected = "a file with exactly one line".to_owned();
            return Err(Error::Invalid { key: name, origin, expected, value: None });
        }
        let text = Zeroizing::new(line.to_owned());
        layer.insert(key.name.to_owned(), Entry { text, origin: resolved });
    }
    Ok(())
}
