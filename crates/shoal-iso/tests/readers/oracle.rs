//! Running the independent readers. A reader that is not installed fails the test which needs it,
//! with the command that installs it: a skipped oracle would be a test that cannot fail.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const INSTALL: &str = "apt-get install -y xorriso genisoimage libarchive-tools p7zip-full mtools \
    dosfstools";

/// Output of a tool that must succeed, in UTC and UTF-8.
pub(crate) fn run(tool: &str, args: &[&str], dir: &Path) -> String {
    let output = Command::new(tool)
        .args(args)
        .current_dir(dir)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .output()
        .unwrap_or_else(|error| panic!("cannot run {tool} ({error}): {INSTALL}"));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {args:?}: {}\n{stdout}\n{stderr}", output.status);
    stdout
}

/// Every file below `dir`, by name, with its content.
pub(crate) fn files_in(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}
