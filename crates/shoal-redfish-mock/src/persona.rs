//! A persona is one kind of BMC described as data, so that a further vendor is a file and not
//! a branch: every habit that clients trip over is a field here and is read in the one place
//! that acts on it.

mod facts;
mod habits;

use serde::Deserialize;

pub use facts::{ChassisFacts, ManagerFacts, RootFacts, SerialIn, SlotFacts, SystemFacts, Under};
pub use habits::{
    BootHabits, ConnectionHabits, EmptyImage, ErrorHabits, EtagForm, EtagHabits, IfMatch,
    ImportHabits, InsertAnswer, MediaHabits, Oddities, OffHabits, PowerHabits, Refusal, Refusals,
    ResetTypesIn, SessionHabits, SettingsHabits, ShownImage, Success, WhileChanging,
};

/// One kind of BMC: its names, where its slots live, and its habits.
///
/// Personas are TOML files; unknown keys are refused so that a misspelt habit cannot pass
/// unnoticed. A file that begins with `like = "ilo5"` is that built-in persona but for what the file
/// says. Which are built in, [`Persona::names`] tells.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    /// Name by which the persona is chosen, such as `ilo5`.
    pub name: String,
    /// What the service root says.
    pub root: RootFacts,
    /// The one `ComputerSystem`.
    pub system: SystemFacts,
    /// The one `Manager`.
    pub manager: ManagerFacts,
    /// The one `Chassis`.
    pub chassis: ChassisFacts,
    /// Virtual media slots in the order in which collections list them.
    pub slots: Vec<SlotFacts>,
    /// How media are inserted, read and ejected.
    pub media: MediaHabits,
    /// How a boot override is set.
    pub boot: BootHabits,
    /// How power changes.
    pub power: PowerHabits,
    /// How sessions behave.
    pub sessions: SessionHabits,
    /// How `ETag` and `If-Match` behave.
    pub etags: EtagHabits,
    /// How an accepted write is answered.
    pub success: Success,
    /// How errors are told.
    #[serde(default)]
    pub errors: ErrorHabits,
    /// How connections are kept.
    #[serde(default)]
    pub connections: ConnectionHabits,
    /// What is odd about the tree.
    #[serde(default)]
    pub oddities: Oddities,
    /// How each known refusal is worded.
    pub refusals: Refusals,
}

/// Why a persona could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PersonaError {
    /// The text is not a persona.
    #[error("persona does not parse")]
    Parse(#[source] Box<toml::de::Error>),
    /// No built-in persona has this name.
    #[error("no persona is named {0}")]
    Unknown(String),
    /// Two slots share an id, so that a journal could not tell them apart.
    #[error("persona {persona} has two slots named {slot}")]
    DuplicateSlot {
        /// The persona.
        persona: String,
        /// The slot id that occurs twice.
        slot: String,
    },
    /// A slot refers to one that does not exist.
    #[error("persona {persona} refers to an unknown slot {slot}")]
    UnknownSlot {
        /// The persona.
        persona: String,
        /// The slot id that is not there.
        slot: String,
    },
}

const BUILT_IN: [(&str, &str); 12] = [
    ("idrac9-old", include_str!("../personas/idrac9-old.toml")),
    ("idrac9-scp", include_str!("../personas/idrac9-scp.toml")),
    ("idrac9-6x", include_str!("../personas/idrac9-6x.toml")),
    ("idrac10", include_str!("../personas/idrac10.toml")),
    ("ilo5", include_str!("../personas/ilo5.toml")),
    ("ilo6", include_str!("../personas/ilo6.toml")),
    ("xcc", include_str!("../personas/xcc.toml")),
    ("smc-x12", include_str!("../personas/smc-x12.toml")),
    ("smc-x13", include_str!("../personas/smc-x13.toml")),
    ("openbmc", include_str!("../personas/openbmc.toml")),
    ("ami-megarac", include_str!("../personas/ami-megarac.toml")),
    ("generic", include_str!("../personas/generic.toml")),
];

/// Names under which personas were known before, and what they are called now.
const FORMERLY: [(&str, &str); 2] = [("x13", "smc-x13"), ("megarac", "ami-megarac")];

/// The key by which a persona says which built-in one it resembles.
const LIKE: &str = "like";

impl Persona {
    /// Names of the built-in personas.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The built-in persona of that name; names that personas had before are still understood.
    pub fn built_in(name: &str) -> Result<Self, PersonaError> {
        Self::from_toml(text_of(name)?)
    }

    /// Reads a persona from TOML and checks that its slots are consistent.
    pub fn from_toml(text: &str) -> Result<Self, PersonaError> {
        Self::with_habits(text, "")
    }

    /// The same, but for what other TOML says of it.
    pub fn with_habits(text: &str, habits: &str) -> Result<Self, PersonaError> {
        let mut whole = whole(text)?;
        overlay(&mut whole, habits.parse().map_err(malformed)?);
        let persona: Self = whole.try_into().map_err(malformed)?;
        persona.check_slots()?;
        Ok(persona)
    }

    fn check_slots(&self) -> Result<(), PersonaError> {
        for (index, slot) in self.slots.iter().enumerate() {
            if self.slots.iter().take(index).any(|earlier| earlier.id == slot.id) {
                return Err(PersonaError::DuplicateSlot {
                    persona: self.name.clone(),
                    slot: slot.id.clone(),
                });
            }
        }
        let referred = self.slots.iter().filter_map(|slot| slot.same_device_as.as_ref());
        for id in referred.chain(&self.boot.slots) {
            if self.slot(id).is_none() {
                return Err(PersonaError::UnknownSlot {
                    persona: self.name.clone(),
                    slot: id.clone(),
                });
            }
        }
        Ok(())
    }

    /// Position of a slot by id.
    pub(crate) fn slot(&self, id: &str) -> Option<usize> {
        self.slots.iter().position(|slot| slot.id == id)
    }

    /// Whether a slot has the actions of virtual media.
    pub(crate) fn slot_has_actions(&self, index: usize) -> bool {
        self.media.actions && self.slots.get(index).is_some_and(|slot| slot.insertable)
    }

    /// Whether something of this BMC is finished by tasks.
    pub(crate) fn has_tasks(&self) -> bool {
        let early = matches!(self.media.answer, InsertAnswer::Task | InsertAnswer::Location);
        early || self.boot.import.is_some()
    }

    /// The device behind a slot, named by the slot that owns it.
    pub(crate) fn device(&self, index: usize) -> Option<&str> {
        let slot = self.slots.get(index)?;
        Some(slot.same_device_as.as_deref().unwrap_or(&slot.id))
    }
}

fn text_of(name: &str) -> Result<&'static str, PersonaError> {
    let name = FORMERLY.iter().find(|(former, _)| *former == name).map_or(name, |(_, now)| now);
    let known = BUILT_IN.iter().find(|(known, _)| *known == name);
    known.map(|(_, text)| *text).ok_or_else(|| PersonaError::Unknown(name.to_owned()))
}

/// The text as a table, laid over the personas it resembles.
fn whole(text: &str) -> Result<toml::Table, PersonaError> {
    let mut whole: toml::Table = text.parse().map_err(malformed)?;
    // Built-in personas resemble one another without a circle, which a test makes sure of.
    for _ in BUILT_IN {
        let Some(like) = whole.remove(LIKE) else { break };
        let name = like.as_str().unwrap_or_default();
        let mut base: toml::Table = text_of(name)?.parse().map_err(malformed)?;
        overlay(&mut base, whole);
        whole = base;
    }
    Ok(whole)
}

/// Tables are merged; anything else replaces what was there.
fn overlay(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => overlay(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

fn malformed(source: toml::de::Error) -> PersonaError {
    PersonaError::Parse(Box::new(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> &'static str {
        text_of(name).unwrap()
    }

    #[test]
    fn every_built_in_persona_loads_under_its_own_name() {
        for name in Persona::names() {
            assert_eq!(Persona::built_in(name).unwrap().name, name);
        }
    }

    #[test]
    fn an_unknown_habit_is_refused() {
        let text = format!("{}\n[colour]\nred = true\n", text("generic"));
        assert!(matches!(Persona::from_toml(&text), Err(PersonaError::Parse(_))));
    }

    #[test]
    fn a_persona_is_like_another_but_for_what_it_says() {
        let other = "like = \"ilo5\"\nname = \"mine\"\nboot.slots = [\"1\"]\n";
        let persona = Persona::from_toml(other).unwrap();
        assert_eq!((persona.name.as_str(), persona.manager.model.as_str()), ("mine", "iLO 5"));
        assert_eq!(
            (persona.boot.slots, persona.boot.cd_targets[0].as_str()),
            (vec!["1".to_owned()], "Cd")
        );
        assert!(matches!(
            Persona::from_toml("like = \"abacus\""),
            Err(PersonaError::Unknown(name)) if name == "abacus"
        ));
    }

    #[test]
    fn two_slots_of_one_name_are_refused() {
        let text = text("ilo5").replacen("id = \"2\"", "id = \"1\"", 1);
        assert!(matches!(
            Persona::from_toml(&text),
            Err(PersonaError::DuplicateSlot { slot, .. }) if slot == "1"
        ));
    }

    #[test]
    fn a_boot_slot_that_does_not_exist_is_refused() {
        let text = text("ilo5").replacen("slots = [\"2\"]", "slots = [\"9\"]", 1);
        assert!(matches!(
            Persona::from_toml(&text),
            Err(PersonaError::UnknownSlot { slot, .. }) if slot == "9"
        ));
    }
}
