//! From the operations to the document: paths, components, and the recipe's own schema among them.

use std::collections::BTreeMap;

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use shoal_webhook::SECRET_HEADER;

use super::{
    Operation,
    operation::{Answer, Body, Login, Parameter, Shape},
    refusal::{by_status, header, name, response},
};
use crate::error;

const ABOUT: &str = "Provisions bare-metal servers over Redfish virtual media.\n\n\
    Refusals have one shape, `Error`; programs decide by its `error`, whose words never change. \
    A call that is known here never answers anything that is not described here; new members may \
    appear in answers. Times are RFC 3339 in UTC with milliseconds.";

/// What the tags mean, in the order in which readers meet them.
const TAGS: [(&str, &str); 9] = [
    ("jobs", "One recipe for one server, from POST to cleanup."),
    ("servers", "Machines, known by their serial, and how their BMCs are reached."),
    ("events", "The history of jobs, as lists or as Server-Sent Events."),
    ("registry", "The registry for operators. Its clients use /v2/, which is not described here."),
    ("admin", "The installation itself. Every call needs the role admin."),
    ("machines", "What the maintenance OS calls."),
    ("media", "What BMCs read. The paths are signed, are made by the controller, and expire."),
    ("health", "Whether the process lives and is of use."),
    ("document", "This document."),
];

/// The OpenAPI document of these operations.
pub(super) fn document(operations: &[&Operation]) -> Value {
    let mut maker = Maker {
        schemas: SchemaSettings::draft2020_12()
            .with(|settings| settings.definitions_path = "/components/schemas".into())
            .for_serialize()
            .into_generator(),
        refusals: Map::new(),
    };
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in operations {
        let method = operation.method.as_str().to_ascii_lowercase();
        paths.entry(operation.path).or_default().insert(method, maker.operation(operation));
    }
    maker.schemas.subschema_for::<error::Body<'_>>();
    let tags = TAGS.map(|(name, about)| json!({"name": name, "description": about}));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Shoal",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The controller that serves this document"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": maker.schemas.take_definitions(true),
            "responses": maker.refusals,
            "headers": headers(),
            "securitySchemes": security_schemes(),
        },
    })
}

fn headers() -> Value {
    json!({
        "RequestId": {
            "description": "The request's id, as in logs. A usable one of the caller's is kept.",
            "required": true,
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
        },
        "Location": {
            "description": "The path of what was made.",
            "required": true,
            "schema": {"type": "string"},
        },
        "RetryAfter": {
            "description": "Seconds to wait before the same call can succeed.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "WwwAuthenticate": {
            "description": "How to prove who calls.",
            "required": true,
            "schema": {"type": "string"},
        },
    })
}

fn security_schemes() -> Value {
    json!({
        "basic": {
            "type": "http", "scheme": "basic",
            "description": "A user of the configuration, with a password.",
        },
        "bearer": {
            "type": "http", "scheme": "bearer",
            "description": "An API token, made with POST /api/v1/admin/tokens.",
        },
        "webhookSecret": {
            "type": "apiKey", "in": "header", "name": SECRET_HEADER,
            "description": "The token on the job's task medium, or the fleet secret where one is \
                            configured.",
        },
        "clientCertificate": {
            "type": "mutualTLS",
            "description": "A certificate of this site, where WEBHOOK_MTLS asks for one.",
        },
    })
}

fn security(login: Login) -> Value {
    match login {
        Login::Nobody => json!([]),
        Login::Of(_) => json!([{"basic": []}, {"bearer": []}]),
        Login::Machine => {
            json!([{"webhookSecret": []}, {"webhookSecret": [], "clientCertificate": []}])
        }
    }
}

struct Maker {
    schemas: SchemaGenerator,
    /// Response components by name.
    refusals: Map<String, Value>,
}

impl Maker {
    fn operation(&mut self, operation: &Operation) -> Value {
        let role = match operation.login {
            Login::Of(role) => format!("Needs the role {}.", role.as_str()),
            Login::Nobody | Login::Machine => String::new(),
        };
        let about: Vec<&str> =
            [operation.about, &role].into_iter().filter(|text| !text.is_empty()).collect();
        let mut made = json!({
            "operationId": operation.id,
            "summary": operation.summary,
            "tags": [operation.tag],
            "security": security(operation.login),
            "responses": self.responses(operation),
        });
        if !about.is_empty() {
            insert(&mut made, "description", json!(about.join("\n\n")));
        }
        if !operation.parameters.is_empty() {
            let parameters: Vec<Value> = operation.parameters.iter().map(parameter).collect();
            insert(&mut made, "parameters", json!(parameters));
        }
        if let Some(body) = &operation.body {
            insert(&mut made, "requestBody", self.body(body));
        }
        made
    }

    fn body(&mut self, body: &Body) -> Value {
        let mut content = Map::new();
        for (content_type, shape) in &body.content {
            let mut media = json!({"schema": self.schema(shape)});
            if *content_type == "application/json" && !body.examples.is_empty() {
                let named =
                    |(name, value): &(&str, Value)| ((*name).to_owned(), json!({"value": value}));
                let examples: Map<String, Value> = body.examples.iter().map(named).collect();
                insert(&mut media, "examples", json!(examples));
            }
            content.insert((*content_type).to_owned(), media);
        }
        json!({"description": body.about, "required": body.required, "content": content})
    }

    fn responses(&mut self, operation: &Operation) -> Value {
        let mut responses = Map::new();
        for (status, codes) in by_status(&operation.refusals) {
            let name = name(&codes);
            let reference = json!({"$ref": format!("#/components/responses/{name}")});
            self.refusals.entry(name).or_insert_with(|| response(&codes));
            responses.insert(status.to_string(), reference);
        }
        for answer in &operation.answers {
            responses.insert(answer.status.to_string(), self.answer(answer));
        }
        Value::Object(responses)
    }

    fn answer(&mut self, answer: &Answer) -> Value {
        let mut headers = Map::from_iter([("X-Request-Id".to_owned(), header("RequestId"))]);
        if answer.location {
            headers.insert("Location".to_owned(), header("Location"));
        }
        let mut made = json!({"description": answer.about, "headers": headers});
        if !answer.content.is_empty() {
            let mut content = Map::new();
            for (content_type, shape) in &answer.content {
                content.insert((*content_type).to_owned(), json!({"schema": self.schema(shape)}));
            }
            insert(&mut made, "content", json!(content));
        }
        made
    }

    fn schema(&mut self, shape: &Shape) -> Value {
        match shape {
            Shape::Of(describe) => describe(&mut self.schemas).to_value(),
            Shape::Is(schema) => schema.clone(),
        }
    }
}

fn parameter(parameter: &Parameter) -> Value {
    let mut made = json!({
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.about,
        "schema": parameter.schema,
    });
    if let Some(example) = &parameter.example {
        insert(&mut made, "example", example.clone());
    }
    made
}

fn insert(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
