//! Who sends the terminal report of an attempt, and whether it has arrived. One file,
//! `run/provision/reported`, is both: it is locked while somebody sends, its first line is the
//! report that was claimed first, and a second line is added once that has arrived. It is only
//! appended to, so a kill at any moment loses nothing that was known.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use shoal_webhook::{Effect, Report};

/// What a call finds.
#[derive(Debug)]
pub(super) enum Claim {
    /// This call sends: its own report, or the one that was claimed before and did not arrive.
    Held { report: Report, record: Record },
    /// Another call is sending right now.
    Busy,
    /// The attempt's report has arrived; `word` is its status.
    Delivered { word: &'static str },
}

/// The locked file; the lock ends with it.
#[derive(Debug)]
pub(super) struct Record(File);

/// The file cannot be used; the report comes back because it must be sent all the same.
#[derive(Debug)]
pub(super) struct Unusable {
    pub(super) report: Box<Report>,
    pub(super) source: io::Error,
}

impl Claim {
    /// Claims the attempt for `report`, unless somebody was first.
    pub(super) fn take(dir: &Path, report: Report) -> Result<Self, Unusable> {
        Self::try_take(dir, &report).map_err(|source| Unusable { report: Box::new(report), source })
    }

    fn try_take(dir: &Path, report: &Report) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(dir.join("reported"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Self::Busy),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // A line without its end was cut by a kill and says nothing.
        let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let first = lines.next().and_then(|line| Report::parse(line.trim_end().as_bytes()).ok());
        let delivered = lines.next().is_some();
        match first {
            Some(first) if is_same_attempt(&first, report) => {
                let word = first.status.word();
                if delivered {
                    return Ok(Self::Delivered { word });
                }
                Ok(Self::Held { report: first, record: Record(file) })
            }
            _ => {
                file.set_len(0)?;
                writeln!(file, "{}", report.to_json())?;
                Ok(Self::Held { report: report.clone(), record: Record(file) })
            }
        }
    }
}

impl Record {
    /// Notes that the claimed report has arrived.
    pub(super) fn delivered(&mut self, effect: Effect) -> io::Result<()> {
        writeln!(self.0, "{}", effect.as_str())
    }
}

fn is_same_attempt(a: &Report, b: &Report) -> bool {
    (&a.job_id, a.attempt) == (&b.job_id, b.attempt)
}
