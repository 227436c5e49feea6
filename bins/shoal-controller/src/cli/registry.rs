//! `registry rebuild`: a new catalogue for a registry whose database was lost or is damaged. It needs
//! the directory for itself, so the controller must not be running.

use std::{io::Write, path::PathBuf};

use clap::Subcommand;
use shoal_oci::{
    Error,
    rebuild::{Rebuilt, rebuild},
};

use super::{Configuration, Failure};
use crate::Exit;

#[derive(Debug, Subcommand)]
pub(super) enum Registry {
    /// Make the catalogue anew from the files; move a damaged registry.db out of the directory first.
    Rebuild {
        /// The registry's directory; the configured one unless given.
        #[arg(long, value_name = "DIRECTORY")]
        root: Option<PathBuf>,
        #[command(flatten)]
        configuration: Configuration,
    },
}

impl Registry {
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), Failure> {
        let Self::Rebuild { root, configuration } = self;
        let root = match root {
            Some(root) => root,
            None => configuration.load()?.settings.registry.config.root,
        };
        // A directory would be made where there is none, and an empty registry in it.
        if !root.join("blobs").is_dir() {
            let error = anyhow::anyhow!("there is no registry in {}", root.display());
            return Err(Failure::new(Exit::Unavailable, error));
        }
        let rebuilt = rebuild(&root).map_err(|error| {
            let damaged = matches!(error, Error::BadIndex { .. });
            let exit = if damaged { Exit::Damaged } else { Exit::Unavailable };
            let context = format!("failed to rebuild the registry in {}", root.display());
            Failure { exit, error: anyhow::Error::new(error).context(context) }
        })?;
        told(&rebuilt, out)
    }
}

fn told(rebuilt: &Rebuilt, out: &mut impl Write) -> Result<(), Failure> {
    let Rebuilt { blobs, manifests, tags, unclaimed, unclaimed_bytes, .. } = rebuilt;
    writeln!(out, "found {blobs} blobs, {manifests} manifests and {tags} tags")?;
    for digest in &rebuilt.lost {
        writeln!(out, "lost manifest {digest}: push it again")?;
    }
    for digest in &rebuilt.incomplete {
        writeln!(out, "manifest {digest} is incomplete: push what it needs again")?;
    }
    for digest in &rebuilt.damaged {
        writeln!(out, "put away damaged blob {digest}")?;
    }
    if *unclaimed > 0 {
        writeln!(
            out,
            "{unclaimed} blobs of {unclaimed_bytes} bytes belong to nothing that is known"
        )?;
    }
    writeln!(
        out,
        "nothing is collected until a dry run is confirmed: shoal registry gc --confirm"
    )?;
    Ok(())
}
