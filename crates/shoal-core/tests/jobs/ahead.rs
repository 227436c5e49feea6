//! What is told of a job's next doings at its BMC is what it then does.

use shoal_core::{Command, Event, Fault, Next, Power, StopAs, Workflow};

use crate::{
    drive::{Run, refused, word},
    stands,
};

/// What the job does at its BMC until it waits for a machine or a person, or is complete.
fn done(mut run: Run) -> Vec<String> {
    run.commands.clear();
    for _ in 0..40 {
        let waits = run.at().starts_with("await");
        match run.next() {
            Next::Record(event) => run.fold(&event),
            Next::Do(command) if !waits || command != Command::Look => _ = run.work(),
            Next::Wait { .. } if run.at() == "queued" && run.try_fold(&Event::Claimed).is_ok() => {}
            Next::Wait { until: Some(until), .. } if !waits => run.now = until,
            Next::Do(_) | Next::Wait { .. } | Next::Done => break,
        }
    }
    run.commands.into_iter().filter(|command| command != "build_medium").collect()
}

fn told(run: &Run) -> Vec<String> {
    run.job.ahead(run.now).commands.into_iter().map(word).collect()
}

#[test]
fn every_job_does_what_was_told_of_it_whatever_an_operator_asked() {
    let stop = |stop, force| Some(Event::StopRequested { stop, force });
    let asked = [
        None,
        stop(StopAs::Cancelled, false),
        stop(StopAs::Cancelled, true),
        stop(StopAs::Failed, false),
    ];
    for (stand, run) in stands::all() {
        for event in &asked {
            let mut run = run.clone();
            if event.as_ref().is_some_and(|event| run.try_fold(event).is_err()) {
                continue;
            }
            assert_eq!(told(&run), done(run.clone()), "{stand} after {event:?}");
        }
    }
}

#[test]
fn the_words_say_what_becomes_of_power_and_what_is_waited_for() {
    let said = |run: &Run| run.job.ahead(run.now).to_string();
    let cancel = Event::StopRequested { stop: StopAs::Cancelled, force: false };
    let mut before = Run::of(Workflow::Linux).until("insert_boot");
    before.fold(&cancel);
    assert_eq!(said(&before), "eject the media, disarm the one-time boot; power is left as it is");
    let mut booted = Run::of(Workflow::Linux).booted();
    assert_eq!(
        said(&booted),
        "disarm the one-time boot; then it waits for the maintenance OS to report"
    );
    booted.fold(&cancel);
    assert_eq!(
        said(&booted),
        "switch the machine off, eject the media, disarm the one-time boot; the machine stays off"
    );
    assert_eq!(booted.job.ahead(booted.now).power(), Some(Power::Off));
    let mut queued = Run::of(Workflow::Linux);
    queued.fold(&cancel);
    assert_eq!(said(&queued), "nothing");
    let mut flashing = Run::of(Workflow::Firmware).booted();
    flashing.fold(&cancel);
    let held = "nothing; then it waits for an operator's decision: somebody asked to end the job \
                while firmware may be written";
    assert_eq!(said(&flashing), held);
}

#[test]
fn a_boot_that_could_not_be_disarmed_yet_is_told_of() {
    let mut run = Run::of(Workflow::Linux).booted();
    run.answer(refused(Fault::transient("busy")));
    assert_eq!(
        run.job.ahead(run.now).to_string(),
        "disarm the one-time boot; then it waits for the maintenance OS to report"
    );
}
