//! What the controller shows once goes into a file that its owner alone can read. The file is made
//! before the controller is asked, so that a path that cannot be written costs nothing.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// A new file that is waiting for its secret; removed again if none comes.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    file: Option<File>,
}

impl Kept {
    /// Makes the file. One that is there already is somebody's, and stays.
    pub(crate) fn at(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|source| Error::File { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file: Some(file) })
    }

    /// Writes the secret and makes sure that it is on the disk. `what` was made, and `undo` says
    /// how to end it if its secret is lost here.
    pub(crate) fn keep(mut self, secret: &str, what: &str, undo: &str) -> Result<(), Error> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let written = writeln!(file, "{secret}").and_then(|()| file.sync_all());
        written.map_err(|source| {
            self.file = Some(file);
            let path = self.path.clone();
            Error::Lost { what: what.to_owned(), undo: undo.to_owned(), path, source }
        })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.file.is_some() {
            // An empty file that stays is no harm; the next try with this path will tell.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_cannot_be_written_is_told_with_the_way_to_undo_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "").unwrap();
        // A file that was opened for reading refuses every write, as a full disk would.
        let kept = Kept { path: path.clone(), file: Some(File::open(&path).unwrap()) };

        let lost = kept.keep("canary", "token 1", "end it with shoal tokens revoke 1").unwrap_err();

        assert_eq!(lost.next_step().as_deref(), Some("end it with shoal tokens revoke 1"));
        assert!(!lost.to_string().contains("canary") && !path.exists(), "{lost}");
    }
}
