//! An examination as a page for people: one topic per line, problems last, each with what to do.

use std::fmt;

use crate::{
    examination::{
        Examination, Finding, InsertForm, LoginForm, LoginState, MachineSeen, MediaSeen, SlotSeen,
        TlsPolicy,
    },
    plan::{MediaClass, Role},
    profile::SerialField,
};

/// Width of the column of topics.
const TOPIC: usize = 12;

impl fmt::Display for Examination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match (self.ready, self.problems.len()) {
            (true, _) => "ready to be provisioned".to_owned(),
            (false, 1) => "not ready, one problem".to_owned(),
            (false, problems) => format!("not ready, {problems} problems"),
        };
        line(f, "bmc", &format!("{} is {verdict}", self.address))?;
        let reach = if self.reachable {
            "it answers and speaks Redfish"
        } else {
            "no Redfish service was reached"
        };
        line(f, "reach", &format!("{reach} ({} requests, {} ms)", self.requests, self.took_ms))?;
        self.show_tls(f)?;
        line(f, "login", &self.login_told())?;
        if let Some(ahead) = self.clock_ahead_seconds {
            line(f, "clock", &format!("{ahead:+} s against ours"))?;
        }
        if let Some(machine) = &self.machine {
            show_machine(f, machine)?;
        }
        if let Some(profile) = &self.profile {
            let (name, vendor) = (&profile.name, profile.vendor);
            line(f, "profile", &format!("{name} ({vendor}): {}", profile.because))?;
        }
        self.slots.iter().try_for_each(|slot| show_slot(f, slot))?;
        self.show_plan(f)?;
        if let Some(licence) = &self.licence_hint {
            line(f, "licence", &format!("virtual media by address need {licence}"))?;
        }
        let planned = self.media_plan.iter().flat_map(|plan| &plan.warnings);
        planned.chain(&self.warnings).try_for_each(|warning| line(f, "warning", warning))?;
        self.problems.iter().try_for_each(|problem| show_problem(f, problem))
    }
}

impl Examination {
    fn show_tls(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = match self.tls.policy {
            TlsPolicy::None => return line(f, "tls", "none, plain HTTP"),
            TlsPolicy::Ca => "judged by the given authority",
            TlsPolicy::Pin => "judged by its pin",
            TlsPolicy::Insecure => "not judged",
        };
        let verdict = match self.tls.accepted {
            None => "no handshake came about",
            Some(true) => "accepted",
            Some(false) => "refused",
        };
        line(f, "tls", &format!("{policy}, {verdict}"))?;
        for (depth, certificate) in self.tls.chain.iter().enumerate() {
            let topic = if depth == 0 { "certificate" } else { "  above it" };
            let issuer =
                if certificate.is_self_issued() { "itself" } else { named(&certificate.issuer) };
            let end = certificate.not_after.map_or_else(|| "unknown".to_owned(), day);
            let subject = named(&certificate.subject);
            line(f, topic, &format!("{subject}, issued by {issuer}, ends {end}"))?;
            if depth == 0 && !certificate.names.is_empty() {
                line(f, "  for", &certificate.names.join(", "))?;
            }
        }
        match self.tls.pin {
            Some(pin) => line(f, "  pin", &pin.to_string()),
            None => Ok(()),
        }
    }

    fn login_told(&self) -> String {
        let state = match self.login.state {
            LoginState::NotTried => "not tried",
            LoginState::Accepted => "accepted",
            LoginState::Refused => "refused",
            LoginState::Stopped => "stopped, because earlier ones were refused",
        };
        let form = match self.login.form {
            Some(LoginForm::Session) => ", in a session",
            Some(LoginForm::Basic) => ", with each request (no session)",
            None => "",
        };
        let refused = match self.login.refused {
            0 => String::new(),
            refused => format!(", {refused} refused in a row"),
        };
        format!("{state}{form}{refused}")
    }

    fn show_plan(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(plan) = &self.media_plan else { return line(f, "plan", "none") };
        let condition = if self.ready { "" } else { ", once the problems are mended" };
        line(f, "plan", &format!("{}{condition}", shape(plan)))?;
        let boot_slot = format!("{} over {}", plan.boot_slot, plan.boot_scheme);
        line(f, "  boot medium", &boot_slot)?;
        if let (Some(slot), Some(scheme)) = (&plan.task_slot, plan.task_scheme) {
            line(f, "  task medium", &format!("{slot} over {scheme}"))?;
        }
        if plan.fetches_whole {
            line(f, "  media", "fetched whole at insertion: reads prove nothing about the host")?;
        }
        let Some(boot) = &self.boot else { return Ok(()) };
        let mode = boot.mode.as_deref().map(|mode| format!(", mode {mode}")).unwrap_or_default();
        line(f, "boot", &format!("{} by {}{mode}", boot.strategy, boot.resource))
    }
}

fn show_machine(f: &mut fmt::Formatter<'_>, machine: &MachineSeen) -> fmt::Result {
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "not told".to_owned());
    let model = format!("{} {}", word(&machine.manufacturer), word(&machine.model));
    line(f, "machine", &format!("{model}, {}", machine.power.name()))?;
    line(f, "  bmc", &format!("{} {}", word(&machine.bmc_model), word(&machine.firmware)))?;
    let (identity, by_sku) =
        (&machine.identity, machine.serial_fields.first() == Some(&SerialField::Sku));
    let serial = if by_sku {
        format!("{} (SKU, the service tag)", word(&identity.sku))
    } else {
        word(&identity.serial)
    };
    line(f, "  serial", &serial)?;
    if by_sku {
        line(f, "  board", &word(&identity.serial))?;
    }
    line(f, "  uuid", &word(&identity.uuid))?;
    if let Some(expected) = &machine.expected {
        let is = match machine.expected_is.as_deref() {
            Some(field) => format!("is its {field}"),
            None => "is none of its names".to_owned(),
        };
        line(f, "  expected", &format!("{expected} {is}"))?;
    }
    machine.other_systems.iter().try_for_each(|path| line(f, "  also has", path))
}

fn show_slot(f: &mut fmt::Formatter<'_>, slot: &SlotSeen) -> fmt::Result {
    let chosen = match slot.chosen {
        Some(Role::Boot) => "boot medium: ",
        Some(Role::Task) => "task medium: ",
        None => "",
    };
    let patch = if slot.insert == Some(InsertForm::Patch) { ", by PATCH" } else { "" };
    let image = slot.image.as_ref().map(|image| format!("; holds {image}")).unwrap_or_default();
    let types = slot.media_types.join(", ");
    line(f, "slot", &format!("{} [{types}{patch}] {chosen}{}{image}", slot.id, slot.because))
}

fn show_problem(f: &mut fmt::Formatter<'_>, problem: &Finding) -> fmt::Result {
    line(f, "problem", &format!("{} ({})", problem.message, problem.code))?;
    problem.seen.iter().try_for_each(|seen| line(f, "  seen", seen))?;
    line(f, "  do", &problem.next_step)
}

fn shape(plan: &MediaSeen) -> &'static str {
    match plan.class {
        MediaClass::TwoCd => "two CDs",
        MediaClass::CdPlusUsb => "a CD and a USB stick",
        MediaClass::SingleCombined => "one medium that carries both",
    }
}

fn named(name: &str) -> &str {
    if name.is_empty() { "nobody" } else { name }
}

/// What BMCs say is written by strangers, and a terminal obeys control characters.
fn line(f: &mut fmt::Formatter<'_>, topic: &str, text: &str) -> fmt::Result {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    writeln!(f, "{topic:<TOPIC$} {text}")
}

/// The date of an instant in seconds since 1970.
fn day(seconds: i64) -> String {
    // Counted in years that begin in March and eras of 400 of them, so that leap days come last.
    let days = seconds.div_euclid(86_400) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(951_782_400), "2000-02-29");
        assert_eq!(day(1_009_843_200), "2002-01-01");
        assert_eq!(day(-1), "1969-12-31");
        assert_eq!(day(4_102_444_799), "2099-12-31");
    }

    #[test]
    fn what_a_bmc_says_cannot_steer_a_terminal() {
        let problem = Finding { message: "\u{1b}[2J\r\nall is well".into(), ..Finding::default() };
        let page = Examination { problems: vec![problem], ..Examination::default() }.to_string();
        assert!(!page.contains('\u{1b}') && !page.contains('\r'), "{page:?}");
        assert!(page.contains("not ready, one problem"), "{page}");
    }
}
