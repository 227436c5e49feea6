//! A medium as the BMC sees it: bytes behind a URL that are fetched by HEAD and ranged reads,
//! or, for BMCs that download at insertion, a local copy.

mod window;

use std::{
    fmt,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{StatusCode, header};

use crate::persona::MediaHabits;

pub(crate) use window::Window;

/// The URL of an image. Its path may carry a token, therefore it prints without it.
#[derive(Clone, PartialEq, Eq)]
pub struct ImageUrl(String);

impl ImageUrl {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ImageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::journal::without_path(&self.0))
    }
}

/// Why a medium could not be read. No variant prints the URL.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MediumError {
    #[error("the image server could not be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the image server answered {0}")]
    Status(StatusCode),
    #[error("the image server did not answer with the requested range")]
    NoRange,
    #[error("the image server gave no length")]
    NoLength,
    #[error("the medium changed while it was in use")]
    Changed,
    #[error("a read went beyond the end of the medium")]
    BeyondEnd,
    #[error("the local copy could not be used")]
    Copy(#[source] io::Error),
}

impl MediumError {
    /// Whether the server said that there is no such image for us.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::Status(StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED)
        )
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Status(status) => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::NoRange | Self::NoLength | Self::Changed | Self::BeyondEnd | Self::Copy(_) => {
                false
            }
        }
    }

    /// The message with its causes in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

/// Pause between two attempts of one interrupted read.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// An opened medium.
pub(crate) struct Medium {
    url: ImageUrl,
    len: u64,
    etag: Option<String>,
    read_bytes: u64,
    patience: Duration,
    source: Source,
}

enum Source {
    Remote(reqwest::Client),
    Copy(Arc<File>),
}

impl Medium {
    /// Opens a medium as a BMC does at insertion: HEAD, then the first bytes by range.
    ///
    /// With prefetch the whole image is downloaded to a file at `copy`, which is then unlinked.
    pub(crate) async fn open(
        client: &reqwest::Client,
        url: &ImageUrl,
        habits: &MediaHabits,
        patience: Duration,
        copy: &Path,
    ) -> Result<Self, MediumError> {
        let answer = client.head(url.as_str()).send().await.map_err(unreachable)?;
        if answer.status() != StatusCode::OK {
            return Err(MediumError::Status(answer.status()));
        }
        let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let len = text(header::CONTENT_LENGTH)
            .and_then(|value| value.parse().ok())
            .ok_or(MediumError::NoLength)?;
        let mut medium = Self {
            url: url.clone(),
            len,
            etag: text(header::ETAG).map(str::to_owned),
            read_bytes: habits.read_kib.max(1) * 1024,
            // The client that inserts waits for the answer: failures at insertion show at once.
            patience: Duration::ZERO,
            source: Source::Remote(client.clone()),
        };
        if habits.prefetch {
            let file = medium.download(copy).await?;
            medium.source = Source::Copy(Arc::new(file));
        } else {
            medium.read(0, len.min(habits.first_read_kib * 1024)).await?;
        }
        medium.patience = patience;
        Ok(medium)
    }

    pub(crate) fn url(&self) -> &ImageUrl {
        &self.url
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Reads at most one request's worth; the caller keeps `len` small.
    pub(crate) async fn read(&self, offset: u64, len: u64) -> Result<Bytes, MediumError> {
        let end = offset.checked_add(len).ok_or(MediumError::BeyondEnd)?;
        if end > self.len {
            return Err(MediumError::BeyondEnd);
        }
        if len == 0 {
            return Ok(Bytes::new());
        }
        match &self.source {
            Source::Remote(client) => self.fetch_patiently(client, offset, end).await,
            Source::Copy(file) => read_copy(Arc::clone(file), offset, len).await,
        }
    }

    /// Reads a stretch in order and forgets it, as firmware does with an image it loads.
    pub(crate) async fn read_through(&self, offset: u64, len: u64) -> Result<(), MediumError> {
        let end = offset.checked_add(len).ok_or(MediumError::BeyondEnd)?;
        let mut at = offset;
        while at < end {
            at += self.read(at, self.read_bytes.min(end - at)).await?.len() as u64;
        }
        Ok(())
    }

    async fn fetch_patiently(
        &self,
        client: &reqwest::Client,
        offset: u64,
        end: u64,
    ) -> Result<Bytes, MediumError> {
        let give_up = Instant::now() + self.patience;
        loop {
            match self.fetch(client, offset, end).await {
                Err(error) if error.is_transient() && Instant::now() < give_up => {
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                settled => return settled,
            }
        }
    }

    async fn fetch(
        &self,
        client: &reqwest::Client,
        offset: u64,
        end: u64,
    ) -> Result<Bytes, MediumError> {
        let answer = client
            .get(self.url.as_str())
            .header(header::RANGE, format!("bytes={offset}-{}", end - 1))
            .send()
            .await
            .map_err(unreachable)?;
        match answer.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::OK => return Err(MediumError::NoRange),
            status => return Err(MediumError::Status(status)),
        }
        let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let expected = format!("bytes {offset}-{}/{}", end - 1, self.len);
        if text(header::CONTENT_RANGE) != Some(expected.as_str()) {
            return Err(MediumError::NoRange);
        }
        if text(header::ETAG) != self.etag.as_deref() {
            return Err(MediumError::Changed);
        }
        let body = answer.bytes().await.map_err(unreachable)?;
        if body.len() as u64 == end - offset { Ok(body) } else { Err(MediumError::NoRange) }
    }

    #[cfg(test)]
    fn of_bytes(content: &[u8]) -> Self {
        use std::io::Write;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        Self {
            url: ImageUrl::new("file:///test"),
            len: content.len() as u64,
            etag: None,
            read_bytes: 4096,
            patience: Duration::ZERO,
            source: Source::Copy(Arc::new(file)),
        }
    }

    async fn download(&self, copy: &Path) -> Result<File, MediumError> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(copy)
            .map_err(MediumError::Copy)?;
        // The open file is enough; without a name nothing is left behind.
        std::fs::remove_file(copy).map_err(MediumError::Copy)?;
        let mut at = 0;
        while at < self.len {
            let piece = self.read(at, self.read_bytes.min(self.len - at)).await?;
            file.write_all_at(&piece, at).map_err(MediumError::Copy)?;
            at += piece.len() as u64;
        }
        Ok(file)
    }
}

async fn read_copy(file: Arc<File>, offset: u64, len: u64) -> Result<Bytes, MediumError> {
    let size = usize::try_from(len).map_err(|_| MediumError::BeyondEnd)?;
    tokio::task::spawn_blocking(move || {
        let mut piece = vec![0; size];
        file.read_exact_at(&mut piece, offset).map(|()| Bytes::from(piece))
    })
    .await
    .map_err(|stopped| MediumError::Copy(io::Error::other(stopped)))?
    .map_err(MediumError::Copy)
}

fn unreachable(error: reqwest::Error) -> MediumError {
    MediumError::Unreachable(error.without_url())
}
