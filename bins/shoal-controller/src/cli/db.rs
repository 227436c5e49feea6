//! `db check`, `db restore` and `db vacuum`: what an operator does to the database file when the
//! controller cannot, or must not, be running.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use shoal_sqlite::{Depth, Error, check_file, restore, vacuum};

use super::{Configuration, Failure};
use crate::Exit;

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
                writeln!(out, "{} is now {}", path.display(), backup.display())?;
                if let Some(aside) = restored.aside {
                    writeln!(out, "the former database is {}", aside.display())?;
                }
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

fn failure(error: Error, action: &str, path: &Path) -> Failure {
    let damaged = error.is_corrupt() || matches!(error, Error::ManifestMismatch { .. });
    let exit = if damaged { Exit::Damaged } else { Exit::Unavailable };
    let error = anyhow::Error::new(error).context(format!("failed to {action} {}", path.display()));
    Failure { exit, error }
}
