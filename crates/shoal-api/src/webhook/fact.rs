//! What a report means to a job: one event.

use shoal_core::{Activity, Event, Report as CoreReport, StepKey};
use shoal_webhook::{Name, Report, Status, step_for_unit};

/// The event that folds a report into its job.
pub(super) fn event(report: &Report, attempt: u32) -> Event {
    match &report.status {
        Status::Success => Event::Reported { attempt, report: CoreReport::Success },
        Status::Failed { failed_step, unit } => {
            let (step, unit) = blamed(failed_step, unit.as_ref());
            let message = report.message.as_ref().map(|message| message.as_str().to_owned());
            Event::Reported { attempt, report: CoreReport::Failed { step, unit, message } }
        }
        Status::Progress { step, percent, bytes } => {
            let activity = Activity {
                step: step.as_ref().map(|step| step.as_str().to_owned()),
                percent: percent.map(shoal_webhook::Percent::value),
                bytes: *bytes,
            };
            Event::Progressed { attempt, activity }
        }
    }
}

/// The step of the taxonomy, and the unit as it was sent.
///
/// A machine can only fail at what a machine does; a unit that is no step of ours is the
/// dispatcher's affair, which started it.
fn blamed(failed_step: &Name, unit: Option<&Name>) -> (StepKey, Option<String>) {
    let named: Option<StepKey> = failed_step.as_str().parse().ok();
    let named = named.filter(|step| step.as_str().starts_with("workflow."));
    let by_unit = |name: &Name| step_for_unit(name.as_str())?.parse().ok();
    let step = named.or_else(|| by_unit(failed_step)).or_else(|| unit.and_then(by_unit));
    let unit = unit.or_else(|| named.is_none().then_some(failed_step));
    (step.unwrap_or(StepKey::WorkflowDispatcher), unit.map(|unit| unit.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn a_failed_step_is_the_one_named_else_that_of_its_unit_else_the_dispatchers() {
        let seen = |step: &str, unit: Option<&str>| {
            let (step, unit) = blamed(&name(step), unit.map(name).as_ref());
            (step.as_str(), unit)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(seen("workflow.partition", None), ("workflow.partition", None));
        assert_eq!(
            seen("workflow.partition", Some("partition.service")),
            ("workflow.partition", some("partition.service"))
        );
        assert_eq!(
            seen("image-linux.service", None),
            ("workflow.image-linux", some("image-linux.service"))
        );
        assert_eq!(seen("mine.service", None), ("workflow.dispatcher", some("mine.service")));
        assert_eq!(
            seen("redfish.reset", Some("firmware.service")),
            ("workflow.firmware", some("firmware.service"))
        );
    }
}
