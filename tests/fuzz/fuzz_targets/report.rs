#![no_main]
//! Any body is a report or a refusal that names its place; a report survives being written.

use libfuzzer_sys::fuzz_target;
use shoal_webhook::{REPORT_MAX, Report, TraceParent, step_for_unit};

fuzz_target!(|bytes: &[u8]| {
    match Report::parse(bytes) {
        Ok(report) => {
            let body = report.to_json();
            assert!(body.len() <= REPORT_MAX);
            let identity = report.identity(1);
            assert!(
                identity.as_str().len() <= 300 && !identity.as_str().contains(char::is_control)
            );
            assert_eq!(
                Report::parse(body.as_bytes()),
                Ok(report),
                "a report reads back differently"
            );
        }
        Err(invalid) => assert!(invalid.path.is_empty() || invalid.path.starts_with('/')),
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert!(TraceParent::parse(text).is_none_or(|parent| parent.as_str() == text));
        assert!(step_for_unit(text).is_none_or(|step| step.starts_with("workflow.")));
    }
});
