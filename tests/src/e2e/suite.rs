//! Runs scenarios a few at a time, each bounded, and says how each ended.

use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use shoal_tests::{Programs, Workflow};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use crate::{Group, course::Course, lines};

/// Longest scenario. Its own waits are shorter and say what they waited for.
const LONGEST: Duration = Duration::from_mins(30);

type Running = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// One story with an end that is checked.
pub(crate) struct Scenario {
    pub(crate) group: Group,
    pub(crate) persona: Option<&'static str>,
    pub(crate) workflow: Workflow,
    pub(crate) name: String,
    run: Box<dyn FnOnce(Place) -> Running + Send>,
}

impl Scenario {
    pub(crate) fn new<F>(
        group: Group,
        persona: Option<&'static str>,
        name: impl Into<String>,
        run: impl FnOnce(Place) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let name = match persona {
            Some(persona) => format!("{}: {}", persona, name.into()),
            None => name.into(),
        };
        let run: Box<dyn FnOnce(Place) -> Running + Send> = Box::new(|place| Box::pin(run(place)));
        Self { group, persona, workflow: Workflow::Linux, name, run }
    }

    /// A scenario of this course.
    pub(crate) fn of<F>(
        group: Group,
        course: Course,
        name: impl AsRef<str>,
        run: impl FnOnce(Place) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let name = format!("{}: {}", course.workflow.name(), name.as_ref());
        Self { workflow: course.workflow, ..Self::new(group, Some(course.persona), name, run) }
    }
}

/// Where a scenario may write, and what it runs.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) programs: Programs,
    pub(crate) directory: PathBuf,
    pub(crate) static_dir: PathBuf,
}

pub(crate) struct Suite {
    pub(crate) programs: Programs,
    pub(crate) scratch: PathBuf,
}

struct Ended {
    name: String,
    directory: PathBuf,
    took: Duration,
    /// Lines of log that were checked.
    lines: usize,
    result: Result<()>,
}

impl Suite {
    /// Whether every scenario passed.
    pub(crate) async fn run(&self, scenarios: Vec<Scenario>, at_once: usize) -> bool {
        let (begun, total) = (Instant::now(), scenarios.len());
        let free = Arc::new(Semaphore::new(at_once));
        let mut running = JoinSet::new();
        for (number, scenario) in scenarios.into_iter().enumerate() {
            let place = Place {
                programs: self.programs.clone(),
                directory: self.scratch.join(format!("{number:02}")),
                static_dir: self.scratch.join("static"),
            };
            running.spawn(run_one(scenario, place, Arc::clone(&free)));
        }
        let (mut passed, mut lines) = (0, 0);
        while let Some(ended) = running.join_next().await {
            match ended {
                Ok(ended) => {
                    passed += usize::from(tell(&ended));
                    lines += ended.lines;
                }
                // A scenario that panicked has said so on standard error.
                Err(error) => println!("FAIL  a scenario broke off: {error}"),
            }
        }
        println!("{lines} lines of logs have known fields only");
        println!("{passed} passed, {} failed in {} s", total - passed, begun.elapsed().as_secs());
        passed == total
    }
}

async fn run_one(scenario: Scenario, place: Place, free: Arc<Semaphore>) -> Ended {
    // The semaphore is never closed; without a permit nothing would bound the load.
    let _permit = free.acquire_owned().await;
    let begun = Instant::now();
    let directory = place.directory.clone();
    let made = fs::create_dir_all(&directory).context("make a directory");
    let result = match made {
        Ok(()) => match timeout(LONGEST, (scenario.run)(place)).await {
            Ok(result) => result,
            Err(_) => Err(anyhow::anyhow!("it took longer than {} s", LONGEST.as_secs())),
        },
        Err(error) => Err(error),
    };
    // The log of whatever failed is shown as it is.
    let checked = result.and_then(|()| lines::check(&directory));
    let (result, lines) = match checked {
        Ok(lines) => (Ok(()), lines),
        Err(error) => (Err(error), 0),
    };
    Ended { name: scenario.name, directory, took: begun.elapsed(), lines, result }
}

fn tell(ended: &Ended) -> bool {
    let Ended { name, took, .. } = ended;
    match &ended.result {
        Ok(()) => {
            println!("pass  {name} ({:.1} s)", took.as_secs_f64());
            true
        }
        Err(error) => {
            println!("FAIL  {name} ({:.1} s)\n      {error:#}", took.as_secs_f64());
            for line in tail(&ended.directory.join("controller/controller.log"), 12) {
                println!("      | {line}");
            }
            false
        }
    }
}

fn tail(log: &Path, count: usize) -> Vec<String> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(count);
    lines.into_iter().skip(skipped).map(|line| line.chars().take(400).collect()).collect()
}
