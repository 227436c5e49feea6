//! The directory: a valid OCI image layout with the registry's own rooms beside it. Every path is
//! made here, from parsed digests and upload ids only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::digest::{Algorithm, Digest};
use crate::error::{Error, failed};
use crate::upload::{Step, UploadId, Watch};

const MARKER: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The registry's directory.
///
/// | path | holds |
/// |---|---|
/// | `oci-layout`, `index.json` | what makes it an OCI image layout; the index is an export |
/// | `blobs/<algorithm>/<hex>` | content |
/// | `uploads/<id>` | content that is still arriving |
/// | `trash/<algorithm>-<hex>` | content that was swept and is about to be unlinked |
/// | `quarantine/<algorithm>-<hex>` | content that was found damaged |
/// | `registry.db` | the catalogue |
/// | `rebuilding` | nothing; it is there while the catalogue is rebuilt |
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    watch: Watch,
}

impl Layout {
    /// Makes what is missing of the directory. Blocks.
    pub(crate) fn open(root: &Path, watch: Watch) -> Result<Self, Error> {
        let layout = Self { root: root.to_owned(), watch };
        for algorithm in Algorithm::ALL {
            create_directory(&layout.blobs(algorithm))?;
        }
        for room in ["uploads", "trash", "quarantine"] {
            create_directory(&root.join(room))?;
        }
        let marker = root.join("oci-layout");
        if fs::read(&marker).ok().as_deref() != Some(MARKER) {
            layout.replace("oci-layout", |file| file.write_all(MARKER))?;
        }
        Ok(layout)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Who is told of the steps of a push.
    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Where the blobs of one algorithm are.
    pub fn blobs(&self, algorithm: Algorithm) -> PathBuf {
        self.root.join("blobs").join(algorithm.as_str())
    }

    /// Where a blob is.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs(digest.algorithm()).join(digest.hex())
    }

    /// Where an upload is received.
    pub(crate) fn upload(&self, id: UploadId) -> PathBuf {
        self.root.join("uploads").join(id.to_string())
    }

    /// Opens a blob for reading; the open file stays readable whatever happens to its name.
    pub(crate) fn open_blob(&self, digest: &Digest) -> io::Result<(File, u64)> {
        let file = File::open(self.blob(digest))?;
        let metadata = file.metadata()?;
        Ok((file, metadata.len()))
    }

    /// Gives received content its name as a blob. The file keeps its name as an upload as well,
    /// until the caller removes it: killed in between, the upload can be finished again.
    pub(crate) fn place(&self, upload: &Path, digest: &Digest) -> Result<(), Error> {
        let blob = self.blob(digest);
        match fs::hard_link(upload, &blob) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => {
                other.map_err(failed("name blob", &blob))?;
                self.watch.reached(Step::Named);
                return Ok(());
            }
        }
        // What is there was checked when it came, the new content just now: a damaged file heals.
        let name = upload.file_name().unwrap_or_default().to_string_lossy();
        let twin = upload.with_file_name(format!("{TEMPORARY}{name}"));
        remove(&twin)?;
        fs::hard_link(upload, &twin).map_err(failed("name", &twin))?;
        self.watch.reached(Step::Twinned);
        let replaced = fs::rename(&twin, &blob).map_err(failed("replace blob", &blob));
        if replaced.is_ok() {
            self.watch.reached(Step::Named);
        }
        // Two names of one file are not renamed but both kept.
        replaced.and(remove(&twin))
    }

    /// Writes a blob whose content is in memory. Its name is not yet safe from a power failure.
    pub(crate) fn write_blob(&self, digest: &Digest, content: &[u8]) -> Result<(), Error> {
        let blob = self.blob(digest);
        let uploads = self.root.join("uploads");
        let mut file = NamedTempFile::with_prefix_in(TEMPORARY, &uploads)
            .map_err(failed("create a file in", &uploads))?;
        self.watch.reached(Step::Opened);
        file.write_all(content).map_err(failed("write", file.path()))?;
        self.watch.reached(Step::Written);
        file.persist(&blob).map_err(|error| failed("name blob", &blob)(error.error))?;
        self.watch.reached(Step::Named);
        Ok(())
    }

    /// Makes a blob's bytes and its name safe from a power failure. Blocks.
    pub(crate) fn sync_blob(&self, digest: &Digest) -> Result<(), Error> {
        let blob = self.blob(digest);
        File::open(&blob).and_then(|file| file.sync_all()).map_err(failed("flush", &blob))?;
        self.watch.reached(Step::Durable);
        self.sync_blobs(digest.algorithm())
    }

    /// Makes the names of blobs safe from a power failure. Blocks.
    pub(crate) fn sync_blobs(&self, algorithm: Algorithm) -> Result<(), Error> {
        sync_directory(&self.blobs(algorithm))?;
        self.watch.reached(Step::NameDurable);
        Ok(())
    }

    /// Makes everything written so far safe from a power failure. Blocks.
    pub(crate) fn sync_all(&self) -> Result<(), Error> {
        let directory = File::open(&self.root).map_err(failed("open", &self.root))?;
        rustix::fs::syncfs(&directory)
            .map_err(|error| failed("flush the file system of", &self.root)(error.into()))
    }

    /// Takes a blob's name away; its space is freed by [`Layout::empty_trash`]. True if there was a
    /// file. The caller holds the digest condemned and has committed the deletion of its rows.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn trash(&self, digest: &Digest) -> Result<bool, Error> {
        self.put_away(digest, "trash")
    }

    /// Moves a damaged blob where nobody is served it. True if there was a file.
    pub(crate) fn quarantine(&self, digest: &Digest) -> Result<bool, Error> {
        self.put_away(digest, "quarantine")
    }

    fn put_away(&self, digest: &Digest, room: &str) -> Result<bool, Error> {
        let blob = self.blob(digest);
        let name = format!("{}-{}", digest.algorithm(), digest.hex());
        match fs::rename(&blob, self.root.join(room).join(name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("put away", &blob)(error)),
        }
    }

    /// Unlinks what is in the trash; bytes freed. Blocks.
    ///
    /// # Errors
    /// [`Error::Storage`], at the first file that cannot be unlinked.
    pub fn empty_trash(&self) -> Result<u64, Error> {
        let trash = self.root.join("trash");
        let mut freed = 0;
        for entry in fs::read_dir(&trash).map_err(failed("list", &trash))? {
            let entry = entry.map_err(failed("list", &trash))?;
            freed += entry.metadata().map_or(0, |metadata| metadata.len());
            remove(&entry.path())?;
        }
        Ok(freed)
    }

    /// Removes received content that no session of `known` owns. Blocks.
    pub(crate) fn remove_strays(&self, known: impl Fn(UploadId) -> bool) -> Result<(), Error> {
        let uploads = self.root.join("uploads");
        for entry in fs::read_dir(&uploads).map_err(failed("list", &uploads))? {
            let entry = entry.map_err(failed("list", &uploads))?;
            let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if !id.is_some_and(&known) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Whether a rebuild has begun and not ended.
    pub(crate) fn is_rebuilding(&self) -> bool {
        self.root.join(REBUILDING).exists()
    }

    /// Marks the catalogue as not to be used, whatever happens from here on. Blocks.
    pub(crate) fn begin_rebuild(&self) -> Result<(), Error> {
        self.replace(REBUILDING, |_| Ok(()))
    }

    /// Takes that mark away. Blocks.
    pub(crate) fn end_rebuild(&self) -> Result<(), Error> {
        remove(&self.root.join(REBUILDING))?;
        sync_directory(&self.root)
    }

    /// Replaces a file of the root as a whole: never seen half written, whatever fails. Blocks.
    pub(crate) fn replace(
        &self,
        name: &str,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), Error> {
        let path = self.root.join(name);
        let uploads = self.root.join("uploads");
        let mut file = NamedTempFile::with_prefix_in(TEMPORARY, &uploads)
            .map_err(failed("create a file in", &uploads))?;
        write(file.as_file_mut()).map_err(failed("write", file.path()))?;
        file.as_file().sync_all().map_err(failed("flush", file.path()))?;
        file.persist(&path).map_err(|error| failed("replace", &path)(error.error))?;
        sync_directory(&self.root)
    }
}

/// The file that is there while the catalogue is rebuilt.
const REBUILDING: &str = "rebuilding";

/// Begins the names of files that are gone after a start, since none of them is an upload's.
const TEMPORARY: &str = "tmp-";

/// Opens the file of an upload, made when missing.
pub(crate) fn open_upload(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o640);
    options.open(path).map_err(failed("open", path))
}

/// Removes a file that may be gone already.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn create_directory(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o750).create(path).map_err(failed("create directory", path))
}

fn sync_directory(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(failed("flush", path))
}
