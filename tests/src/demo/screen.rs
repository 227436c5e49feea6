//! Progress for people: a bar per job on a terminal, a plain line per event elsewhere.

use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use shoal_tests::{Event, Job};

use crate::fleet::Part;

/// The phases of a job that goes well, in order; a bar is as long as this list.
const PHASES: [&str; 17] = [
    "queued",
    "discover",
    "build",
    "power_off",
    "clear_media",
    "insert_task",
    "insert_boot",
    "boot_once",
    "power_on",
    "await_boot",
    AWAIT,
    "settle",
    "clean_power",
    "clean_media",
    "clean_override",
    "deliver",
    "complete",
];

/// Stands for the wait for the machine, which has a name of its own in each workflow.
const AWAIT: &str = "await_report";
const OTHER_AWAITS: [&str; 2] = ["await_flash", "await_installer"];

pub(crate) struct Screen {
    begun: Instant,
    bars: Option<MultiProgress>,
}

/// One job's place on the screen.
pub(crate) struct Line {
    begun: Instant,
    name: String,
    bar: Option<ProgressBar>,
}

impl Screen {
    pub(crate) fn new(terminal: bool) -> Self {
        Self { begun: Instant::now(), bars: terminal.then(MultiProgress::new) }
    }

    pub(crate) fn line(&self, part: &Part) -> Line {
        let (machine, workflow) = (&part.machine, part.workflow.name());
        let name = format!("{:<10} {:<9} {workflow:<8}", machine.serial(), machine.persona());
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(PHASES.len() as u64 - 1));
            // The template is a constant; the default bar is no worse than none.
            if let Ok(style) =
                ProgressStyle::with_template("{prefix} {bar:28.cyan} {elapsed:>4} {msg}")
            {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(name.clone());
            bar
        });
        Line { begun: self.begun, name, bar }
    }
}

impl Line {
    pub(crate) fn show(&self, event: &Event) {
        let Some(text) = told(event) else { return };
        let Some(bar) = &self.bar else {
            println!("{:>6.1} s  {} {text}", self.begun.elapsed().as_secs_f64(), self.name);
            return;
        };
        let phase = event.get("to").filter(|_| event.kind == "phase");
        let phase = phase.map(|phase| if OTHER_AWAITS.contains(&phase) { AWAIT } else { phase });
        if let Some(position) = PHASES.iter().position(|known| Some(*known) == phase) {
            bar.set_position(position as u64);
        }
        bar.set_message(text);
    }

    pub(crate) fn finish(&self, job: &Job) {
        let Some(bar) = &self.bar else { return };
        let outcome = job.outcome.as_deref().unwrap_or("no outcome");
        bar.finish_with_message(match &job.failed_step {
            Some(step) => format!("{outcome} at {step}"),
            None => outcome.to_owned(),
        });
    }
}

/// What is worth a line.
fn told(event: &Event) -> Option<String> {
    match event.kind.as_str() {
        "phase" => event.get("to").map(|phase| phase.replace('_', " ")),
        "media_read" => event.get("milestone").map(|it| format!("read: {}", it.replace('_', " "))),
        "progressed" => event.get("step").map(|step| format!("machine: {step}")),
        "outcome" => {
            let outcome = event.get("outcome").unwrap_or_default();
            let message = event.get("message").unwrap_or_default();
            Some(format!("{outcome}: {message}"))
        }
        "fault" => event.get("summary").map(|summary| format!("fault: {summary}")),
        _ => None,
    }
}
