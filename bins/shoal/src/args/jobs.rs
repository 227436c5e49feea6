//! Verbs on jobs.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Yes, idempotency_key, job_id, label, serial};

#[derive(Debug, Subcommand)]
pub(crate) enum JobsVerb {
    /// Check a recipe here, then have the controller carry it out on one server
    Create(Create),
    /// List jobs, newest first
    List(List),
    /// Show one job: where it is, what it waits for, what was seen
    Show(Show),
    /// Show what was said to the BMC before steps of a job failed
    Transcript(Job),
    /// Follow jobs until nothing is left to do; the exit code tells how they ended
    Watch(Watch),
    /// End a job as cancelled and clean up
    Cancel(Stop),
    /// End a job as failed and clean up
    Fail(Stop),
    /// Answer for a job that is held
    Decide(Decide),
    /// Carry a job's recipe out again, as a new job
    Requeue(Requeue),
    /// Move a queued job before or behind others
    Priority(Priority),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shoal jobs create -f recipe.json --server SRV-1 --watch
  shoal jobs create -f recipe.json --server SRV-1 --dry-run --probe live")]
pub(crate) struct Create {
    /// The recipe as a JSON file; - reads standard input
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The server to provision
    #[arg(long, value_name = "SERIAL", value_parser = serial)]
    pub(crate) server: String,
    /// The same key never makes a second job; generated and printed when absent
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    pub(crate) idempotency_key: Option<String>,
    /// Jobs with a higher number are taken first; from -100 to 100, usually 0
    #[arg(long, value_name = "N", allow_negative_numbers = true,
          value_parser = clap::value_parser!(i32).range(-100..=100))]
    pub(crate) priority: Option<i32>,
    /// A label for finding the job again; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// What becomes of the server when the job fails: it stays off, boots its disk, or is left alone
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) on_failure: Option<OnFailure>,
    /// Boot medium to use instead of the controller's own; its reads cannot be observed
    #[arg(long, value_name = "URL")]
    pub(crate) boot_url: Option<String>,
    /// Show what would be done and what would fail; no job is stored
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// With --dry-run: what to know about the BMC from, its newest probe or a look made now
    #[arg(long, value_enum, value_name = "WHICH", requires = "dry_run", default_value_t = Probed::Last)]
    pub(crate) probe: Probed,
    /// Follow the job to its end, as jobs watch does
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) watch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Probed {
    Last,
    Live,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum OnFailure {
    Off,
    Reset,
    Leave,
}

impl OnFailure {
    /// The word of the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Reset => "reset",
            Self::Leave => "leave",
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shoal jobs list --since 24h
  shoal jobs list --stuck
  shoal jobs list --queue")]
pub(crate) struct List {
    /// Only jobs with this status: queued, provisioning, succeeded, failed, cancelled, complete
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only jobs of this server
    #[arg(long, value_name = "SERIAL", value_parser = serial)]
    pub(crate) server: Option<String>,
    /// Only jobs with this task target, such as install-linux.target
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// Only jobs created since then: a span such as 90m, 24h, 7d, or a time in RFC 3339
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
    /// Only jobs that have been without progress for longer than they should
    #[arg(long)]
    pub(crate) stuck: bool,
    /// Only queued jobs, the next one first, with their places and when they will probably start;
    /// asks the controller once per job
    #[arg(long, conflicts_with_all = ["status", "stuck"])]
    pub(crate) queue: bool,
    /// The most jobs to list
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The job
    #[arg(value_name = "ID", value_parser = job_id)]
    pub(crate) id: String,
    /// List its events as well
    #[arg(long)]
    pub(crate) events: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// The jobs
    #[arg(value_name = "ID", required = true, value_parser = job_id)]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Job {
    /// The job
    #[arg(value_name = "ID", value_parser = job_id)]
    pub(crate) id: String,
}

#[derive(Debug, Args)]
pub(crate) struct Stop {
    #[command(flatten)]
    pub(crate) job: Job,
    /// Also while firmware may be being written, which can destroy the machine
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) yes: Yes,
}

#[derive(Debug, Args)]
pub(crate) struct Decide {
    #[command(flatten)]
    pub(crate) job: Job,
    /// Go on, or say how it ended
    #[arg(value_enum, value_name = "ANSWER")]
    pub(crate) answer: Answer,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Answer {
    Retry,
    Failed,
    Succeeded,
}

impl Answer {
    /// The word of the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Failed => "failed",
            Self::Succeeded => "succeeded",
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shoal jobs requeue 0190a5d2-7e1c-7cc3-8000-000000000001
  shoal jobs requeue 0190a5d2-7e1c-7cc3-8000-000000000001 --replace --yes")]
pub(crate) struct Requeue {
    #[command(flatten)]
    pub(crate) job: Job,
    /// End the job first if it is unfinished; the new one starts when it is cleaned up
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) yes: Yes,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shoal jobs priority 0190a5d2-7e1c-7cc3-8000-000000000001 50
  shoal jobs priority 0190a5d2-7e1c-7cc3-8000-000000000001 -10")]
pub(crate) struct Priority {
    #[command(flatten)]
    pub(crate) job: Job,
    /// Jobs with a higher number are taken first; from -100 to 100
    #[arg(value_name = "N", allow_negative_numbers = true,
          value_parser = clap::value_parser!(i32).range(-100..=100))]
    pub(crate) priority: i32,
}
