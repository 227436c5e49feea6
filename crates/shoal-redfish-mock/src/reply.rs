//! Answers in Redfish's shapes, built in one place so that every error carries the extended
//! information that clients look for.

use http::{HeaderName, StatusCode, header};
use serde_json::{Value, json};

use crate::persona::{ErrorHabits, Refusal, Success};

/// An answer before it becomes HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) body: Option<(&'static str, String)>,
}

pub(crate) const JSON: &str = "application/json; charset=utf-8";

impl Reply {
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status: status.as_u16(), headers: Vec::new(), body: None }
    }

    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        Self { status: status.as_u16(), headers: Vec::new(), body: Some((JSON, body.to_string())) }
    }

    pub(crate) fn text(content_type: &'static str, body: impl Into<String>) -> Self {
        Self { status: 200, headers: Vec::new(), body: Some((content_type, body.into())) }
    }

    pub(crate) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// An error with one message, whose id and text are those of the whole.
    pub(crate) fn error(status: u16, id: &str, text: &str, properties: &[String]) -> Self {
        let mut message = json!({
            "@odata.type": "#Message.v1_1_0.Message",
            "MessageId": id,
            "Message": text,
            "MessageArgs": properties,
            "Severity": "Warning",
            "Resolution": "See the message.",
        });
        if !properties.is_empty()
            && let Some(fields) = message.as_object_mut()
        {
            let pointers: Vec<String> = properties.iter().map(|name| format!("#/{name}")).collect();
            fields.insert("RelatedProperties".to_owned(), json!(pointers));
        }
        let body = json!({"error": {
            "code": id,
            "message": text,
            "@Message.ExtendedInfo": [message],
        }});
        Self { status, headers: Vec::new(), body: Some((JSON, body.to_string())) }
    }

    /// A refusal in the persona's own words.
    pub(crate) fn refused(refusal: &Refusal) -> Self {
        Self::error(refusal.status, &refusal.id, &refusal.text, &[])
    }

    /// An accepted write in the persona's own form.
    pub(crate) fn accepted(form: &Success) -> Self {
        let status = StatusCode::from_u16(form.status).unwrap_or(StatusCode::NO_CONTENT);
        match (&form.code, &form.message_id) {
            (Some(code), Some(id)) => Self::json(
                status,
                &json!({"error": {
                    "code": code,
                    "message": "See @Message.ExtendedInfo for more information.",
                    "@Message.ExtendedInfo": [{"MessageId": id}],
                }}),
            ),
            _ => Self::empty(status),
        }
    }

    /// The same answer as this BMC words its errors; one that is no error stays as it is.
    pub(crate) fn told_as(mut self, habits: &ErrorHabits) -> Self {
        let Some((kind, text)) = self.body.as_ref().filter(|_| self.status >= 400) else {
            return self;
        };
        let kind = *kind;
        let Ok(mut body) = serde_json::from_str::<Value>(text) else { return self };
        if let Some(error) = body.get_mut("error") {
            reword(error, habits);
        }
        self.body = Some((kind, body.to_string()));
        self
    }

    pub(crate) fn unauthorized() -> Self {
        Self::base(StatusCode::UNAUTHORIZED, "NoValidSession", "There is no valid session.")
            .with(header::WWW_AUTHENTICATE, "Basic realm=\"RedfishService\"")
    }

    pub(crate) fn forbidden() -> Self {
        let text = "The role of the account does not allow this.";
        Self::base(StatusCode::FORBIDDEN, "InsufficientPrivilege", text)
    }

    pub(crate) fn no_operation() -> Self {
        Self::base(StatusCode::BAD_REQUEST, "NoOperation", "The request asks for no change.")
    }

    pub(crate) fn exists(property: &str) -> Self {
        Self::error(
            400,
            "Base.1.12.ResourceAlreadyExists",
            "There is a resource of that name.",
            &[property.to_owned()],
        )
    }

    pub(crate) fn full() -> Self {
        let text = "No further resource can be made.";
        Self::base(StatusCode::BAD_REQUEST, "CreateLimitReachedForResource", text)
    }

    pub(crate) fn not_found() -> Self {
        Self::base(StatusCode::NOT_FOUND, "ResourceMissingAtURI", "There is no such resource.")
    }

    pub(crate) fn not_allowed(allow: &'static str) -> Self {
        Self::base(
            StatusCode::METHOD_NOT_ALLOWED,
            "OperationNotAllowed",
            "The method is not allowed on this resource.",
        )
        .with(header::ALLOW, allow)
    }

    pub(crate) fn precondition(status: StatusCode) -> Self {
        Self::base(
            status,
            "PreconditionFailed",
            "The entity tag or the protocol version is not the expected one.",
        )
    }

    pub(crate) fn malformed() -> Self {
        Self::base(StatusCode::BAD_REQUEST, "MalformedJSON", "The body is not a JSON object.")
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        Self::error(
            400,
            "Base.1.12.ActionParameterMissing",
            &format!("The parameter {parameter} is required and missing."),
            &[parameter.to_owned()],
        )
    }

    pub(crate) fn not_writable(property: &str) -> Self {
        Self::error(
            400,
            "Base.1.12.PropertyNotWritable",
            "A property cannot be changed.",
            &[property.to_owned()],
        )
    }

    pub(crate) fn unknown_property(property: &str) -> Self {
        Self::error(
            400,
            "Base.1.12.PropertyUnknown",
            "A property is not known.",
            &[property.to_owned()],
        )
    }

    pub(crate) fn unchanged(property: &str) -> Self {
        Self::error(
            400,
            "Base.1.12.PropertyValueConflict",
            "A property has this value already.",
            &[property.to_owned()],
        )
    }

    pub(crate) fn bad_value(property: &str) -> Self {
        Self::error(
            400,
            "Base.1.12.PropertyValueNotInList",
            "A value is not among the allowable ones.",
            &[property.to_owned()],
        )
    }

    fn base(status: StatusCode, id: &str, text: &str) -> Self {
        Self::error(status.as_u16(), &format!("Base.1.12.{id}"), text, &[])
    }
}

const EXTENDED_INFO: &str = "@Message.ExtendedInfo";

fn reword(error: &mut Value, habits: &ErrorHabits) {
    let messages = error.get_mut(EXTENDED_INFO).and_then(Value::as_array_mut);
    for message in messages.into_iter().flatten() {
        let Some(id) = message.get_mut("MessageId") else { continue };
        let text = id.as_str().unwrap_or_default();
        let missing = text.ends_with(".ActionParameterMissing");
        if let Some(other) = habits.missing_id.as_ref().filter(|_| missing) {
            *id = json!(other);
        } else if habits.bare_ids {
            *id = json!(text.rsplit('.').next().unwrap_or_default());
        }
    }
    let Some(fields) = error.as_object_mut() else { return };
    if habits.no_code {
        fields.remove("code");
    }
    if habits.info_is_object
        && let Some(info) = fields.get_mut(EXTENDED_INFO)
        && let Some(first) = info.get(0).cloned()
    {
        *info = first;
    }
}
