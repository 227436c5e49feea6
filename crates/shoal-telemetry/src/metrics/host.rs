//! Figures of the process and of the disks it writes to. They are sampled when somebody asks,
//! because nobody tells us when they change.

use std::path::PathBuf;

use metrics::gauge;
use metrics_process::Collector;

pub(super) struct Host {
    process: Collector,
    disks: Vec<PathBuf>,
}

impl Host {
    pub(super) fn new(disks: Vec<PathBuf>) -> Self {
        Self { process: Collector::default(), disks }
    }

    pub(super) fn sample(&self) {
        self.process.collect();
        gauge!("open_fds").set(open_fds());
        for disk in &self.disks {
            sample_disk(disk);
        }
    }
}

/// The alias must agree with `process_open_fds`, so both count the same directory.
#[expect(clippy::cast_precision_loss, reason = "a process has far fewer than 2^52 descriptors")]
fn open_fds() -> f64 {
    std::fs::read_dir("/proc/self/fd").map_or(0.0, |entries| entries.count() as f64)
}

/// A path that cannot be asked keeps its last figures; the alert on an absent series and the
/// readiness check report it, a zero would report a full disk.
#[expect(clippy::cast_precision_loss, reason = "the figures are for graphs")]
fn sample_disk(disk: &PathBuf) {
    let label = disk.display().to_string();
    match rustix::fs::statvfs(disk) {
        Ok(stat) => {
            // Available, not free: the blocks reserved for root are of no use to the service.
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let size = stat.f_blocks.saturating_mul(stat.f_frsize);
            gauge!("disk_free_bytes", "path" => label.clone()).set(free as f64);
            gauge!("disk_size_bytes", "path" => label.clone()).set(size as f64);
            gauge!("disk_inodes_free", "path" => label).set(stat.f_favail as f64);
        }
        Err(errno) => {
            let error = std::io::Error::from(errno);
            tracing::warn!(path = label, %error, "free space of a configured path is unknown");
        }
    }
}
