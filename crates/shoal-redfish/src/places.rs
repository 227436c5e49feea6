//! Where a kind of BMC keeps what a plan needs. A BMC that was read before is asked there at once,
//! without its service root and its collections; what is found must be of the expected kind, or all
//! of it is read as if nothing were known.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    bmc::{Access, Bmc},
    discover::Discovery,
    error::Error,
    identity::Identity,
    kind::Kind,
    profiles::Traits,
    view::SystemView,
};

/// The parts of a service root that decide anything after a login.
const OF_ROOT: [&str; 6] =
    ["Vendor", "Product", "RedfishVersion", "Systems", "Managers", "Chassis"];

/// What is known of the places of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Layout {
    /// Nothing.
    #[default]
    Unknown,
    /// They are the same on all that were seen.
    Same(Box<Places>),
    /// Machines have places of their own, named after themselves, or share a BMC.
    Varies,
}

/// Where things are, on BMCs of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Places {
    pub(crate) access: Access,
    root: Value,
    pub(crate) system: String,
    /// The resource that lists reset types, and what it lists.
    reset_types: Option<(String, Vec<String>)>,
}

impl Places {
    /// What was listed by this resource.
    pub(crate) fn reset_types_at(&self, path: &str) -> Option<Vec<String>> {
        self.reset_types.as_ref().filter(|(at, _)| at == path).map(|(_, types)| types.clone())
    }
}

impl Bmc {
    /// Takes up the places of the kind this BMC was of when it was read last; false where nothing
    /// is known of them, or more is known already.
    pub(crate) fn goes_by_places(&self) -> bool {
        let options = &self.inner.options;
        let learned = options.kind.as_deref().and_then(|kind| options.learning.of_kind(kind));
        let Some(Layout::Same(places)) = learned.map(|learned| learned.layout) else {
            return false;
        };
        let by_root = options.profiles.select(&Traits::of_root(&places.root));
        let mut known = self.known();
        if !known.root.is_null() {
            return false;
        }
        known.session_rules = by_root.session;
        known.access = places.access.clone();
        known.root = places.root.clone();
        known.places = Some(*places);
        true
    }

    /// What a discovery by places came to; none where all has to be read, because another kind of
    /// BMC or another machine than the one of this name was found there, or nothing that can be read.
    pub(crate) fn found_by_places(
        &self,
        found: Result<Discovery, Error>,
        name: Option<&str>,
    ) -> Option<Result<Discovery, Error>> {
        let expected = self.inner.options.kind.as_deref();
        let elsewhere = match &found {
            Ok(discovery) => {
                Some(discovery.learned.kind()) != expected
                    || name.is_some_and(|name| discovery.named_by(name).is_none())
            }
            Err(error) => {
                error.kind().says_no_such_read()
                    || matches!(error.kind(), Kind::NoSystem { .. } | Kind::Protocol { .. })
            }
        };
        let mut known = self.known();
        known.places = None;
        if !elsewhere {
            return Some(found);
        }
        known.root = Value::Null;
        None
    }

    /// Remembers where things were found, unless machines of this kind keep them in places of their
    /// own or several share a BMC, where one place is only one machine's.
    pub(crate) fn learn_places(
        &self,
        system: &str,
        view: &SystemView,
        reset: Option<&[String]>,
        others: &[(String, Identity)],
    ) {
        if self.known().places.is_some() {
            return;
        }
        let info = view.reset.as_ref().and_then(|reset| reset.action_info.clone());
        let places = Places {
            access: self.access(),
            root: brief(&self.known().root),
            system: system.to_owned(),
            reset_types: info.zip(reset.map(<[String]>::to_vec)),
        };
        self.learn(|learned| {
            learned.layout = match &learned.layout {
                _ if !others.is_empty() => Layout::Varies,
                Layout::Varies => Layout::Varies,
                Layout::Same(known) if known.system != places.system => Layout::Varies,
                Layout::Same(_) | Layout::Unknown => Layout::Same(Box::new(places)),
            };
        });
    }
}

fn brief(root: &Value) -> Value {
    let mut kept = Map::new();
    for key in OF_ROOT {
        kept.extend(root.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    if let Some(oem) = root.get("Oem").and_then(Value::as_object) {
        let makers: Map<String, Value> = oem.keys().map(|key| (key.clone(), json!({}))).collect();
        kept.insert("Oem".to_owned(), Value::Object(makers));
    }
    Value::Object(kept)
}
