//! The import of a piece of configuration: the way in which some BMCs are told to boot a virtual CD
//! once, because their override means other drives.

use std::time::Duration;

use http::{StatusCode, header};
use serde_json::Value;

use super::{Ask, Bmc};
use crate::{
    board::{BootOverride, VIRTUAL_CD},
    journal::Effect,
    persona::Refusal,
    reply::Reply,
};

const BOOT_ONCE: &str = "ServerBoot.1#BootOnce";
const FIRST_DEVICE: &str = "ServerBoot.1#FirstBootDevice";

impl Bmc {
    /// Answers with a job. What cannot be understood fails in the job and changes nothing.
    pub(super) fn import(&self, ask: &Ask, seq: u64) -> Result<Reply, Reply> {
        let import = self.persona.boot.import.as_ref().ok_or_else(Reply::not_found)?;
        let body = ask.object()?;
        if body.get("ShareParameters").and_then(|share| share.get("Target")).is_none() {
            return Err(Reply::missing("ShareParameters"));
        }
        let buffer = body.get("ImportBuffer").and_then(Value::as_str);
        let buffer = buffer.ok_or_else(|| Reply::missing("ImportBuffer"))?;
        let failure = match override_of(buffer) {
            Some(boot) => {
                let effect = match boot.enabled.as_str() {
                    "Once" => Effect::BootOnce { target: boot.target.clone() },
                    "Continuous" => Effect::BootAlways { target: boot.target.clone() },
                    _ => Effect::BootCleared,
                };
                let mut board = self.board();
                self.journal.changed(seq, effect);
                board.boot = BootOverride { mode: board.boot.mode.take(), ..boot };
                None
            }
            None => Some(Refusal {
                status: 400,
                id: "IDRAC.2.1.SYS051".to_owned(),
                text: "The configuration to import is not usable.".to_owned(),
            }),
        };
        let done_at = self.clock.now() + Duration::from_millis(import.job_ms);
        let job = self.begin_work("Import Configuration", done_at, failure);
        let location = job.path(&self.persona);
        Ok(Reply::empty(StatusCode::ACCEPTED).with(header::LOCATION, location))
    }
}

/// The override that a configuration makes; its mode is left open.
fn override_of(buffer: &str) -> Option<BootOverride> {
    // White space between elements is not ignored by these BMCs.
    let spaced = buffer.split('>').skip(1).any(|rest| rest.starts_with(char::is_whitespace));
    if spaced || !buffer.starts_with("<SystemConfiguration") {
        return None;
    }
    let device = imported(buffer, FIRST_DEVICE);
    let (enabled, target) = match (imported(buffer, BOOT_ONCE)?, device) {
        ("Enabled", Some(VIRTUAL_CD)) => ("Once", VIRTUAL_CD),
        ("Disabled", Some(VIRTUAL_CD)) => ("Continuous", VIRTUAL_CD),
        ("Enabled" | "Disabled", Some("Normal") | None) => ("Disabled", "None"),
        _ => return None,
    };
    Some(BootOverride { enabled: enabled.to_owned(), target: target.to_owned(), mode: None })
}

/// The value that a configuration gives to an attribute.
pub(crate) fn imported<'a>(buffer: &'a str, attribute: &str) -> Option<&'a str> {
    let (_, rest) = buffer.split_once(&format!("Name=\"{attribute}\">"))?;
    rest.split('<').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(once: &str, device: &str, between: &str) -> String {
        format!(
            "<SystemConfiguration><Component FQDD=\"iDRAC.Embedded.1\">{between}\
             <Attribute Name=\"{BOOT_ONCE}\">{once}</Attribute>\
             <Attribute Name=\"{FIRST_DEVICE}\">{device}</Attribute>\
             </Component></SystemConfiguration>"
        )
    }

    #[test]
    fn a_configuration_boots_the_virtual_cd_once_or_not_at_all() {
        let once = override_of(&configuration("Enabled", VIRTUAL_CD, "")).unwrap();
        assert_eq!((once.enabled.as_str(), once.target.as_str()), ("Once", VIRTUAL_CD));
        let cleared = override_of(&configuration("Disabled", "Normal", "")).unwrap();
        assert_eq!(cleared.enabled, "Disabled");
    }

    #[test]
    fn white_space_and_unknown_words_make_a_configuration_unusable() {
        assert!(override_of(&configuration("Enabled", VIRTUAL_CD, "\n")).is_none());
        assert!(override_of(&configuration("Perhaps", VIRTUAL_CD, "")).is_none());
        assert!(override_of("{}").is_none());
    }
}
