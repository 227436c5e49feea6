//! The record of every request a BMC received and what it changed, so that tests assert on what
//! really happened at the machine and not on what a client believes.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;

/// What a request changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// The host went from off to on.
    PowerOn,
    /// The host went from on to off.
    PowerOff,
    /// The host lost power and went on again.
    Restart,
    /// The operating system was asked to shut down or restart; it may not have listened.
    AskedGracefully,
    /// A medium went in.
    Insert {
        /// Id of the slot.
        slot: String,
    },
    /// A medium came out.
    Eject {
        /// Id of the slot.
        slot: String,
    },
    /// The next boot, and only it, comes from this target.
    BootOnce {
        /// `BootSourceOverrideTarget`.
        target: String,
    },
    /// Every boot comes from this target.
    BootAlways {
        /// `BootSourceOverrideTarget`.
        target: String,
    },
    /// No override is left.
    BootCleared,
    /// Remote media were switched on.
    MediaEnabled,
    /// A session was opened.
    Login,
    /// A session was closed.
    Logout,
    /// An account was made, changed or removed.
    AccountChanged {
        /// Its number.
        id: u64,
    },
}

/// An effect without its details, by which faults are aimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EffectKind {
    /// A reset that powers on.
    PowerOn,
    /// A reset that cuts power and leaves the host off.
    PowerOff,
    /// A reset that cuts power and restores it.
    Restart,
    /// A reset that only asks the operating system.
    AskedGracefully,
    /// An insertion.
    Insert,
    /// An ejection.
    Eject,
    /// An override for the next boot.
    BootOnce,
    /// An override for every boot.
    BootAlways,
    /// The removal of an override.
    BootCleared,
    /// The switching on of remote media.
    MediaEnabled,
    /// A login.
    Login,
    /// A logout.
    Logout,
    /// A change of an account.
    AccountChanged,
}

impl Effect {
    /// The kind of this effect.
    pub fn kind(&self) -> EffectKind {
        match self {
            Self::PowerOn => EffectKind::PowerOn,
            Self::PowerOff => EffectKind::PowerOff,
            Self::Restart => EffectKind::Restart,
            Self::AskedGracefully => EffectKind::AskedGracefully,
            Self::Insert { .. } => EffectKind::Insert,
            Self::Eject { .. } => EffectKind::Eject,
            Self::BootOnce { .. } => EffectKind::BootOnce,
            Self::BootAlways { .. } => EffectKind::BootAlways,
            Self::BootCleared => EffectKind::BootCleared,
            Self::MediaEnabled => EffectKind::MediaEnabled,
            Self::Login => EffectKind::Login,
            Self::Logout => EffectKind::Logout,
            Self::AccountChanged { .. } => EffectKind::AccountChanged,
        }
    }
}

/// How a request ended for its sender.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Still in hand.
    Open,
    /// An answer with this status was handed to the connection, whether or not it arrived.
    Answered(u16),
    /// The connection was cut without an answer.
    Cut,
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Answered(status) => write!(f, "{status}"),
            Self::Cut => f.write_str("cut"),
        }
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Position among all requests, from 1.
    pub seq: u64,
    /// Number of the connection it came on, from 1.
    pub connection: u64,
    /// When it arrived, in clock time.
    pub at: Duration,
    /// Method.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// JSON body with passwords and the paths of image URLs removed.
    pub body: Option<Value>,
    /// What it changed.
    pub effects: Vec<Effect>,
    /// How it ended.
    pub ended: Ended,
}

/// Every request, oldest first. The last 20,000 are kept; effects and counts are complete.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    entries: VecDeque<Entry>,
    effects: Vec<Effect>,
    requests: u64,
    connections: u64,
}

const KEPT: usize = 20_000;

impl Journal {
    /// The requests so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.book().entries.iter().cloned().collect()
    }

    /// Every change so far, in the order in which the changes happened.
    pub fn effects(&self) -> Vec<Effect> {
        self.book().effects.clone()
    }

    /// How often a kind of change happened.
    pub fn count(&self, kind: EffectKind) -> usize {
        self.book().effects.iter().filter(|effect| effect.kind() == kind).count()
    }

    /// How many requests arrived.
    pub fn requests(&self) -> u64 {
        self.book().requests
    }

    /// How many kept requests had this method.
    pub fn requests_by(&self, method: &str) -> usize {
        self.book().entries.iter().filter(|entry| entry.method == method).count()
    }

    /// How many TLS connections were made.
    pub fn connections(&self) -> u64 {
        self.book().connections
    }

    pub(crate) fn connected(&self) -> u64 {
        let mut book = self.book();
        book.connections += 1;
        book.connections
    }

    pub(crate) fn begin(
        &self,
        connection: u64,
        at: Duration,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> u64 {
        let mut book = self.book();
        book.requests += 1;
        let seq = book.requests;
        if book.entries.len() == KEPT {
            book.entries.pop_front();
        }
        book.entries.push_back(Entry {
            seq,
            connection,
            at,
            method: method.to_owned(),
            path: path.to_owned(),
            body: body.map(redacted),
            effects: Vec::new(),
            ended: Ended::Open,
        });
        seq
    }

    pub(crate) fn changed(&self, seq: u64, effect: Effect) {
        let mut book = self.book();
        book.effects.push(effect.clone());
        if let Some(entry) = book.entry(seq) {
            entry.effects.push(effect);
        }
    }

    pub(crate) fn ended(&self, seq: u64, ended: Ended) {
        if let Some(entry) = self.book().entry(seq) {
            entry.ended = ended;
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn entry(&mut self, seq: u64) -> Option<&mut Entry> {
        self.entries.iter_mut().rev().find(|entry| entry.seq == seq)
    }
}

/// A copy without what must not be kept: credentials, and the token in an image URL's path.
fn redacted(body: &Value) -> Value {
    match body {
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| {
                    let kept = match (key.as_str(), value) {
                        ("Password", _) => Value::from("***"),
                        ("Image", Value::String(url)) => Value::from(without_path(url)),
                        _ => redacted(value),
                    };
                    (key.clone(), kept)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(redacted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => body.clone(),
    }
}

/// An image URL reduced to its server and file name.
pub(crate) fn without_path(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "…".to_owned() };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let file = rest.rsplit('/').next().filter(|_| rest.contains('/')).unwrap_or_default();
    let file = file.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}/…/{file}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn neither_passwords_nor_media_tokens_are_kept() {
        let body = json!({"UserName": "admin", "Password": "hunter2",
            "Image": "https://u:p@10.0.0.1:8443/media/t/sekrit/task.iso?sig=sekrit"});
        let kept = redacted(&body).to_string();
        assert!(!kept.contains("hunter2") && !kept.contains("sekrit") && !kept.contains("u:p"));
        assert!(kept.contains("https://10.0.0.1:8443/…/task.iso"), "{kept}");
    }

    #[test]
    fn effects_keep_the_order_in_which_they_happened() {
        let journal = Journal::default();
        let first = journal.begin(1, Duration::ZERO, "POST", "/a", None);
        let second = journal.begin(2, Duration::ZERO, "POST", "/b", None);
        journal.changed(second, Effect::PowerOff);
        journal.changed(first, Effect::PowerOn);
        journal.ended(first, Ended::Cut);
        assert_eq!(journal.effects(), [Effect::PowerOff, Effect::PowerOn]);
        assert_eq!(journal.count(EffectKind::PowerOn), 1);
        assert_eq!(journal.entries()[0].ended, Ended::Cut);
        assert_eq!(journal.entries()[1].ended, Ended::Open);
    }
}
