//! Whether the machine's clock follows others. Only the kernel knows, and the one way to ask it
//! without unsafe code is the machine's own program for it.

use std::{process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

const PATIENCE: Duration = Duration::from_secs(5);

/// What the machine says of its clock; none where nobody can tell, such as in most containers.
pub(super) async fn ask() -> Option<bool> {
    let asked = Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, asked).await.ok()?.ok()?;
    answer(output.status.success(), &output.stdout)
}

fn answer(success: bool, printed: &[u8]) -> Option<bool> {
    match printed.trim_ascii() {
        b"yes" if success => Some(true),
        b"no" if success => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_answer_counts() {
        assert_eq!(answer(true, b"yes\n"), Some(true));
        assert_eq!(answer(true, b"no\n"), Some(false));
        for (success, printed) in [(false, "yes\n"), (true, ""), (true, "Failed to connect")] {
            assert_eq!(answer(success, printed.as_bytes()), None, "{printed:?}");
        }
    }
}
