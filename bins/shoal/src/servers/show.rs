//! One server in full, with what was last seen of its BMC.

use jiff::Timestamp;

use crate::client::{Client, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::look;
use crate::screen::Screen;
use crate::span::span;
use crate::table::Cell;
use crate::wire::{Server, Tls};
use crate::words;

pub(super) async fn show(
    serial: &str,
    client: &Client,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let value = client.get(&["servers", serial], &[]).await?;
    if screen.is_json() {
        screen.json(&value)?;
        return Ok(Exit::Done);
    }
    let server: Server = view("GET /api/v1/servers/{serial}", &value)?;
    screen.pairs(&facts(&server, screen.now))?;
    if let Some(probe) = &server.last_probe {
        screen.heading("NEWEST PROBE")?;
        look::show(probe, screen)?;
        screen.note(&format!(
            "{}, as seen {} ago; shoal servers probe {serial} looks anew",
            look::verdict(probe),
            span(probe.age_seconds)
        ))?;
    } else {
        screen.note(&format!("its BMC was never looked at; shoal servers probe {serial} does"))?;
    }
    if server.logins_stopped_at.is_some() {
        screen.note(&format!(
            "mend the BMC's account or give the right password with shoal servers set {serial}, \
             then shoal servers retry-login {serial}"
        ))?;
    }
    Ok(Exit::Done)
}

fn facts(server: &Server, now: Timestamp) -> Vec<(&'static str, Cell)> {
    let moment = |at: Option<Timestamp>| at.map(|at| words::moment(at, now));
    let labels: Vec<String> =
        server.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let hardware = server.hardware.as_ref().map(|hardware| {
        let serial = hardware.serial.as_ref().map(|serial| format!("serial {serial}"));
        let name = Some(hardware.name()).filter(|name| !name.is_empty());
        [name, serial].into_iter().flatten().collect::<Vec<_>>().join("; ")
    });
    let credentials = server.has_credentials.map(|has| if has { "stored" } else { "none" });
    let plain = server.allow_plain_media.then_some("the task medium may be fetched without TLS");
    let stopped = moment(server.logins_stopped_at);
    let logins = match (server.refused_logins, stopped) {
        (0, _) => None,
        (refused, None) => Some(format!("{refused} refused in a row")),
        (refused, Some(at)) => Some(format!("stopped {at}, {refused} refused in a row")),
    };
    let residue = (!server.residue.is_empty()).then(|| server.residue.join(", "));
    let optional = [
        ("quarantine", server.quarantine.clone()),
        ("BMC", server.bmc_address.clone()),
        ("credentials", credentials.map(str::to_owned)),
        ("logins", logins),
        ("trust", server.tls.as_ref().map(trust)),
        ("vendor hint", server.vendor_hint.clone()),
        ("media scheme", server.media_scheme.clone()),
        ("media host", server.media_host.clone()),
        ("plain media", plain.map(str::to_owned)),
        ("hardware", hardware),
        ("labels", (!labels.is_empty()).then(|| labels.join(" "))),
        ("active job", server.active_job.clone()),
        ("media left in", residue),
        ("hands off until", moment(server.hands_off_until)),
        ("added", moment(server.created_at)),
        ("changed", moment(server.updated_at)),
    ];
    let mut facts = vec![("server", Cell::new(&server.serial))];
    facts.extend(optional.into_iter().filter_map(|(name, text)| Some((name, Cell::new(text?)))));
    facts
}

fn trust(tls: &Tls) -> String {
    match (tls.policy.as_str(), &tls.sha256, &tls.reason) {
        ("pin", Some(sha256), _) => format!("the certificate with SHA-256 {sha256}"),
        ("ca", _, _) => "certificates of a named authority".to_owned(),
        ("insecure", _, Some(reason)) => format!("any certificate: {reason}"),
        (policy, _, _) => policy.to_owned(),
    }
}
