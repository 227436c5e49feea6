//! The made-up ESXi installer: nothing on it runs, but its boot configuration names what is there, as
//! a real one does, and the disc is one that firmware boots. It says nothing of ours.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::disc::Disc;

const KIB: usize = 1 << 10;

/// The files and their lengths. Each is far longer than what a reader fetches ahead.
const FILES: [(&str, usize); 8] = [
    ("B.B00", 700 * KIB),
    ("JUMPSTRT.GZ", 1),
    ("USEROPTS.GZ", 1),
    ("A.B00", 600 * KIB),
    ("S.V00", 3 * KIB * KIB),
    ("ISOLINUX.BIN", 24 * KIB),
    ("EFIBOOT.IMG", 1440 * KIB),
    ("EFI/BOOT/BOOTX64.EFI", 256 * KIB),
];

/// Where the installer looks for its kickstart file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kickstart {
    /// On another CD.
    Cd,
    /// On a USB stick.
    Usb,
    /// Nowhere: it would ask on the console. A controller refuses such a disc.
    Nowhere,
}

impl Kickstart {
    /// The name of the image that looks there, in the directory of static images.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Cd => "esxi-cd.iso",
            Self::Usb => "esxi-usb.iso",
            Self::Nowhere => "esxi-console.iso",
        }
    }

    fn option(self) -> &'static str {
        match self {
            Self::Cd => "ks=cdrom:/KS.CFG",
            Self::Usb => "ks=usb:/KS.CFG",
            Self::Nowhere => "",
        }
    }
}

/// The ESXi installer of demonstrations and tests.
#[derive(Clone, Debug)]
pub struct EsxiInstaller {
    path: PathBuf,
}

impl EsxiInstaller {
    /// Writes the image into `directory`, which is made if it is not there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn make(directory: &Path, kickstart: Kickstart) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
        let path = directory.join(kickstart.file_name());
        let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        let mut files: Vec<_> =
            FILES.iter().map(|(name, len)| ((*name).to_owned(), filler(name, *len))).collect();
        for name in ["BOOT.CFG", "EFI/BOOT/BOOT.CFG"] {
            files.push((name.to_owned(), configuration(kickstart).into_bytes()));
        }
        let disc = Disc {
            volume: "ESXI-MADE-UP",
            files: files.into_iter().collect(),
            boots: ["ISOLINUX.BIN", "EFIBOOT.IMG"],
        };
        disc.write(BufWriter::new(file)).with_context(|| format!("write {}", path.display()))?;
        Ok(Self { path })
    }

    /// The image file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn configuration(kickstart: Kickstart) -> String {
    format!(
        "bootstate=0\n\
         title=Loading a made-up installer\n\
         timeout=5\n\
         prefix=\n\
         kernel=/b.b00\n\
         kernelopt=runweasel cdromBoot {}\n\
         modules=/jumpstrt.gz --- /useropts.gz --- /a.b00 --- /s.v00\n\
         build=0.0.0-made-up\n\
         updated=0\n",
        kickstart.option()
    )
}

/// Bytes that tell where they come from, so that a wrong range shows.
fn filler(name: &str, len: usize) -> Vec<u8> {
    let line = |number: usize| format!("{name:>24} {number:>6}\n").into_bytes();
    let mut bytes: Vec<u8> = (0..=len / 32).flat_map(line).collect();
    bytes.truncate(len);
    bytes
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn other_readers_find_what_the_boot_configuration_names() {
        let scratch = tempfile::tempdir().unwrap();
        let made = EsxiInstaller::make(scratch.path(), Kickstart::Cd).unwrap();
        let told = Command::new("isoinfo").args(["-f", "-i"]).arg(made.path()).output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        for (name, _) in FILES.iter().chain([&("BOOT.CFG", 0), &("EFI/BOOT/BOOT.CFG", 0)]) {
            let stem = name.rsplit_once('.').unwrap().0;
            assert!(told.lines().any(|line| line.starts_with(&format!("/{stem}."))), "{told}");
        }
        let catalog = Command::new("isoinfo").args(["-d", "-i"]).arg(made.path()).output().unwrap();
        let catalog = String::from_utf8(catalog.stdout).unwrap();
        assert!(catalog.contains("El Torito VD version 1 found"), "{catalog}");
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1, "nothing else is left there");
    }
}
