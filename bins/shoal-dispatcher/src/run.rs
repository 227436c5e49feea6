//! The order of things. What can be reported comes after what reports need, and what could do harm
//! comes after everything that could refuse it.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::control;
use crate::dmi::Machine;
use crate::exit::{Exit, Failure};
use crate::files::read_bounded;
use crate::journal::Journal;
use crate::medium;
use crate::options::Options;
use crate::provision::{Order, Provision};
use crate::target;

/// Bound for `os-release`.
const MAX_OS_RELEASE_BYTES: u64 = 64 << 10;

/// Does what the task medium says, and tells how that ended.
///
/// Log lines go to `log`. Whenever the result is not [`Exit::Done`], `run/provision/failure.json`
/// says why, as far as that directory can be written.
pub fn run(options: &Options, log: &mut dyn Write) -> Exit {
    let mut journal = Journal::new(log);
    let provision = Provision::new(options.under_root("run/provision"));
    match steps(options, &provision, &mut journal) {
        Ok(()) => Exit::Done,
        Err((step, failure)) => {
            journal.error(step, &failure.message);
            leave(&provision, &failure, &mut journal);
            failure.exit
        }
    }
}

/// Runs `work`, which is [`run`], and turns a panic into [`Exit::Panic`] with its failure file.
pub fn guarded(
    options: &Options,
    log: &mut dyn Write,
    work: impl FnOnce(&Options, &mut dyn Write) -> Exit,
) -> Exit {
    catch_unwind(AssertUnwindSafe(|| work(options, log))).unwrap_or_else(|_| {
        let failure = Failure::new(Exit::Panic, "the dispatcher has a fault; see its journal");
        let mut journal = Journal::new(log);
        journal.error("panic", &failure.message);
        leave(&Provision::new(options.under_root("run/provision")), &failure, &mut journal);
        Exit::Panic
    })
}

/// The steps, each with its name for the log.
fn steps(
    options: &Options,
    provision: &Provision,
    journal: &mut Journal<'_>,
) -> Result<(), (&'static str, Failure)> {
    let in_step = |step| move |failure| (step, failure);
    provision.open().map_err(in_step("write"))?;

    let directory = medium::obtain(options).map_err(in_step("medium"))?;
    journal.info("medium", &format!("task medium at {}", directory.display()));

    let job = control::job(&directory).map_err(in_step("job"))?;
    provision.write_report_inputs(&job).map_err(in_step("write"))?;
    journal.info("job", &format!("job {} attempt {}", job.job_id, job.attempt));

    let machine = Machine::look(options);
    match machine.check(&job, options.strict_serial).map_err(in_step("machine"))? {
        Some(warning) => journal.warn("machine", &warning),
        None => journal.info("machine", "this is the machine the medium was made for"),
    }

    control::schema(&directory).map_err(in_step("schema"))?;
    let recipe = control::recipe(&directory).map_err(in_step("recipe"))?;
    target::check(options, &recipe.task_target).map_err(in_step("recipe"))?;
    journal.info("recipe", &format!("the recipe is valid and asks for {}", recipe.task_target));

    let meta_data = control::meta_data(&directory, &job).map_err(in_step("recipe"))?;
    let order = Order {
        recipe: &recipe,
        job: &job,
        serial_number: &machine.serial_number,
        meta_data: &meta_data,
        image: &image(options),
    };
    provision.write_order(&order).map_err(in_step("write"))?;
    journal.info("write", &format!("files written for serial {}", machine.serial_number));

    target::start(options, &recipe.task_target).map_err(in_step("start"))?;
    journal.info("start", &format!("{} was reached", recipe.task_target));
    Ok(())
}

fn leave(provision: &Provision, failure: &Failure, journal: &mut Journal<'_>) {
    if let Err(error) = provision.write_failure(failure) {
        journal.error("write", &format!("failed to write failure.json: {error}"));
    }
}

/// The lines of os-release that name the maintenance image.
fn image(options: &Options) -> String {
    let names = ["PRETTY_NAME=", "IMAGE_ID=", "IMAGE_VERSION=", "BUILD_ID="];
    let candidates = ["etc/os-release", "usr/lib/os-release"].map(|path| options.under_root(path));
    let found = candidates.iter().find_map(|path| read_bounded(path, MAX_OS_RELEASE_BYTES).ok());
    let text = String::from_utf8_lossy(&found.unwrap_or_default()).into_owned();
    let lines = text.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
    lines.flat_map(|line| [line, "\n"]).collect()
}
