//! The runner against a real store and a small world in memory.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use shoal_core::{
    Command, Event, JobId, MediaClass, MediaPlan, Milestone, NewJob, OutcomeKind, Plan, Power,
    Purpose, Report, Seen, Sight, Status, Time, Verdict, Workflow,
};
use shoal_engine::{Closed, Effects, Engine, Gate, Settings, system_clock};
use shoal_store::{Created, Limits, NewRecord, Record, Server, Store, TlsPolicy};
use tokio::sync::Notify;

/// Longer than any test takes.
const NEVER: Duration = Duration::from_hours(1);

/// After so much waiting a BMC counts as dead. A command of any other takes no time at all.
const PATIENCE: Duration = Duration::from_secs(2);

/// One machine per job, all behind one port.
#[derive(Clone, Default)]
struct World(Arc<Inner>);

#[derive(Default)]
struct Inner {
    log: Mutex<Vec<(JobId, Command)>>,
    busy: Mutex<(usize, usize)>,
    /// While set, every command waits until it is notified.
    hold: Mutex<Option<Arc<Notify>>>,
    lose_power_on: Mutex<bool>,
    /// The job whose BMC answers one command each time it is notified.
    slow: Mutex<Option<(JobId, Arc<Notify>)>>,
}

impl World {
    fn count(&self, wanted: Command) -> usize {
        self.0.log.lock().unwrap().iter().filter(|(_, command)| *command == wanted).count()
    }

    fn most_busy(&self) -> usize {
        self.0.busy.lock().unwrap().1
    }
}

impl Effects for World {
    async fn perform(&self, record: &Record, command: Command) -> Verdict {
        {
            let mut busy = self.0.busy.lock().unwrap();
            busy.0 += 1;
            busy.1 = busy.1.max(busy.0);
        }
        self.0.log.lock().unwrap().push((record.job.id(), command));
        let hold = self.0.hold.lock().unwrap().clone();
        let slow = self.0.slow.lock().unwrap().clone();
        if let Some((_, answer)) = slow.filter(|(job, _)| *job == record.job.id()) {
            answer.notified().await;
        }
        match hold {
            Some(hold) => hold.notified().await,
            None => tokio::task::yield_now().await,
        }
        self.0.busy.lock().unwrap().0 -= 1;
        if command == (Command::PowerOn { purpose: Purpose::Install })
            && std::mem::take(&mut *self.0.lose_power_on.lock().unwrap())
        {
            return Verdict::Unknown { detail: "the answer was lost".into() };
        }
        Verdict::Done { seen: seen(command) }
    }
}

fn seen(command: Command) -> Seen {
    match command {
        Command::ReadBmc => Seen::Bmc {
            media: MediaPlan {
                class: MediaClass::TwoCd,
                boot_slot: "1".into(),
                task_slot: Some("2".into()),
                spare_slots: Vec::new(),
                prefetches: false,
                settle: Duration::from_millis(50),
                notes: Vec::new(),
                carried_by: String::new(),
            },
        },
        Command::BuildMedium => Seen::Medium { bytes: 1, sha256: "00".into() },
        Command::Look => Seen::Machine { sight: Sight::of(Power::On) },
        _ => Seen::Nothing,
    }
}

struct Bench {
    store: Store,
    world: World,
}

impl Bench {
    fn new() -> Self {
        Self { store: Store::scratch().unwrap(), world: World::default() }
    }

    async fn start(&self, workers: usize) -> Engine {
        self.start_with(Limits { workers, ..Limits::default() }, NEVER).await
    }

    /// A runner with one worker, for which a BMC that does not answer counts as dead.
    async fn start_impatient(&self) -> Engine {
        self.start_with(Limits { workers: 1, ..Limits::default() }, PATIENCE).await
    }

    /// A runner whose places do not depend on how fast this machine is, nor its disk.
    async fn start_with(&self, limits: Limits, patience: Duration) -> Engine {
        let gate = Gate::new(limits);
        let settings = Settings { gate, patience, slow_commit: NEVER, ..Settings::default() };
        Engine::start(self.store.clone(), self.world.clone(), system_clock(), settings)
            .await
            .unwrap()
    }

    async fn job(&self, number: u32) -> JobId {
        let now = system_clock().now();
        let serial = format!("SRV-{number}");
        let server = Server {
            serial: serial.parse().unwrap(),
            bmc_address: format!("https://bmc-{number}.example"),
            vendor_hint: None,
            tls: TlsPolicy::Insecure { reason: "a test".into() },
            media_scheme: None,
            allow_plain_media: false,
            media_host: None,
            labels: std::collections::BTreeMap::new(),
            quarantine: None,
        };
        self.store.put_server(server, None, "test", now).await.unwrap();
        let mut plan = Plan::for_workflow(Workflow::Linux, "install-linux.target");
        plan.budgets.settle = Duration::ZERO;
        let new = NewRecord {
            job: NewJob {
                id: JobId::from_u128(u128::from(number)),
                serial: serial.parse().unwrap(),
                plan,
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
        let Created::New(record) = self.store.create(new).await.unwrap() else {
            panic!("the job was not created");
        };
        record.job.id()
    }

    /// Waits, by the store's own changes, until a job is where it should be.
    async fn until(&self, job: JobId, there: impl Fn(&Record) -> bool) -> Record {
        let mut changes = self.store.subscribe();
        let wait = async {
            loop {
                let record = self.store.job(job).await.unwrap().unwrap();
                if there(&record) {
                    return record;
                }
                _ = changes.recv().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), wait).await.unwrap()
    }

    async fn tell(&self, job: JobId, event: Event) {
        self.store.record(job, event, system_clock().now(), None).await.unwrap();
    }

    /// What a machine that installs and reports makes happen.
    async fn machine_installs(&self, job: JobId) {
        self.until(job, |record| record.job.phase().name() == "await_boot").await;
        self.tell(job, Event::MediaRead { attempt: 1, milestone: Milestone::BootImageRead }).await;
        self.tell(job, Event::Reported { attempt: 1, report: Report::Success }).await;
    }
}

fn is_complete(record: &Record) -> bool {
    record.job.status() == Status::Complete
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_carried_from_the_queue_to_complete() {
    let bench = Bench::new();
    let engine = bench.start(2).await;
    let job = bench.job(1).await;
    bench.machine_installs(job).await;

    let record = bench.until(job, is_complete).await;

    assert_eq!(record.job.outcome().unwrap().kind, OutcomeKind::Succeeded);
    assert_eq!(bench.world.count(Command::PowerOn { purpose: Purpose::Install }), 1);
    assert_eq!(bench.world.count(Command::PowerOn { purpose: Purpose::Deliver }), 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_on_whose_answer_was_lost_is_looked_at_and_never_sent_again() {
    let bench = Bench::new();
    *bench.world.0.lose_power_on.lock().unwrap() = true;
    let engine = bench.start(1).await;
    let job = bench.job(1).await;

    bench.until(job, |record| record.job.phase().name() == "await_boot").await;

    assert_eq!(bench.world.count(Command::PowerOn { purpose: Purpose::Install }), 1);
    assert!(bench.world.count(Command::Look) >= 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_found_with_an_intent_at_start_is_only_looked_at() {
    let bench = Bench::new();
    let hold = Arc::new(Notify::new());
    *bench.world.0.hold.lock().unwrap() = Some(hold.clone());
    let engine = bench.start(1).await;
    let job = bench.job(1).await;
    // Whatever is under way is let through until the intent is stored and its command held.
    let intended = |record: &Record| record.job.power_intended();
    while !intended(&bench.store.job(job).await.unwrap().unwrap()) {
        hold.notify_one();
        tokio::task::yield_now().await;
    }
    let lease_of_the_dead = bench.store.adopt("next life", system_clock().now()).await.unwrap();
    *bench.world.0.hold.lock().unwrap() = None;
    hold.notify_one();
    engine.stop().await;
    assert!(lease_of_the_dead.lease.epoch > 0);
    let sent = bench.world.count(Command::PowerOn { purpose: Purpose::Install });

    let engine = bench.start(1).await;
    bench.until(job, |record| record.job.phase().name() == "await_boot").await;

    assert_eq!(bench.world.count(Command::PowerOn { purpose: Purpose::Install }), sent);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_bound_how_many_jobs_work_on_bmcs_and_waiting_jobs_hold_none() {
    let bench = Bench::new();
    let engine = bench.start(2).await;
    let mut jobs = Vec::new();
    for number in 1..=12 {
        jobs.push(bench.job(number).await);
    }
    for job in &jobs {
        bench.machine_installs(*job).await;
    }
    for job in jobs {
        bench.until(job, is_complete).await;
    }
    assert!(bench.world.most_busy() <= 2, "{} commands at one time", bench.world.most_busy());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_runner_leaves_the_queue_alone_until_it_is_resumed() {
    let bench = Bench::new();
    let engine = bench.start(1).await;
    engine.gate().drain(true);
    let job = bench.job(1).await;
    assert_eq!(engine.gate().closed(), Some(Closed::Draining));
    assert!(!engine.is_picking());
    assert_eq!(bench.store.job(job).await.unwrap().unwrap().job.status(), Status::Queued);

    engine.gate().drain(false);

    bench.until(job, |record| record.job.status() == Status::Provisioning).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_lets_a_command_finish_and_stores_its_answer() {
    let bench = Bench::new();
    let hold = Arc::new(Notify::new());
    *bench.world.0.hold.lock().unwrap() = Some(hold.clone());
    let engine = bench.start(1).await;
    let job = bench.job(1).await;
    bench.until(job, |record| record.job.phase().name() == "discover").await;
    while bench.world.count(Command::ReadBmc) == 0 {
        tokio::task::yield_now().await;
    }

    let mut stopping = pin!(engine.stop());
    // It is told to stop by now, and waits for the command.
    assert!(poll_fn(|cx| Poll::Ready(stopping.as_mut().poll(cx))).await.is_pending());
    hold.notify_one();
    stopping.await;

    let record = bench.store.job(job).await.unwrap().unwrap();
    assert_eq!(record.job.phase().name(), "build");
    assert!(record.job.media().is_some());
    assert_eq!(record.job.created_at().max(Time::from_millis(0)), record.job.created_at());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bmc_that_never_answers_does_not_keep_the_only_worker() {
    let bench = Bench::new();
    *bench.world.0.slow.lock().unwrap() = Some((JobId::from_u128(1), Arc::default()));
    let dead = bench.job(1).await;
    let engine = bench.start_impatient().await;
    bench.until(dead, |record| record.job.phase().name() == "discover").await;
    let job = bench.job(2).await;
    bench.machine_installs(job).await;

    bench.until(job, is_complete).await;

    assert_eq!(bench.store.job(dead).await.unwrap().unwrap().job.phase().name(), "discover");
    assert!(engine.is_picking());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_that_are_raised_let_the_queue_go_on() {
    let bench = Bench::new();
    let engine = bench.start_with(Limits { active: 1, ..Limits::default() }, NEVER).await;
    let first = bench.job(1).await;
    bench.until(first, |record| record.job.phase().name() == "await_boot").await;
    let second = bench.job(2).await;

    engine.gate().set_limits(Limits { active: 2, ..Limits::default() });

    bench.until(second, |record| record.job.status() == Status::Provisioning).await;
    engine.stop().await;
    let adopted = bench.store.adopt("next", system_clock().now()).await.unwrap();
    assert_eq!(adopted.stolen, 0, "a clean stop gives its jobs back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_bmc_answers_at_last_says_that_it_waits_for_a_worker_and_gets_one() {
    let bench = Bench::new();
    let answer = Arc::new(Notify::new());
    *bench.world.0.slow.lock().unwrap() = Some((JobId::from_u128(1), answer.clone()));
    let slow = bench.job(1).await;
    let engine = bench.start_impatient().await;
    bench.until(slow, |record| record.job.phase().name() == "discover").await;
    let other = bench.job(2).await;
    bench.until(other, |record| record.job.phase().name() == "await_boot").await;

    answer.notify_one();

    bench.until(slow, |record| record.job.phase().name() == "build").await;
    while !engine.gate().waits_for_worker(slow) {
        tokio::task::yield_now().await;
    }
    *bench.world.0.slow.lock().unwrap() = None;
    bench.machine_installs(other).await;
    bench.until(slow, |record| record.job.phase().name() == "await_boot").await;
    assert!(!engine.gate().waits_for_worker(slow));
    engine.stop().await;
}
