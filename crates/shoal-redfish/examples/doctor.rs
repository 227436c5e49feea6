//! Looks at a BMC without changing anything and tells a person what an installation would meet:
//! reach, certificate, login, clock, identity, every slot and why it was chosen or not, the media
//! plan, and what to do about what would fail.

use std::process::ExitCode;

use clap::Parser;
use shoal_redfish::{
    Bmc, Credentials, Discovery, Endpoint, Error, Options, Plan, PlanRequest, Secret, Tls,
};

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
    /// SHA-256 of the BMC's certificate or key. Without it any certificate is accepted and shown.
    #[arg(long)]
    pin: Option<String>,
    /// Serial (Dell: service tag) or UUID the machine should have.
    #[arg(long)]
    serial: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match examine(&arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            line("failed", &message);
            ExitCode::from(2)
        }
    }
}

async fn examine(arguments: &Arguments) -> Result<bool, String> {
    let tls = match &arguments.pin {
        Some(pin) => Tls::Pin(pin.parse().map_err(|_| "the pin is no SHA-256".to_owned())?),
        None => Tls::Insecure { reason: "the certificate is what we came to look at".to_owned() },
    };
    let account = Credentials::new(&arguments.user, Secret::new(&arguments.password));
    let endpoint =
        Endpoint::new(&arguments.bmc, tls, account).map_err(|error| error.to_string())?;
    let say = |error: Error| error.to_string();
    let bmc = Bmc::connect(endpoint, Options::default()).await.map_err(say)?;
    line("reach", "the BMC answers and speaks Redfish");
    match bmc.certificate() {
        Some(certificate) => {
            line("certificate", &format!("sha256 {}", certificate.sha256));
            if let Some(key) = certificate.spki_sha256 {
                line("key", &format!("sha256 {key} (pin this one to survive renewals)"));
            }
        }
        None => line("certificate", "none: plain HTTP"),
    }
    let discovery = bmc.discover().await;
    let closed = bmc.close().await;
    let discovery = discovery.map_err(say)?;
    closed.map_err(say)?;
    line("login", "accepted");
    describe(&discovery);
    let request =
        PlanRequest { expected_serial: arguments.serial.clone(), ..PlanRequest::default() };
    let planned = match discovery.plan(&request) {
        Ok(plan) => {
            show(&plan);
            true
        }
        Err(refusal) => {
            line("plan", &format!("none: {refusal}"));
            refusal.seen.iter().for_each(|seen| line("  seen", seen));
            false
        }
    };
    line("requests", &bmc.requests().total.to_string());
    Ok(planned)
}

fn describe(discovery: &Discovery) {
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "not told".to_owned());
    line("machine", &format!("{} {}", word(&discovery.manufacturer), word(&discovery.model)));
    line("bmc", &format!("{} {}", word(&discovery.manager_model), word(&discovery.firmware)));
    line("profile", &discovery.profile.name);
    let identity = &discovery.identity;
    line("serial", &format!("{} (SKU {})", word(&identity.serial), word(&identity.sku)));
    line("uuid", &word(&identity.uuid));
    if let Some(ahead) = discovery.clock_ahead_seconds {
        line("clock", &format!("{ahead:+} s against ours"));
    }
    for slot in &discovery.slots {
        let state = slot.rejected.as_ref().map(|why| format!("unusable: {why}"));
        let state = state.or_else(|| slot.image.as_ref().map(|image| format!("holds {image}")));
        let state = state.unwrap_or_else(|| "empty".to_owned());
        line("slot", &format!("{} [{}] {state}", slot.path, slot.media_types.join(", ")));
    }
    discovery.diagnostics.iter().for_each(|note| line("note", note));
}

fn show(plan: &Plan) {
    line("plan", &format!("{:?}", plan.media.class));
    line("boot slot", &format!("{} over {}", plan.media.boot_slot.path, plan.boot_scheme));
    if let (Some(slot), Some(scheme)) = (&plan.media.task_slot, plan.task_scheme) {
        line("task slot", &format!("{} over {scheme}", slot.path));
    }
    line("boot", &format!("{} on {}", plan.boot.strategy, plan.boot.resource));
    plan.warnings.iter().for_each(|warning| line("warning", warning));
}

#[expect(clippy::print_stdout, reason = "printing its findings is what this program is for")]
fn line(topic: &str, text: &str) {
    println!("{topic:<12} {text}");
}
