//! One dead BMC does not move the others: whole jobs through the real runner and a real store, in
//! virtual time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use shoal_core::{
    Command, Event, Fault, JobId, MediaClass, MediaPlan, Milestone, NewJob, Next, Plan, Power,
    Report, Seen, Sight, Status, Time, Verdict, Workflow,
};
use shoal_engine::{Clock, Effects, Engine, Gate, Settings};
use shoal_store::{Limits, NewRecord, Record, Server, Store, TlsPolicy};
use tokio::{task::JoinSet, time::Instant};

const JOBS: u128 = 12;
const WORKERS: usize = 3;
/// What a BMC takes for one command.
const COMMAND: Duration = Duration::from_secs(2);
/// After that a command to a dead BMC is given up.
const TIMEOUT: Duration = Duration::from_mins(3);
/// Between a power-on and the machine's first read; until then its job keeps its place.
const BOOT: Duration = Duration::from_secs(2);
/// Between that and its report: long enough for every job to get there before the first one cleans
/// up, so that who comes first at a place does not depend on who asked a moment earlier.
const INSTALL: Duration = Duration::from_secs(100);
/// Between two looks at a BMC.
const LOOK: Duration = Duration::from_secs(10);
/// How far virtual time goes at once, and so how exactly anything is measured.
const STEP: Duration = Duration::from_secs(1);
/// Steps of one run at most.
const MOST: usize = 2_000;

/// BMCs that take their time, and one that never answers.
#[derive(Clone)]
struct Rack {
    store: Store,
    clock: Clock,
    dead: Option<JobId>,
    /// Jobs whose BMC is doing something.
    busy: Arc<Mutex<BTreeSet<JobId>>>,
    machines: Arc<Mutex<JoinSet<()>>>,
}

impl Effects for Rack {
    async fn perform(&self, record: &Record, command: Command) -> Verdict {
        let job = record.job.id();
        self.busy.lock().unwrap().insert(job);
        let is_dead = self.dead == Some(job);
        tokio::time::sleep(if is_dead { TIMEOUT } else { COMMAND }).await;
        self.busy.lock().unwrap().remove(&job);
        if is_dead {
            return Verdict::Refused { fault: Fault::transient("the BMC does not answer") };
        }
        if matches!(command, Command::PowerOn { .. }) && record.job.outcome().is_none() {
            let machine = self.clone().installs(job, record.job.attempt());
            self.machines.lock().unwrap().spawn(machine);
        }
        Verdict::Done { seen: seen(command) }
    }
}

impl Rack {
    /// What a machine makes happen that was switched on.
    async fn installs(self, job: JobId, attempt: u32) {
        for (after, event) in [
            (BOOT, Event::MediaRead { attempt, milestone: Milestone::BootImageRead }),
            (INSTALL, Event::Reported { attempt, report: Report::Success }),
        ] {
            tokio::time::sleep(after).await;
            self.store.record(job, event, self.clock.now(), None).await.unwrap();
        }
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
                settle: Duration::ZERO,
                notes: Vec::new(),
                carried_by: String::new(),
            },
        },
        Command::BuildMedium => Seen::Medium { bytes: 1, sha256: "00".into() },
        Command::Look => Seen::Machine { sight: Sight::of(Power::On) },
        _ => Seen::Nothing,
    }
}

/// Keeps virtual time from passing by itself. The store works on threads of its own, for which a
/// paused clock does not wait: it would run ahead of every commit.
struct StoppedTime(Option<mpsc::Sender<()>>);

impl StoppedTime {
    fn new() -> Self {
        let (release, held) = mpsc::channel::<()>();
        // While a blocking task runs, the clock goes only where it is told to.
        drop(tokio::task::spawn_blocking(move || held.recv()));
        Self(Some(release))
    }
}

impl Drop for StoppedTime {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

fn job(number: u128) -> JobId {
    JobId::from_u128(number)
}

async fn add(store: &Store, number: u128, now: Time) {
    let serial: shoal_core::ServerSerial = format!("SRV-{number}").parse().unwrap();
    let tls = TlsPolicy::Insecure { reason: "a test".into() };
    let server = Server::new(serial.clone(), format!("https://bmc-{number}.example"), tls);
    store.put_server(server, None, "test", now).await.unwrap();
    let mut plan = Plan::for_workflow(Workflow::Linux, "install-linux.target");
    plan.budgets.look = LOOK;
    let new = NewJob {
        id: job(number),
        serial,
        plan,
        // The order in which they are taken.
        created_at: Time::from_millis(now.as_millis() + u64::try_from(number).unwrap()),
        hands_off_until: None,
    };
    store.create(NewRecord::new(new, b"{}".to_vec(), "test")).await.unwrap();
}

/// Whether nothing will happen to the job before time passes.
fn rests(record: &Record, rack: &Rack, gate: &Gate) -> bool {
    let job = &record.job;
    let waits = matches!(job.next(rack.clock.now()), Next::Wait { .. } | Next::Done);
    waits || gate.waits_for_worker(job.id()) || rack.busy.lock().unwrap().contains(&job.id())
}

/// Lets everybody do what there is to do now.
async fn settle(rack: &Rack, gate: &Gate) {
    let mut quiet = 0;
    for _ in 0..10_000 {
        // Writes are done in their order, and so are reads: once these are, all before them are.
        rack.store.alive(rack.clock.now()).await.unwrap();
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        let records = rack.store.unfinished().await.unwrap();
        quiet = if records.iter().all(|record| rests(record, rack, gate)) { quiet + 1 } else { 0 };
        if quiet == 3 {
            return;
        }
    }
    panic!("never at rest");
}

/// When each of these jobs was complete, in virtual time, if this one's BMC is dead.
async fn ends(
    jobs: impl Iterator<Item = u128>,
    dead: Option<u128>,
    patience: Duration,
) -> BTreeMap<u128, Duration> {
    let _stopped = StoppedTime::new();
    let store = Store::scratch().unwrap();
    let start = Instant::now();
    let base = Time::from_millis(1_700_000_000_000);
    let clock = Clock::new(move || base + start.elapsed(), move || start.elapsed());
    let mut healthy = BTreeSet::new();
    for number in jobs {
        add(&store, number, base).await;
        healthy.extend((dead != Some(number)).then_some(number));
    }
    let rack = Rack {
        store: store.clone(),
        clock: clock.clone(),
        dead: dead.map(job),
        busy: Arc::default(),
        machines: Arc::default(),
    };
    let gate = Gate::new(Limits { workers: WORKERS, ..Limits::default() });
    // Commits take real time, of which nothing here may depend.
    let slow_commit = Duration::MAX;
    let settings = Settings { gate: gate.clone(), patience, slow_commit, ..Settings::default() };
    let _engine = Engine::start(store.clone(), rack.clone(), clock, settings).await.unwrap();
    let mut ends = BTreeMap::new();
    for _ in 0..MOST {
        settle(&rack, &gate).await;
        for number in healthy.clone() {
            let record = store.job(job(number)).await.unwrap().unwrap();
            if record.job.status() == Status::Complete {
                healthy.remove(&number);
                ends.insert(number, start.elapsed());
            }
        }
        if healthy.is_empty() {
            return ends;
        }
        tokio::time::advance(STEP).await;
    }
    panic!("{healthy:?} did not end")
}

#[test]
fn one_dead_bmc_does_not_move_the_others() {
    // One thread holds the clock. The other does what blocks, and so all reads in their order.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .max_blocking_threads(2)
        .build();
    runtime.unwrap().block_on(async {
        let patience = Settings::default().patience;
        // It comes second: whatever it costs, it costs those that are behind it in the queue.
        let (dead, others) = (2, (1..=JOBS).filter(|number| *number != 2));

        let without = ends(others.clone(), None, patience).await;
        let with = ends(1..=JOBS, Some(dead), patience).await;
        let held = ends(1..=JOBS, Some(dead), TIMEOUT).await;

        for number in others {
            let (with, without) = (with[&number], without[&number]);
            let moved = with.abs_diff(without);
            assert!(moved <= LOOK, "{number} ended after {with:?} instead of {without:?}");
        }
        // The measure can tell: had it kept its place, it would have moved somebody further.
        assert!(
            held.iter().any(|(number, end)| *end > without[number] + LOOK),
            "{held:?} {without:?}"
        );
    });
}
