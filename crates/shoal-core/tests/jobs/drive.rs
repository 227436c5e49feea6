//! A runner for tests: does what a job asks for, with a BMC that always obliges.

use std::time::Duration;

use shoal_core::{
    Applied, Command, Entry, Event, Fault, Ignored, Job, MediaClass, MediaPlan, Milestone, NewJob,
    Next, Plan, Power, Report, Seen, Sight, StepKey, Time, Verdict, Workflow,
};

pub(crate) const START: Time = Time::from_millis(1_700_000_000_000);
/// How long the BMC's power state may lag.
pub(crate) const SETTLE: Duration = Duration::from_secs(20);

/// A job, the time, and what was done for it so far.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) job: Job,
    pub(crate) now: Time,
    pub(crate) commands: Vec<String>,
    pub(crate) history: Vec<Entry>,
    pub(crate) media: MediaPlan,
}

pub(crate) fn plan(workflow: Workflow) -> Plan {
    let target = match workflow {
        Workflow::Linux => "install-linux.target",
        Workflow::Windows => "install-windows.target",
        Workflow::Esxi => "install-esxi.target",
        Workflow::Firmware => "supermicro-update.target",
        Workflow::Maintenance => "inventory.target",
    };
    Plan::for_workflow(workflow, target)
}

pub(crate) fn two_cds() -> MediaPlan {
    MediaPlan {
        class: MediaClass::TwoCd,
        boot_slot: "Cd".to_owned(),
        task_slot: Some("Cd2".to_owned()),
        spare_slots: Vec::new(),
        prefetches: false,
        settle: SETTLE,
        notes: Vec::new(),
        carried_by: String::new(),
    }
}

impl Run {
    pub(crate) fn of(workflow: Workflow) -> Self {
        Self::with(plan(workflow))
    }

    pub(crate) fn with(plan: Plan) -> Self {
        Self::after_first_boot(plan, None)
    }

    pub(crate) fn after_first_boot(plan: Plan, hands_off_until: Option<Time>) -> Self {
        let job = Job::new(NewJob {
            id: "0190a5d2-7e1c-7cc3-8000-000000000001".parse().unwrap(),
            serial: "SRV-1".parse().unwrap(),
            plan,
            created_at: START,
            hands_off_until,
        });
        Self { job, now: START, commands: Vec::new(), history: Vec::new(), media: two_cds() }
    }

    pub(crate) fn at(&self) -> &'static str {
        self.job.phase().name()
    }

    pub(crate) fn next(&self) -> Next {
        self.job.next(self.now)
    }

    /// Folds an event, or says why it was ignored.
    pub(crate) fn try_fold(&mut self, event: &Event) -> Result<(), Ignored> {
        match self.job.apply(event, self.now) {
            Applied::Changed { job, entries } => {
                self.job = *job;
                self.history.extend(entries);
                Ok(())
            }
            Applied::Ignored(reason) => Err(reason),
        }
    }

    /// Folds an event that must not be ignored.
    #[track_caller]
    pub(crate) fn fold(&mut self, event: &Event) {
        let name = event.name();
        if let Err(reason) = self.try_fold(event) {
            panic!("{name} was ignored in {}: {reason:?}", self.at());
        }
    }

    /// The command the job asks for now.
    #[track_caller]
    pub(crate) fn command(&self) -> Command {
        match self.next() {
            Next::Do(command) => command,
            other => panic!("{} does not work now: {other:?}", self.at()),
        }
    }

    /// Performs the command the job asks for, with this answer.
    #[track_caller]
    pub(crate) fn answer(&mut self, verdict: Verdict) -> Command {
        let command = self.command();
        self.commands.push(word(command));
        if command.is_fenced() {
            self.fold(&Event::Intended { seq: self.job.seq() });
        }
        self.fold(&Event::Answered { seq: self.job.seq(), command, verdict });
        command
    }

    /// Performs the command the job asks for, on a machine that is on.
    #[track_caller]
    pub(crate) fn work(&mut self) -> Command {
        let seen = seen(self.command(), &self.media);
        self.answer(Verdict::Done { seen })
    }

    /// Works on until the job is in a phase.
    #[track_caller]
    pub(crate) fn until(mut self, phase: &str) -> Self {
        for _ in 0..40 {
            if self.at() == phase {
                return self;
            }
            match self.next() {
                Next::Do(_) => _ = self.work(),
                Next::Record(event) => self.fold(&event),
                Next::Wait { .. } if self.at() == "queued" => self.fold(&Event::Claimed),
                Next::Wait { until: Some(until), .. } => self.now = until,
                Next::Wait { until: None, .. } | Next::Done => break,
            }
        }
        panic!("stopped in {} on the way to {phase}", self.at());
    }

    /// Works on until the machine has booted and is waited for.
    #[track_caller]
    pub(crate) fn booted(self) -> Self {
        let mut run = self.until("await_boot");
        run.read(Milestone::BootImageRead);
        run
    }

    #[track_caller]
    pub(crate) fn read(&mut self, milestone: Milestone) {
        let attempt = self.job.attempt();
        self.fold(&Event::MediaRead { attempt, milestone });
    }

    #[track_caller]
    pub(crate) fn report(&mut self, report: Report) {
        let attempt = self.job.attempt();
        self.fold(&Event::Reported { attempt, report });
    }

    /// Answers the look the job asks for.
    #[track_caller]
    pub(crate) fn look(&mut self, power: Power) {
        assert_eq!(self.command(), Command::Look);
        self.answer(machine(power));
    }

    pub(crate) fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    /// Passes time until the job asks for something, and says how long that took.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Duration {
        let since = self.now;
        for _ in 0..100 {
            match self.next() {
                Next::Wait { until: Some(until), .. } => self.now = until,
                _ => return self.now.since(since),
            }
        }
        panic!("{} waits for ever", self.at());
    }

    /// Lets the deadline pass.
    #[track_caller]
    pub(crate) fn run_out(&mut self) {
        self.now = self.job.deadline().expect("a deadline");
        match self.next() {
            Next::Record(event @ Event::DeadlinePassed { .. }) => self.fold(&event),
            other => panic!("the deadline of {} passed unseen: {other:?}", self.at()),
        }
    }
}

/// What a BMC that obliges shows after a command.
pub(crate) fn seen(command: Command, media: &MediaPlan) -> Seen {
    match command {
        Command::ReadBmc => Seen::Bmc { media: media.clone() },
        Command::BuildMedium => Seen::Medium { bytes: 4_194_304, sha256: "ab".repeat(32) },
        Command::Look => Seen::Machine { sight: Sight::of(Power::On) },
        Command::EnsureOff { .. }
        | Command::EnsureEjected { .. }
        | Command::EnsureTaskInserted
        | Command::EnsureBootInserted
        | Command::EnsureBootOnce
        | Command::EnsureOverrideOff { .. }
        | Command::PowerOn { .. } => Seen::Nothing,
    }
}

pub(crate) fn machine(power: Power) -> Verdict {
    Verdict::Done { seen: Seen::Machine { sight: Sight::of(power) } }
}

pub(crate) fn refused(fault: Fault) -> Verdict {
    Verdict::Refused { fault }
}

pub(crate) fn lost() -> Verdict {
    Verdict::Unknown { detail: "no answer within 30 s".to_owned() }
}

pub(crate) fn failure() -> Report {
    Report::Failed {
        step: StepKey::WorkflowPartition,
        unit: Some("partition.service".to_owned()),
        message: Some("the disk is too small".to_owned()),
    }
}

/// A command as one word, with what tells two of the same name apart.
pub(crate) fn word(command: Command) -> String {
    match command {
        Command::EnsureOff { cleaning }
        | Command::EnsureEjected { cleaning }
        | Command::EnsureOverrideOff { cleaning } => {
            format!("{}({cleaning:?})", command.name()).to_lowercase()
        }
        Command::PowerOn { purpose } => format!("power_on({purpose:?})").to_lowercase(),
        Command::ReadBmc
        | Command::BuildMedium
        | Command::EnsureTaskInserted
        | Command::EnsureBootInserted
        | Command::EnsureBootOnce
        | Command::Look => command.name().to_owned(),
    }
}
