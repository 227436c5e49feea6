//! What the source sends, on its way through: waited for with patience, counted, hashed, and cut to
//! what the destination lacks. What goes wrong with it is the source's failure, and told as such,
//! although the destination is who notices that its request ends early.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::{Body, Response};

use super::CopyError;
use super::meter::Meter;

/// The content of a blob, as it comes.
pub(super) struct Reading {
    pub(super) content: Response,
    /// Who sends it.
    pub(super) registry: String,
    /// The longest wait for more of it.
    pub(super) silence: Duration,
    pub(super) meter: Meter,
    /// Bytes of the whole blob.
    pub(super) size: u64,
    /// Read while skipping, and to be passed on.
    pub(super) ahead: Bytes,
}

/// How the reading goes, for whoever waits for what becomes of the bytes. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Course(Arc<State>);

#[derive(Default)]
struct State {
    waits: AtomicBool,
    fault: Mutex<Option<CopyError>>,
}

/// Why a body ends early; the course has the error.
#[derive(Debug, thiserror::Error)]
#[error("the source broke off")]
struct BrokeOff;

impl Reading {
    /// Reads up to `offset` without passing it on.
    pub(super) async fn skip(&mut self, offset: u64) -> Result<(), CopyError> {
        while self.meter.at() < offset {
            let Some(mut bytes) = self.next().await? else { break };
            let over = self.meter.at().saturating_sub(offset);
            let over = usize::try_from(over).unwrap_or(usize::MAX).min(bytes.len());
            self.ahead = bytes.split_off(bytes.len() - over);
        }
        Ok(())
    }

    /// As the body of a request.
    pub(super) fn into_body(self, course: Course) -> Body {
        let pass = async |(mut reading, course): (Self, Course)| {
            course.0.waits.store(true, Ordering::Relaxed);
            let next = reading.next().await;
            course.0.waits.store(false, Ordering::Relaxed);
            match next {
                Ok(bytes) => Ok(bytes.map(|bytes| (bytes, (reading, course)))),
                Err(error) => {
                    *course.0.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    Err(BrokeOff)
                }
            }
        };
        Body::wrap_stream(stream::try_unfold((self, course), pass))
    }

    async fn next(&mut self) -> Result<Option<Bytes>, CopyError> {
        if !self.ahead.is_empty() {
            return Ok(Some(std::mem::take(&mut self.ahead)));
        }
        let registry = || self.registry.clone();
        let chunk = tokio::time::timeout(self.silence, self.content.chunk()).await;
        let chunk = chunk.map_err(|_| CopyError::Silent { registry: registry() })?;
        let chunk = chunk.map_err(|error| CopyError::lost(registry(), error))?;
        match &chunk {
            Some(bytes) => self.meter.pass(bytes),
            None if self.meter.at() < self.size => {
                return Err(CopyError::Short { registry: registry() });
            }
            None => {}
        }
        Ok(chunk)
    }
}

impl Course {
    /// Whether the next bytes of the source are waited for, which has its own bound.
    pub(super) fn waits(&self) -> bool {
        self.0.waits.load(Ordering::Relaxed)
    }

    /// Why the source broke off, if it did.
    pub(super) fn fault(&self) -> Option<CopyError> {
        self.0.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
