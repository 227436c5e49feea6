//! The shared boot media, the maintenance OS and the ESXi installer: found where the configuration
//! says, opened and identified once at start, and what follows from each for the jobs that boot it.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use data_encoding::HEXLOWER;
use shoal_core::Workflow;
use shoal_media::{
    BootMedium, BootMediumError, Content, Digest, Installer, InstallerError, KickstartSource,
    Medium, MediumError,
};
use shoal_redfish::SlotKind;

use crate::settings;

/// Where a key of the configuration points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file we serve.
    File(PathBuf),
    /// An address we know nothing about.
    Outside(String),
}

impl Source {
    /// Reads a configured value: an http(s) address, a `file:` address, a path, or the name of a
    /// file in `STATIC_DIR`.
    pub(crate) fn parse(value: &str, static_dir: &Path) -> Self {
        if value.starts_with("http://") || value.starts_with("https://") {
            return Self::Outside(value.to_owned());
        }
        let path = value.strip_prefix("file://").unwrap_or(value);
        Self::File(static_dir.join(path))
    }
}

/// A configured boot medium that cannot be served: the configuration is wrong.
#[derive(Debug, thiserror::Error)]
#[error("use {key}: serve {} as a boot medium", path.display())]
pub(crate) struct Unusable {
    key: &'static str,
    path: PathBuf,
    source: Cause,
}

/// Why a boot medium cannot be served.
#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("read the file")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Maintenance(#[from] BootMediumError),
    #[error(transparent)]
    Installer(#[from] InstallerError),
}

/// All boot media of this controller. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct BootMedia(Arc<Configured>);

#[derive(Debug, Default)]
struct Configured {
    maintenance: Option<Place<BootMedium>>,
    installer: Option<Place<Installer>>,
}

#[derive(Debug)]
enum Place<T> {
    Own(T),
    Outside(String),
}

impl<T> Place<T> {
    fn own(&self) -> Option<&T> {
        match self {
            Self::Own(medium) => Some(medium),
            Self::Outside(_) => None,
        }
    }

    fn outside(&self) -> Option<&str> {
        match self {
            Self::Own(_) => None,
            Self::Outside(url) => Some(url),
        }
    }
}

impl BootMedia {
    /// Opens and identifies what is configured. Reads whole files once.
    ///
    /// # Errors
    /// [`Unusable`] for what is there and cannot be served.
    pub(crate) async fn open(media: &settings::Media, static_dir: &Path) -> anyhow::Result<Self> {
        let source =
            |value: &Option<String>| value.as_deref().map(|value| Source::parse(value, static_dir));
        let (maintenance, installer) =
            (source(&media.maintenance_iso), source(&media.esxi_installer));
        let open = move || {
            let maintenance = place("MAINTENANCE_ISO_URL", maintenance, |content, digest| {
                Ok(BootMedium::open(content, digest)?)
            })?;
            let installer = place("ESXI_INSTALLER_URL", installer, |content, digest| {
                Ok(Installer::open(content, digest)?)
            })?;
            Ok::<_, Unusable>(Configured { maintenance, installer })
        };
        let configured = tokio::task::spawn_blocking(open).await??;
        Ok(Self(Arc::new(configured)))
    }

    /// The outside address of what jobs of a workflow boot.
    pub(crate) fn outside(&self, workflow: Workflow) -> Option<&str> {
        if workflow == Workflow::Esxi {
            self.0.installer.as_ref()?.outside()
        } else {
            self.0.maintenance.as_ref()?.outside()
        }
    }

    /// The medium of our own that jobs of a workflow boot.
    pub(crate) fn own(&self, workflow: Workflow) -> Option<&Medium> {
        if workflow == Workflow::Esxi {
            Some(self.0.installer.as_ref()?.own()?.medium())
        } else {
            Some(self.maintenance()?.medium())
        }
    }

    /// SHA-256 of that medium, lower-case hex.
    pub(crate) fn digest(&self, workflow: Workflow) -> Option<String> {
        self.own(workflow).map(sha256)
    }

    /// Whether reads of it prove anything.
    pub(crate) fn gives_evidence(&self, workflow: Workflow) -> bool {
        self.own(workflow).is_some_and(|medium| !medium.tripwires().is_empty())
    }

    /// The medium of this digest.
    pub(crate) fn find(&self, digest: &str) -> Option<&Medium> {
        let own = [self.own(Workflow::Linux), self.own(Workflow::Esxi)];
        own.into_iter().flatten().find(|medium| sha256(medium) == digest)
    }

    /// Whether a task medium can be laid over what jobs of a workflow boot.
    pub(crate) fn takes_overlay(&self, workflow: Workflow) -> bool {
        let manifest = self.maintenance().and_then(BootMedium::manifest);
        workflow != Workflow::Esxi && manifest.is_some_and(|manifest| manifest.reserved.is_some())
    }

    /// The maintenance medium with `task` laid over it.
    pub(crate) fn overlay(&self, task: &Medium) -> Result<Medium, MediumError> {
        self.maintenance().ok_or(MediumError::NothingReserved)?.overlay(task)
    }

    /// In which kinds of slots a system of this workflow finds its task medium. An installer at an
    /// outside address is taken at its word that it looks in either.
    pub(crate) fn task_kinds(&self, workflow: Workflow, outside: bool) -> Vec<SlotKind> {
        let installer = self.0.installer.as_ref().and_then(Place::own);
        let looks_in = installer.filter(|_| workflow == Workflow::Esxi && !outside);
        match looks_in.map(Installer::kickstart) {
            Some(KickstartSource::Cd) => vec![SlotKind::Cd],
            Some(KickstartSource::Usb) => vec![SlotKind::Usb],
            None => vec![SlotKind::Cd, SlotKind::Usb],
        }
    }

    fn maintenance(&self) -> Option<&BootMedium> {
        self.0.maintenance.as_ref()?.own()
    }
}

fn sha256(medium: &Medium) -> String {
    HEXLOWER.encode(&medium.digest().0)
}

fn place<T>(
    key: &'static str,
    source: Option<Source>,
    understand: impl Fn(Content, Digest) -> Result<T, Cause>,
) -> Result<Option<Place<T>>, Unusable> {
    let path = match source {
        None => return Ok(None),
        Some(Source::Outside(url)) => return Ok(Some(Place::Outside(url))),
        Some(Source::File(path)) => path,
    };
    let read = || {
        let content = Content::file(File::open(&path)?)?;
        let digest = Digest::of_content(&content)?;
        understand(content, digest)
    };
    match read() {
        Ok(medium) => {
            tracing::info!(key, path = %path.display(), "boot medium opened");
            Ok(Some(Place::Own(medium)))
        }
        Err(source) => Err(Unusable { key, path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_a_path_and_an_address_are_told_apart() {
        let at = |value| Source::parse(value, Path::new("/var/lib/shoal/static/isos"));
        assert_eq!(at("m.iso"), Source::File("/var/lib/shoal/static/isos/m.iso".into()));
        assert_eq!(at("file:///srv/m.iso"), Source::File("/srv/m.iso".into()));
        assert_eq!(at("/srv/m.iso"), Source::File("/srv/m.iso".into()));
        assert_eq!(at("http://x/m.iso"), Source::Outside("http://x/m.iso".into()));
    }
}
