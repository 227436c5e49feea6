//! What is told of a command whose answer can no longer be stored. Alone in its binary: threads
//! without a subscriber would make `tracing` forget the lines for all of them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use shoal_core::{Command, JobId, NewJob, Plan, Verdict, Workflow};
use shoal_engine::{Effects, Engine, Gate, Settings, system_clock};
use shoal_store::{Created, Limits, NewRecord, Record, Server, Store, TlsPolicy};
use tokio::{sync::Notify, time::timeout};

/// Longest wait; nothing here takes a second.
const LIMIT: Duration = Duration::from_mins(5);

/// A BMC whose first answer is lost with the lease: it comes when it is let come.
#[derive(Clone, Default)]
struct World {
    asked: Arc<Notify>,
    answer: Arc<Notify>,
}

impl Effects for World {
    async fn perform(&self, _: &Record, _: Command) -> Verdict {
        self.asked.notify_one();
        self.answer.notified().await;
        Verdict::Unknown { detail: "the answer was lost".into() }
    }
}

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
fn a_command_whose_answer_is_stored_nowhere_is_told_before_what_kept_it_from_being_stored() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async { timeout(LIMIT, lease_is_lost()).await.unwrap() });
    });

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let told: Vec<&str> = text.lines().collect();
    let at = |words: &str| told.iter().position(|line| line.contains(words));
    let (answer, lease) = (at("the command's answer was lost"), at("belongs to another instance"));
    let (Some(answer), Some(lease)) = (answer, lease) else { panic!("{text}") };
    assert!(answer < lease, "{text}");
    assert!(told[answer].contains(r#"op="read_bmc""#), "{text}");
    assert!(told[answer].contains("retried=false"), "{text}");
}

/// Another instance adopts the job while its command is under way.
async fn lease_is_lost() {
    let (store, world) = (Store::scratch().unwrap(), World::default());
    // A slow disk is not what holds the job back here.
    let gate = Gate::new(Limits::default());
    let settings = Settings { gate, slow_commit: LIMIT, ..Settings::default() };
    let engine =
        Engine::start(store.clone(), world.clone(), system_clock(), settings).await.unwrap();
    queue_job(&store).await;
    world.asked.notified().await;
    store.adopt("next life", system_clock().now()).await.unwrap();
    world.answer.notify_one();
    engine.stop().await;
}

async fn queue_job(store: &Store) {
    let now = system_clock().now();
    let serial = || "SRV-1".parse().unwrap();
    let server = Server {
        serial: serial(),
        bmc_address: "https://bmc-1.example".into(),
        vendor_hint: None,
        tls: TlsPolicy::Insecure { reason: "a test".into() },
        media_scheme: None,
        allow_plain_media: false,
        media_host: None,
        labels: std::collections::BTreeMap::new(),
        quarantine: None,
    };
    store.put_server(server, None, "test", now).await.unwrap();
    let new = NewRecord {
        job: NewJob {
            id: JobId::from_u128(1),
            serial: serial(),
            plan: Plan::for_workflow(Workflow::Linux, "install-linux.target"),
            created_at: now,
            hands_off_until: None,
        },
        recipe: b"{}".to_vec(),
        priority: 0,
        labels: std::collections::BTreeMap::new(),
        retry_of: None,
        replaces: None,
        boot_url: None,
        traceparent: None,
        idempotency: None,
        actor: "test".into(),
    };
    let Created::New(_) = store.create(new).await.unwrap() else {
        panic!("the job was not created");
    };
}
