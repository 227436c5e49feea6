//! `/run/provision`: everything the steps and the report unit read, under names they rely on.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde_json::{Value, json};
use shoal_recipe::env::recipe_env;
use shoal_recipe::{JobFile, Layout, Recipe, Sealed, task_file};

use crate::exit::{Exit, Failure};
use crate::files::{Access, remove, write_whole};

/// The directory `run/provision`.
pub(crate) struct Provision {
    directory: PathBuf,
}

/// What the steps are told.
pub(crate) struct Order<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) job: &'a JobFile,
    pub(crate) serial_number: &'a str,
    /// `meta-data` of the medium.
    pub(crate) meta_data: &'a [u8],
    /// Lines about the maintenance image.
    pub(crate) image: &'a str,
}

impl Provision {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Makes the directory and forgets the failure of an earlier run.
    pub(crate) fn open(&self) -> Result<(), Failure> {
        let opened = fs::create_dir_all(&self.directory)
            .and_then(|()| remove(&self.directory.join("failure.json")));
        opened.map_err(|error| unwritable("failure.json", &error))
    }

    /// Writes what the report unit needs.
    pub(crate) fn write_report_inputs(&self, job: &JobFile) -> Result<(), Failure> {
        let url = job.webhook_url.as_str();
        let report = json!({
            "server_serial": url.rsplit('/').next().unwrap_or_default(),
            "webhook_url": url,
            "job_id": job.job_id,
            "attempt": job.attempt,
            "report_until": job.report_until,
            "traceparent": job.traceparent,
        });
        self.write("ca.pem", job.ca_pem.as_bytes(), Access::Public)?;
        self.write_secret("webhook-token", Some(&job.webhook_token), "\n")?;
        self.write_secret("registry-token", job.registry_pull_token.as_ref(), "\n")?;
        self.write("report.json", &line(&report), Access::Public)
    }

    /// Writes what the steps need.
    pub(crate) fn write_order(&self, order: &Order<'_>) -> Result<(), Failure> {
        let Order { recipe, job, serial_number, meta_data, image } = order;
        let environment = recipe_env(recipe, job, serial_number)
            .map_err(|error| Failure::new(Exit::Write, format!("recipe.env: {error}")))?;
        let build_info = format!(
            "dispatcher_version={}\n{image}job_id={}\nattempt={}\ntask_target={}\nserial_number={}\n",
            env!("CARGO_PKG_VERSION"),
            job.job_id,
            job.attempt,
            recipe.task_target,
            serial_number,
        );
        let layout = Layout::of(recipe).map(|layout| layout.to_json());
        self.write_optional("layout.json", layout.as_deref())?;
        self.write_secret(task_file::USER_DATA, recipe.user_data.as_ref(), "")?;
        self.write_secret(task_file::UNATTEND, recipe.unattend_xml.as_ref(), "")?;
        self.write(task_file::META_DATA, meta_data, Access::Public)?;
        self.write("build-info.txt", build_info.as_bytes(), Access::Public)?;
        self.write("recipe.env", environment.as_str().as_bytes(), Access::Public)
    }

    /// Leaves `failure.json` for the report unit, unless this run has left one.
    pub(crate) fn write_failure(&self, failure: &Failure) -> io::Result<()> {
        let path = self.directory.join("failure.json");
        if path.exists() {
            return Ok(());
        }
        let mut content = json!({
            "failed_step": failure.step(),
            "exit_code": failure.exit as u8,
            "message": failure.message,
        });
        if let (Some(unit), Some(members)) = (&failure.unit, content.as_object_mut()) {
            members.insert("unit".to_owned(), unit.as_str().into());
        }
        fs::create_dir_all(&self.directory)?;
        write_whole(&path, &line(&content), Access::Public)
    }

    fn write(&self, name: &str, bytes: &[u8], access: Access) -> Result<(), Failure> {
        write_whole(&self.directory.join(name), bytes, access)
            .map_err(|error| unwritable(name, &error))
    }

    /// A file that does not apply must not be there: an earlier run may have left it.
    fn write_optional(&self, name: &str, bytes: Option<&[u8]>) -> Result<(), Failure> {
        match bytes {
            Some(bytes) => self.write(name, bytes, Access::Public),
            None => self.remove(name),
        }
    }

    fn write_secret(&self, name: &str, text: Option<&Sealed>, end: &str) -> Result<(), Failure> {
        let Some(text) = text else { return self.remove(name) };
        let whole = Sealed::new(format!("{}{end}", text.reveal()));
        self.write(name, whole.reveal().as_bytes(), Access::Secret)
    }

    fn remove(&self, name: &str) -> Result<(), Failure> {
        remove(&self.directory.join(name)).map_err(|error| unwritable(name, &error))
    }
}

fn unwritable(name: &str, error: &io::Error) -> Failure {
    let exit = match error.kind() {
        io::ErrorKind::PermissionDenied => Exit::Privileges,
        _ => Exit::Write,
    };
    Failure::new(exit, format!("failed to write {name}: {error}"))
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}
