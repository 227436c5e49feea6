//! One log line per change. Alone in its binary: threads without a subscriber would make `tracing`
//! forget the line for all of them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod drive;

use std::{
    io,
    sync::{Arc, Mutex},
};

use drive::{at, claimed, id, until};
use shoal_core::{Event, Report, StepKey, Workflow};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_change_is_one_log_line_with_job_server_and_step() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            let (store, lease) = claimed(Workflow::Linux).await;
            until(&store, id(1), &lease, "await_boot").await;
            let report =
                Report::Failed { step: StepKey::WorkflowPartition, unit: None, message: None };
            let report = Event::Reported { attempt: 1, report };
            store.record(id(1), report, at(50), None).await.unwrap();
        });
    });

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let told: Vec<_> = text.lines().filter(|line| line.contains("job event")).collect();
    let job_id = format!("job_id={}", id(1));
    assert!(told.iter().all(|line| line.contains(&job_id) && line.contains("SRV-001")), "{text}");
    let built = told.iter().find(|line| line.contains(r#"phase_before="build""#));
    let built = built.unwrap_or_else(|| panic!("no line about the medium: {text}"));
    assert!(built.contains(r#"step="iso.build""#), "{built}");
    let failed: Vec<_> = told.iter().filter(|line| line.contains(r#"status="failed""#)).collect();
    assert_eq!(failed.len(), 1, "{text}");
    assert!(failed[0].contains(r#"step="workflow.partition""#), "{text}");
    assert!(failed[0].contains(r#"outcome="failed""#), "{text}");
}
