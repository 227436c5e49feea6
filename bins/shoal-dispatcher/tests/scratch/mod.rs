//! A machine in a directory: a root, a task medium, DMI attributes and a systemctl that writes down
//! what it was asked.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use shoal_recipe::{JobFile, Recipe, task_file};
use tempfile::TempDir;

/// An id that owns nothing; systems call it nobody.
const NOBODY: u32 = 65_534;

pub(crate) struct Scratch {
    directory: TempDir,
    pub(crate) recipe: Value,
    pub(crate) job: Value,
}

pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) log: String,
    failure: Option<String>,
}

impl Scratch {
    /// A machine whose medium carries one of the published examples.
    pub(crate) fn new(example: &str) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |path: &str| -> Value {
            serde_json::from_slice(&fs::read(repository.join(path)).unwrap()).unwrap()
        };
        let scratch = Self {
            directory: tempfile::tempdir().unwrap(),
            recipe: read(&format!("schemas/examples/{example}.json")),
            job: read("crates/shoal-recipe/tests/golden/job.json"),
        };
        for directory in [
            "medium",
            "dev/disk/by-label",
            "sys/class/dmi/id",
            "etc/systemd/system",
            "usr/lib/systemd/system",
        ] {
            fs::create_dir_all(scratch.path(directory)).unwrap();
        }
        for target in ["install-linux.target", "install-windows.target", "wipe.target"] {
            fs::write(scratch.path("usr/lib/systemd/system").join(target), "[Unit]\n").unwrap();
        }
        // The files of the medium are those that the controller makes; tests then change some.
        let recipe = Recipe::from_value(scratch.recipe.clone()).unwrap().recipe;
        let job = JobFile::parse(scratch.job.to_string().as_bytes()).unwrap();
        for (name, bytes) in task_file::reveal_all(&recipe, &job) {
            fs::write(scratch.path("medium").join(name), bytes).unwrap();
        }
        fs::write(scratch.path("etc/os-release"), "ID=x\nPRETTY_NAME=\"Shoal Maintenance 7\"\n")
            .unwrap();
        scratch.dmi("product_serial", "F54P1G3\n");
        scratch.dmi("product_uuid", "4c4c4544-0035-3410-8050-c6c04f504733\n");
        scratch.systemctl("exit 0");
        scratch
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    pub(crate) fn unit(&self, name: &str) -> PathBuf {
        self.path("etc/systemd/system").join(name)
    }

    /// Puts recipe and job on the medium as they are now.
    pub(crate) fn write_medium(&self) {
        fs::write(self.path("medium/recipe.json"), self.recipe.to_string()).unwrap();
        fs::write(self.path("medium/job.json"), self.job.to_string()).unwrap();
    }

    pub(crate) fn dmi(&self, attribute: &str, value: &str) {
        fs::write(self.path("sys/class/dmi/id").join(attribute), value).unwrap();
    }

    /// Lets a device with this volume label appear; there is no such device behind it.
    pub(crate) fn label(&self, label: &str) {
        symlink("../../no-such-device", self.path("dev/disk/by-label").join(label)).unwrap();
    }

    pub(crate) fn script(&self, name: &str, body: &str) -> String {
        let path = self.path(name);
        let script = format!("#!/bin/sh\n{body}\n");
        // The script is moved into place, as a program that is still open for writing, even in a
        // process that another test is just starting, cannot be executed.
        let made = Command::new("/bin/sh")
            .args([
                "-c",
                "printf %s \"$1\" > \"$2.new\" && chmod 755 \"$2.new\" && mv \"$2.new\" \"$2\"",
                "sh",
            ])
            .arg(script)
            .arg(&path)
            .status();
        assert!(made.unwrap().success());
        path.to_str().unwrap().to_owned()
    }

    /// Replaces what systemctl does after it has written down its first call.
    pub(crate) fn systemctl(&self, body: &str) {
        let calls = self.path("systemctl.calls");
        self.script(
            "systemctl",
            &format!("[ \"$1\" = start ] && echo \"$@\" >> '{}'\n{body}", calls.display()),
        );
    }

    /// What systemctl was asked to start.
    pub(crate) fn started(&self) -> String {
        fs::read_to_string(self.path("systemctl.calls")).unwrap_or_default()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("run/provision").join(name)).unwrap()
    }

    /// Files below `run/provision` with their modes.
    pub(crate) fn provisioned(&self) -> Vec<(String, u32)> {
        let mut files: Vec<_> = fs::read_dir(self.path("run/provision"))
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                (entry.file_name().into_string().unwrap(), mode)
            })
            .collect();
        files.sort();
        files
    }

    /// Runs the dispatcher with the medium at hand.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let medium = self.path("medium");
        let mut all = vec!["--medium", medium.to_str().unwrap()];
        all.extend(arguments);
        self.look_for_medium(&all)
    }

    /// Runs the dispatcher without telling it where the medium is.
    pub(crate) fn look_for_medium(&self, arguments: &[&str]) -> Ended {
        self.finish(Command::new(env!("CARGO_BIN_EXE_shoal-dispatcher")), arguments)
    }

    /// The same without privileges, from a copy that nobody may execute too.
    pub(crate) fn look_for_medium_as_nobody(&self, arguments: &[&str]) -> Ended {
        let copied = Command::new("install")
            .args(["-m", "755", env!("CARGO_BIN_EXE_shoal-dispatcher")])
            .arg(self.path("dispatcher"))
            .status();
        assert!(copied.unwrap().success());
        let mut command = Command::new(self.path("dispatcher"));
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY);
        }
        self.finish(command, arguments)
    }

    fn finish(&self, mut command: Command, arguments: &[&str]) -> Ended {
        let output = command
            .args(["run", "--root"])
            .arg(self.directory.path())
            .arg("--systemctl")
            .arg(self.path("systemctl"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.stdout.is_empty());
        Ended {
            code: output.status.code().expect("the dispatcher was not killed"),
            log: String::from_utf8(output.stderr).unwrap(),
            failure: fs::read_to_string(self.path("run/provision/failure.json")).ok(),
        }
    }
}

impl Ended {
    /// Checks the exit code and that log and failure file say why.
    pub(crate) fn expect(&self, code: i32, why: &str) {
        assert_eq!(self.code, code, "{}", self.log);
        assert!(self.log.contains(why), "{}", self.log);
        if let Some(failure) = &self.failure {
            assert!(failure.contains(why), "{failure}");
            assert!(failure.contains(&format!("\"exit_code\":{code}")), "{failure}");
        } else {
            assert_eq!(code, 15, "only an unwritable directory may lack a failure file");
        }
    }
}
