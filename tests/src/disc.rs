//! A disc as other tools make it, for discs that the product's own writer does not make: directories
//! and boot images, plain ISO 9660 level 1 names, no extensions. It exists so that a demonstration
//! needs no program but its own.
//!
//! Layout, in sectors of 2 KiB: 16 volume descriptor, 17 boot record (El Torito), 18 terminator,
//! 19 and 20 path tables, 21 boot catalogue, then directories and files.

use std::{collections::BTreeMap, io::Write};

use anyhow::{Context, Result, ensure};

const SECTOR: usize = 2048;
const CATALOGUE: usize = 21;
const FIRST_DIRECTORY: usize = 22;
/// 1 January 2024, 00:00:00 UTC, as directory records have it: years since 1900 first.
const RECORDED: [u8; 7] = [124, 1, 1, 0, 0, 0, 0];

/// What goes onto a disc: files by path, upper case, directories separated by `/`.
#[derive(Debug)]
pub(crate) struct Disc<'a> {
    pub(crate) volume: &'a str,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// The file that a BIOS boots, and the one that UEFI boots.
    pub(crate) boots: [&'a str; 2],
}

/// Where something lies.
#[derive(Clone, Copy, Debug)]
struct Extent {
    sector: usize,
    len: usize,
}

impl Disc<'_> {
    /// Writes the disc.
    pub(crate) fn write(&self, mut out: impl Write) -> Result<()> {
        let directories = self.directories();
        let mut places = BTreeMap::new();
        let mut sector = FIRST_DIRECTORY;
        for path in &directories {
            places.insert(path.clone(), Extent { sector, len: SECTOR });
            sector += 1;
        }
        for (path, bytes) in &self.files {
            places.insert(path.clone(), Extent { sector, len: bytes.len() });
            sector += bytes.len().div_ceil(SECTOR).max(1);
        }
        let tables = [u32::to_le_bytes, u32::to_be_bytes]
            .map(|order| path_table(&directories, &places, order));
        let [little, big] = tables;
        let little = little?;
        out.write_all(&vec![0; 16 * SECTOR])?;
        out.write_all(&self.descriptor(sector, little.len(), place(&places, "")?)?)?;
        out.write_all(&boot_record()?)?;
        out.write_all(&sector_of(&[&[255], b"CD001", &[1]])?)?;
        out.write_all(&sector_of(&[&little])?)?;
        out.write_all(&sector_of(&[&big?])?)?;
        let boots = [place(&places, self.boots[0])?, place(&places, self.boots[1])?];
        out.write_all(&boot_catalogue(boots)?)?;
        for path in &directories {
            out.write_all(&self.directory(path, &directories, &places)?)?;
        }
        for bytes in self.files.values() {
            out.write_all(bytes)?;
            let whole = bytes.len().div_ceil(SECTOR).max(1) * SECTOR;
            out.write_all(&vec![0; whole - bytes.len()])?;
        }
        Ok(out.flush()?)
    }

    /// Every directory, the root (an empty path) first, parents before children.
    fn directories(&self) -> Vec<String> {
        let mut all = std::collections::BTreeSet::from([String::new()]);
        for path in self.files.keys() {
            let cuts = path.match_indices('/').map(|(at, _)| path.get(..at).unwrap_or_default());
            all.extend(cuts.map(str::to_owned));
        }
        all.into_iter().collect()
    }

    fn descriptor(&self, sectors: usize, table: usize, root: Extent) -> Result<Vec<u8>> {
        let padded = |text: &str, len: usize| format!("{text:<len$}").into_bytes();
        let volume = padded(self.volume, 32);
        let [count, table_len] = [sectors, table].map(both_u32);
        let root = record(&[0], root, true)?;
        let blank = padded("", 128 * 4 + 37 * 3);
        let mut dates = Vec::new();
        for _ in 0..4 {
            dates.extend_from_slice(b"0000000000000000\0");
        }
        let one = both_u16(1);
        let parts: [&[u8]; 19] = [
            &[1],
            b"CD001",
            &[1, 0],
            &padded("", 32),
            &volume,
            &[0; 8],
            &count?,
            &[0; 32],
            &one,
            &one,
            &both_u16(2048),
            &table_len?,
            &19_u32.to_le_bytes(),
            &[0; 4],
            &20_u32.to_be_bytes(),
            &[0; 4],
            &root,
            &blank,
            &dates,
        ];
        let mut bytes = parts.concat();
        bytes.push(1);
        sector_of(&[&bytes])
    }

    fn directory(
        &self,
        path: &str,
        directories: &[String],
        places: &BTreeMap<String, Extent>,
    ) -> Result<Vec<u8>> {
        let mut records = vec![
            record(&[0], place(places, path)?, true)?,
            record(&[1], place(places, parent(path))?, true)?,
        ];
        // Sorted by name, as the standard wants it.
        let mut entries = BTreeMap::new();
        for child in directories.iter().filter(|it| !it.is_empty() && parent(it) == path) {
            entries.insert(name(child).to_owned(), (child, true));
        }
        for child in self.files.keys().filter(|it| parent(it) == path) {
            entries.insert(format!("{};1", name(child)), (child, false));
        }
        for (shown, (child, is_directory)) in &entries {
            records.push(record(shown.as_bytes(), place(places, child)?, *is_directory)?);
        }
        sector_of(&[&records.concat()])
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn place(places: &BTreeMap<String, Extent>, path: &str) -> Result<Extent> {
    places.get(path).copied().with_context(|| format!("{path:?} is not on the disc"))
}

/// One directory record (ECMA-119, 9.1).
fn record(name: &[u8], at: Extent, is_directory: bool) -> Result<Vec<u8>> {
    let name_len = u8::try_from(name.len())?;
    let padding = usize::from(name.len().is_multiple_of(2));
    let len = u8::try_from(33 + name.len() + padding)?;
    let flags = if is_directory { 2 } else { 0 };
    let parts: [&[u8]; 8] = [
        &[len, 0],
        &both_u32(at.sector)?,
        &both_u32(at.len)?,
        &RECORDED,
        &[flags, 0, 0],
        &both_u16(1),
        &[name_len],
        name,
    ];
    let mut bytes = parts.concat();
    bytes.resize(usize::from(len), 0);
    Ok(bytes)
}

/// The path table in one byte order (ECMA-119, 9.4).
fn path_table(
    directories: &[String],
    places: &BTreeMap<String, Extent>,
    order: fn(u32) -> [u8; 4],
) -> Result<Vec<u8>> {
    let mut table = Vec::new();
    for path in directories {
        let shown = if path.is_empty() { &[0][..] } else { name(path).as_bytes() };
        let above = directories.iter().position(|it| it == parent(path)).context("no parent")?;
        let number = u32::try_from(above + 1)?;
        // The number has two bytes: the last ones, or in the other order the first.
        let number = order(number);
        let number = if order(1)[0] == 1 { &number[..2] } else { &number[2..] };
        table.extend([u8::try_from(shown.len())?, 0]);
        table.extend(order(u32::try_from(place(places, path)?.sector)?));
        table.extend_from_slice(number);
        table.extend_from_slice(shown);
        table.resize(table.len().next_multiple_of(2), 0);
    }
    Ok(table)
}

/// Says where the boot catalogue lies (El Torito, figure 7).
fn boot_record() -> Result<Vec<u8>> {
    let catalogue = u32::try_from(CATALOGUE)?.to_le_bytes();
    let system = b"EL TORITO SPECIFICATION\0\0\0\0\0\0\0\0\0";
    sector_of(&[&[0], b"CD001", &[1], system, &[0; 32], &catalogue])
}

/// One image for a BIOS, one for UEFI (El Torito, figures 2 to 5).
fn boot_catalogue([bios, uefi]: [Extent; 2]) -> Result<Vec<u8>> {
    const SUM: u16 = 0x55AA;
    let validation = [&[1, 0, 0, 0][..], &[0; 24], &SUM.to_le_bytes(), &[0x55, 0xAA]].concat();
    let entry = |image: Extent, sectors: u16| -> Result<Vec<u8>> {
        let at = u32::try_from(image.sector)?.to_le_bytes();
        let head = [0x88, 0, 0, 0, 0, 0];
        Ok([&head[..], &sectors.to_le_bytes(), &at, &[0; 20]].concat())
    };
    let virtual_sectors = u16::try_from(uefi.len.div_ceil(512))?;
    let section = [&[0x91, 0xEF, 1, 0][..], &[0; 28]].concat();
    sector_of(&[&validation, &entry(bios, 4)?, &section, &entry(uefi, virtual_sectors)?])
}

fn both_u32(number: usize) -> Result<[u8; 8]> {
    let number = u32::try_from(number)?;
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Ok(bytes)
}

fn both_u16(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

fn sector_of(parts: &[&[u8]]) -> Result<Vec<u8>> {
    let mut bytes = parts.concat();
    ensure!(bytes.len() <= SECTOR, "{} bytes do not fit into a sector", bytes.len());
    bytes.resize(SECTOR, 0);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn other_tools_read_files_directories_and_boot_images() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("disc.iso");
        let files =
            [("A.TXT", 10), ("EFI/BOOT/BOOTX64.EFI", 5000), ("BIOS.BIN", 2048), ("EFI.IMG", 4096)];
        let disc = Disc {
            volume: "MADE-UP",
            files: files.map(|(name, len)| (name.to_owned(), vec![b'x'; len])).into(),
            boots: ["BIOS.BIN", "EFI.IMG"],
        };
        disc.write(std::fs::File::create(&path).unwrap()).unwrap();
        let told = |arguments: &[&str]| {
            let output = Command::new("xorriso")
                .args(["-indev", path.to_str().unwrap()])
                .args(arguments)
                .output()
                .expect("xorriso is installed by the set-up stage");
            format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            )
        };
        let found = told(&["-find", "/", "-exec", "lsdl"]);
        for name in ["/A.TXT", "/EFI/BOOT/BOOTX64.EFI"] {
            assert!(found.contains(&format!("'{name}'")), "{found}");
        }
        assert!(found.contains(" 5000 "), "{found}");
        let boots = told(&["-report_el_torito", "plain"]);
        for image in ["/BIOS.BIN", "/EFI.IMG"] {
            assert!(boots.contains(image), "{boots}");
        }
        assert!(boots.contains("UEFI"), "{boots}");
    }
}
