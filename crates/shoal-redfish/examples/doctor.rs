//! Looks at a BMC without changing anything and tells a person what an installation would meet:
//! reach, certificate, login, clock, identity, every slot and why it was chosen or not, the media
//! plan, the boot strategy, and what to do about what would fail.
//!
//! Exits with 0 when the machine could be provisioned now, 1 when something stands in the way, and
//! 2 when the arguments make no sense.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use shoal_redfish::{Bmc, Credentials, Endpoint, Examination, Options, PlanRequest, Secret, Tls};

#[derive(Parser)]
#[command(about = "Examines a BMC for virtual media provisioning; reads only")]
struct Arguments {
    /// Address of the BMC.
    #[arg(long)]
    bmc: String,
    #[arg(long)]
    user: String,
    #[arg(long)]
    password: String,
    /// SHA-256 of the BMC's certificate or key. Without --pin and --ca any certificate is accepted
    /// and shown, so that it can be pinned.
    #[arg(long, conflicts_with = "ca")]
    pin: Option<String>,
    /// File with the authority that signed the BMC's certificate.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Accept any certificate (the default; named so that scripts can say what they mean).
    #[arg(long, conflicts_with_all = ["pin", "ca"])]
    insecure: bool,
    /// Serial (Dell: service tag) or UUID the machine should have.
    #[arg(long)]
    serial: Option<String>,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match examine(&arguments).await {
        Ok(report) => {
            show(&report, arguments.json);
            if report.ready { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(message) => {
            complain(&message);
            ExitCode::from(2)
        }
    }
}

async fn examine(arguments: &Arguments) -> Result<Examination, String> {
    let tls = match (&arguments.pin, &arguments.ca) {
        (Some(pin), _) => Tls::Pin(pin.parse().map_err(|error| format!("--pin: {error}"))?),
        (None, Some(file)) => {
            Tls::Ca(std::fs::read_to_string(file).map_err(|error| format!("--ca: {error}"))?)
        }
        (None, None) => {
            Tls::Insecure { reason: "the certificate is what we came to look at".to_owned() }
        }
    };
    let account = Credentials::new(&arguments.user, Secret::new(&arguments.password));
    let endpoint =
        Endpoint::new(&arguments.bmc, tls, account).map_err(|error| format!("--bmc: {error}"))?;
    let bmc = Bmc::prepare(&endpoint, Options::default()).map_err(|error| error.to_string())?;
    let request =
        PlanRequest { expected_serial: arguments.serial.clone(), ..PlanRequest::default() };
    let mut report = bmc.examine(&request).await.report;
    if let Err(error) = bmc.close().await {
        report.warnings.push(format!("the session was left open: {error}"));
    }
    Ok(report)
}

#[expect(clippy::print_stdout, reason = "printing its findings is what this program is for")]
fn show(report: &Examination, as_json: bool) {
    match serde_json::to_string_pretty(report) {
        Ok(text) if as_json => println!("{text}"),
        _ => print!("{report}"),
    }
}

#[expect(clippy::print_stderr, reason = "the place for what is wrong with the arguments")]
fn complain(message: &str) {
    eprintln!("{message}");
}
