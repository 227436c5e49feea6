//! How watched jobs are shown: bars for a person at a terminal, lines for a log, JSON for a program.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::{News, Update};
use crate::error::Error;
use crate::screen::Screen;
use crate::table::{Tone, visible};
use crate::wire::{Event, Job};

pub(crate) struct Show {
    manner: Manner,
    /// Which jobs were last told to be held.
    held: Vec<bool>,
    /// Which jobs' streams were told to be lost, with no event since.
    lost: Vec<bool>,
    several: bool,
}

enum Manner {
    Json,
    Lines,
    Bars { all: MultiProgress, bars: Vec<ProgressBar> },
}

impl Show {
    pub(crate) fn new(count: usize, screen: &Screen<'_>) -> Self {
        let manner = if screen.is_json() {
            Manner::Json
        } else if screen.animated {
            bars(count)
        } else {
            Manner::Lines
        };
        let none = vec![false; count];
        Self { manner, held: none.clone(), lost: none, several: count > 1 }
    }

    pub(crate) fn update(&mut self, update: &Update, screen: &mut Screen<'_>) -> Result<(), Error> {
        match &update.news {
            News::State(job) => {
                if let Manner::Bars { bars, .. } = &self.manner
                    && let Some(bar) = bars.get(update.index)
                {
                    draw(bar, job);
                }
                self.mention_hold(update.index, job, screen)
            }
            News::Event(event) => {
                if let Some(lost) = self.lost.get_mut(update.index) {
                    *lost = false;
                }
                self.event(event, screen)
            }
            News::Lost => match self.lost.get_mut(update.index) {
                Some(lost) if !*lost => {
                    *lost = true;
                    self.remark("the stream was lost; opening it again", screen)
                }
                _ => Ok(()),
            },
        }
    }

    /// How every job ended, once all have.
    pub(crate) fn summary(&self, jobs: &[Job], screen: &mut Screen<'_>) -> Result<(), Error> {
        if let Manner::Bars { all, .. } = &self.manner {
            all.clear()?;
        }
        if screen.is_json() {
            return Ok(());
        }
        for job in jobs {
            let outcome = job.outcome.as_deref().unwrap_or("complete");
            let painted = Tone::of_state(outcome).paint(&visible(outcome), screen.coloured);
            let about = job.now();
            let about = if about.is_empty() { about } else { format!(": {}", visible(&about)) };
            let (id, serial) = (visible(&job.id), visible(&job.server_serial));
            screen.line(&format!("job {id} on {serial} {painted}{about}"))?;
            if !job.warnings.is_empty() {
                screen.note(&format!("warnings of job {}: {}", job.id, job.warnings.join(", ")))?;
            }
        }
        Ok(())
    }

    fn event(&self, event: &Value, screen: &mut Screen<'_>) -> Result<(), Error> {
        match &self.manner {
            Manner::Json => screen.line(&event.to_string()),
            // The bar shows where the job is; its history is one command away.
            Manner::Bars { .. } => Ok(()),
            Manner::Lines => screen.line(&event_line(event, self.several)),
        }
    }

    fn mention_hold(
        &mut self,
        index: usize,
        job: &Job,
        screen: &mut Screen<'_>,
    ) -> Result<(), Error> {
        let Some(held) = self.held.get_mut(index) else { return Ok(()) };
        let newly = job.is_held() && !*held;
        *held = job.is_held();
        if !newly {
            return Ok(());
        }
        let why = job.waiting_for.as_deref().unwrap_or("an operator's decision");
        let id = &job.id;
        self.remark(
            &format!("held, waits for {why}; answer with shoal jobs decide {id} ANSWER"),
            screen,
        )
    }

    /// Bars own the terminal's lower lines, so a remark must go through them.
    fn remark(&self, text: &str, screen: &mut Screen<'_>) -> Result<(), Error> {
        match &self.manner {
            Manner::Bars { all, .. } => Ok(all.println(visible(text).as_ref())?),
            Manner::Json | Manner::Lines => screen.note(text),
        }
    }
}

fn bars(count: usize) -> Manner {
    let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    // The default style stands in for ours only if a release of the library reads it differently.
    let style = ProgressStyle::with_template("{prefix} [{bar:20}] {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bars =
        (0..count).map(|_| all.add(ProgressBar::new(100).with_style(style.clone()))).collect();
    Manner::Bars { all, bars }
}

fn draw(bar: &ProgressBar, job: &Job) {
    bar.set_prefix(visible(&job.server_serial).into_owned());
    bar.set_position(position(job));
    bar.set_message(message(job));
}

/// How far the bar is: what the machine says of its present step, or all of it at the end.
fn position(job: &Job) -> u64 {
    let percent = job.progress.as_ref().and_then(|progress| progress.percent).unwrap_or(0);
    if job.is_complete() { 100 } else { u64::from(percent.min(100)) }
}

fn message(job: &Job) -> String {
    let phase = job.phase.as_deref().filter(|phase| *phase != job.status);
    let parts = [Some(job.state()), phase.map(str::to_owned), Some(job.now())];
    let told: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    visible(&told.join(", ")).into_owned()
}

fn event_line(event: &Value, several: bool) -> String {
    let Ok(known) = serde_json::from_value::<Event>(event.clone()) else {
        return visible(&event.to_string()).into_owned();
    };
    let whose = if several { format!("{}  ", known.job_id) } else { String::new() };
    let line = format!("{:.0}  {whose}{}", known.at, known.text());
    visible(&line).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(more: &Value) -> Job {
        let mut value = json!({"job_id": "j", "server_serial": "S", "status": "provisioning"});
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_bar_shows_the_step_the_machine_is_in_and_is_full_at_the_end() {
        let running = job(&json!({"phase": "await_report", "waiting_for": "a report",
            "progress": {"step": "workflow.image-linux", "percent": 40}}));
        let complete = job(&json!({"status": "complete", "phase": "complete",
            "outcome": "succeeded"}));

        assert_eq!(position(&running), 40);
        assert_eq!(
            message(&running),
            "provisioning, await_report, workflow.image-linux 40 %; waits for a report"
        );
        assert_eq!(
            (position(&complete), message(&complete).as_str()),
            (100, "complete (succeeded)")
        );
    }

    #[test]
    fn an_event_of_unknown_form_is_shown_rather_than_lost() {
        let odd = json!({"of_a_later_release": true});
        let known = json!({"id": 3, "at": "2025-11-05T10:00:00.123Z", "kind": "claimed",
            "job_id": "j"});

        assert_eq!(event_line(&odd, false), r#"{"of_a_later_release":true}"#);
        assert_eq!(event_line(&known, false), "2025-11-05T10:00:00Z  claimed");
        assert_eq!(event_line(&known, true), "2025-11-05T10:00:00Z  j  claimed");
    }
}
