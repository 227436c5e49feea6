//! Lines of a CSV list as records of the API.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::csv::{self, Row};
use super::{Credentials, Entry};
use crate::error::{Error, Misfit};
use crate::servers::Trust;

/// Columns beside `label.KEY`.
const COLUMNS: [&str; 12] = [
    "serial",
    "bmc_address",
    "user",
    "password",
    "pin",
    "ca_file",
    "insecure_reason",
    "vendor_hint",
    "media_scheme",
    "media_host",
    "allow_plain_media",
    "quarantine",
];

/// Columns whose text is a member of a record as it stands.
const PLAIN: [&str; 6] =
    ["serial", "bmc_address", "vendor_hint", "media_scheme", "media_host", "quarantine"];

/// What the lines have in common.
struct Common<'a> {
    /// Files are named relative to it.
    directory: &'a Path,
    credentials: Option<&'a Credentials>,
    /// Policies by the file they were read from; a rack shares one authority.
    authorities: BTreeMap<PathBuf, Value>,
}

/// Every line after the header as a record, or all that is wrong.
pub(super) fn entries(
    text: &str,
    directory: &Path,
    credentials: Option<&Credentials>,
) -> Result<Vec<Entry>, Vec<Misfit>> {
    let misfit = |line, message: String| Misfit { line, serial: None, message };
    let rows = csv::rows(text).map_err(|line| {
        vec![misfit(line, "a quote is not closed or stands inside a field".into())]
    })?;
    let mut rows = rows.into_iter();
    let Some(header) = rows.next() else { return Err(vec![misfit(0, "it is empty".into())]) };
    let names: Vec<String> = header.fields.iter().map(|name| name.trim().to_owned()).collect();
    let unknown = names.iter().filter(|name| !is_column(name));
    let mut misfits: Vec<Misfit> =
        unknown.map(|name| misfit(header.line, format!("there is no column {name:?}"))).collect();
    if names.iter().collect::<BTreeSet<_>>().len() < names.len() {
        misfits.push(misfit(header.line, "a column is there twice".to_owned()));
    }
    if !misfits.is_empty() {
        return Err(misfits);
    }
    let mut common = Common { directory, credentials, authorities: BTreeMap::new() };
    let mut entries = Vec::new();
    for row in rows {
        match common.entry(&names, &row) {
            Ok(entry) => entries.push(entry),
            Err(misfit) => misfits.push(misfit),
        }
    }
    if misfits.is_empty() { Ok(entries) } else { Err(misfits) }
}

fn is_column(name: &str) -> bool {
    COLUMNS.contains(&name) || name.strip_prefix("label.").is_some_and(|key| !key.is_empty())
}

impl Common<'_> {
    fn entry(&mut self, header: &[String], row: &Row) -> Result<Entry, Misfit> {
        let cells = header.iter().zip(&row.fields).map(|(name, text)| {
            // A password may begin or end with a space.
            let text = if name == "password" { text.as_str() } else { text.trim() };
            (name.as_str(), text)
        });
        let cells: BTreeMap<&str, &str> = cells.filter(|(_, text)| !text.is_empty()).collect();
        let serial = cells.get("serial").map(|serial| (*serial).to_owned());
        let misfit = |message: String| Misfit { line: row.line, serial: serial.clone(), message };
        if row.fields.len() != header.len() {
            let (fields, columns) = (row.fields.len(), header.len());
            return Err(misfit(format!("it has {fields} fields for {columns} columns")));
        }
        let mut record = Map::new();
        for name in PLAIN {
            let text = cells.get(name);
            record.extend(text.map(|text| (name.to_owned(), json!(text))));
        }
        let labels: BTreeMap<&str, &str> = cells
            .iter()
            .filter_map(|(name, text)| Some((name.strip_prefix("label.")?, *text)))
            .collect();
        record.insert("labels".to_owned(), json!(labels));
        let plain = cells.get("allow_plain_media").map(|text| text.parse::<bool>());
        let plain = plain
            .transpose()
            .map_err(|_| misfit("allow_plain_media must be true or false".to_owned()))?;
        record.extend(plain.map(|plain| ("allow_plain_media".to_owned(), json!(plain))));
        let credentials = credentials(&cells, self.credentials).map_err(misfit)?;
        record.extend(credentials.map(|it| ("credentials".to_owned(), it)));
        record.insert("tls".to_owned(), self.trust(&cells).map_err(misfit)?);
        Ok(Entry { line: row.line, serial, record: Value::Object(record).to_string() })
    }

    fn trust(&mut self, cells: &BTreeMap<&str, &str>) -> Result<Value, String> {
        let ways = ["pin", "ca_file", "insecure_reason"];
        if ways.iter().filter(|way| cells.contains_key(**way)).count() != 1 {
            return Err("it must have one of pin, ca_file and insecure_reason".to_owned());
        }
        let pin = cells.get("pin").map(|pin| pin.parse()).transpose();
        let pin = pin.map_err(|_| "pin must have 64 hexadecimal digits".to_owned())?;
        let ca = cells.get("ca_file").map(|file| self.directory.join(file));
        if let Some(known) = ca.as_ref().and_then(|ca| self.authorities.get(ca)) {
            return Ok(known.clone());
        }
        let trust = Trust { pin, ca: ca.as_deref(), reason: cells.get("insecure_reason").copied() };
        let policy = trust.policy().map_err(|error| match error {
            Error::File { path, source } => format!("{}: {source}", path.display()),
            other => other.to_string(),
        })?;
        let policy = policy.unwrap_or_default();
        if let Some(ca) = ca {
            self.authorities.insert(ca, policy.clone());
        }
        Ok(policy)
    }
}

/// The line's own account, or the common one. Without either a known server keeps what it has.
fn credentials(
    cells: &BTreeMap<&str, &str>,
    common: Option<&Credentials>,
) -> Result<Option<Value>, String> {
    match (cells.get("user"), cells.get("password")) {
        (Some(user), Some(password)) => Ok(Some(json!({ "user": user, "password": password }))),
        (None, None) => Ok(common.map(Credentials::json)),
        (Some(_), None) => Err("it has a user and no password".to_owned()),
        (None, Some(_)) => Err("it has a password and no user".to_owned()),
    }
}
