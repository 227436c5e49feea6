//! How many files this process may have open. Every connection is one, and the usual soft limit of
//! 1024 dates from a time of other programs; the hard limit is what the operator means.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Limits;

/// More than this is of no use to us, and makes some libraries slow.
const MOST: u64 = 65_536;

/// Files that are no connections: the database, media, BMCs, logs.
const OURS: u64 = 512;

/// Listeners that strangers can reach and that share what is left.
const LISTENERS: u64 = 2;

/// Lets this process open as many files as its hard limit allows, and answers how many that are.
pub(crate) fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let (current, hard) = (current.unwrap_or(MOST), maximum.unwrap_or(MOST));
    let wanted = hard.min(MOST).max(current);
    if wanted == current {
        return current;
    }
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    match raised {
        Ok(()) => wanted,
        Err(error) => {
            tracing::warn!(%error, "could not raise the limit of open files");
            current
        }
    }
}

impl Limits {
    /// As many connections as that many open files have room for, and no more than usual.
    #[must_use]
    pub fn within(self, files: u64) -> Self {
        let room = usize::try_from(files.saturating_sub(OURS) / LISTENERS).unwrap_or(usize::MAX);
        let connections = self.connections.min(room.max(16));
        if connections < self.connections {
            let usual = self.connections;
            tracing::warn!(connections, usual, files, "few connections fit; raise LimitNOFILE");
        }
        Self { connections, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_into_the_limit_of_files() {
        let within = |files| Limits::default().within(files).connections;
        assert_eq!(within(1024), 256);
        assert_eq!(within(524_288), Limits::default().connections);
        assert_eq!(within(100), 16, "a listener that takes nobody is none");
        assert!(raise() >= 1024);
    }
}
