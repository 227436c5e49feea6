//! `db check`, `db restore`, `db reseal` and `db vacuum`: what an operator does to the database file when the
//! controller cannot, or must not, be running.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use shoal_sqlite::{Depth, Error, check_file, restore, vacuum};
use shoal_store::{Options, Sealing, Store};

use super::{Configuration, Failure};
use crate::{Exit, first_start, restored, settings::Storage};

#[derive(Debug, Subcommand)]
pub(super) enum Db {
    /// Check the database for damage; exits with 65 if there is any. The controller may run.
    Check {
        #[command(flatten)]
        file: File,
        /// Leave out the comparison of indexes with their tables.
        #[arg(long)]
        quick: bool,
    },
    /// Put a backup in the database's place; the former files are kept beside it.
    Restore {
        #[command(flatten)]
        file: File,
        /// The backup; its manifest lies beside it.
        backup: PathBuf,
    },
    /// Seal everything under another key; whatever interrupts it, the same command goes on.
    Reseal {
        #[command(flatten)]
        configuration: Configuration,
        /// The other key's file, made when there is none; the present one is in `SEAL_KEY_FILE`.
        #[arg(long, value_name = "FILE")]
        new_key_file: PathBuf,
    },
    /// Give unused space back to the file system; needs as much free space as the database has.
    Vacuum {
        #[command(flatten)]
        file: File,
    },
}

/// Which database.
#[derive(Debug, Args)]
pub(super) struct File {
    /// Database file; the configured one unless given.
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    #[command(flatten)]
    configuration: Configuration,
}

impl File {
    fn path(self) -> Result<PathBuf, Failure> {
        match self.database {
            Some(path) => Ok(path),
            None => Ok(self.configuration.load()?.settings.storage.db_path),
        }
    }
}

impl Db {
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), Failure> {
        match self {
            Self::Check { file, quick } => {
                let path = file.path()?;
                let depth = if quick { Depth::Quick } else { Depth::Full };
                check_file(&path, depth).map_err(|error| failure(error, "check", &path))?;
                writeln!(out, "{} is intact", path.display())?;
            }
            Self::Restore { file, backup } => {
                let path = file.path()?;
                let restored =
                    restore(&path, &backup).map_err(|error| failure(error, "restore", &path))?;
                restored::leave_word(&path, &backup, &restored.manifest)
                    .map_err(|error| Failure { exit: Exit::Internal, error })?;
                writeln!(out, "{} is now {}", path.display(), backup.display())?;
                if let Some(aside) = restored.aside {
                    writeln!(out, "the former database is {}", aside.display())?;
                }
            }
            Self::Reseal { configuration, new_key_file } => {
                let storage = configuration.load()?.settings.storage;
                reseal(&storage, &new_key_file, out)?;
            }
            Self::Vacuum { file } => {
                let path = file.path()?;
                let gained = vacuum(&path).map_err(|error| failure(error, "vacuum", &path))?;
                let (before, after) = (gained.before_bytes, gained.after_bytes);
                writeln!(out, "{} had {before} bytes and has {after}", path.display())?;
            }
        }
        Ok(())
    }
}

/// Nothing but the database changes: which key the next start finds is the operator's to say.
fn reseal(storage: &Storage, new_key_file: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let path = &storage.db_path;
    let failed = |error: anyhow::Error| {
        let error = error.context(format!("failed to reseal {}", path.display()));
        Failure { exit: Exit::Unavailable, error }
    };
    // Opening would make a database where there is none, under a key nobody asked for.
    let present = |path: &Path| path.metadata().map(drop);
    for needed in [path, &storage.seal_key_file] {
        let missing = |error| anyhow::Error::new(error).context(needed.display().to_string());
        present(needed).map_err(|error| failed(missing(error)))?;
    }
    let older = first_start::sealing_key(&storage.seal_key_file).map_err(failed)?;
    let new = first_start::sealing_key(new_key_file).map_err(failed)?;
    let (from, to) = (older.id(), new.id());
    let sealing = Sealing::new(new).and_older(older);
    let instance = format!("db reseal ({})", std::process::id());
    let options = Options { path: path.clone(), instance, sealing };
    let store = Store::open(options).map_err(|error| failed(error.into()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let resealed = runtime.block_on(async {
        let cells = store.reseal().await?;
        let detail = [("from", from.clone()), ("to", to.clone()), ("cells", cells.to_string())];
        let detail = detail.map(|(name, word)| (name.to_owned(), word)).into();
        store.installation_event("reseal", detail, shoal_engine::system_clock().now()).await?;
        store.close().await?;
        Ok::<_, shoal_store::Error>(cells)
    });
    let cells = resealed.map_err(|error| failed(error.into()))?;
    writeln!(out, "{} is sealed with key {to}; {cells} cells were changed", path.display())?;
    let file = storage.seal_key_file.display();
    let new = new_key_file.display();
    writeln!(out, "move {new} to {file}, or set SEAL_KEY_FILE to it, before the next start")?;
    writeln!(out, "keep key {from} as long as there are backups which it opens")?;
    Ok(())
}

fn failure(error: Error, action: &str, path: &Path) -> Failure {
    let damaged = error.is_corrupt() || matches!(error, Error::ManifestMismatch { .. });
    let exit = if damaged { Exit::Damaged } else { Exit::Unavailable };
    let error = anyhow::Error::new(error).context(format!("failed to {action} {}", path.display()));
    Failure { exit, error }
}
