//! One blob from one registry to another: found there, mounted there, or sent. A transfer that breaks
//! goes on at the offset that the destination says it has.

use std::time::Instant;

use bytes::Bytes;
use reqwest::{Response, StatusCode, header};
use url::Url;

use super::CopyError;
use super::error::PATCH;
use super::manifest::Blob;
use super::meter::Meter;
use super::reading::{Course, Reading};
use super::remote::Remote;
use crate::screen::Bar;

/// How often one blob is gone on with, if each time brought some of it across.
const RESUMPTIONS_MAX: u32 = 1000;

/// How often in a row a destination may be somewhere else in the upload than it said. One that holds
/// an upload for a connection that broke lets go of it after seconds.
const OUT_OF_STEP_MAX: u32 = 8;

/// How often the bar is drawn while bytes pass.
const TICK: std::time::Duration = std::time::Duration::from_millis(200);

/// How a blob came to be at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Present,
    Mounted,
    Sent,
}

pub(super) struct Transfer<'a> {
    pub(super) source: &'a Remote,
    pub(super) destination: &'a Remote,
    pub(super) blob: &'a Blob,
    pub(super) bar: &'a Bar,
    /// Bytes of the blobs before this one.
    pub(super) before: u64,
}

/// An upload at the destination.
struct Session {
    location: Url,
    offset: u64,
}

impl Transfer<'_> {
    pub(super) async fn run(&self) -> Result<How, CopyError> {
        let Self { source, destination, blob, .. } = self;
        if destination.has_blob(&blob.digest).await? {
            return Ok(How::Present);
        }
        let from = source.is_same_registry(destination).then(|| source.repository());
        let Some(location) = destination.start_upload(&blob.digest, from).await? else {
            return Ok(How::Mounted);
        };
        let mut session = Session { location, offset: 0 };
        let meter = Meter::new(&blob.digest);
        let (mut failures, mut renewed, pace) = (0, false, destination.pace());
        for _ in 0..RESUMPTIONS_MAX {
            let before = session.offset;
            let error = match self.send(&mut session, &meter).await {
                Ok(()) => return Ok(How::Sent),
                Err(error) => error,
            };
            let most = match &error {
                CopyError::Expired { .. } if !renewed => u32::MAX,
                error if error.is_out_of_step() => OUT_OF_STEP_MAX,
                error if error.is_transient() => pace.tries,
                _ => return Err(error),
            };
            renewed |= matches!(error, CopyError::Expired { .. });
            // Asked at once it would tell how far it was before it took in what is still on its way.
            tokio::time::sleep(pace.pause(failures, None)).await;
            self.catch_up(&mut session).await?;
            if session.offset > before {
                (failures, renewed) = (0, false);
            } else {
                failures += 1;
            }
            if failures >= most {
                return Err(error);
            }
        }
        Err(CopyError::Silent { registry: destination.name().to_owned() })
    }

    /// Sends what the destination lacks, and ends the upload.
    async fn send(&self, session: &mut Session, meter: &Meter) -> Result<(), CopyError> {
        let Self { source, destination, blob, .. } = self;
        if session.offset < blob.size {
            let (content, from) = source.blob(&blob.digest, session.offset).await?;
            meter.begin(from);
            let mut reading = Reading {
                content,
                registry: source.name().to_owned(),
                silence: source.pace().silence,
                meter: meter.clone(),
                size: blob.size,
                ahead: Bytes::new(),
            };
            reading.skip(session.offset).await?;
            let answer = self.pass(reading, session, meter).await?;
            session.location = destination.location(&answer)?;
            session.offset = blob.size;
        }
        // Where an earlier process sent a part of it, only the destination has hashed everything.
        if meter.hashed() == blob.size && meter.digest(&blob.digest) != blob.digest {
            let (registry, digest) = (source.name().to_owned(), blob.digest.to_string());
            return Err(CopyError::DigestMismatch { registry, digest });
        }
        destination.end_upload(&session.location, &blob.digest).await
    }

    /// Lets the content pass from one to the other, as long as something moves.
    async fn pass(
        &self,
        reading: Reading,
        session: &Session,
        meter: &Meter,
    ) -> Result<Response, CopyError> {
        let Self { destination, blob, .. } = self;
        let mut request = destination
            .patch(&session.location)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, blob.size - session.offset);
        if session.offset > 0 {
            let range = format!("{}-{}", session.offset, blob.size - 1);
            request = request.header(header::CONTENT_RANGE, range);
        }
        let course = Course::default();
        let sending = request.body(reading.into_body(course.clone())).send();
        let mut sending = std::pin::pin!(sending);
        let (mut moved_at, mut last) = (Instant::now(), meter.at());
        loop {
            if let Ok(answer) = tokio::time::timeout(TICK, &mut sending).await {
                let failed = |error| course.fault().unwrap_or_else(|| destination.failed(error));
                let answer = answer.map_err(failed)?;
                if destination.logs_in(&answer).await? {
                    return Err(CopyError::Expired { registry: destination.name().to_owned() });
                }
                return destination.expect(answer, PATCH, StatusCode::ACCEPTED).await;
            }
            let at = meter.at();
            self.bar.set(self.before + at);
            if at != last || course.waits() {
                (moved_at, last) = (Instant::now(), at);
            } else if moved_at.elapsed() > destination.pace().silence {
                return Err(CopyError::Silent { registry: destination.name().to_owned() });
            }
        }
    }

    /// Asks the destination how much it has; begins anew where it has forgotten.
    async fn catch_up(&self, session: &mut Session) -> Result<(), CopyError> {
        let Self { destination, blob, .. } = self;
        if let Some((location, offset)) = destination.upload_state(&session.location).await? {
            *session = Session { location, offset: offset.min(blob.size) };
            return Ok(());
        }
        match destination.start_upload(&blob.digest, None).await? {
            Some(location) => *session = Session { location, offset: 0 },
            None => session.offset = 0,
        }
        Ok(())
    }
}
