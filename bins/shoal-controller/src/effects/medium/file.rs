//! The bytes of a task medium, and their place on disk.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use shoal_core::JobId;
use shoal_iso::{FileName, Image, SourceDateEpoch, VolumeId, stick};
use shoal_media::{Content, Digest, Extent, find_fat_file, find_file};
use shoal_recipe::task_file;

use super::{BuildError, Built, Form};

/// The kickstart file where names are short ones.
const KICKSTART: &str = "KS.CFG";

/// Every date in a task medium: fixed, so that equal inputs give equal bytes.
const EPOCH: u64 = 1_700_000_000;

/// The jobs that have a directory of their own. Blocks.
pub(super) fn jobs_in(directory: &Path) -> io::Result<Vec<JobId>> {
    let entries = fs::read_dir(directory)?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// Deletes a job's directory; answers what that gave back to the file system, which for a sparse
/// medium is less than its size. Blocks.
pub(super) fn remove(directory: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;

    let occupied = fs::read_dir(directory).map(|entries| {
        let blocks = entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.blocks()));
        blocks.sum::<u64>().saturating_mul(512)
    });
    match fs::remove_dir_all(directory) {
        Ok(()) => Ok(occupied.unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// The medium on disk, if it is the one with this digest. Blocks.
pub(super) fn find(path: PathBuf, sha256: &str, form: Form) -> Option<Built> {
    let content = Content::file(File::open(&path).ok()?).ok()?;
    let digest = Digest::of_content(&content).ok()?;
    if HEXLOWER.encode(&digest.0) != sha256 {
        return None;
    }
    let on_disc = |name| find_file(&content, name).ok().flatten();
    let extent = match form {
        Form::Disc => on_disc(task_file::KICKSTART).or_else(|| on_disc(task_file::RECIPE)),
        Form::Stick => find_fat_file(&content, KICKSTART),
    };
    let recipe = extent.map(|extent: Extent| (extent.offset(), extent.len()));
    Some(Built { bytes: content.len(), sha256: sha256.to_owned(), recipe, path })
}

/// Lays out the files. A stick has only what the system that wants one looks for.
pub(super) fn lay_out(
    label: &str,
    files: Vec<(&'static str, Vec<u8>)>,
    form: Form,
) -> Result<Image, BuildError> {
    let epoch = SourceDateEpoch::new(EPOCH)?;
    if form == Form::Stick {
        let wanted = files.into_iter().filter(|(name, _)| *name == task_file::KICKSTART);
        let files: Vec<_> = wanted.map(|(_, bytes)| (KICKSTART, bytes)).collect();
        return Ok(stick(&short_label(label), epoch, &files)?);
    }
    let mut image = Image::builder(VolumeId::new(label)?, epoch);
    for (name, bytes) in files {
        image = image.file(FileName::new(name)?, bytes);
    }
    Ok(image.build()?)
}

/// What of a label fits eleven characters: its beginning, and its end, which differs between jobs
/// created at the same time.
fn short_label(label: &str) -> String {
    let (prefix, id) = label.split_once('_').unwrap_or(("TASK", label));
    let end = id.len().saturating_sub(6);
    format!("{prefix}_{}", id.get(end..).unwrap_or_default())
}

/// Refuses the image if it is not the one that was built before, and makes sure that the file at
/// `path` holds it. Blocks.
pub(super) fn store_unless_there(
    image: &Image,
    path: &Path,
    known: Option<&str>,
) -> Result<Built, BuildError> {
    let sha256 = HEXLOWER.encode(&image.sha256());
    if known.is_some_and(|known| known != sha256) {
        return Err(BuildError::Differs);
    }
    let names = [task_file::KICKSTART, KICKSTART, task_file::RECIPE];
    let extent = names.iter().find_map(|name| image.extent(name));
    let recipe = extent.map(|extent| (extent.offset, extent.len));
    let bytes = u64::try_from(image.bytes().len()).unwrap_or(u64::MAX);
    if !holds(path, image) {
        store(path, image).map_err(BuildError::Write)?;
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
