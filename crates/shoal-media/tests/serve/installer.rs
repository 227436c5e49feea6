//! Installers' discs as ESXi's are, made by tools we did not write.

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use shoal_media::{
    Content, Digest, Extent, Installer, InstallerError, KickstartSource, Kind, Milestone,
    find_fat_file, find_file,
};

use crate::stage::{BOOT, Stage, TASK, bytes_of, medium};

const LOADER: usize = 96 * 1024;

fn configuration(kickstart: &str) -> String {
    format!(
        "bootstate=0\ntitle=Loading installer\nprefix=\nkernel=/b.b00\n\
         kernelopt=runweasel {kickstart} cdromBoot\n\
         modules=/jumpstrt.gz --- /useropts.gz with words --- /s.v00 --- /vim.v00\nbuild=1\n"
    )
}

struct Disc {
    efi: String,
    root: String,
    image: bool,
}

impl Disc {
    fn with(kickstart: &str) -> Self {
        let text = configuration(kickstart);
        Self { efi: text.clone(), root: text, image: true }
    }

    fn write(&self) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        let boot = root.join("EFI/BOOT");
        std::fs::create_dir_all(&boot).unwrap();
        for (name, len) in [
            ("B.B00", 300_000),
            ("JUMPSTRT.GZ", 20),
            ("USEROPTS.GZ", 5000),
            ("S.V00", 900_000),
            ("VIM.V00", 400_000),
            ("ISOLINUX.BIN", 24_576),
        ] {
            std::fs::write(root.join(name), vec![b'x'; len]).unwrap();
        }
        for (path, text) in
            [(root.join("BOOT.CFG"), &self.root), (boot.join("BOOT.CFG"), &self.efi)]
        {
            if !text.is_empty() {
                std::fs::write(path, text).unwrap();
            }
        }
        std::fs::write(boot.join("BOOTX64.EFI"), vec![b'L'; LOADER]).unwrap();
        let image = root.join("EFIBOOT.IMG");
        stick(&image, &boot.join("BOOTX64.EFI"));
        let out = dir.path().join("out.iso");
        let bios = ["-b", "ISOLINUX.BIN", "-no-emul-boot", "-boot-load-size", "4"];
        let uefi = ["-eltorito-alt-boot", "-e", "EFIBOOT.IMG", "-no-emul-boot"];
        let mut command = Command::new("xorriso");
        command.args(["-as", "mkisofs", "-quiet", "-iso-level", "3"]);
        if self.image {
            command.args(bios).args(uefi);
        }
        run(command.arg("-o").args([&out, &root]));
        std::fs::read(out).unwrap()
    }

    fn open(&self) -> Result<Installer, InstallerError> {
        open(self.write())
    }
}

/// The image UEFI firmware boots, with the loader where it looks for it.
fn stick(image: &Path, loader: &Path) {
    run(Command::new("mkfs.fat").args(["-C", "-F", "12"]).arg(image).arg("1440"));
    run(Command::new("mmd").arg("-i").arg(image).args(["::EFI", "::EFI/BOOT"]));
    run(Command::new("mcopy").arg("-i").arg(image).arg(loader).arg("::EFI/BOOT/BOOTX64.EFI"));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn open(iso: Vec<u8>) -> Result<Installer, InstallerError> {
    let digest = Digest::of(&iso);
    Installer::open(Content::memory(Bytes::from(iso)), digest)
}

fn places(installer: &Installer, milestone: Milestone) -> Vec<Extent> {
    let wires = installer.medium().tripwires().iter();
    wires.filter(|wire| wire.milestone == milestone).map(|wire| wire.extent).collect()
}

#[test]
fn tripwires_lie_in_the_middle_of_what_the_boot_configuration_names() {
    let installer = Disc::with("ks=cdrom:/KS.CFG").open().unwrap();
    assert_eq!(installer.kickstart(), KickstartSource::Cd);
    let content = installer.medium().content();
    for (milestone, name) in [(Milestone::OsLoading, "b.b00"), (Milestone::Payload, "s.v00")] {
        let file = find_file(content, name).unwrap().unwrap();
        let [place] = places(&installer, milestone)[..] else { panic!("{name}") };
        assert!(place.offset() > file.offset() + file.len() / 3, "{name}");
        assert_eq!(place.end(), file.end(), "{name}");
    }
    // The loader inside the boot image, and the one beside it.
    let loaders = places(&installer, Milestone::BootImageRead);
    assert_eq!(loaders.len(), 2);
    let image = find_file(content, "EFIBOOT.IMG").unwrap().unwrap();
    assert!(loaders[0].offset() > image.offset() && loaders[0].end() < image.end());
    for loader in loaders {
        let mut bytes = vec![0; usize::try_from(loader.len()).unwrap()];
        content.read_exact_at(loader.offset(), &mut bytes).unwrap();
        assert!(bytes == vec![b'L'; LOADER / 2]);
    }
    let [descriptors] = places(&installer, Milestone::Reopened)[..] else { panic!() };
    assert_eq!((descriptors.offset(), descriptors.len() % 2048), (32_768, 0));
    assert!((2..8).contains(&(descriptors.len() / 2048)));
}

#[test]
fn an_installer_that_would_not_read_the_kickstart_file_is_refused() {
    for usb in ["ks=usb", "ks=usb:/KS.CFG", "ks=USB:/ks.cfg"] {
        assert_eq!(Disc::with(usb).open().unwrap().kickstart(), KickstartSource::Usb);
    }
    for other in ["", "ks=http://x/ks.cfg", "ks=cdrom:/ks.cfg", "ks=cdrom:/KS.CFG ks=nfs://x"] {
        let error = Disc::with(other).open().unwrap_err();
        assert!(matches!(error, InstallerError::NoKickstart { .. }), "{other}: {error}");
        assert!(error.to_string().contains("add ks=cdrom:/KS.CFG"), "{error}");
    }
    let usb = configuration("ks=usb");
    let disagree = Disc { root: usb.clone(), ..Disc::with("ks=cdrom:/KS.CFG") };
    assert!(matches!(disagree.open(), Err(InstallerError::Disagree)));
    let bare = Disc { root: configuration(""), ..Disc::with("ks=cdrom:/KS.CFG") };
    let error = bare.open().unwrap_err();
    assert!(matches!(error, InstallerError::NoKickstart { file: "BOOT.CFG", found: None }));
    let one = Disc { efi: String::new(), root: usb, image: true };
    assert_eq!(one.open().unwrap().kickstart(), KickstartSource::Usb);
}

#[test]
fn what_is_no_installer_is_refused_with_what_is_missing() {
    let none = Disc { efi: String::new(), root: String::new(), image: true };
    assert!(matches!(none.open(), Err(InstallerError::NoConfiguration)));
    assert!(matches!(open(vec![0; 100_000]), Err(InstallerError::NoConfiguration)));
    let good = configuration("ks=cdrom:/KS.CFG");
    let change = |from, to: &str| {
        let text = good.replace(from, to);
        Disc { efi: text.clone(), root: text, image: true }.open().unwrap_err()
    };
    let kernel = change("kernel=/b.b00", "kernel=");
    assert!(matches!(kernel, InstallerError::Missing { key: "kernel", .. }), "{kernel}");
    let modules = change("modules=", "other=");
    assert!(matches!(modules, InstallerError::Missing { key: "modules", .. }), "{modules}");
    let absent = change("/s.v00", "/t.v00");
    assert!(matches!(&absent, InstallerError::NoFile { name, .. } if name == "/t.v00"), "{absent}");
    let elsewhere = change("prefix=\nkernel=/b", "prefix=/EFI\nkernel=b");
    assert!(matches!(&elsewhere, InstallerError::NoFile { name, .. } if name == "b.b00"));
}

#[test]
fn a_disc_that_is_not_made_to_boot_proves_a_boot_by_its_loader_only() {
    let plain = Disc { image: false, ..Disc::with("ks=cdrom:/KS.CFG") };
    assert_eq!(places(&plain.open().unwrap(), Milestone::BootImageRead).len(), 1);
}

#[test]
fn damaged_discs_neither_panic_nor_read_without_end() {
    let good = Disc::with("ks=cdrom:/KS.CFG").write();
    // The structures: descriptors, boot catalog, directories, and the boot image's first sectors.
    let fat = good.windows(8).position(|window| window == b"FAT12   ").unwrap() - 54;
    for at in (32_768..65_536).step_by(61).chain((fat..fat + 64).step_by(1)) {
        let mut bad = good.clone();
        for byte in &mut bad[at..at + 2] {
            *byte ^= 0xff;
        }
        drop(open(bad));
    }
    for len in [0, 2047, 34_816, 40_000, good.len() / 2] {
        drop(open(good[..len].to_vec()));
    }
}

#[test]
fn a_file_on_a_stick_is_found_whole_or_partitioned() {
    let dir = tempfile::tempdir().unwrap();
    let loader = dir.path().join("loader");
    std::fs::write(&loader, vec![b'L'; LOADER]).unwrap();
    for bits in ["12", "16", "32"] {
        let image = dir.path().join(bits);
        let blocks = if bits == "32" { "70000" } else { "20000" };
        run(Command::new("mkfs.fat").args(["-C", "-F", bits]).arg(&image).arg(blocks));
        run(Command::new("mmd").arg("-i").arg(&image).args(["::D"]));
        run(Command::new("mcopy").arg("-i").arg(&image).arg(&loader).arg("::D/KS.CFG"));
        let alone = std::fs::read(&image).unwrap();
        let mut behind = vec![0; 1 << 20];
        behind[446 + 8..446 + 12].copy_from_slice(&2048_u32.to_le_bytes());
        for bytes in [alone.clone(), [behind, alone].concat()] {
            let content = Content::memory(Bytes::from(bytes.clone()));
            let place = find_fat_file(&content, "d/ks.cfg").unwrap();
            let (start, len) = (usize::try_from(place.offset()).unwrap(), LOADER);
            assert!(bytes[start..start + len] == vec![b'L'; LOADER], "{bits}");
            assert_eq!(place.len(), LOADER as u64);
            assert_eq!(find_fat_file(&content, "D"), None);
            assert_eq!(find_fat_file(&content, "ABSENT.CFG"), None);
        }
    }
    assert_eq!(find_fat_file(&Content::memory(Bytes::new()), "A"), None);
}

/// A machine with an installer's disc and a task medium; reads of both go by one clock.
struct Machine {
    stage: Stage,
    boot: String,
    task: String,
}

const KICKSTART: &str = "bytes=1024-1099";
const PAYLOAD: &str = "bytes=8192-8200";
const DESCRIPTORS: &str = "bytes=32768-34815";

impl Machine {
    fn new() -> Self {
        let stage = Stage::new();
        let wires = [
            (Milestone::OsLoading, 4096, 1024),
            (Milestone::Payload, 8192, 1024),
            (Milestone::Reopened, 32_768, 4096),
        ];
        stage.put(BOOT, &medium(&vec![1; 65_536], &wires));
        stage.put(TASK, &medium(&[2; 4096], &[(Milestone::TaskRead, 1024, 1024)]));
        let (boot, task) = (stage.path(BOOT, Kind::Boot), stage.path(TASK, Kind::Task));
        Self { stage, boot, task }
    }

    async fn reads(&self, path: &str, range: &str) {
        assert!(!bytes_of(self.stage.get(path, range).await).await.is_empty());
    }

    /// What the ledger holds of the task medium's reads is told with the boot medium too.
    fn knows(&self, already: &[Milestone]) {
        let medium = self.stage.medium(BOOT);
        self.stage.put_read(BOOT, &medium, already);
    }

    fn reopened(&self) -> bool {
        self.stage.committed().contains(&Milestone::Reopened)
    }
}

#[tokio::test]
async fn descriptors_read_after_a_minute_of_quiet_on_both_media_mean_a_restart() {
    let it = Machine::new();
    it.reads(&it.boot, PAYLOAD).await;
    it.stage.clock.advance(300);
    // The installer's own system looks at both discs when it is up.
    it.reads(&it.boot, DESCRIPTORS).await;
    it.reads(&it.task, KICKSTART).await;
    it.knows(&[Milestone::TaskRead]);
    it.reads(&it.boot, DESCRIPTORS).await;
    assert!(!it.reopened(), "that look was the one that found the kickstart file");

    it.stage.clock.advance(59);
    it.reads(&it.boot, DESCRIPTORS).await;
    it.stage.clock.advance(59);
    it.reads(&it.task, "bytes=0-10").await;
    it.stage.clock.advance(59);
    it.reads(&it.boot, DESCRIPTORS).await;
    assert!(!it.reopened(), "a BMC that polls is never quiet, on whichever medium");

    it.stage.clock.advance(60);
    it.reads(&it.task, "bytes=0-10").await;
    it.reads(&it.boot, "bytes=0-511").await;
    assert!(!it.reopened());
    it.reads(&it.boot, DESCRIPTORS).await;
    assert!(it.reopened(), "the first sectors, of whichever medium, are part of the same look");
}

#[tokio::test]
async fn a_look_before_everything_was_read_is_no_restart() {
    let it = Machine::new();
    it.reads(&it.boot, PAYLOAD).await;
    it.stage.clock.advance(600);
    it.reads(&it.boot, DESCRIPTORS).await;
    assert!(!it.reopened(), "the kickstart file was not read");
    it.knows(&[Milestone::TaskRead, Milestone::Reopened]);
    it.stage.clock.advance(600);
    it.reads(&it.boot, DESCRIPTORS).await;
    assert!(!it.reopened(), "it is known already");
}

#[tokio::test]
async fn a_restart_that_cannot_be_recorded_is_not_served() {
    let it = Machine::new();
    it.reads(&it.boot, PAYLOAD).await;
    it.knows(&[Milestone::TaskRead, Milestone::Payload, Milestone::Opened]);
    it.stage.clock.advance(60);
    it.stage.ledger(crate::stage::Ledger::Fails);
    assert_eq!(it.stage.get(&it.boot, DESCRIPTORS).await.status(), 503);
    it.stage.clock.advance(5);
    it.stage.ledger(crate::stage::Ledger::Works);
    it.reads(&it.boot, DESCRIPTORS).await;
    assert!(it.reopened(), "the BMC's second try belongs to the same look");
}
