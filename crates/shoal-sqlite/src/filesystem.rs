//! What SQLite leaves to its caller: private files, names of sibling files, durable directory
//! entries, and a file system that can carry a WAL at all.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::Error;

/// File systems shared between machines, by the magic numbers of statfs(2).
const NETWORK: &[(i64, &str)] = &[
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x0102_1997, "9P"),
    (0x00C3_6400, "CephFS"),
    (0x5346_414F, "AFS"),
    (0x0BD0_0BD0, "Lustre"),
    (0x7461_636F, "OCFS2"),
    (0x0116_1970, "GFS2"),
];

/// File systems that work but deserve a word: FUSE may hide a network, an overlay is thrown away
/// with its container.
const DOUBTFUL: &[(i64, &str)] = &[(0x6573_5546, "FUSE"), (0x794C_7630, "overlayfs")];

/// The error for a failed system call.
pub(crate) fn failed(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.to_path_buf();
    move |source| Error::Io { action, path, source }
}

/// The directory a file is in; `.` for a bare name.
pub(crate) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The file beside `path` that carries its name plus `suffix`.
pub(crate) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

/// Creates the directory of `path` (0750) where it is missing, and refuses network file systems.
pub(crate) fn prepare_directory(path: &Path) -> Result<(), Error> {
    let directory = directory(path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(directory)
        .map_err(failed("create directory", directory))?;
    let kind = rustix::fs::statfs(directory)
        .map_err(|errno| failed("look at the file system of", directory)(errno.into()))?
        .f_type;
    judge(directory, kind)
}

fn judge(directory: &Path, kind: i64) -> Result<(), Error> {
    let name_in = |list: &[(i64, &'static str)]| {
        list.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
    };
    if let Some(filesystem) = name_in(NETWORK) {
        return Err(Error::NetworkFilesystem { path: directory.to_path_buf(), filesystem });
    }
    if let Some(filesystem) = name_in(DOUBTFUL) {
        tracing::warn!(path = %directory.display(), filesystem, "database on a doubtful file system");
    }
    Ok(())
}

/// Creates an empty private file; false when there was one already.
pub(crate) fn create_private(path: &Path) -> Result<bool, Error> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed("create", path)(error)),
    }
}

/// Removes a file; a missing one is as good as a removed one.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Renames, and makes the new name durable.
pub(crate) fn rename_durably(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::rename(from, to).map_err(failed("rename", from))?;
    sync(directory(to))
}

/// Flushes a file or a directory to disk.
pub(crate) fn sync(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|file| file.sync_all()).map_err(failed("flush", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_refused_by_name() {
        let nfs = judge(Path::new("/srv"), 0x6969).unwrap_err();
        assert_eq!(nfs.to_string(), "use /srv for a database: it is on NFS");
        assert!(judge(Path::new("/srv"), 0xFE53_4D42).is_err());
    }

    #[test]
    fn local_and_doubtful_file_systems_are_accepted() {
        const EXT4: i64 = 0xEF53;
        assert!(judge(Path::new("/srv"), EXT4).is_ok());
        assert!(judge(Path::new("/srv"), 0x794C_7630).is_ok());
    }

    #[test]
    fn directory_of_a_bare_name_is_the_current_one() {
        assert_eq!(directory(Path::new("jobs.db")), Path::new("."));
        assert_eq!(sibling(Path::new("a/jobs.db"), "-wal"), Path::new("a/jobs.db-wal"));
    }
}
