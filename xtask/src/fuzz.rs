//! `cargo xtask fuzz`: libFuzzer on every parser that strangers reach, for a bounded time each.
//!
//! The pinned stable compiler is enough: coverage counters come from a pass of LLVM which codegen
//! flags switch on, and since none of our code is unsafe no sanitizer is missed. What is found
//! is kept with the build output; what is worth keeping goes into `tests/fuzz/corpus`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{shell, workspace};

/// The workspace of the targets.
const PLACE: &str = "tests/fuzz";
/// What libFuzzer needs from the compiler: which edges were taken, and what was compared.
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    // Counters of one crate must not be discarded with an unused part of it.
    "-Ccodegen-units=1",
];
const USAGE: &str = "usage: cargo xtask fuzz [--target NAME] [--seconds N]";
/// Seconds for each target when a person asks for nothing else.
const USUAL_SECONDS: u32 = 60;
/// Seconds for each target within the test run.
const TEST_SECONDS: u32 = 5;
/// Largest input, in bytes: enough for every structure and small enough to be fast.
const LARGEST: u32 = 16 * 1024;
/// Longest single input, in seconds; much for a busy machine, and short for what never ends.
const SLOWEST: u32 = 60;
/// Most memory, in MiB.
const MOST_MEMORY: u32 = 1024;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (mut wanted, mut seconds) = (None, USUAL_SECONDS);
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let value = rest.next().context(USAGE)?;
        match flag.as_str() {
            "--target" => wanted = Some(value.as_str()),
            "--seconds" => seconds = value.parse().ok().filter(|it| *it > 0).context(USAGE)?,
            _ => bail!(USAGE),
        }
    }
    let mut targets = targets()?;
    if let Some(wanted) = wanted {
        let all = targets.join(", ");
        targets.retain(|target| target == wanted);
        ensure!(!targets.is_empty(), "there is no target {wanted:?}; there are: {all}");
    }
    hunt(&targets, seconds)
}

/// The part of it that runs with every test: the corpus and a few seconds of mutations.
pub(crate) fn briefly() -> Result<()> {
    hunt(&targets()?, TEST_SECONDS)
}

/// Gets what has to be there before the run goes offline.
pub(crate) fn fetch() -> Command {
    shell::cargo(&["fetch", "--locked", "--manifest-path", &manifest()])
}

/// Runs every target, so that one failure does not hide another.
fn hunt(targets: &[String], seconds: u32) -> Result<()> {
    let host = host()?;
    let build = workspace::target_directory()?.join("fuzz");
    let mut cargo = shell::cargo(&["build", "--locked", "--manifest-path", &manifest()]);
    // With a named platform the flags are kept away from build scripts and macros.
    cargo.args(["--target", &host]).arg("--target-dir").arg(&build);
    cargo.env("RUSTFLAGS", FLAGS.join(" ")).env_remove("CARGO_ENCODED_RUSTFLAGS");
    shell::run(&mut cargo).context("build the fuzz targets (they need a C++ compiler)")?;
    let mut failed = Vec::new();
    for target in targets {
        let program = build.join(&host).join("debug").join(target);
        if let Err(error) = hunt_one(&program, target, &build, seconds) {
            println!("{error:#}");
            failed.push(target.as_str());
        }
    }
    ensure!(failed.is_empty(), "fuzz targets failed: {}", failed.join(", "));
    Ok(())
}

fn hunt_one(program: &Path, target: &str, build: &Path, seconds: u32) -> Result<()> {
    let (found, broken) = (build.join("corpus").join(target), build.join("broken").join(target));
    for directory in [&found, &broken] {
        fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
    }
    let committed = shell::root().join(PLACE).join("corpus").join(target);
    ensure!(
        fs::read_dir(&committed).is_ok_and(|mut files| files.next().is_some()),
        "{} holds no input to start from",
        committed.display()
    );
    // New inputs go into the first directory, never among the committed ones.
    let mut command = shell::program(program);
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LARGEST}"))
        .arg(format!("-timeout={SLOWEST}"))
        .arg(format!("-rss_limit_mb={MOST_MEMORY}"))
        .arg(format!("-artifact_prefix={}/", broken.display()))
        .args(["-verbosity=0", "-print_final_stats=1"])
        .args([&found, &committed]);
    let again = format!("{} FILE", program.display());
    shell::run(&mut command).with_context(|| {
        format!("{target}: the input is in {}; run it alone with {again}", broken.display())
    })
}

/// The programs of the workspace, by its manifest.
fn targets() -> Result<Vec<String>> {
    let path = shell::root().join(manifest());
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let manifest: toml::Table = toml::from_str(&text).context("understand a manifest")?;
    let programs = manifest.get("bin").and_then(toml::Value::as_array);
    let name = |program: &toml::Value| Some(program.get("name")?.as_str()?.to_owned());
    let names: Vec<String> = programs.into_iter().flatten().filter_map(name).collect();
    ensure!(!names.is_empty(), "{} names no program", path.display());
    Ok(names)
}

fn manifest() -> String {
    format!("{PLACE}/Cargo.toml")
}

/// The platform of the compiler.
fn host() -> Result<String> {
    let compiler = std::env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from);
    let told = shell::read(Command::new(compiler).arg("-vV").current_dir(shell::root()))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("the compiler names no host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_something_to_start_from() {
        for target in targets().unwrap() {
            let corpus = shell::root().join(PLACE).join("corpus").join(&target);
            assert!(fs::read_dir(corpus).unwrap().next().is_some(), "{target}");
        }
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for arguments in [&["--targets", "x"][..], &["--seconds", "0"], &["--target"]] {
            let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
            assert!(run(&arguments).is_err(), "{arguments:?}");
        }
    }
}
