//! The shared boot medium: found where the configuration says, its manifest read, its bytes
//! identified once at start.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::Context;
use shoal_media::{BootMedium, Content, Digest};

/// Where `MAINTENANCE_ISO_URL` points.
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

/// Opens and identifies a boot medium. Reads the whole file once.
pub(crate) async fn open(path: PathBuf) -> anyhow::Result<BootMedium> {
    let shown = path.display().to_string();
    let opened = tokio::task::spawn_blocking(move || {
        let content = Content::file(File::open(&path)?)?;
        let digest = Digest::of_content(&content)?;
        anyhow::Ok(BootMedium::open(content, digest)?)
    });
    let medium =
        opened.await?.with_context(|| format!("failed to open the boot medium {shown}"))?;
    let version = medium.manifest().map_or("unknown", |manifest| manifest.version.as_str());
    tracing::info!(path = shown, version, evidence = medium.gives_evidence(), "boot medium opened");
    Ok(medium)
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
