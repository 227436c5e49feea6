//! Generated files: pages and schemas written from code. Whoever owns one has a test whose name
//! ends in `is_current`; it compares the file with the code, and writes it first when
//! `SHOAL_GENERATE` is set.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::shell;

/// Directories that hold generated files.
const GENERATED: &[&str] = &["docs", "ops", "schemas"];

pub(crate) fn run(_: &[String]) -> Result<()> {
    let changed = regenerate()?;
    for path in &changed {
        println!("generate: wrote {}", path.display());
    }
    println!("generate: {} files changed", changed.len());
    Ok(())
}

/// Fails when writing the files again changes one of them.
pub(crate) fn check() -> Result<()> {
    let changed = regenerate()?;
    if !changed.is_empty() {
        let names: Vec<String> = changed.iter().map(|path| path.display().to_string()).collect();
        bail!("{} did not match the code and were written again: commit them", names.join(", "));
    }
    Ok(())
}

fn regenerate() -> Result<Vec<PathBuf>> {
    let before = contents()?;
    // The whole workspace, so that features are unified as in every other stage.
    let arguments = ["test", "--quiet", "--workspace", "--lib", "--bins", "--tests", "is_current"];
    let mut command = shell::cargo(&arguments);
    let printed = shell::read(command.env("SHOAL_GENERATE", "1"))?;
    if !printed
        .lines()
        .any(|line| line.starts_with("test result: ok.") && !line.contains(" 0 passed"))
    {
        bail!("no generator ran: their tests' names must contain `is_current`");
    }
    let after = contents()?;
    Ok(after
        .into_iter()
        .filter(|(path, text)| before.get(path) != Some(text))
        .map(|it| it.0)
        .collect())
}

fn contents() -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for directory in GENERATED {
        collect(&shell::root().join(directory), &mut found)?;
    }
    Ok(found)
}

fn collect(directory: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    if !directory.is_dir() {
        return Ok(());
    }
    let entries = fs::read_dir(directory).with_context(|| format!("list {}", directory.display()));
    for entry in entries? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else {
            let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            found.insert(path, bytes);
        }
    }
    Ok(())
}
