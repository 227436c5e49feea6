//! Three judges of a Redfish service: one holds every document against the schemas of the DMTF, one
//! tries the protocol's rules, one asks for what `OpenStack` Ironic needs. What they find wrong must
//! be exactly what is known.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use shoal_redfish_mock::Clock;
use shoal_tests::redfish_tools;

use super::{
    bmc::{self, PASSWORD, USER},
    known::{self, Failure},
    tool,
};
use crate::{
    Group, PERSONAS,
    suite::{Place, Scenario},
};

pub(super) const PROGRAMS: [&str; 2] = ["python", "rf_protocol_validator"];
/// Writes down what two of the validators find.
const TOLD: &str = include_str!("told.py");

/// One of the three.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Validator {
    Service,
    Protocol,
    Interop,
}

/// What a validator says.
#[derive(Debug)]
struct Verdict {
    passed: usize,
    failures: BTreeSet<Failure>,
}

/// The same as `told.py` writes it down.
#[derive(Debug, Deserialize)]
struct Told {
    passed: usize,
    failed: usize,
    failures: Vec<ToldFailure>,
}

#[derive(Debug, Deserialize)]
struct ToldFailure {
    uri: String,
    place: String,
    message: String,
}

pub(super) fn scenarios() -> Vec<Scenario> {
    // The protocol's takes longest, most of it waiting, so it comes first.
    [Validator::Protocol, Validator::Service, Validator::Interop]
        .into_iter()
        .flat_map(|validator| PERSONAS.map(|persona| scenario(validator, persona)))
        .collect()
}

fn scenario(validator: Validator, persona: &'static str) -> Scenario {
    let name = format!("the {} validator finds what is known and no more", validator.name());
    Scenario::new(Group::Foreign, Some(persona), name, move |place| {
        judge(place, validator, persona)
    })
}

async fn judge(place: Place, validator: Validator, persona: &'static str) -> Result<()> {
    // Sessions that ended twenty times as soon would end in the middle.
    let mock = bmc::start(persona, &place.directory.join("machine"), Clock::default()).await?;
    let directory = place.directory.join("validator");
    let verdict = validator.run(&mock.url(), &directory).await?;
    mock.shutdown().await;
    let least = validator.least_passed();
    let passed = verdict.passed;
    ensure!(passed >= least, "only {passed} checks passed: it did not see the service");
    known::check(validator, persona, &verdict.failures)
}

impl Validator {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Protocol => "protocol",
            Self::Interop => "interop",
        }
    }

    /// Fewer checks pass only where the validator did not get to see the service.
    fn least_passed(self) -> usize {
        match self {
            Self::Service => 250,
            Self::Protocol => 280,
            Self::Interop => 25,
        }
    }

    async fn run(self, url: &str, directory: &Path) -> Result<Verdict> {
        match self {
            Self::Service => {
                let schemas = schemas()?.display().to_string();
                let options = ["--skipschema", "--schema_directory", &schemas];
                told("redfish_service_validator", &options, url, directory).await
            }
            Self::Interop => {
                let profile = profile()?.display().to_string();
                told("redfish_interop_validator", &[&profile], url, directory).await
            }
            Self::Protocol => protocol(url, directory).await,
        }
    }
}

/// The schemas of the DMTF, which the set-up stage fetched.
pub(super) fn schemas() -> Result<PathBuf> {
    Ok(tools()?.join("csdl"))
}

/// What `OpenStack` Ironic asks of a BMC, which the set-up stage fetched.
pub(super) fn profile() -> Result<PathBuf> {
    Ok(tools()?.join("OpenStackIronicProfile.json"))
}

fn tools() -> Result<PathBuf> {
    redfish_tools().context("the schemas are missing: cargo xtask test --stage setup")
}

/// Runs one of the two validators that are built alike.
async fn told(package: &str, options: &[&str], url: &str, directory: &Path) -> Result<Verdict> {
    fs::create_dir_all(directory).context("make the validator's directory")?;
    let driver = directory.join("told.py");
    fs::write(&driver, TOLD).context("write the validator's driver")?;
    let report = directory.join("told.json");
    let (driver, told) = (driver.display().to_string(), report.display().to_string());
    let service =
        ["-u", USER, "-p", PASSWORD, "-r", url, "--authtype", "Basic", "--logdir", "logs"];
    let words = [&[driver.as_str(), package, &told], service.as_slice(), options].concat();
    let ended = tool::run("python", &words, directory).await?;
    let text =
        fs::read(&report).with_context(|| format!("{package} failed:\n{}", ended.printed))?;
    let told: Told = serde_json::from_slice(&text).context("read what the validator found")?;
    let listed = told.failures.len();
    ensure!(listed == told.failed, "{} failed and {listed} are told", told.failed);
    // A resource as a whole has no place in it.
    let failures = told.failures.into_iter().map(|ToldFailure { uri, place, message }| Failure {
        at: format!("{uri}{place}"),
        what: message.split(':').next().unwrap_or_default().to_owned(),
    });
    Ok(Verdict { passed: told.passed, failures: failures.collect() })
}

async fn protocol(url: &str, directory: &Path) -> Result<Verdict> {
    let service = ["-u", USER, "-p", PASSWORD, "-r", url, "--no-cert-check"];
    let report = ["--avoid-http-redirect", "--report-type", "tsv", "--report-dir", "reports"];
    let words = [service.as_slice(), &report].concat();
    let ended = tool::run("rf_protocol_validator", &words, directory).await?;
    let is_table = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|it| it == "tsv");
    let report = fs::read_dir(directory.join("reports"))
        .ok()
        .and_then(|files| files.flatten().find(is_table))
        .with_context(|| format!("the protocol validator failed:\n{}", ended.printed))?;
    let text = fs::read_to_string(report.path()).context("read what the validator found")?;
    let mut verdict = Verdict { passed: 0, failures: BTreeSet::new() };
    for line in text.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [assertion, method, _, uri, result, ..] = columns.as_slice() else { continue };
        match *result {
            "PASS" => verdict.passed += 1,
            "FAIL" => {
                let at = format!("{method} {uri}");
                verdict.failures.insert(Failure { at, what: (*assertion).to_owned() });
            }
            _ => {}
        }
    }
    Ok(verdict)
}
