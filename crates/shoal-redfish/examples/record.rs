//! Records what provisioning reads of a BMC as a fixture: one `index.json` per resource, made
//! anonymous. Reads only. Look through the files before you give them away.
//!
//! Exits with 0 when the fixture was written, 1 when the BMC could not be read, and 2 when the
//! arguments make no sense.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use shoal_redfish::{Bmc, Credentials, Endpoint, Options, Recording, Secret, Tls};

#[derive(Parser)]
#[command(about = "Records a BMC as an anonymous fixture; reads only")]
struct Arguments {
    /// Address of the BMC.
    #[arg(long)]
    bmc: String,
    #[arg(long)]
    user: String,
    #[arg(long)]
    password: String,
    /// Accept any certificate.
    #[arg(long, conflicts_with = "pin")]
    insecure: bool,
    /// SHA-256 of the BMC's certificate or public key.
    #[arg(long)]
    pin: Option<String>,
    /// Directory the fixture is written to; it must not exist yet.
    #[arg(long)]
    out: PathBuf,
}

enum Failure {
    Input(String),
    Bmc(String),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match record(&arguments).await {
        Ok(recording) => {
            tell(&arguments, &recording);
            ExitCode::SUCCESS
        }
        Err(Failure::Input(message)) => complain(&message, 2),
        Err(Failure::Bmc(message)) => complain(&message, 1),
    }
}

async fn record(arguments: &Arguments) -> Result<Recording, Failure> {
    if arguments.out.exists() {
        return Err(Failure::Input(format!("{} exists already", arguments.out.display())));
    }
    let tls = match &arguments.pin {
        Some(pin) => {
            Tls::Pin(pin.parse().map_err(|error| Failure::Input(format!("--pin: {error}")))?)
        }
        None if arguments.insecure || arguments.bmc.starts_with("http://") => {
            Tls::Insecure { reason: "asked for on the command line".to_owned() }
        }
        None => return Err(Failure::Input("one of --pin and --insecure is needed".to_owned())),
    };
    let account = Credentials::new(&arguments.user, Secret::new(&arguments.password));
    let endpoint = Endpoint::new(&arguments.bmc, tls, account)
        .map_err(|error| Failure::Input(format!("--bmc: {error}")))?;
    let failed = |error: shoal_redfish::Error| Failure::Bmc(error.to_string());
    let bmc = Bmc::connect(endpoint, Options::default()).await.map_err(failed)?;
    let recording = bmc.record().await;
    // A session that stays open ends by itself; what was recorded matters more.
    let _ = bmc.close().await;
    let recording = recording.map_err(failed)?;
    let written = recording.write(&arguments.out);
    written.map_err(|error| Failure::Input(format!("{}: {error}", arguments.out.display())))?;
    Ok(recording)
}

#[expect(clippy::print_stdout, reason = "saying what was written is what this program is for")]
fn tell(arguments: &Arguments, recording: &Recording) {
    println!("{} files below {}", recording.files().len(), arguments.out.display());
    recording.notes().iter().for_each(|note| println!("{note}"));
    println!("look through them before you give them away");
}

#[expect(clippy::print_stderr, reason = "the place for what went wrong")]
fn complain(message: &str, code: u8) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(code)
}
