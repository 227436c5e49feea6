//! Runs the benchmarks that exist. They compare with other tools in the same run and print ratios;
//! no test depends on them, since a busy machine would decide its outcome.

use anyhow::{Result, bail};

use crate::{shell, workspace};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (wanted, more) = match arguments {
        [wanted, more @ ..] => (Some(wanted), more),
        [] => (None, arguments),
    };
    let mut benches = Vec::new();
    for package in workspace::members()? {
        for target in &package.targets {
            let chosen = wanted.is_none_or(|name| *name == target.name);
            if target.kind.iter().any(|kind| kind == "bench") && chosen {
                benches.push((package.name.clone(), target.name.clone()));
            }
        }
    }
    if benches.is_empty() {
        bail!("there is no benchmark {}", wanted.map_or("in this workspace", String::as_str));
    }
    for (package, bench) in benches {
        println!("== {package} {bench}");
        let mut cargo = shell::cargo(&["bench", "--package", &package, "--bench", &bench]);
        // What follows the name is for the benchmark itself.
        shell::run(cargo.arg("--").args(more))?;
    }
    Ok(())
}
