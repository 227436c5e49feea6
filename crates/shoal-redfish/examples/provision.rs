//! Puts one machine through its whole life on virtual media: discover, plan, apply, verify, revert.
//! Prints one JSON object with what was done and what it cost. A refusal prints
//! `{"error": {"kind", "message", "seen"}}` and exits with status 1 before anything was changed; any
//! other failure prints the same and exits with status 2, after what was begun, if anything was, was
//! taken back as far as the BMC allows (`taken_back`).

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use shoal_redfish::{
    Bmc, Checkpoint, Counts, Credentials, Endpoint, Error, ForeignMedia, MediaUrl, Options, Plan,
    PlanRequest, Refusal, Report, Role, Secret, Stage, Tls, Urls,
};

/// The steps that change nothing.
const PLANNED: [&str; 2] = ["discover", "plan"];
/// How long taking back may take after a failure.
const TAKING_BACK: Duration = Duration::from_mins(1);

#[derive(Parser)]
#[command(about = "Provisions one machine over Redfish virtual media and takes it off again")]
struct Arguments {
    /// Address of the BMC.
    #[arg(long)]
    bmc: String,
    #[arg(long)]
    user: String,
    #[arg(long)]
    password: String,
    /// Serial (Dell: service tag) or UUID the machine must have.
    #[arg(long)]
    serial: Option<String>,
    /// Address of the boot medium.
    #[arg(long)]
    boot_url: String,
    /// Address of the task medium.
    #[arg(long)]
    task_url: String,
    /// Accept any certificate.
    #[arg(long, conflicts_with_all = ["pin", "ca"])]
    insecure: bool,
    /// SHA-256 of the BMC's certificate or public key.
    #[arg(long, conflicts_with = "ca")]
    pin: Option<String>,
    /// File with the authority that signed the BMC's certificate.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// What to do with images in the slots which are not ours; the plan's warnings name them.
    #[arg(long, value_enum, default_value_t = Foreign::Eject)]
    foreign_media: Foreign,
    /// Stop after planning.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON (always the case; named so that scripts can say what they expect).
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Foreign {
    Refuse,
    Eject,
}

enum Failure {
    Input(String),
    Refused(Refusal),
    Bmc(Error),
    /// While media were put in: what went wrong, and whether the media are out again.
    Halfway(Error, bool),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Bmc(error)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (output, code) = match run(&arguments).await {
        Ok(output) => (output, ExitCode::SUCCESS),
        Err(failure) => report(&failure),
    };
    #[expect(clippy::print_stdout, reason = "printing its result is what this program is for")]
    {
        println!("{output:#}");
    }
    code
}

fn report(failure: &Failure) -> (Value, ExitCode) {
    let (kind, message, seen, code) = match failure {
        Failure::Input(message) => ("input", message.clone(), Vec::new(), 1),
        Failure::Refused(refusal) => {
            (refusal.reason.code(), refusal.to_string(), refusal.seen.clone(), 1)
        }
        Failure::Bmc(error) | Failure::Halfway(error, _) => {
            (error.kind().code(), error.to_string(), error.message_ids().to_vec(), 2)
        }
    };
    let outcome = if code == 1 { "refused" } else { "failed" };
    let error = json!({"kind": kind, "message": message, "seen": seen});
    let mut output = json!({"error": error, "outcome": outcome});
    if let (Failure::Halfway(_, taken_back), Some(fields)) = (failure, output.as_object_mut()) {
        fields.insert("taken_back".to_owned(), json!(taken_back));
    }
    (output, ExitCode::from(code))
}

async fn run(arguments: &Arguments) -> Result<Value, Failure> {
    let urls = Urls { boot: media(&arguments.boot_url)?, task: Some(media(&arguments.task_url)?) };
    let bmc = Bmc::connect(endpoint(arguments)?, Options::default()).await?;
    let result = provision(&bmc, arguments, &urls).await;
    // The session must not outlive a failure either; the failure itself matters more than the logout's.
    let closed = bmc.close().await;
    let mut output = result?;
    if let (Err(error), Some(warnings)) =
        (closed, output.get_mut("warnings").and_then(Value::as_array_mut))
    {
        warnings.push(json!(format!("the session was left open: {error}")));
    }
    let total = bmc.requests();
    if let Some(requests) = output.get_mut("requests").and_then(Value::as_object_mut) {
        requests.insert("whole_life".to_owned(), json!(total.total));
        requests.insert("by_method".to_owned(), json!(total.by_method));
    }
    if let Some(fields) = output.as_object_mut() {
        fields.insert("connections".to_owned(), json!(total.connections));
    }
    Ok(output)
}

async fn provision(bmc: &Bmc, arguments: &Arguments, urls: &Urls) -> Result<Value, Failure> {
    let discovery = match &arguments.serial {
        Some(serial) => bmc.discover_machine(serial).await?,
        None => bmc.discover().await?,
    };
    let request = PlanRequest {
        boot_schemes: vec![urls.boot.scheme()],
        task_schemes: urls.task.iter().map(MediaUrl::scheme).collect(),
        expected_serial: arguments.serial.clone(),
        foreign_media: match arguments.foreign_media {
            Foreign::Refuse => ForeignMedia::Refuse,
            Foreign::Eject => ForeignMedia::Eject,
        },
        ours: vec![format!("{}/", urls.boot.origin())],
        ..PlanRequest::default()
    };
    let plan = discovery.plan(&request).map_err(Failure::Refused)?;
    let discovered = bmc.requests();
    if arguments.dry_run {
        let mut planned = Report::default();
        planned.warnings.clone_from(&plan.warnings);
        return Ok(summary(&plan, &planned, "planned", [&discovered, &discovered]));
    }
    let mut checkpoint = Checkpoint::default();
    let applied = match bmc.apply(&plan, urls, &mut checkpoint, &mut |_| Ok(())).await {
        Ok(applied) => applied,
        // Where nothing was changed, nothing is taken back: the host goes on as it was.
        Err(error) if bmc.requests().changes == discovered.changes => return Err(error.into()),
        Err(error) => {
            // A host that may be running is not touched: what runs on it is worth more than order.
            let taken_back = checkpoint.stage() == Stage::Preparing
                && take_back(bmc, &plan, &mut checkpoint).await;
            return Err(Failure::Halfway(error, taken_back));
        }
    };
    let powered = bmc.requests();
    let reverted = bmc.revert(&plan, &mut checkpoint, &mut |_| Ok(())).await?;
    let mut whole = applied;
    whole.steps.extend(reverted.steps);
    whole.warnings.extend(reverted.warnings);
    Ok(summary(&plan, &whole, "provisioned", [&discovered, &powered]))
}

/// Ejects what a failed run has put in, for as long as somebody may be expected to wait for it.
async fn take_back(bmc: &Bmc, plan: &Plan, checkpoint: &mut Checkpoint) -> bool {
    let mut forget = |_: &Checkpoint| Ok(());
    let reverted = bmc.revert(plan, checkpoint, &mut forget);
    matches!(tokio::time::timeout(TAKING_BACK, reverted).await, Ok(Ok(_)))
}

fn summary(
    plan: &Plan,
    done: &Report,
    outcome: &str,
    [discovered, powered]: [&Counts; 2],
) -> Value {
    // Where a medium really was, if its own slot refused it.
    let slot = |role| {
        let moved = done.moved.iter().find(|(medium, _)| *medium == role);
        moved.map(|(_, path)| path).or_else(|| plan.slot(role).map(|slot| &slot.path))
    };
    json!({
        "vendor": plan.vendor,
        "profile": plan.profile.name,
        "system": plan.system,
        "manager": plan.manager,
        "media_plan": {
            "class": plan.media.class,
            "boot_slot": slot(Role::Boot),
            "task_slot": slot(Role::Task),
        },
        "boot_strategy": plan.boot.strategy,
        "steps": PLANNED.iter().chain(&done.steps).collect::<Vec<_>>(),
        "requests": {"discovery": discovered.total, "to_power_on": powered.total},
        "warnings": done.warnings,
        "outcome": outcome,
    })
}

fn media(text: &str) -> Result<MediaUrl, Failure> {
    MediaUrl::parse(text).map_err(|error| Failure::Input(error.to_string()))
}

fn endpoint(arguments: &Arguments) -> Result<Endpoint, Failure> {
    let input = |error: &dyn std::fmt::Display| Failure::Input(error.to_string());
    let tls = match (&arguments.pin, &arguments.ca) {
        (Some(pin), _) => Tls::Pin(pin.parse().map_err(|error| input(&error))?),
        (None, Some(file)) => {
            Tls::Ca(std::fs::read_to_string(file).map_err(|error| input(&error))?)
        }
        (None, None) if arguments.insecure || arguments.bmc.starts_with("http://") => {
            Tls::Insecure { reason: "asked for on the command line".to_owned() }
        }
        (None, None) => {
            return Err(Failure::Input("one of --pin, --ca and --insecure is needed".to_owned()));
        }
    };
    let account = Credentials::new(&arguments.user, Secret::new(&arguments.password));
    Endpoint::new(&arguments.bmc, tls, account).map_err(|error| input(&error))
}
