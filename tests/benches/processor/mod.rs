//! Processor time of a process. It says more than a rate on a machine that others use, too, and what a
//! controller needs for one job is what decides how many it can take.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// Processor time that a process has used so far, its own and the system's for it.
pub(crate) fn used(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit(')').next().context("read the times of a process")?;
    // Fields 14 and 15 of the line, 12 and 13 behind the name; in hundredths of a second.
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}
