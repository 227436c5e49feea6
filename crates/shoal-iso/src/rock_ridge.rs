//! Rock Ridge: the entries in the system use field of the primary tree's records that give Linux
//! real names, modes, owners and times (SUSP and RRIP, both IEEE P1282 drafts).
//!
//! What does not fit a record goes to a continuation area behind the directory: always the long ER
//! entry that announces Rock Ridge, and names too long for a record of 255 bytes.

use crate::encode::{both_u32, within_sector};

/// The announcement RRIP prescribes word for word: identifier, description, source.
const EXTENSION: [&str; 3] = [
    "RRIP_1991A",
    "THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS",
    "PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  SEE PUBLISHER IDENTIFIER IN \
     PRIMARY VOLUME DESCRIPTOR FOR CONTACT INFORMATION.",
];

/// Bytes of a CE entry, which points to the continuation.
pub(crate) const CE_LEN: usize = 28;

/// `r-xr-xr-x` directory and `r--r--r--` file (POSIX `st_mode`).
const DIRECTORY_MODE: u32 = 0o040_555;
const FILE_MODE: u32 = 0o100_444;

/// Which entries a record has, for readers that look at the RR entry first: PX, NM and TF.
const HAS_PX_TF: u8 = 0x81;
const HAS_PX_NM_TF: u8 = 0x89;

/// TF flags: modification, access and attribute change, in the short form.
const TIMES: u8 = 0x0E;

/// The system use field of one record: what it holds itself and what the continuation holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct SystemUse {
    pub(crate) inline: Vec<u8>,
    pub(crate) continued: Option<Continued>,
}

impl SystemUse {
    /// Bytes it takes in the record.
    pub(crate) fn len(&self) -> usize {
        self.inline.len() + if self.continued.is_some() { CE_LEN } else { 0 }
    }

    /// The field as recorded, once it is known where the continuation starts.
    pub(crate) fn encode(&self, continuation_sector: u32) -> Vec<u8> {
        let mut field = self.inline.clone();
        if let Some(Continued { start, len }) = self.continued {
            let mut payload = Vec::with_capacity(CE_LEN);
            both_u32(&mut payload, continuation_sector + start / crate::SECTOR);
            both_u32(&mut payload, start % crate::SECTOR);
            both_u32(&mut payload, len);
            field.extend(entry(*b"CE", &payload));
        }
        field
    }
}

/// A part of the continuation area, in bytes from its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Continued {
    start: u32,
    len: u32,
}

/// Makes the system use fields of one directory and collects what they continue.
#[derive(Debug)]
pub(crate) struct RockRidge {
    date: [u8; 7],
    continuation: Vec<u8>,
}

impl RockRidge {
    /// For a tree whose every time is `date`.
    pub(crate) fn new(date: [u8; 7]) -> Self {
        Self { date, continuation: Vec::new() }
    }

    /// The root's record of itself: it also declares SUSP (SP) and Rock Ridge (ER).
    pub(crate) fn root(&mut self) -> SystemUse {
        let mut inline = entry(*b"SP", &[0xBE, 0xEF, 0]);
        inline.extend(self.attributes(HAS_PX_TF, DIRECTORY_MODE, 2));

        let [id, description, source] = EXTENSION.map(str::as_bytes);
        let mut payload = vec![length(id), length(description), length(source), 1];
        payload.extend([id, description, source].concat());
        let continued = Some(self.continue_with(&entry(*b"ER", &payload)));
        SystemUse { inline, continued }
    }

    /// The root's record of its parent, which is the root.
    pub(crate) fn parent(&self) -> SystemUse {
        let inline = self.attributes(HAS_PX_TF, DIRECTORY_MODE, 2);
        SystemUse { inline, continued: None }
    }

    /// A file's record, which has `room` bytes left for the field.
    pub(crate) fn file(&mut self, name: &str, room: usize) -> SystemUse {
        let mut inline = self.attributes(HAS_PX_NM_TF, FILE_MODE, 1);
        let mut payload = vec![0];
        payload.extend_from_slice(name.as_bytes());
        let name = entry(*b"NM", &payload);
        if inline.len() + name.len() <= room {
            inline.extend(name);
            return SystemUse { inline, continued: None };
        }
        SystemUse { inline, continued: Some(self.continue_with(&name)) }
    }

    /// The continuation area, whole sectors.
    pub(crate) fn into_continuation(mut self) -> Vec<u8> {
        crate::encode::fill_to_multiple(&mut self.continuation, crate::SECTOR as usize);
        self.continuation
    }

    /// RR, PX and TF, which every record has. Owner and group are root.
    fn attributes(&self, has: u8, mode: u32, links: u32) -> Vec<u8> {
        let mut field = entry(*b"RR", &[has]);
        let mut posix = Vec::new();
        for value in [mode, links, 0, 0] {
            both_u32(&mut posix, value);
        }
        field.extend(entry(*b"PX", &posix));
        let mut times = vec![TIMES];
        times.extend(self.date.repeat(3));
        field.extend(entry(*b"TF", &times));
        field
    }

    #[expect(clippy::cast_possible_truncation, reason = "a continuation of 4 GiB needs 16 M files")]
    fn continue_with(&mut self, entry: &[u8]) -> Continued {
        let start = within_sector(self.continuation.len(), entry.len());
        self.continuation.resize(start, 0);
        self.continuation.extend_from_slice(entry);
        Continued { start: start as u32, len: entry.len() as u32 }
    }
}

/// One entry: signature, its whole length, version 1, payload (SUSP, 4.1).
fn entry(signature: [u8; 2], payload: &[u8]) -> Vec<u8> {
    let mut entry = signature.to_vec();
    entry.push(length(payload) + 4);
    entry.push(1);
    entry.extend_from_slice(payload);
    entry
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the longest payload is a name of 250 bytes and its flags"
)]
fn length(payload: &[u8]) -> u8 {
    payload.len() as u8
}
