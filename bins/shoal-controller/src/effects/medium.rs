//! Task media: inputs frozen once per attempt, bytes that follow from them alone.
//!
//! The first build of an attempt stores its inputs; every later build (after a crash, or because the
//! file was lost) reads them back and must come to the same digest, or is refused.

mod error;
mod file;
mod inputs;

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use shoal_core::{JobId, MediaClass, Workflow};
use shoal_engine::Clock;
use shoal_recipe::{HttpUrl, JobFile, Recipe, Sealed, task_file};
use shoal_redfish::Plan;
use shoal_store::{Frozen, KeyPurpose, MediumCheck, Record, Store, token};
use tracing::{Instrument as _, field::Empty};

use crate::{
    addresses::Addresses, boot_medium::BootMedia, keys::MediaKeys, settings::InForce, tls::Tls,
};
pub(crate) use error::BuildError;
pub(crate) use inputs::boot_object;

/// What a task medium looks like to the system that looks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A disc, which most systems understand on a stick as well.
    Disc,
    /// A stick with a FAT file system: ESXi reads nothing else from one.
    Stick,
}

impl Form {
    fn of(record: &Record) -> Self {
        let stick = record.job.media().is_some_and(|media| media.class == MediaClass::CdPlusUsb);
        let esxi = record.job.plan().workflow == Workflow::Esxi;
        if stick && esxi { Self::Stick } else { Self::Disc }
    }

    /// The name of its file.
    fn file_name(self) -> &'static str {
        match self {
            Self::Disc => "task.iso",
            Self::Stick => "task.img",
        }
    }
}

/// A task medium on disk.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    /// Where.
    pub(crate) path: PathBuf,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its SHA-256, lower-case hex.
    pub sha256: String,
    /// Where the files that prove an installer's or dispatcher's progress lie: offset and length.
    pub(crate) recipe: Option<(u64, u64)>,
}

/// Builds and finds task media.
pub(crate) struct Mediums {
    store: Store,
    directory: PathBuf,
    addresses: Addresses,
    keys: MediaKeys,
    tls: Arc<Tls>,
    boot: BootMedia,
    in_force: InForce,
    clock: Clock,
    turns: Mutex<HashMap<JobId, Arc<tokio::sync::Mutex<()>>>>,
}

/// What media are made with.
pub(crate) struct Making {
    /// `TASK_ISO_DIR`.
    pub(crate) directory: PathBuf,
    /// Where BMCs and hosts reach us.
    pub(crate) addresses: Addresses,
    /// Keys of media paths.
    pub(crate) keys: MediaKeys,
    /// What the maintenance OS has to trust.
    pub(crate) tls: Arc<Tls>,
    /// What attempts boot.
    pub(crate) boot: BootMedia,
    /// Whose registry, or logins for others, recipes may count on.
    pub(crate) in_force: InForce,
}

impl Mediums {
    /// Nothing is built yet.
    pub(crate) fn new(store: Store, making: Making, clock: Clock) -> Self {
        let Making { directory, addresses, keys, tls, boot, in_force } = making;
        let turns = Mutex::default();
        Self { store, directory, addresses, keys, tls, boot, in_force, clock, turns }
    }

    /// Freezes the attempt's inputs unless they are frozen, and builds its medium.
    pub(crate) async fn build(&self, record: &Record, plan: &Plan) -> Result<Built, BuildError> {
        let started = Instant::now();
        let span = tracing::info_span!("medium.build", size = Empty, sha256 = Empty);
        let built = self.freeze_and_build(record, plan).instrument(span.clone()).await;
        match &built {
            Ok(built) => {
                metrics::histogram!("iso_build_duration_seconds")
                    .record(started.elapsed().as_secs_f64());
                #[expect(clippy::cast_precision_loss, reason = "a medium has at most 10 MiB")]
                metrics::histogram!("iso_size_bytes").record(built.bytes as f64);
                span.record("size", built.bytes);
                span.record("sha256", built.sha256.as_str());
                tracing::info!(
                    step = "iso.build",
                    path = %built.path.display(),
                    size = built.bytes,
                    sha256 = built.sha256,
                    duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
                    "task medium built"
                );
            }
            Err(error) => {
                metrics::counter!("iso_build_failures_total", "reason" => error.reason())
                    .increment(1);
            }
        }
        built
    }

    async fn freeze_and_build(&self, record: &Record, plan: &Plan) -> Result<Built, BuildError> {
        let (job, attempt) = (record.job.id(), record.job.attempt());
        let frozen = match self.store.frozen(job, attempt).await? {
            Some(frozen) => frozen,
            None => {
                let inputs = self.inputs(record, plan).await?;
                self.store.freeze(job, attempt, inputs).await?
            }
        };
        self.write(record, attempt, &frozen).await
    }

    /// The medium of an attempt, from disk; rebuilt if it is missing or damaged.
    pub(crate) async fn find(&self, record: &Record, attempt: u32) -> Result<Built, BuildError> {
        let job = record.job.id();
        if let Some((_, sha256)) = record.job.medium().filter(|_| attempt == record.job.attempt()) {
            let form = Form::of(record);
            let (path, sha256) = (self.path(job, form), sha256.to_owned());
            let stored = tokio::task::spawn_blocking(move || file::find(path, &sha256, form)).await;
            if let Ok(Some(built)) = stored {
                return Ok(built);
            }
        }
        let frozen = self
            .store
            .frozen(job, attempt)
            .await?
            .ok_or_else(|| BuildError::Recipe(format!("attempt {attempt} was never frozen")))?;
        self.write(record, attempt, &frozen).await
    }

    async fn write(
        &self,
        record: &Record,
        attempt: u32,
        frozen: &Frozen,
    ) -> Result<Built, BuildError> {
        let job = record.job.id();
        let turn = self.turn(job);
        let _turn = turn.lock().await;
        let files = self.files(record, attempt, frozen).await?;
        let form = Form::of(record);
        let path = self.path(job, form);
        let label = job.task_label();
        let current = attempt == record.job.attempt();
        let known = record.job.medium().filter(|_| current).map(|(_, sha256)| sha256.to_owned());
        let build = move || {
            let image = file::lay_out(&label, files, form)?;
            file::store_unless_there(&image, &path, known.as_deref())
        };
        let built = tokio::task::spawn_blocking(build)
            .await
            .map_err(|join| BuildError::Write(io::Error::other(join)))??;
        match self.store.medium_built(job, attempt, built.bytes, &built.sha256).await? {
            MediumCheck::First | MediumCheck::Same => Ok(built),
            MediumCheck::Differs { .. } => Err(BuildError::Differs),
        }
    }

    /// Deletes a finished job's medium: it holds the recipe's secrets.
    /// Answers whether nothing of it is left.
    pub(crate) async fn remove(&self, job: JobId) -> bool {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).remove(&job);
        let directory = self.directory.join(job.to_string());
        let removed = tokio::task::spawn_blocking(move || file::remove(&directory)).await;
        match removed {
            Ok(Ok(bytes)) => {
                metrics::counter!("gc_reclaimed_bytes_total", "kind" => "tasks").increment(bytes);
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(job_id = %job, %error, "failed to delete a task medium");
                false
            }
            Err(_) => false,
        }
    }

    /// Jobs whose media are still on disk; none if that could not be seen.
    pub(crate) async fn kept(&self) -> Option<Vec<JobId>> {
        let directory = self.directory.clone();
        match tokio::task::spawn_blocking(move || file::jobs_in(&directory)).await {
            Ok(Ok(jobs)) => Some(jobs),
            Ok(Err(error)) => {
                tracing::error!(%error, "failed to list the task media");
                None
            }
            Err(_) => None,
        }
    }

    /// One build of a job's medium at a time.
    fn turn(&self, job: JobId) -> Arc<tokio::sync::Mutex<()>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(job).or_default().clone()
    }

    fn path(&self, job: JobId, form: Form) -> PathBuf {
        self.directory.join(job.to_string()).join(form.file_name())
    }

    async fn files(
        &self,
        record: &Record,
        attempt: u32,
        frozen: &Frozen,
    ) -> Result<Vec<(&'static str, Vec<u8>)>, BuildError> {
        let job = record.job.id();
        let recipe = self.recipe(job).await?;
        let of_attempt = (job, attempt);
        let webhook = self.token(KeyPurpose::WebhookToken, frozen.token_key, of_attempt).await?;
        let (user, pull) = match (&frozen.registry_key, &frozen.registry_login) {
            (Some(key), _) => {
                let token = self.token(KeyPurpose::RegistryToken, *key, of_attempt).await?;
                (Some("job".to_owned()), Some(token))
            }
            (None, Some(login)) => {
                (Some(login.user.clone()), Some(Sealed::new(login.password.clone())))
            }
            (None, None) => (None, None),
        };
        let file = JobFile {
            job_id: job.to_string(),
            attempt,
            lineage: record.lineage.to_string(),
            identities: frozen.identities.clone(),
            webhook_url: http_url(&frozen.webhook_url)?,
            registry_url: frozen.registry_url.as_deref().map(http_url).transpose()?,
            registry_user: user,
            webhook_token: webhook,
            registry_pull_token: pull,
            ca_pem: frozen.ca_pem.clone(),
            report_until: frozen.report_until.as_secs(),
            traceparent: frozen.traceparent.clone(),
        };
        Ok(task_file::reveal_all(&recipe, &file))
    }

    async fn recipe(&self, job: JobId) -> Result<Recipe, BuildError> {
        let bytes = self.store.recipe(job).await?;
        let bytes = bytes.ok_or_else(|| BuildError::Recipe("it is not there".to_owned()))?;
        let parsed = Recipe::parse(&bytes).map_err(|problems| {
            let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            BuildError::Recipe(texts.join("; "))
        })?;
        Ok(parsed.recipe)
    }

    /// The attempt's token of a purpose, by the key that was frozen with it.
    async fn token(
        &self,
        purpose: KeyPurpose,
        key: u8,
        (job, attempt): (JobId, u32),
    ) -> Result<Sealed, BuildError> {
        let keys = self.store.keys(purpose).await?;
        let key = keys
            .find(key)
            .ok_or_else(|| BuildError::Recipe("the token key is not known any more".to_owned()))?;
        Ok(Sealed::new(token::mint(key, purpose, job, attempt).expose().clone()))
    }
}

fn http_url(text: &str) -> Result<HttpUrl, BuildError> {
    text.parse().map_err(|error| BuildError::Address(format!("{text}: {error}")))
}
