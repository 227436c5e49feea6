//! Certificates and keys on disk. A power cut while one is written must leave the old one or the
//! new one, and a key is never readable by others, not even for a moment.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use zeroize::Zeroizing;

use super::Error;

/// Larger files hold no chain and no key.
const MAX_BYTES: u64 = 1024 * 1024;

pub(super) fn prepare(directory: &Path) -> Result<(), Error> {
    let create = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    create.map_err(failed("create directory", directory))
}

pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, Error> {
    let mut text = Zeroizing::new(String::new());
    let read = fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
    read.map_err(failed("read", path))?;
    Ok(text)
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), Error> {
    let draft = path.with_extension("new");
    let write = || -> io::Result<()> {
        // A draft left by a crash may be longer, or readable by others.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(failed("write", path))
}

/// One certificate in PEM (RFC 7468: lines of 64 characters).
pub(super) fn to_pem(der: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for (index, letter) in base64.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            pem.push('\n');
        }
        pem.push(letter);
    }
    pem.push_str("\n-----END CERTIFICATE-----\n");
    pem
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}
