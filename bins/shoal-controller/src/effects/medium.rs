//! Task media: inputs frozen once per attempt, bytes that follow from them alone.
//!
//! The first build of an attempt stores its inputs; every later build (after a crash, or because the
//! file was lost) reads them back and must come to the same digest, or is refused.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use data_encoding::HEXLOWER;
use ring::digest;
use shoal_core::{Fault, JobId, Time};
use shoal_engine::Clock;
use shoal_iso::{FileName, Image, SourceDateEpoch, VolumeId};
use shoal_media::{Form, Grant, KeyId, Keyring, Kind, ObjectId};
use shoal_recipe::{HttpUrl, Identity, JobFile, Recipe, Sealed, task_file};
use shoal_redfish::{Plan, Scheme, SlotKind};
use shoal_store::{Frozen, KeyPurpose, MediaKind, MediumCheck, Record, ServerRecord, Store, token};

use super::fault::chain;
use crate::addresses::Addresses;

/// Every date in a task medium: fixed, so that equal inputs give equal bytes.
const EPOCH: u64 = 1_700_000_000;

/// A task medium on disk.
#[derive(Clone, Debug)]
pub struct Built {
    /// Where.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, lower-case hex.
    pub sha256: String,
    /// Where the files that prove an installer's or dispatcher's progress lie: offset and length.
    pub recipe: Option<(u64, u64)>,
}

/// Why a task medium could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The store failed.
    #[error("failed to read or store the attempt's inputs")]
    Store(#[from] shoal_store::Error),
    /// The job's recipe is gone or cannot be read.
    #[error("the stored recipe cannot be used: {0}")]
    Recipe(String),
    /// An address of the controller cannot be used.
    #[error("{0}")]
    Address(String),
    /// The files do not make a medium.
    #[error("failed to lay out the task medium")]
    Layout(#[from] shoal_iso::Error),
    /// The directory of task media failed.
    #[error("failed to write the task medium")]
    Write(#[source] io::Error),
    /// The same inputs came to other bytes: never served.
    #[error("the task medium came out with another digest than when it was first built")]
    Differs,
}

impl BuildError {
    /// The reason label of `iso_build_failures_total`.
    fn reason(&self) -> &'static str {
        match self {
            Self::Write(error) if error.kind() == io::ErrorKind::StorageFull => "disk_full",
            Self::Store(error) if error.is_full() => "disk_full",
            Self::Write(_) | Self::Store(_) => "io",
            Self::Recipe(_) | Self::Address(_) | Self::Layout(_) => "input",
            Self::Differs => "tool",
        }
    }

    /// In the engine's words: disks may be emptied, inputs do not change by waiting.
    pub fn into_fault(self) -> Fault {
        let detail = chain(&self);
        let summary = match &self {
            Self::Write(error) if error.kind() == io::ErrorKind::StorageFull => {
                "the task medium directory is full; free space and the job goes on".to_owned()
            }
            other => other.to_string(),
        };
        match self {
            Self::Write(_) | Self::Store(_) => Fault::transient(summary),
            Self::Recipe(_) | Self::Address(_) | Self::Layout(_) | Self::Differs => {
                Fault::permanent(summary)
            }
        }
        .because(detail)
    }
}

/// Builds and finds task media.
pub struct Mediums {
    store: Store,
    directory: PathBuf,
    addresses: Addresses,
    keyring: Keyring,
    ca_pem: String,
    boot_version: Option<String>,
    clock: Clock,
    turns: Mutex<HashMap<JobId, Arc<tokio::sync::Mutex<()>>>>,
}

/// What media are made with.
pub struct Making {
    /// `TASK_ISO_DIR`.
    pub directory: PathBuf,
    /// Where BMCs and hosts reach us.
    pub addresses: Addresses,
    /// Keys of media paths.
    pub keyring: Keyring,
    /// What the maintenance OS has to trust.
    pub ca_pem: String,
    /// The boot medium's version, for the record.
    pub boot_version: Option<String>,
}

impl Mediums {
    /// Nothing is built yet.
    pub fn new(store: Store, making: Making, clock: Clock) -> Self {
        let Making { directory, addresses, keyring, ca_pem, boot_version } = making;
        let turns = Mutex::default();
        Self { store, directory, addresses, keyring, ca_pem, boot_version, clock, turns }
    }

    /// Freezes the attempt's inputs unless they are frozen, and builds its medium.
    pub async fn build(&self, record: &Record, plan: &Plan) -> Result<Built, BuildError> {
        let started = Instant::now();
        let built = self.freeze_and_build(record, plan).await;
        match &built {
            Ok(built) => {
                metrics::histogram!("iso_build_duration_seconds").record(started.elapsed().as_secs_f64());
                #[expect(clippy::cast_precision_loss, reason = "a medium has at most 10 MiB")]
                metrics::histogram!("iso_size_bytes").record(built.bytes as f64);
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
                metrics::counter!("iso_build_failures_total", "reason" => error.reason()).increment(1);
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
    pub async fn find(&self, record: &Record, attempt: u32) -> Result<Built, BuildError> {
        let job = record.job.id();
        let frozen = self
            .store
            .frozen(job, attempt)
            .await?
            .ok_or_else(|| BuildError::Recipe(format!("attempt {attempt} was never frozen")))?;
        self.write(record, attempt, &frozen).await
    }

    async fn write(&self, record: &Record, attempt: u32, frozen: &Frozen) -> Result<Built, BuildError> {
        let job = record.job.id();
        let turn = self.turn(job);
        let _turn = turn.lock().await;
        let files = self.files(record, attempt, frozen).await?;
        let path = self.path(job);
        let label = job.task_label();
        let built = tokio::task::spawn_blocking(move || build_and_store(&label, files, &path))
            .await
            .map_err(|join| BuildError::Write(io::Error::other(join)))??;
        match self.store.medium_built(job, attempt, built.bytes, &built.sha256).await? {
            MediumCheck::First | MediumCheck::Same => Ok(built),
            MediumCheck::Differs { .. } => Err(BuildError::Differs),
        }
    }

    /// Deletes a finished job's medium: it holds the recipe's secrets.
    pub async fn remove(&self, job: JobId) {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).remove(&job);
        let directory = self.directory.join(job.to_string());
        let removed = tokio::task::spawn_blocking(move || fs::remove_dir_all(directory)).await;
        if let Ok(Err(error)) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(job_id = %job, %error, "failed to delete a task medium");
        }
    }

    /// One build of a job's medium at a time.
    fn turn(&self, job: JobId) -> Arc<tokio::sync::Mutex<()>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(job).or_default().clone()
    }

    fn path(&self, job: JobId) -> PathBuf {
        self.directory.join(job.to_string()).join("task.iso")
    }

    /// Decides everything the attempt's bytes and addresses depend on.
    async fn inputs(&self, record: &Record, plan: &Plan) -> Result<Frozen, BuildError> {
        let (job, attempt) = (record.job.id(), record.job.attempt());
        let serial = record.job.serial();
        let server = self
            .store
            .server(serial)
            .await?
            .ok_or_else(|| BuildError::Address("the server was removed".to_owned()))?;
        let now = (self.clock)();
        let budgets = &record.job.plan().budgets;
        let expires_at = now + budgets.provisioning;
        let key = self.keyring.current().id();
        let mut objects = vec![(MediaKind::Boot, object(job, attempt, "boot"))];
        let boot_url = match &record.boot_url {
            Some(outside) => outside.clone(),
            None => self.media_url(&server, plan.boot_scheme, key, &grant(&objects, Form::Iso, expires_at))?,
        };
        let mut task_url = None;
        if let Some(slot) = &plan.media.task_slot {
            objects.push((MediaKind::Task, object(job, attempt, "task")));
            let form = if slot.kind == SlotKind::Usb { Form::Img } else { Form::Iso };
            let scheme = plan.task_scheme.unwrap_or(plan.boot_scheme);
            task_url = Some(self.media_url(&server, scheme, key, &grant(&objects, form, expires_at))?);
        }
        let tokens = self.store.keys(KeyPurpose::WebhookToken).await?;
        Ok(Frozen {
            boot_url,
            task_url,
            webhook_url: self.addresses.webhook(serial, &server.server.bmc_address),
            registry_url: None,
            ca_pem: self.ca_pem.clone(),
            traceparent: record.traceparent.clone(),
            media_key: u8::try_from(key.value()).unwrap_or(u8::MAX),
            token_key: tokens.current.id,
            registry_key: None,
            expires_at,
            report_until: now + budgets.boot + budgets.boot + budgets.poll + budgets.report,
            objects,
            identities: identities(&server),
            boot_medium: self.boot_version.clone(),
        })
    }

    fn media_url(
        &self,
        server: &ServerRecord,
        scheme: Scheme,
        key: KeyId,
        grant: &Grant,
    ) -> Result<String, BuildError> {
        let base = self
            .addresses
            .media(scheme == Scheme::Https, server)
            .map_err(|error| BuildError::Address(error.to_string()))?;
        let path = self
            .keyring
            .sign_with(key, grant)
            .ok_or_else(|| BuildError::Address("the media key is not known any more".to_owned()))?;
        Ok(format!("{}{}", base.as_str().trim_end_matches('/'), path.as_str()))
    }

    async fn files(
        &self,
        record: &Record,
        attempt: u32,
        frozen: &Frozen,
    ) -> Result<Vec<(&'static str, Vec<u8>)>, BuildError> {
        let job = record.job.id();
        let bytes = self
            .store
            .recipe(job)
            .await?
            .ok_or_else(|| BuildError::Recipe("it is not there".to_owned()))?;
        let parsed = Recipe::parse(&bytes).map_err(|problems| {
            let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            BuildError::Recipe(texts.join("; "))
        })?;
        let keys = self.store.keys(KeyPurpose::WebhookToken).await?;
        let key = keys
            .find(frozen.token_key)
            .ok_or_else(|| BuildError::Recipe("the token key is not known any more".to_owned()))?;
        let token = token::mint(key, KeyPurpose::WebhookToken, job, attempt);
        let file = JobFile {
            job_id: job.to_string(),
            attempt,
            lineage: record.lineage.to_string(),
            identities: frozen.identities.clone(),
            webhook_url: http_url(&frozen.webhook_url)?,
            registry_url: frozen.registry_url.as_deref().map(http_url).transpose()?,
            webhook_token: Sealed::new(token.expose().clone()),
            registry_pull_token: None,
            ca_pem: frozen.ca_pem.clone(),
            report_until: frozen.report_until.as_secs(),
            traceparent: frozen.traceparent.clone(),
        };
        Ok(task_file::reveal_all(&parsed.recipe, &file))
    }
}

fn http_url(text: &str) -> Result<HttpUrl, BuildError> {
    text.parse().map_err(|error| BuildError::Address(format!("{text}: {error}")))
}

fn identities(server: &ServerRecord) -> Vec<Identity> {
    let known = |hardware: &shoal_store::Hardware| Identity {
        serial: hardware.serial.clone(),
        uuid: hardware.uuid.clone(),
        sku: hardware.sku.clone(),
    };
    server.hardware.iter().map(known).collect()
}

/// The grant for the object that was added last.
fn grant(objects: &[(MediaKind, [u8; 16])], form: Form, expires_at: Time) -> Grant {
    let (kind, id) = objects.last().copied().unwrap_or((MediaKind::Boot, [0; 16]));
    let kind = match kind {
        MediaKind::Boot => Kind::Boot,
        MediaKind::Task => Kind::Task,
    };
    let expires_at = u32::try_from(expires_at.as_secs()).unwrap_or(u32::MAX);
    Grant { object: ObjectId(id), kind, form, expires_at }
}

/// Names a medium of one attempt; another attempt of the same job has other names.
fn object(job: JobId, attempt: u32, slot: &str) -> [u8; 16] {
    let text = format!("{job}/{attempt}/{slot}");
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    id
}

fn build_and_store(
    label: &str,
    files: Vec<(&'static str, Vec<u8>)>,
    path: &Path,
) -> Result<Built, BuildError> {
    let mut image = Image::builder(VolumeId::new(label)?, SourceDateEpoch::new(EPOCH)?);
    for (name, bytes) in files {
        image = image.file(FileName::new(name)?, bytes);
    }
    let image = image.build()?;
    let sha256 = HEXLOWER.encode(&image.sha256());
    let extent = image.extent(task_file::KICKSTART).or_else(|| image.extent(task_file::RECIPE));
    let recipe = extent.map(|extent| (extent.offset, extent.len));
    let bytes = u64::try_from(image.bytes().len()).unwrap_or(u64::MAX);
    if !holds(path, &image) {
        store(path, &image).map_err(BuildError::Write)?;
    }
    Ok(Built { path: path.to_owned(), bytes, sha256, recipe })
}

/// Whether the file on disk is the image, byte by byte.
fn holds(path: &Path, image: &Image) -> bool {
    fs::read(path).is_ok_and(|stored| stored == image.bytes())
}

/// Writes the image beside its place and renames it there, so that no reader sees half of it.
fn store(path: &Path, image: &Image) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

    let directory = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let draft = path.with_extension("new");
    let file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&draft)?;
    image.write_sparse(&file)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(directory)?.sync_all()
}
