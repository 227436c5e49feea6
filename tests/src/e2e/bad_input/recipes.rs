//! One bad recipe for each rule. Those that the published schema states are read out of it, so that
//! a rule that is added is tried as well; the rest are the rules that no schema can say.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Map, Value, json};
use shoal_tests::{Api, linux_job};

use super::{Case, IDLE, INVALID, post, refuse, standing_still, state::State, strike};
use crate::suite::Place;

const SCHEMA: &str = include_str!("../../../../schemas/recipe.v1.json");
/// What a refusal must never repeat.
const SECRET: &str = "canary-7731";

/// A value that breaks a rule, and where the refusal has to point.
struct Break {
    pointer: String,
    value: Option<Value>,
    rule: String,
}

pub(super) async fn run(place: Place) -> Result<()> {
    let stage = standing_still(&place).await?;
    let api = &stage.api;
    let schema: Value = serde_json::from_str(SCHEMA).context("read the schema")?;
    let mut breaks = Vec::new();
    of_object(&schema, "", &mut breaks);
    ensure!(breaks.len() > 60, "only {} rules were found in the schema", breaks.len());
    let mut cases = Vec::new();
    for broken in breaks {
        let recipe = broken.recipe(&good()?)?;
        cases.push(case(api, &broken.rule, &recipe, &broken.pointer));
    }
    for (pointer, value, rule) in beyond_the_schema() {
        let broken =
            Break { pointer: pointer.to_owned(), value: Some(value), rule: rule.to_owned() };
        cases.push(case(api, rule, &broken.recipe(&good()?)?, pointer));
    }
    cases.extend(of_targets(api, &schema)?);
    refuse(api, cases).await?;
    overfull(api).await?;
    sealed(api).await?;
    strike(stage, &place).await.map(drop)
}

/// A recipe that is right, with every member that may be there.
fn good() -> Result<Value> {
    let mut recipe = linux_job(IDLE)?.get("recipe").context("no recipe")?.clone();
    let members = recipe.as_object_mut().context("no object")?;
    members.insert("firmware_url".to_owned(), json!("https://files.example/bundle.zip"));
    members.insert("metadata".to_owned(), json!({"ticket": 4711}));
    Ok(recipe)
}

fn case(api: &Api, rule: &str, recipe: &Value, pointer: &str) -> Case {
    let body = json!({"server_serial": IDLE, "recipe": recipe}).to_string();
    let what = format!("{pointer} {rule}");
    Case::new(what, post(api, "/api/v1/jobs", body), INVALID).at(format!("/recipe{pointer}"))
}

impl Break {
    /// The good recipe with the value put in, or taken away.
    fn recipe(&self, good: &Value) -> Result<Value> {
        let mut recipe = good.clone();
        let Some((parent, name)) = self.pointer.rsplit_once('/') else {
            return Ok(self.value.clone().unwrap_or_default());
        };
        // A disk may be a path or a selector, and the good recipe has only one of them.
        if let Some(disk) = recipe.pointer_mut(parent).filter(|parent| parent.is_string()) {
            *disk = json!({});
        }
        let parent = recipe.pointer_mut(parent).with_context(|| format!("no {parent}"))?;
        match (parent, &self.value) {
            (Value::Object(members), Some(value)) => {
                drop(members.insert(name.to_owned(), value.clone()));
            }
            (Value::Object(members), None) => drop(members.remove(name)),
            (Value::Array(items), Some(value)) => {
                let at: usize = name.parse().context("no place in a list")?;
                *items.get_mut(at).context("no such place")? = value.clone();
            }
            (other, _) => anyhow::bail!("{} cannot be set in {other}", self.pointer),
        }
        Ok(recipe)
    }
}

/// The rules of an object and, with `at` before their pointers, those of its members.
fn of_object(schema: &Value, at: &str, breaks: &mut Vec<Break>) {
    let mut add = |pointer: String, value: Option<Value>, rule: String| {
        breaks.push(Break { pointer, value, rule });
    };
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        add(format!("{at}/surprise"), Some(json!(1)), "an unknown member".to_owned());
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        add(format!("{at}/{name}"), None, "is missing".to_owned());
    }
    let none = Map::new();
    let members = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    for (name, member) in members {
        let pointer = format!("{at}/{name}");
        for (rule, value) in of_value(member) {
            breaks.push(Break { pointer: pointer.clone(), value: Some(value), rule });
        }
        of_object(member, &pointer, breaks);
        if let Some(items) = member.get("items") {
            let first = format!("{pointer}/0");
            for (rule, value) in of_value(items) {
                breaks.push(Break { pointer: first.clone(), value: Some(value), rule });
            }
            of_object(items, &first, breaks);
        }
    }
}

/// For each rule about one value, a value that breaks it.
fn of_value(schema: &Value) -> Vec<(String, Value)> {
    let types = match schema.get("type") {
        Some(Value::Array(several)) => several.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let mut broken = Vec::new();
    let kinds = [("boolean", json!(true)), ("string", json!("text")), ("array", json!([1]))];
    for (kind, value) in kinds {
        if !types.is_empty() && !types.contains(&json!(kind)) {
            broken.push((format!("a value of type {kind}"), value));
        }
    }
    let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
    let length = |name: &str| bound(name).and_then(|bound| usize::try_from(bound).ok());
    let mut add = |rule: &str, value: Option<Value>| {
        broken.extend(value.map(|value| (rule.to_owned(), value)));
    };
    add("too long", length("maxLength").map(|most| json!("x".repeat(most + 1))));
    add("too short", length("minLength").map(|_| json!("")));
    add("too small", bound("minimum").map(|least| json!(least.saturating_sub(1))));
    add("too large", bound("maximum").map(|most| json!(most + 1)));
    add("too few", length("minItems").map(|_| json!([])));
    add("too many", length("maxItems").map(|most| json!(vec![json!({}); most + 1])));
    add("empty", length("minProperties").map(|_| json!({})));
    add("the wrong form", schema.get("pattern").map(|_| json!("no such form!")));
    add("no URL", schema.get("format").map(|_| json!("no url")));
    add("not one of these", schema.get("enum").map(|_| json!("none of these")));
    broken
}

/// What the schema asks of single targets, each member missing once.
fn of_targets(api: &Api, schema: &Value) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for rule in schema.get("allOf").and_then(Value::as_array).context("no rules of targets")? {
        let target = rule.pointer("/if/properties/task_target/const").context("no target")?;
        let needed =
            rule.pointer("/then/required").and_then(Value::as_array).context("no members")?;
        for name in needed {
            let name = name.as_str().unwrap_or_default();
            let mut recipe = good()?;
            let members = recipe.as_object_mut().context("no object")?;
            members.insert("ks_cfg".to_owned(), json!("install --firstdisk\nreboot\n"));
            members.insert("task_target".to_owned(), target.clone());
            members.remove(name);
            cases.push(case(
                api,
                &format!("is missing for {target}"),
                &recipe,
                &format!("/{name}"),
            ));
        }
    }
    ensure!(cases.len() > 5, "only {} members are needed by targets", cases.len());
    Ok(cases)
}

/// Rules that no schema can say.
fn beyond_the_schema() -> Vec<(&'static str, Value, &'static str)> {
    let parts = |parts: &[Value]| Value::from(parts.to_vec());
    let part = |size: &str| json!({"size": size, "type_guid": "8300"});
    vec![
        ("/recipe_version", json!(2), "a later version"),
        ("/recipe_version", json!(1.0), "a fraction"),
        ("/wim_index", json!(1.0), "a fraction"),
        ("/task_target", json!("poweroff.target"), "would stop the machine"),
        ("/task_target", json!("-x.target"), "reads as an option"),
        ("/task_target", json!("../x.target"), "climbs"),
        ("/target_disk", json!("/dev/sda1"), "a partition"),
        ("/target_disk", json!("/dev/../etc/passwd"), "climbs"),
        ("/target_disk", json!("/dev/mapper/control"), "no disk"),
        ("/target_disk", json!("/dev/mapper/a..b"), "climbs"),
        ("/target_disk/size", json!(">=999999999T"), "beyond any disk"),
        ("/target_disk/serial", json!("  "), "blank"),
        ("/target_disk/model", json!("a\u{1b}[2J"), "a control character"),
        ("/oci_url", json!("debian"), "no registry"),
        ("/oci_url", json!("r.example/a b:1"), "a space"),
        ("/oci_url", json!("r.example/a@sha256:0"), "half a digest"),
        ("/firmware_url", json!("ftp://files.example/a"), "another scheme"),
        ("/firmware_url", json!("https://u:p@files.example/a"), "credentials"),
        ("/partition_layout", parts(&[part("100%"), part("100%")]), "the rest twice"),
        ("/partition_layout", parts(&[part("60%"), part("50%")]), "more than the disk"),
        ("/partition_layout", parts(&[part("100%"), part("1%"), part("99%")]), "nothing left"),
        ("/partition_layout/0/size", json!("101%"), "more than the disk"),
        ("/partition_layout/0/size", json!("9999999T"), "beyond any disk"),
        ("/partition_layout/0/type_guid", json!("9999"), "an unknown alias"),
        ("/partition_layout/0/type_guid", json!("00000000-0000-0000-0000-000000000000"), "unused"),
        ("/partition_layout/0/label", json!("longer than vfat"), "too long a label"),
        ("/user_data", json!(format!("{SECRET}\u{0}")), "a control character"),
        ("/unattend_xml", json!("ä".repeat(600_000)), "too many bytes"),
        ("/ks_cfg", json!("\u{1b}"), "a control character"),
        ("/metadata", json!({"x": "y".repeat(256 * 1024)}), "too many bytes"),
    ]
}

/// Every member within its bounds, and all of them more than a medium holds.
async fn overfull(api: &Api) -> Result<()> {
    let mut recipe = good()?;
    let members = recipe.as_object_mut().context("no object")?;
    for name in ["user_data", "unattend_xml"] {
        // A newline takes two bytes in the recipe and one in the file of its own.
        members.insert(name.to_owned(), json!("\n".repeat(1 << 20)));
    }
    refuse(api, vec![case(api, "more than a medium holds", &recipe, "")]).await
}

/// A refused recipe's secrets are not told.
async fn sealed(api: &Api) -> Result<()> {
    let before = State::of(api).await?;
    let mut recipe = good()?;
    let members = recipe.as_object_mut().context("no object")?;
    members.insert("user_data".to_owned(), json!([SECRET]));
    members.insert("ks_cfg".to_owned(), json!({SECRET: SECRET}));
    members.insert("unattend_xml".to_owned(), json!(format!("{SECRET}\u{7}")));
    let body = json!({"server_serial": IDLE, "recipe": recipe});
    let answer = api.call(Method::POST, "/jobs", Some(&body)).await?.wants(400)?;
    ensure!(!answer.to_string().contains(SECRET), "a secret is told: {answer}");
    before.check(api).await
}
