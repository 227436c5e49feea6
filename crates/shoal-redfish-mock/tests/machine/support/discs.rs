//! Discs made by a foreign tool.

use std::{fs, path::Path, process::Command};

use serde_json::json;

use super::SERIAL;

/// Makes a disc with the names of all standards.
fn xorriso(label: &str, tree: &Path, options: &[&str]) -> Vec<u8> {
    plain_disc(label, tree, &[&["-R", "-J"], options].concat())
}

/// Makes a disc with `xorriso`, which shares no code with the reader under test.
fn plain_disc(label: &str, tree: &Path, options: &[&str]) -> Vec<u8> {
    let out = tree.parent().unwrap().join(format!("{label}.iso"));
    let made = Command::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-V", label, "-o"])
        .arg(&out)
        .args(options)
        .arg(tree)
        .output()
        .expect("xorriso is missing: apt-get install -y xorriso");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::read(out).unwrap()
}

const BOOT_IMAGE: &[u8] = b"this is the boot image of a test";
const PAYLOAD: &[u8] = b"this is the payload of a test...";
pub(crate) const BOOT_IMAGE_BYTES: usize = 300_000;
pub(crate) const RESERVED_BYTES: usize = 1 << 20;

/// Where something lies on a disc.
pub(crate) fn find(image: &[u8], wanted: &[u8]) -> usize {
    image.windows(wanted.len()).position(|window| window == wanted).unwrap()
}

/// A boot medium with a boot image, a payload, a reserved file and a true `shoal.json`.
pub(crate) fn boot_medium() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let padded = |start: &[u8], len: usize| {
        let mut content = start.to_vec();
        content.resize(len, 0x5A);
        content
    };
    fs::write(tree.join("boot.img"), padded(BOOT_IMAGE, BOOT_IMAGE_BYTES)).unwrap();
    fs::write(tree.join("rootfs.img"), padded(PAYLOAD, 700_000)).unwrap();
    let reserve = b"reserved for a task medium------";
    fs::write(tree.join("task.img"), padded(reserve, RESERVED_BYTES)).unwrap();
    let blank = format!("{{\"blank\":\"{}\"}}", "b".repeat(600));
    fs::write(tree.join("shoal.json"), &blank).unwrap();
    let mut image = xorriso("SHOAL_MAINT", &tree, &[]);
    // The places are known only now; the manifest is as long as its blank was.
    let manifest = json!({
        "version": "1", "targets": ["install-linux.target"],
        "reserved": {"offset": find(&image, reserve), "length": RESERVED_BYTES},
        "milestones": [
            {"milestone": "boot_image_read", "offset": find(&image, BOOT_IMAGE),
             "length": BOOT_IMAGE_BYTES},
            {"milestone": "payload", "offset": find(&image, PAYLOAD), "length": 700_000},
        ],
    });
    let text = format!("{:<width$}", manifest.to_string(), width = blank.len());
    let at = find(&image, blank.as_bytes());
    image[at..at + text.len()].copy_from_slice(text.as_bytes());
    image
}

/// The same with the Linux task medium where one may lie.
pub(crate) fn combined_medium() -> Vec<u8> {
    let (mut image, task) = (boot_medium(), linux_task());
    assert!(task.len() <= RESERVED_BYTES);
    let at = find(&image, b"reserved for a task medium------");
    image[at..at + task.len()].copy_from_slice(&task);
    image
}

/// A foreign installer: El Torito and no `shoal.json`.
pub(crate) fn foreign_boot_medium() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("boot.img"), vec![0x5A; 8192]).unwrap();
    xorriso("FOREIGN", &tree, &["-b", "boot.img", "-no-emul-boot", "-boot-load-size", "4"])
}

pub(crate) const KERNEL_BYTES: u64 = 5000;
pub(crate) const MODULES_BYTES: u64 = 70_000 + 90_000;

/// An ESXi installer with these kernel options: boot images for BIOS and EFI, a loader, a kernel and
/// two modules, on a disc without Rock Ridge or Joliet names.
pub(crate) fn esxi_installer(options: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("EFI/BOOT")).unwrap();
    let config = format!(
        "bootstate=0\ntitle=Loading ESXi installer\nprefix=\nkernel=/B.B00\n\
         kernelopt=runweasel cdromBoot {options}\nmodules=/A.B00 --- /V.B00\nbuild=\n"
    );
    fs::write(tree.join("BOOT.CFG"), &config).unwrap();
    fs::write(tree.join("EFI/BOOT/BOOT.CFG"), &config).unwrap();
    fs::write(tree.join("EFI/BOOT/BOOTX64.EFI"), vec![1; 4000]).unwrap();
    fs::write(tree.join("ISOLINUX.BIN"), vec![2; 2048]).unwrap();
    fs::write(tree.join("EFIBOOT.IMG"), vec![3; 8192]).unwrap();
    fs::write(tree.join("B.B00"), vec![4; 5000]).unwrap();
    fs::write(tree.join("A.B00"), vec![5; 70_000]).unwrap();
    fs::write(tree.join("V.B00"), vec![6; 90_000]).unwrap();
    let images = ["-b", "ISOLINUX.BIN", "-no-emul-boot", "-boot-load-size", "4"];
    let efi = ["-eltorito-alt-boot", "-e", "EFIBOOT.IMG", "-no-emul-boot"];
    plain_disc("ESXI-8.0U2", &tree, &[images.as_slice(), efi.as_slice()].concat())
}

/// A task medium of which an ESXi installer wants `KS.CFG`.
pub(crate) fn esxi_task(kickstart: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("ks.cfg"), kickstart).unwrap();
    xorriso("TASK_0007", &tree, &[])
}

/// The same as a USB stick.
pub(crate) fn esxi_stick(kickstart: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let (image, file) = (dir.path().join("task.img"), dir.path().join("ks"));
    fs::write(&file, kickstart).unwrap();
    fs::File::create(&image).unwrap().set_len(1440 * 1024).unwrap();
    let image_name = image.to_str().unwrap();
    for (program, arguments) in [
        ("mformat", vec!["-f", "1440", "-v", "TASK_0007", "::"]),
        ("mcopy", vec![file.to_str().unwrap(), "::/ks.cfg"]),
    ] {
        let made = Command::new(program).args(["-i", image_name]).args(arguments).output();
        let made = made.expect("mtools is missing: apt-get install -y mtools");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    fs::read(image).unwrap()
}

/// A task medium for that serial and target.
pub(crate) fn task_medium(label: &str, serial: &str, target: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("job.json"), json!({"serials": [serial]}).to_string()).unwrap();
    fs::write(tree.join("recipe.json"), json!({"task_target": target}).to_string()).unwrap();
    fs::write(tree.join("recipe.schema.json"), "{}").unwrap();
    xorriso(label, &tree, &[])
}

pub(crate) fn linux_task() -> Vec<u8> {
    task_medium("TASK_0001", SERIAL, "install-linux.target")
}
