//! Which report to send: the flags first, then the dispatcher's failure file, then what systemd
//! says about the monitored unit.

use shoal_webhook::{Code, Id, Message, Name, Report, Status, step_for_unit};

use super::inputs::{Failure, Inputs};
use super::options::{Monitor, Options, Wanted};

/// What there is to say.
#[derive(Debug)]
pub(super) enum Composed {
    Report(Report),
    /// The handler of a target: a target fails only through a member, and that one's report names
    /// the step. (Where a member is missing altogether, the dispatcher sees it and reports.)
    LeftToItsSteps,
}

/// No report can be made of what is known.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsayable {
    #[error("a failed report needs --failed-step, --unit or failure.json")]
    NoStep,
    #[error("name of the failed step {0}")]
    Name(Code),
    #[error("delivery id {0}")]
    DeliveryId(Code),
}

pub(super) fn report(
    options: &Options,
    monitor: &Monitor,
    inputs: &Inputs,
) -> Result<Composed, Unsayable> {
    let mut message = options.message.clone();
    let status = match &options.wanted {
        Wanted::Success => Status::Success,
        Wanted::Progress { step, percent, bytes } => {
            Status::Progress { step: step.clone(), percent: *percent, bytes: *bytes }
        }
        Wanted::Failed { failed_step: Some(failed_step), unit } => {
            Status::Failed { failed_step: failed_step.clone(), unit: unit.clone() }
        }
        Wanted::AsFound if inputs.failure.is_none() && !monitor.unit_failed() => Status::Success,
        Wanted::AsFound | Wanted::Failed { failed_step: None, .. } => {
            let unit = failed_unit(options, monitor)?;
            if unit.as_ref().is_some_and(|unit| unit.as_str().ends_with(".target")) {
                return Ok(Composed::LeftToItsSteps);
            }
            failed(unit, monitor, inputs, &mut message)?
        }
    };
    let delivery_id = delivery_id(&status, inputs).map_err(Unsayable::DeliveryId)?;
    Ok(Composed::Report(Report {
        delivery_id: Some(delivery_id),
        job_id: Some(inputs.job_id.clone()),
        attempt: Some(inputs.attempt),
        message,
        ..Report::new(status)
    }))
}

/// The unit that failed: the one the caller names, else the one systemd does.
fn failed_unit(options: &Options, monitor: &Monitor) -> Result<Option<Name>, Unsayable> {
    if let Wanted::Failed { unit: Some(unit), .. } = &options.wanted {
        return Ok(Some(unit.clone()));
    }
    monitor.unit.as_deref().map(Name::parse).transpose().map_err(Unsayable::Name)
}

/// The failure to report. A step's own unit knows better than the dispatcher, which sees only that
/// the target did not start; the dispatcher's failure file knows better than its unit.
fn failed(
    unit: Option<Name>,
    monitor: &Monitor,
    inputs: &Inputs,
    message: &mut Option<Message>,
) -> Result<Status, Unsayable> {
    let key = unit.as_ref().and_then(|unit| step_for_unit(unit.as_str()));
    match (&inputs.failure, unit) {
        (Some(failure), unit) if unit.is_none() || key == Some("workflow.dispatcher") => {
            message.get_or_insert_with(|| of_failure(failure));
            Ok(Status::Failed {
                failed_step: Name::parse(&failure.failed_step).map_err(Unsayable::Name)?,
                unit: failure.unit.as_deref().and_then(|unit| Name::parse(unit).ok()).or(unit),
            })
        }
        (_, Some(unit)) => {
            if message.is_none() {
                *message = of_monitor(&unit, monitor);
            }
            let failed_step = match key {
                Some(key) => Name::parse(key).map_err(Unsayable::Name)?,
                None => unit.clone(),
            };
            Ok(Status::Failed { failed_step, unit: Some(unit) })
        }
        (_, None) => Err(Unsayable::NoStep),
    }
}

fn of_failure(failure: &Failure) -> Message {
    Message::cut(&format!("exit {}: {}", failure.exit_code, failure.message))
}

fn of_monitor(unit: &Name, monitor: &Monitor) -> Option<Message> {
    let result = monitor.result.as_ref()?;
    let status = monitor.exit_status.as_ref().map(|s| format!(" {s}")).unwrap_or_default();
    Some(Message::cut(&format!("{unit} ended with {result}{status}")))
}

/// The same for every run of the same unit in the same attempt, so that a repeated run is a
/// duplicate. Progress also counts how far it is: otherwise only the first percentage would move.
fn delivery_id(status: &Status, inputs: &Inputs) -> Result<Id, Code> {
    let word = status.word();
    let step = status.step().map_or("", Name::as_str);
    let amount = match status {
        Status::Progress { percent, bytes, .. } => {
            format!("{:?} {bytes:?}", percent.map(shoal_webhook::Percent::value))
        }
        Status::Success | Status::Failed { .. } => String::new(),
    };
    let all = format!("{}\n{}\n{word}\n{step}\n{amount}", inputs.job_id, inputs.attempt);
    Id::parse(&format!("{}.{word}.{:016x}", inputs.attempt, fnv1a(all.as_bytes())))
}

/// FNV-1a, 64 bits: it names, it does not protect, and its result never changes between builds.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv1a_gives_the_published_values() {
        // From the reference vectors of the FNV page by Landon Curt Noll.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
