//! What values of other crates look like in JSON, for the document. Those crates do not know that
//! there is one; each stand-in here takes its words and bounds from the type it stands for.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};
use shoal_core::{self as core, Budgets, Milestone};
use shoal_recipe::{SCHEMA, Workflow as Of};
use shoal_store::{self as store, KeyPurpose};

use crate::job::{LABEL_NAME_MAX, LABEL_VALUE_MAX, LABELS_MAX};

/// A stand-in that is a component of its own.
macro_rules! component {
    ($(#[$doc:meta])* $name:ident, $make:expr) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let make: fn(&mut schemars::SchemaGenerator) -> serde_json::Value = $make;
                schemars::Schema::try_from(make(generator)).unwrap_or_default()
            }
        }
    };
}

pub(crate) use component;

/// The words of an enum, all of them: one that is left out here does not compile.
macro_rules! words {
    ($type:ty: $($variant:ident),+) => {{
        let known = |value: $type| match value { $(<$type>::$variant => value,)+ };
        json!([$(known(<$type>::$variant)),+])
    }};
}

component!(
    /// `shoal_core::JobId`.
    JobId,
    |_| json!({
        "description": "Id of a job.", "type": "string", "format": "uuid",
        "examples": [JOB],
    })
);
component!(
    /// `shoal_core::ServerSerial`.
    ServerSerial,
    |_| serial()
);
component!(
    /// `shoal_core::Status`.
    Status,
    |_| json!({
        "description": "Where a job is, as everybody sees it: projected from phase and outcome.",
        "enum": core::Status::ALL.map(core::Status::as_str),
    })
);
component!(
    /// `shoal_core::OutcomeKind`.
    Outcome,
    |_| json!({"description": "How a job ended.", "enum": core::OutcomeKind::ALL.map(core::OutcomeKind::as_str)})
);
component!(
    /// `shoal_core::StepKey`.
    Step,
    |_| json!({
        "description": "A key of the step taxonomy.",
        "enum": core::StepKey::ALL.iter().map(|step| step.as_str()).collect::<Vec<_>>(),
    })
);
component!(
    /// The name of a `shoal_core::Phase`.
    Phase,
    |_| json!({
        "description": "The fine-grained position of a job; docs/job-states.md draws them.",
        "type": "string", "examples": ["queued", "insert_task", "await_report", "complete"],
    })
);
component!(
    /// `shoal_core::OnFailure`.
    OnFailure,
    |_| json!({
        "description": "What becomes of a machine whose job fails: it stays off, is switched on \
                        again from its own disk, or is left as it is.",
        "enum": words!(core::OnFailure: Off, Reset, Leave),
    })
);
component!(
    /// `shoal_core::InstallerEnd`.
    InstallerEnd,
    |_| json!({
        "description": "How a machine leaves an installer that reports nothing.",
        "enum": words!(core::InstallerEnd: Restart, PowerOff),
    })
);
component!(
    /// `shoal_core::MediaClass`.
    MediaClass,
    |_| json!({
        "description": "How both media fit into a BMC's slots.",
        "enum": words!(core::MediaClass: TwoCd, CdPlusUsb, SingleCombined),
    })
);
component!(
    /// `shoal_core::Warning`.
    JobWarning,
    |_| json!({
        "description": "What a cleanup had to leave.",
        "enum": words!(core::Warning: PowerLeftOn, MediaLeft, OverrideLeft, NotDelivered),
    })
);
component!(
    /// `shoal_core::Hold`.
    Hold,
    |_| json!({
        "description": "Why an operator is asked.",
        "enum": core::Hold::ALL.map(core::Hold::as_str),
    })
);
component!(
    /// The name of a `shoal_core::Command` that is done at a BMC.
    BmcCommand,
    |_| json!({
        "description": "Something that is done at a BMC, as history names it.",
        "type": "string", "examples": ["ensure_off", "ensure_ejected", "power_on"],
    })
);
component!(
    /// A `shoal_core::Power` that is known.
    PowerLeft,
    |_| json!({"description": "Whether a machine is left on or off.", "enum": ["on", "off"]})
);
component!(
    /// `shoal_recipe::Workflow`.
    Workflow,
    |_| json!({
        "description": "Which way a job goes, from its target.",
        "enum": words!(Of: Linux, Windows, Esxi, Firmware, Maintenance),
    })
);
component!(
    /// `shoal_core::Budgets`.
    TimeBudgets,
    |_| budgets()
);
component!(
    /// Times of `shoal_core::Milestone`s.
    Milestones,
    |_| json!({
        "description": "When each milestone was seen first; those that were not are absent.",
        "type": "object",
        "propertyNames": {"enum": Milestone::ALL.map(Milestone::as_str)},
        "additionalProperties": {"type": "string", "format": "date-time"},
    })
);
component!(
    /// `shoal_store::Hardware`.
    Hardware,
    |_| hardware()
);
component!(
    /// `shoal_store::Scheme`.
    Scheme,
    |_| json!({
        "description": "The protocol by which a BMC fetches media.",
        "enum": words!(store::Scheme: Https, Http),
    })
);
component!(
    /// `shoal_store::Role`.
    RoleName,
    |_| json!({
        "description": "What a caller may do: look; jobs and servers; the installation itself.",
        "enum": words!(store::Role: Reader, Operator, Admin),
    })
);
component!(
    /// `shoal_store::KeyPurpose`.
    Purpose,
    |_| purpose()
);
component!(
    /// An operator's own words for a job or a server, which `job::labels` reads.
    Labels,
    |_| json!({
        "description": "The operator's own words.",
        "type": "object", "maxProperties": LABELS_MAX,
        "propertyNames": {"pattern": format!("^[A-Za-z0-9._/-]{{1,{LABEL_NAME_MAX}}}$")},
        "additionalProperties": text(0, LABEL_VALUE_MAX),
    })
);
component!(
    /// A recipe as it is asked for.
    Recipe,
    |_| recipe()
);
component!(
    /// A recipe as it is shown: `job::show` puts these in the place of its sealed members.
    ShownRecipe,
    |_| shown_recipe()
);

/// A job of the examples.
pub(crate) const JOB: &str = "0198c1de-0000-7000-8000-000000000001";
/// The server of the examples.
pub(crate) const SERIAL: &str = "SRV-1";

/// Texts without control characters, of at most this many bytes; JSON Schema counts characters.
pub(crate) fn text(least: usize, most: usize) -> Value {
    json!({
        "type": "string", "minLength": least, "maxLength": most,
        "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
    })
}

/// The schema, or null, which our bodies take for a member that is left out.
pub(crate) fn or_null(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// A reference to another component, which comes into the document by it.
pub(crate) fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

pub(crate) fn job_id() -> Value {
    json!({"type": "string", "format": "uuid"})
}

pub(crate) fn serial() -> Value {
    json!({
        "description": "The operator's key of a machine.",
        "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$", "examples": [SERIAL],
    })
}

pub(crate) fn purpose() -> Value {
    json!({
        "description": "What a key is for.",
        "enum": KeyPurpose::ALL.map(KeyPurpose::as_str),
    })
}

fn budgets() -> Value {
    let known = serde_json::to_value(Budgets::for_workflow(Of::Linux)).unwrap_or_default();
    let names: Vec<&String> =
        known.as_object().into_iter().flat_map(serde_json::Map::keys).collect();
    let member = |name: &&String| ((*name).clone(), json!({"type": "integer", "minimum": 0}));
    let properties: serde_json::Map<String, Value> = names.iter().map(member).collect();
    json!({
        "description": "How long each wait of a job may take, in milliseconds.",
        "type": "object", "properties": properties, "required": names,
    })
}

fn hardware() -> Value {
    let known = serde_json::to_value(store::Hardware::default()).unwrap_or_default();
    let names: Vec<&String> =
        known.as_object().into_iter().flat_map(serde_json::Map::keys).collect();
    let member = |name: &&String| ((*name).clone(), json!({"type": ["string", "null"]}));
    let properties: serde_json::Map<String, Value> = names.iter().map(member).collect();
    json!({
        "description": "What a BMC said of its machine when it was first looked at.",
        "type": "object", "properties": properties, "required": names,
    })
}

/// The recipe's own schema. What it uses of draft-07 means the same in the dialect of OpenAPI 3.1,
/// and it refers to nothing, so it stands here as it is but for the names it gives itself.
fn recipe() -> Value {
    let mut schema: Value = serde_json::from_str(SCHEMA).unwrap_or_default();
    if let Some(members) = schema.as_object_mut() {
        members.remove("$schema");
        members.remove("$id");
    }
    schema
}

fn shown_recipe() -> Value {
    let sealed = json!({
        "type": "object", "required": ["bytes", "sha256"],
        "properties": {
            "bytes": {"type": "integer", "minimum": 0},
            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        },
    });
    json!({
        "description": "A recipe with size and SHA-256 in the place of its sealed members.",
        "type": "object", "required": ["task_target"],
        "properties": {
            "task_target": {"type": "string"},
            "user_data": sealed, "unattend_xml": sealed, "ks_cfg": sealed,
        },
    })
}
