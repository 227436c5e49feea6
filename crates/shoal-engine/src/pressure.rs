//! Back-pressure: when the database or a disk cannot keep up, jobs under way come first. The queue
//! rests until what was too much is down to half, so that it does not flutter.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{engine::Shared, gate::Pressure};

const LOOK: Duration = Duration::from_secs(5);

/// Less room than this on a disk, in bytes, closes the gate.
pub const LITTLE_SPACE: u64 = 512 * 1024 * 1024;

/// So much room, in bytes, opens the gate again; whoever writes to a disk of jobs leaves it free.
pub const ENOUGH_SPACE: u64 = LITTLE_SPACE * 2;

/// Looks now and then until the runner stops.
pub(crate) async fn follow(shared: Arc<Shared>) {
    while shared.stopping.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        let Some(seen) = look(&shared).await else { continue };
        let before = shared.gate().pressure();
        let after = judge(before.as_ref(), seen, shared.settings.slow_commit);
        if before.is_some() == after.is_some() && before == after {
            continue;
        }
        match (&before, &after) {
            (None, Some(pressure)) => tracing::warn!(?pressure, "no job is picked for now"),
            (Some(_), None) => tracing::info!("jobs are picked again"),
            _ => {}
        }
        shared.gate().set_pressure(after);
    }
}

/// What can be too much or too little.
struct Sight {
    commit: Duration,
    /// Bytes left where each directory is.
    free: Vec<(PathBuf, u64)>,
}

async fn look(shared: &Arc<Shared>) -> Option<Sight> {
    let shared = shared.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let sample = shared.store.sample().ok()?;
        // A disk that cannot be asked says nothing; readiness tells of it.
        let free = shared.settings.disks.iter().filter_map(|path| {
            let stat = rustix::fs::statvfs(path).ok()?;
            Some((path.clone(), stat.f_bavail.saturating_mul(stat.f_frsize)))
        });
        Some(Sight { commit: sample.last_group, free: free.collect() })
    });
    looked.await.ok().flatten()
}

fn judge(before: Option<&Pressure>, seen: Sight, slow_commit: Duration) -> Option<Pressure> {
    let enough = match before {
        Some(Pressure::LittleSpace { .. }) => ENOUGH_SPACE,
        Some(Pressure::SlowCommits { .. }) | None => LITTLE_SPACE,
    };
    let little = seen.free.into_iter().find(|(_, free)| *free < enough);
    if let Some((path, free_bytes)) = little {
        return Some(Pressure::LittleSpace { path, free_bytes });
    }
    let slow = match before {
        Some(Pressure::SlowCommits { .. }) => slow_commit / 2,
        Some(Pressure::LittleSpace { .. }) | None => slow_commit,
    };
    (seen.commit > slow).then_some(Pressure::SlowCommits { took: seen.commit })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn judged(before: Option<&Pressure>, commit_ms: u64, free: u64) -> Option<Pressure> {
        let free = vec![(PathBuf::from("/data"), GIB * 9), (PathBuf::from("/tasks"), free)];
        let seen = Sight { commit: Duration::from_millis(commit_ms), free };
        judge(before, seen, Duration::from_secs(1))
    }

    #[test]
    fn slow_commits_close_the_gate_until_they_take_half_as_long() {
        assert_eq!(judged(None, 1_000, GIB), None);
        let slow = judged(None, 1_001, GIB);
        assert_eq!(slow, Some(Pressure::SlowCommits { took: Duration::from_millis(1_001) }));
        assert!(judged(slow.as_ref(), 501, GIB).is_some());
        assert_eq!(judged(slow.as_ref(), 500, GIB), None);
    }

    #[test]
    fn a_full_disk_closes_the_gate_until_there_is_twice_the_room() {
        assert_eq!(judged(None, 0, GIB / 2), None);
        let full = judged(None, 0, GIB / 2 - 1);
        let path = PathBuf::from("/tasks");
        assert_eq!(full, Some(Pressure::LittleSpace { path, free_bytes: GIB / 2 - 1 }));
        assert!(judged(full.as_ref(), 0, GIB - 1).is_some());
        assert_eq!(judged(full.as_ref(), 0, GIB), None);
        assert!(matches!(judged(full.as_ref(), 9_000, GIB), Some(Pressure::SlowCommits { .. })));
    }
}
