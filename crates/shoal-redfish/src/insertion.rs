//! BMCs disagree about which parameters `InsertMedia` must, may and must not carry. A payload starts
//! from what the profile or an earlier insert says and changes by one named reason at a time, so a
//! BMC sees as few refused requests as possible.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{kind::Kind, media_url::MediaUrl, view::Parameter};

/// Which parameters accompany the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each field is one independent parameter of the Redfish action"
)]
pub struct Payload {
    /// `Inserted: true`.
    pub inserted: bool,
    /// `WriteProtected: true`; `OpenBMC` takes its absence as false.
    pub write_protected: bool,
    /// `TransferProtocolType` by the address's scheme.
    pub protocol: bool,
    /// `TransferMethod: Stream`.
    pub method: bool,
    /// `UserName` and `Password` with a placeholder; some BMCs insist although the server wants none.
    pub credentials: bool,
}

impl Default for Payload {
    fn default() -> Self {
        Self {
            inserted: true,
            write_protected: true,
            protocol: false,
            method: false,
            credentials: false,
        }
    }
}

impl Payload {
    /// The request body. Absent parameters are left out, never sent as null.
    pub(crate) fn body(self, url: &MediaUrl) -> Value {
        let mut body = Map::new();
        let mut put = |wanted: bool, key: &str, value: Value| {
            if wanted {
                body.insert(key.to_owned(), value);
            }
        };
        put(true, "Image", json!(url.as_str()));
        put(self.inserted, "Inserted", json!(true));
        put(self.write_protected, "WriteProtected", json!(true));
        put(self.protocol, "TransferProtocolType", json!(url.scheme().transfer_protocol()));
        put(self.method, "TransferMethod", json!("Stream"));
        put(self.credentials, "UserName", json!("none"));
        put(self.credentials, "Password", json!("none"));
        Value::Object(body)
    }

    /// The payload that suits a description of the action's parameters: without those it does not
    /// know, with those it requires.
    pub(crate) fn suiting(self, parameters: &[Parameter]) -> Self {
        if !parameters.iter().any(|known| known.name == "Image") {
            // A description without the image describes something else.
            return self;
        }
        let fit = |wanted: bool, name: &str| {
            let known = parameters.iter().find(|known| known.name == name);
            known.is_some_and(|known| wanted || known.required)
        };
        Self {
            inserted: fit(self.inserted, "Inserted"),
            write_protected: fit(self.write_protected, "WriteProtected"),
            protocol: fit(self.protocol, "TransferProtocolType"),
            method: fit(self.method, "TransferMethod"),
            credentials: fit(self.credentials, "UserName") || fit(self.credentials, "Password"),
        }
    }

    /// The next payload after a refusal; `None` when the refusal is not about parameters.
    fn after(self, refusal: &Kind) -> Option<Self> {
        match refusal {
            Kind::MissingParameter { name } => self.with(name),
            Kind::Unsupported { what } => self.without(what),
            Kind::Rejected => Some(self.guess()),
            _ => None,
        }
    }

    fn with(self, name: &str) -> Option<Self> {
        Some(match name {
            "TransferProtocolType" => Self { protocol: true, ..self },
            "TransferMethod" => Self { method: true, ..self },
            "UserName" | "Password" => Self { credentials: true, ..self },
            "Inserted" => Self { inserted: true, ..self },
            "WriteProtected" => Self { write_protected: true, ..self },
            _ => return None,
        })
    }

    fn without(self, name: &str) -> Option<Self> {
        Some(match name {
            "TransferProtocolType" => Self { protocol: false, ..self },
            "TransferMethod" => Self { method: false, ..self },
            "UserName" | "Password" => Self { credentials: false, ..self },
            "Inserted" => Self { inserted: false, ..self },
            "WriteProtected" => Self { write_protected: false, ..self },
            _ => return None,
        })
    }

    /// Without a reason: first fewer parameters (older Supermicro, iLO 4), then more (AMI, DGX).
    fn guess(self) -> Self {
        if self.write_protected {
            Self { write_protected: false, ..self }
        } else if self.inserted {
            Self { inserted: false, ..self }
        } else if !self.protocol {
            Self { protocol: true, ..self }
        } else if !self.method {
            Self { method: true, ..self }
        } else {
            Self { credentials: true, ..self }
        }
    }
}

/// The payloads tried on one slot; none is sent twice for the same reason.
pub(crate) struct Ladder {
    current: Payload,
    tried: Vec<Payload>,
}

impl Ladder {
    pub(crate) fn new(start: Payload) -> Self {
        Self { current: start, tried: vec![start] }
    }

    pub(crate) fn payload(&self) -> Payload {
        self.current
    }

    /// Moves on after a refusal; false when there is nothing else to try.
    pub(crate) fn step(&mut self, refusal: &Kind) -> bool {
        match self.current.after(refusal) {
            Some(next) if !self.tried.contains(&next) => {
                self.current = next;
                self.tried.push(next);
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_missing_parameter_is_added_at_once() {
        let mut ladder = Ladder::new(Payload::default());
        assert!(ladder.step(&Kind::MissingParameter { name: "TransferProtocolType".into() }));
        assert!(ladder.payload().protocol && ladder.payload().write_protected);
        assert!(!ladder.step(&Kind::MissingParameter { name: "TransferProtocolType".into() }));
    }

    #[test]
    fn a_named_unknown_parameter_is_dropped_at_once() {
        let mut ladder = Ladder::new(Payload::default());
        assert!(ladder.step(&Kind::Unsupported { what: "Inserted".into() }));
        assert!(!ladder.payload().inserted && ladder.payload().write_protected);
    }

    #[test]
    fn refusals_without_a_reason_end_after_every_form_was_tried() {
        let mut ladder = Ladder::new(Payload::default());
        let mut steps = 0;
        while ladder.step(&Kind::Rejected) {
            steps += 1;
        }
        assert_eq!(steps, 5);
        assert!(ladder.payload().credentials);
    }

    #[test]
    fn a_described_action_is_sent_what_it_knows_and_what_it_requires() {
        let known =
            |name: &str, required| Parameter { name: name.to_owned(), required, allowed: None };
        let described = [
            known("Image", true),
            known("WriteProtected", false),
            known("TransferProtocolType", true),
            known("UserName", false),
        ];
        let suited = Payload::default().suiting(&described);
        let expected = Payload { inserted: false, protocol: true, ..Payload::default() };
        assert_eq!(suited, expected);
        assert_eq!(Payload::default().suiting(&[known("ResetType", true)]), Payload::default());
    }

    #[test]
    fn only_the_wanted_parameters_are_sent() {
        let url = MediaUrl::parse("https://h/a.iso").unwrap();
        let bare = Payload { inserted: false, write_protected: false, ..Payload::default() };
        assert_eq!(bare.body(&url), json!({"Image": "https://h/a.iso"}));
        let full = Payload { protocol: true, ..Payload::default() };
        assert_eq!(full.body(&url)["TransferProtocolType"], "HTTPS");
    }
}
