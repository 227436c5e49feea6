//! A list of servers on its way from a file to the controller. It may be written as JSON or as CSV;
//! whatever is wrong with it is told with the line of the file, also what the controller found.

mod credentials;
mod csv;
mod record;

use std::io::Read;
use std::path::Path;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::{Error, Misfit};
use crate::pointer::line_of;
use crate::wire::Detail;

pub(crate) use credentials::Credentials;

/// The longest list that the controller takes, in bytes.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// A list of servers.
pub(crate) struct Inventory {
    file: String,
    /// As the file has it, where its lines are found by pointers.
    array: Option<String>,
    entries: Vec<Entry>,
}

/// One server of a list.
struct Entry {
    /// Counted from 1; 0 where it is found by its pointer.
    line: usize,
    serial: Option<String>,
    /// Its record as JSON.
    record: String,
}

/// Reads a list; `-` stands for standard input.
pub(crate) fn read(
    path: &Path,
    stdin: &mut dyn Read,
    credentials: Option<&Credentials>,
) -> Result<Inventory, Error> {
    let from_stdin = path == Path::new("-");
    let failed = |source| Error::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    if from_stdin {
        stdin.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    let file = if from_stdin { "the list".to_owned() } else { path.display().to_string() };
    let whole = |message: &str| Error::List {
        file: file.clone(),
        misfits: vec![Misfit { line: 0, serial: None, message: message.to_owned() }],
    };
    if bytes.len() as u64 > MAX_BYTES {
        return Err(whole("it has more than 8 MiB; import it in parts"));
    }
    let text = String::from_utf8(bytes).map_err(|_| whole("it is not UTF-8"))?;
    let directory = path.parent().filter(|_| !from_stdin).unwrap_or(Path::new(""));
    let (array, entries) = match text.trim_start().chars().next() {
        None => return Err(whole("it is empty")),
        Some('[') => {
            let entries = array(&text, credentials);
            (Some(text), entries)
        }
        Some('{') => (None, lines(&text, credentials)),
        Some(_) => (None, record::entries(&text, directory, credentials)),
    };
    match entries {
        Ok(entries) => Ok(Inventory { file, array, entries }),
        Err(misfits) => Err(Error::List { file, misfits }),
    }
}

impl Inventory {
    /// How many servers it has.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The body of the call.
    pub(crate) fn body(&self) -> String {
        let records: Vec<&str> = self.entries.iter().map(|entry| entry.record.as_str()).collect();
        format!("[{}]", records.join(","))
    }

    /// What the controller refused, told by the lines of the file.
    pub(crate) fn located(&self, error: Error) -> Error {
        let Error::Refused { call, status, refusal } = error else { return error };
        let misfits: Option<Vec<Misfit>> =
            refusal.details.iter().map(|detail| self.misfit(detail)).collect();
        match misfits {
            Some(misfits) if !misfits.is_empty() => {
                Error::List { file: self.file.clone(), misfits }
            }
            _ => Error::Refused { call, status, refusal },
        }
    }

    /// Nothing for what is not about a server of the list.
    fn misfit(&self, detail: &Detail) -> Option<Misfit> {
        let path = detail.path.strip_prefix('/')?;
        let (index, member) = path.split_once('/').unwrap_or((path, ""));
        let entry = self.entries.get(index.parse::<usize>().ok()?)?;
        let line = match &self.array {
            Some(text) => line_of(text, &detail.path),
            None => entry.line,
        };
        let message = format!("{member} {} ({})", detail.message, detail.code);
        Some(Misfit { line, serial: entry.serial.clone(), message: message.trim().to_owned() })
    }
}

/// A JSON array of records.
fn array(text: &str, credentials: Option<&Credentials>) -> Result<Vec<Entry>, Vec<Misfit>> {
    let records: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
        let message = format!("it is not JSON at column {}", error.column());
        vec![Misfit { line: error.line(), serial: None, message }]
    })?;
    Ok(records.into_iter().map(|record| entry(0, record.get(), credentials)).collect())
}

/// JSON records, one per line.
fn lines(text: &str, credentials: Option<&Credentials>) -> Result<Vec<Entry>, Vec<Misfit>> {
    let mut entries = Vec::new();
    let mut misfits = Vec::new();
    let numbered = (1..).zip(text.lines().map(str::trim));
    for (line, text) in numbered.filter(|(_, text)| !text.is_empty()) {
        match serde_json::from_str::<&RawValue>(text) {
            Ok(record) => entries.push(entry(line, record.get(), credentials)),
            Err(error) => {
                let message = format!("it is not one JSON object: column {}", error.column());
                misfits.push(Misfit { line, serial: None, message });
            }
        }
    }
    if misfits.is_empty() { Ok(entries) } else { Err(misfits) }
}

/// A record as it was written: whatever is wrong in it, the controller says so. What has no
/// credentials of its own gets the common ones.
fn entry(line: usize, text: &str, credentials: Option<&Credentials>) -> Entry {
    let members: Option<Map<String, Value>> = serde_json::from_str(text).ok();
    let serial = members.as_ref().and_then(|members| members.get("serial")?.as_str());
    let serial = serial.map(str::to_owned);
    let bare = members.as_ref().filter(|members| !members.contains_key("credentials"));
    let record = match (bare, credentials, text.strip_prefix('{')) {
        (Some(members), Some(credentials), Some(rest)) => {
            let comma = if members.is_empty() { "" } else { "," };
            format!("{{\"credentials\":{}{comma}{rest}", credentials.json())
        }
        _ => text.to_owned(),
    };
    Entry { line, serial, record }
}

#[cfg(test)]
mod tests;
