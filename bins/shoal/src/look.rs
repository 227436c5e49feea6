//! A look at a BMC as a doctor's page: what is there, what an install would do, what would fail and
//! what to do about it.

use crate::error::Error;
use crate::screen::Screen;
use crate::span::span;
use crate::table::{Cell, Tone};
use crate::wire::{Certificate, Login, Machine, Probe, Slot};
use crate::words;

/// Prints a look without its verdict.
pub(crate) fn show(probe: &Probe, screen: &mut Screen<'_>) -> Result<(), Error> {
    screen.pairs(&facts(probe))?;
    if !probe.slots.is_empty() {
        screen.heading("SLOTS")?;
        screen.table(&["SLOT", "TAKES", "HOLDS", "FOR", "WHY"], &slots(probe))?;
    }
    if let Some(plan) = &probe.media_plan {
        screen.heading("MEDIA PLAN")?;
        screen.pairs(&words::media(plan))?;
    }
    words::findings(&probe.problems, screen)?;
    words::remarks("WORTH A SECOND LOOK", &probe.warnings, screen)
}

/// What it comes to, on one line.
pub(crate) fn verdict(probe: &Probe) -> String {
    match probe.problems.len() {
        0 => "nothing was found that would make an install fail".to_owned(),
        number => format!("{} would make an install fail", words::count(number, "problem")),
    }
}

fn facts(probe: &Probe) -> Vec<(&'static str, Cell)> {
    let reachable =
        if probe.reachable { Cell::toned("yes", Tone::Good) } else { Cell::toned("no", Tone::Bad) };
    let age = match probe.age_seconds {
        0 => "just now".to_owned(),
        seconds => format!("{} ago", span(seconds)),
    };
    let machine = probe.machine.as_ref();
    let boot = probe.boot.as_ref().map(|boot| {
        let mode = boot.mode.as_ref().map(|mode| format!(" in {mode} mode")).unwrap_or_default();
        format!("once from {} by {}{mode}", boot.target, boot.strategy)
    });
    let clock = probe.clock_ahead_seconds.map(|seconds| match seconds {
        0 => "right".to_owned(),
        1.. => format!("{} ahead", span(seconds.unsigned_abs())),
        _ => format!("{} behind", span(seconds.unsigned_abs())),
    });
    let profile = probe.profile.as_ref().map(|it| format!("{}, because {}", it.name, it.because));
    let optional = [
        ("certificate", Some(certificate(&probe.tls))),
        ("names", probe.tls.subject.as_ref().map(|subject| named(subject, &probe.tls))),
        ("its key", probe.tls.key_sha256.as_ref().map(|key| format!("SHA-256 {key}"))),
        ("login", Some(login(&probe.login))),
        ("clock", clock),
        ("machine", machine.map(name)),
        ("identity", machine.map(identity)),
        ("power", machine.map(|it| it.power.replace('_', " "))),
        ("other systems", machine.map(|it| it.other_systems.join(", "))),
        ("profile", profile),
        ("boot", boot),
        ("licence", probe.licence_hint.as_ref().map(|hint| format!("such BMCs need {hint}"))),
    ];
    let requests = probe.requests.map(|number| format!(" and {number} requests"));
    let took = format!("{age}; it took {} ms{}", probe.took_ms, requests.unwrap_or_default());
    // A BMC no server is registered with has no serial.
    let server = Some(&probe.server_serial).filter(|serial| !serial.is_empty());
    let mut facts: Vec<_> =
        server.map(|serial| ("server", Cell::new(serial))).into_iter().collect();
    facts.extend([
        ("BMC", Cell::new(&probe.bmc_address)),
        ("looked at", Cell::new(took)),
        ("reachable", reachable),
    ]);
    let said = optional.into_iter().filter_map(|(name, text)| Some((name, text?)));
    facts.extend(
        said.filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name, Cell::new(text))),
    );
    facts
}

fn certificate(tls: &Certificate) -> String {
    let judged = match (tls.accepted, tls.policy.as_str()) {
        (None, _) => return "not seen".to_owned(),
        (Some(_), "insecure") => "not checked".to_owned(),
        (Some(true), policy) => format!("accepted by {policy}"),
        (Some(false), policy) => format!("refused by {policy}"),
    };
    let end = tls.expires_in_days.map(|days| match days {
        0.. => format!("ends in {}", words::count(usize::try_from(days).unwrap_or(0), "day")),
        _ => "ended".to_owned(),
    });
    let sha256 = tls.sha256.as_ref().map(|sha256| format!("SHA-256 {sha256}"));
    [Some(judged), end, sha256].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Whom a certificate names, and who says so.
fn named(subject: &str, tls: &Certificate) -> String {
    match tls.issuer.as_deref().filter(|issuer| *issuer != subject) {
        Some(issuer) => format!("{subject}, issued by {issuer}"),
        None => format!("{subject}, issued by itself"),
    }
}

fn login(login: &Login) -> String {
    let state = match login.state.as_str() {
        "not_tried" => "not tried",
        "stopped" => "stopped, so that the account is not locked",
        other => other,
    };
    let form = login.form.as_deref().filter(|form| *form == "basic");
    let state = match form {
        Some(_) => format!("{state}, with the password in each request"),
        None => state.to_owned(),
    };
    match login.refused {
        0 => state,
        refused => format!("{state}; {refused} refused in a row"),
    }
}

fn name(machine: &Machine) -> String {
    let bmc = machine.bmc_model.as_ref().map(|model| format!("BMC {model}"));
    let serial = machine.seen.serial.as_ref().map(|serial| format!("serial {serial}"));
    let name = Some(machine.seen.name()).filter(|name| !name.is_empty());
    [name, serial, bmc].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn identity(machine: &Machine) -> String {
    let known = match machine.recorded.as_str() {
        "unknown" => "no server is registered with it".to_owned(),
        "first_seen" => "recorded now, at the first look".to_owned(),
        "same" => "the recorded machine".to_owned(),
        "mismatch" => {
            let expected = machine.expected.clone().unwrap_or_default();
            let serial = expected.serial.as_deref().unwrap_or_default();
            format!("another machine than the recorded one, {} {serial}", expected.name())
        }
        other => other.to_owned(),
    };
    match &machine.serial_is {
        Some(which) => format!("{known}; the server is named by its {}", which.replace('_', " ")),
        None => known,
    }
}

fn slots(probe: &Probe) -> Vec<Vec<Cell>> {
    let row = |slot: &Slot| {
        vec![
            Cell::new(&slot.id),
            Cell::new(slot.media_types.join(" ")),
            Cell::new(slot.image.as_deref().unwrap_or("nothing")),
            Cell::new(slot.chosen.as_deref().unwrap_or("-")),
            Cell::new(&slot.because),
        ]
    };
    probe.slots.iter().map(row).collect()
}
