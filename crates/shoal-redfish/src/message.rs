//! Status codes of BMCs say little and sometimes lie; what went wrong is in the extended info of the
//! body (DSP0266, error responses). This reads it in all the shapes seen in the field and turns
//! message ids into our taxonomy. New vendor ids are one line in the table.

use serde_json::Value;

use crate::kind::{BusyReason, Kind, MediaFault};

/// One entry of `@Message.ExtendedInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) text: String,
    args: Vec<String>,
    related: Vec<String>,
}

impl Message {
    /// The id without registry and version: `Base.1.8.ResourceInUse` gives `ResourceInUse`.
    pub(crate) fn key(&self) -> &str {
        self.id.rsplit('.').next().unwrap_or_default()
    }

    /// The property or parameter the message is about.
    fn subject(&self) -> String {
        let related = self
            .related
            .first()
            .map(|pointer| pointer.rsplit('/').next().unwrap_or_default().to_owned());
        // Action messages carry (action, parameter), property messages (property) or (value, property).
        related.or_else(|| self.args.last().cloned()).unwrap_or_default()
    }
}

/// All messages of a body: nested or at the top, list or single object, with or without a registry.
pub(crate) fn read(body: &Value) -> Vec<Message> {
    let error = body.get("error").unwrap_or(body);
    let info = error.get("@Message.ExtendedInfo").or_else(|| body.get("@Message.ExtendedInfo"));
    let mut messages: Vec<Message> = match info {
        Some(Value::Array(items)) => items.iter().map(one).collect(),
        Some(single @ Value::Object(_)) => vec![one(single)],
        _ => Vec::new(),
    };
    if let Some(Value::Array(items)) = body.get("Messages") {
        messages.extend(items.iter().map(one));
    }
    let code = error.get("code").and_then(Value::as_str).unwrap_or_default();
    if messages.is_empty() && !code.is_empty() {
        let text = error.get("message").and_then(Value::as_str).unwrap_or_default();
        messages.push(Message { id: code.to_owned(), text: text.to_owned(), ..Message::default() });
    }
    messages
}

fn one(value: &Value) -> Message {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |key: &str| match value.get(key) {
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(Value::String(single)) => vec![single.clone()],
        _ => Vec::new(),
    };
    Message {
        id: text("MessageId"),
        text: text("Message"),
        args: list("MessageArgs"),
        related: list("RelatedProperties"),
    }
}

/// What a refusal with this status and these messages means.
pub(crate) fn classify(status: u16, messages: &[Message]) -> Kind {
    messages.iter().find_map(|message| by_id(status, message)).unwrap_or_else(|| by_status(status))
}

fn by_id(status: u16, message: &Message) -> Option<Kind> {
    let key = message.key();
    Some(match key {
        "SessionLimitExceeded" | "RAC0218" => Kind::SessionLimit,
        "ServiceTemporarilyUnavailable" => {
            let seconds = message.args.first().and_then(|arg| arg.parse().ok());
            Kind::NotReady { retry_after: seconds.map(std::time::Duration::from_secs) }
        }
        "SYS518" | "SWC0700" | "ServiceInUnknownState" => Kind::NotReady { retry_after: None },
        "UnableToModifyDuringSystemPOST" => Kind::Busy(BusyReason::InPost),
        "UnableToModifyAfterVirtualMediaInsert" | "InvalidOperationForSystemState" => {
            Kind::Busy(BusyReason::StateConflict)
        }
        // Jobs of an iDRAC: one is running, or one waits for the host to restart.
        "RAC0679" => Kind::Busy(BusyReason::JobRunning),
        "LC068" => Kind::Busy(BusyReason::ConfigurationPending),
        "ActionParameterValueConflict" | "NoOperation" if status == 409 => {
            Kind::Busy(BusyReason::StateConflict)
        }
        "VRM0021"
        | "VRM0012"
        | "MaxVirtualMediaConnectionEstablished"
        | "ResourceInUse"
        | "ConnectionOccupied" => Kind::MediaBusy,
        "VirtualMediaIsDisabled" => Kind::MediaDisabled,
        "LicenseKeyRequired" | "InsufficientLicense" => Kind::LicenseRequired,
        "RAC0904" | "ConnectionFailed" | "SourceDoesNotExist" => {
            Kind::MediaRejected(MediaFault::Unreachable)
        }
        "RAC0720" => Kind::MediaRejected(MediaFault::NotFound),
        "FileTransferProtocolMismatch" => Kind::MediaRejected(MediaFault::Scheme),
        "ActionParameterMissing" | "PropertyMissing" | "CreateFailedMissingReqProperties" => {
            Kind::MissingParameter { name: message.subject() }
        }
        "ActionParameterUnknown"
        | "PropertyUnknown"
        | "PropertyNotWritable"
        | "ActionParameterNotSupported" => Kind::Unsupported { what: message.subject() },
        "OperationSupportedInFutureStateURI" => Kind::FutureState,
        "ActionParameterValueFormatError" | "PropertyValueFormatError"
            if message.subject() == "Image" =>
        {
            Kind::MediaRejected(image_fault(&message.text))
        }
        _ if message.id.contains("FutureState") => Kind::FutureState,
        _ => return None,
    })
}

fn image_fault(text: &str) -> MediaFault {
    let text = text.to_ascii_lowercase();
    if text.contains("certificate") {
        MediaFault::Certificate
    } else if text.contains("too long") || text.contains("length") {
        MediaFault::TooLong
    } else if text.contains("scheme") || text.contains("protocol") {
        MediaFault::Scheme
    } else {
        MediaFault::Format
    }
}

fn by_status(status: u16) -> Kind {
    match status {
        401 | 403 => Kind::Auth,
        404 => Kind::NotFound,
        405 | 501 => Kind::Unsupported { what: "the method".to_owned() },
        409 | 423 => Kind::Busy(BusyReason::StateConflict),
        412 | 428 => Kind::Precondition,
        429 | 503 => Kind::NotReady { retry_after: None },
        500..=599 => Kind::Server,
        _ => Kind::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn extended_info_is_read_as_list_and_as_object() {
        let entry = json!({"MessageId": "Base.1.8.ActionParameterMissing", "MessageArgs": ["InsertMedia", "TransferProtocolType"]});
        for info in [json!([entry]), entry] {
            let messages = read(&json!({"error": {"@Message.ExtendedInfo": info}}));
            assert_eq!(
                classify(400, &messages),
                Kind::MissingParameter { name: "TransferProtocolType".into() }
            );
        }
    }

    #[test]
    fn related_properties_name_the_parameter_before_arguments_do() {
        let body = json!({"error": {"@Message.ExtendedInfo": [{"MessageId": "Base.1.5.PropertyMissing",
            "MessageArgs": ["InsertMedia"], "RelatedProperties": ["#/TransferProtocolType"]}]}});
        assert_eq!(
            classify(400, &read(&body)),
            Kind::MissingParameter { name: "TransferProtocolType".into() }
        );
    }

    #[test]
    fn an_id_without_a_registry_and_a_bare_code_are_understood() {
        assert_eq!(
            classify(503, &read(&json!({"error": {"code": "RAC0218"}}))),
            Kind::SessionLimit
        );
        let body = json!({"@Message.ExtendedInfo": [{"MessageId": "SWC0700"}]});
        assert_eq!(classify(400, &read(&body)), Kind::NotReady { retry_after: None });
    }

    #[test]
    fn a_temporary_outage_names_its_seconds() {
        let body = json!({"error": {"@Message.ExtendedInfo": [{"MessageId": "Base.1.2.ServiceTemporarilyUnavailable", "MessageArgs": ["30"]}]}});
        let expected = Kind::NotReady { retry_after: Some(std::time::Duration::from_secs(30)) };
        assert_eq!(classify(503, &read(&body)), expected);
    }

    #[test]
    fn unexplained_statuses_fall_back_to_their_class() {
        assert_eq!(classify(412, &[]), Kind::Precondition);
        assert_eq!(classify(502, &[]), Kind::Server);
        assert_eq!(classify(400, &[]), Kind::Rejected);
    }
    proptest! {
        #[test]
        fn any_message_id_has_a_key_within_it(id in "([A-Za-z]{0,8}\\.){0,5}\\PC{0,30}", status: u16) {
            let message = Message { id: id.clone(), ..Message::default() };
            prop_assert!(id.contains(message.key()));
            // What is not known is told by its status; success is never made of a refusal.
            let kind = classify(status, &[message]);
            prop_assert!(!kind.to_string().is_empty());
        }

        #[test]
        fn a_known_id_means_the_same_whatever_its_registry_and_version(
            registry in "[A-Za-z]{1,12}",
            version in "[0-9]{1,2}\\.[0-9]{1,2}(\\.[0-9]{1,2})?",
        ) {
            for (id, kind) in [
                ("SessionLimitExceeded", Kind::SessionLimit),
                ("ResourceInUse", Kind::MediaBusy),
                ("VirtualMediaIsDisabled", Kind::MediaDisabled),
            ] {
                let message = Message { id: format!("{registry}.{version}.{id}"), ..Message::default() };
                prop_assert_eq!(classify(400, &[message]), kind);
            }
        }
    }
}
