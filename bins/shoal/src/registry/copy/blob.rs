//! One blob from one registry to another: found there, mounted there, or sent. A transfer that breaks
//! goes on at the offset that the destination says it has.

use std::time::Instant;

use futures_util::TryStreamExt as _;
use reqwest::{Body, Response, StatusCode, header};
use url::Url;

use super::CopyError;
use super::manifest::Blob;
use super::meter::Meter;
use super::remote::Remote;
use crate::screen::Bar;

/// How often one blob is gone on with, if each time brought some of it across.
const RESUMPTIONS_MAX: u32 = 1000;

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
        let (mut failures, pace) = (0, destination.pace());
        for _ in 0..RESUMPTIONS_MAX {
            let before = session.offset;
            let error = match self.send(&mut session, &meter).await {
                Ok(()) => return Ok(How::Sent),
                Err(error) => error,
            };
            if !error.is_transient() {
                return Err(error);
            }
            self.catch_up(&mut session).await?;
            failures = if session.offset > before { 0 } else { failures + 1 };
            if failures >= pace.tries {
                return Err(error);
            }
            tokio::time::sleep(pace.pause(failures, None)).await;
        }
        Err(CopyError::Silent { registry: destination.name().to_owned() })
    }

    /// Sends what the destination lacks, and ends the upload.
    async fn send(&self, session: &mut Session, meter: &Meter) -> Result<(), CopyError> {
        let Self { source, destination, blob, .. } = self;
        if session.offset < blob.size {
            let content = source.blob(&blob.digest, session.offset).await?;
            meter.begin(session.offset);
            let answer = self.pass(content, session, meter).await?;
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
        content: Response,
        session: &Session,
        meter: &Meter,
    ) -> Result<Response, CopyError> {
        let Self { destination, blob, .. } = self;
        let hashing = meter.clone();
        let stream = content.bytes_stream().inspect_ok(move |bytes| hashing.pass(bytes));
        let mut request = destination
            .patch(&session.location)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, blob.size - session.offset);
        if session.offset > 0 {
            let range = format!("{}-{}", session.offset, blob.size - 1);
            request = request.header(header::CONTENT_RANGE, range);
        }
        let sending = request.body(Body::wrap_stream(stream)).send();
        let mut sending = std::pin::pin!(sending);
        let (mut moved_at, mut last) = (Instant::now(), meter.at());
        loop {
            if let Ok(answer) = tokio::time::timeout(TICK, &mut sending).await {
                let answer = answer.map_err(|error| destination.failed(error))?;
                return destination.expect(answer, "PATCH upload", StatusCode::ACCEPTED).await;
            }
            let at = meter.at();
            self.bar.set(self.before + at);
            if at != last {
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
