//! The bytes of a task medium, and their place on disk.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use shoal_core::JobId;
use shoal_iso::{FileName, Image, SourceDateEpoch, VolumeId};
use shoal_media::{Content, Digest, find_root_file};
use shoal_recipe::task_file;

use super::{BuildError, Built};

/// Every date in a task medium: fixed, so that equal inputs give equal bytes.
const EPOCH: u64 = 1_700_000_000;

/// The jobs that have a directory of their own. Blocks.
pub(super) fn jobs_in(directory: &Path) -> io::Result<Vec<JobId>> {
    let entries = fs::read_dir(directory)?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// The medium on disk, if it is the one with this digest. Blocks.
pub(super) fn find(path: PathBuf, sha256: &str) -> Option<Built> {
    let content = Content::file(File::open(&path).ok()?).ok()?;
    let digest = Digest::of_content(&content).ok()?;
    if HEXLOWER.encode(&digest.0) != sha256 {
        return None;
    }
    let locate = |name| find_root_file(&content, name).ok().flatten();
    let extent = locate(task_file::KICKSTART).or_else(|| locate(task_file::RECIPE));
    let recipe = extent.map(|extent| (extent.offset(), extent.len()));
    Some(Built { bytes: content.len(), sha256: sha256.to_owned(), recipe, path })
}

/// Builds the image, refuses it if it is not the one that was built before, and makes sure that the file at `path` holds it. Blocks.
pub(super) fn build_and_store(
    label: &str,
    files: Vec<(&'static str, Vec<u8>)>,
    path: &Path,
    known: Option<&str>,
) -> Result<Built, BuildError> {
    let mut image = Image::builder(VolumeId::new(label)?, SourceDateEpoch::new(EPOCH)?);
    for (name, bytes) in files {
        image = image.file(FileName::new(name)?, bytes);
    }
    let image = image.build()?;
    let sha256 = HEXLOWER.encode(&image.sha256());
    if known.is_some_and(|known| known != sha256) {
        return Err(BuildError::Differs);
    }
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
    let file =
        fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&draft)?;
    image.write_sparse(&file)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(directory)?.sync_all()
}
