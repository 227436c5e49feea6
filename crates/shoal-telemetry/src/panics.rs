//! Panics as log lines and a counter. The default hook writes free text to standard error, where
//! neither an alert nor a log query finds it.

use std::panic::{self, PanicHookInfo};

use metrics::counter;

/// Replaces the process's panic hook.
pub(crate) fn install() {
    panic::set_hook(Box::new(report));
}

fn report(info: &PanicHookInfo<'_>) {
    counter!("panics_total").increment(1);
    let message = info.payload_as_str().unwrap_or("a value that is not text");
    let location = info.location().map(ToString::to_string);
    let thread = std::thread::current();
    tracing::error!(
        panic = message,
        location,
        thread = thread.name(),
        "a panic ended what this thread was doing"
    );
}
