//! Early write-back: what arrives is flushed in slices by another thread while more arrives, so that
//! the end of an upload of any size has only little left to flush, and what would survive a power
//! failure is known.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Instant;

use super::{Step, UploadId, Watch};
use crate::catalogue::Catalogue;

/// Bytes written before a flush of them begins.
const SLICE: u64 = 8 * 1024 * 1024;

/// Bytes that may wait to be flushed before writing waits: bounds what the end has left to do, and
/// how much of the machine's memory one upload can make dirty.
const LAG_MAX: u64 = 32 * 1024 * 1024;

/// Bytes flushed before it is written down that they are.
const RECORD_EVERY: u64 = 32 * 1024 * 1024;

/// How far a file was flushed.
#[derive(Debug)]
pub(crate) struct Flush {
    durable: u64,
    begun: u64,
    recorded: u64,
    running: Option<Receiver<io::Result<()>>>,
    record: Option<(Catalogue, UploadId)>,
    watch: Watch,
}

impl Flush {
    pub(crate) fn new(offset: u64, record: Option<(Catalogue, UploadId)>, watch: Watch) -> Self {
        Self { durable: offset, begun: offset, recorded: offset, running: None, record, watch }
    }

    /// Flushes what is due, mostly without waiting.
    pub(crate) fn after_write(&mut self, file: &Arc<File>, offset: u64) -> io::Result<()> {
        self.reap(offset - self.durable > LAG_MAX)?;
        if self.running.is_none() && offset - self.begun >= SLICE {
            self.begin(Arc::clone(file), offset);
        }
        Ok(())
    }

    /// Flushes everything.
    pub(crate) fn finish(&mut self, file: &File) -> io::Result<()> {
        self.reap(true)?;
        timed(|| file.sync_data())
    }

    /// Nothing is durable any more.
    pub(crate) fn start_over(&mut self) {
        *self = Self::new(0, self.record.take(), self.watch.clone());
        if let Some((catalogue, id)) = &self.record {
            note(catalogue, *id, 0);
        }
    }

    /// Takes the answer of the running flush, and waits for it if told to.
    fn reap(&mut self, wait: bool) -> io::Result<()> {
        let Some(running) = &self.running else { return Ok(()) };
        let answer = if wait {
            running.recv().unwrap_or_else(|_| Err(io::Error::other("the flushing thread ended")))
        } else {
            match running.try_recv() {
                Ok(answer) => answer,
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => {
                    Err(io::Error::other("the flushing thread ended"))
                }
            }
        };
        self.running = None;
        answer?;
        self.durable = self.begun;
        Ok(())
    }

    fn begin(&mut self, file: Arc<File>, offset: u64) {
        let (sender, receiver) = channel();
        self.begun = offset;
        self.running = Some(receiver);
        let due = offset - self.recorded >= RECORD_EVERY;
        let record = self.record.clone().filter(|_| due);
        if due {
            self.recorded = offset;
        }
        let watch = self.watch.clone();
        tokio::task::spawn_blocking(move || {
            let flushed = timed(|| file.sync_data());
            watch.reached(Step::Flushed);
            if let (Ok(()), Some((catalogue, id))) = (&flushed, record) {
                note(&catalogue, id, offset);
            }
            // Nobody listens any more when the upload ended meanwhile.
            let _ = sender.send(flushed);
        });
    }
}

/// Only a power failure makes the record matter: not worth failing an upload for.
fn note(catalogue: &Catalogue, id: UploadId, bytes: u64) {
    if let Err(error) = catalogue.note_durable(id, bytes) {
        tracing::warn!(%error, upload = %id, "what is durable of an upload was not recorded");
    }
}

fn timed(flush: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let started = Instant::now();
    let flushed = flush();
    metrics::histogram!("registry_fsync_seconds").record(started.elapsed());
    flushed
}
