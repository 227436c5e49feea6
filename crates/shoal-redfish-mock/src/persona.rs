//! A persona is one kind of BMC described as data, so that a further vendor is a file and not
//! a branch: every habit that clients trip over is a field here and is read in the one place
//! that acts on it.

mod facts;
mod habits;

use serde::Deserialize;

pub use facts::{ChassisFacts, ManagerFacts, RootFacts, SerialIn, SlotFacts, SystemFacts, Under};
pub use habits::{
    BootHabits, EmptyImage, EtagForm, EtagHabits, IfMatch, InsertAnswer, MediaHabits, PowerHabits,
    Refusal, Refusals, ResetTypesIn, SessionHabits, SettingsHabits, Success,
};

/// One kind of BMC: its names, where its slots live, and its habits.
///
/// Personas are TOML files; unknown keys are refused so that a misspelt habit cannot pass
/// unnoticed. Five are built in: see [`Persona::built_in`].
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

const BUILT_IN: [(&str, &str); 5] = [
    ("idrac9-6x", include_str!("../personas/idrac9-6x.toml")),
    ("ilo5", include_str!("../personas/ilo5.toml")),
    ("xcc", include_str!("../personas/xcc.toml")),
    ("x13", include_str!("../personas/x13.toml")),
    ("megarac", include_str!("../personas/megarac.toml")),
];

impl Persona {
    /// Names of the built-in personas.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The built-in persona of that name.
    pub fn built_in(name: &str) -> Result<Self, PersonaError> {
        let (_, text) = BUILT_IN
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| PersonaError::Unknown(name.to_owned()))?;
        Self::from_toml(text)
    }

    /// Reads a persona from TOML and checks that its slots are consistent.
    pub fn from_toml(text: &str) -> Result<Self, PersonaError> {
        let persona: Self =
            toml::from_str(text).map_err(|source| PersonaError::Parse(Box::new(source)))?;
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
        self.media.answer == InsertAnswer::Task
    }

    /// The device behind a slot, named by the slot that owns it.
    pub(crate) fn device(&self, index: usize) -> Option<&str> {
        let slot = self.slots.get(index)?;
        Some(slot.same_device_as.as_deref().unwrap_or(&slot.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_persona_loads_under_its_own_name() {
        for name in Persona::names() {
            assert_eq!(Persona::built_in(name).unwrap().name, name);
        }
    }

    #[test]
    fn an_unknown_habit_is_refused() {
        let text = format!("{}\n[colour]\nred = true\n", BUILT_IN[0].1);
        assert!(matches!(Persona::from_toml(&text), Err(PersonaError::Parse(_))));
    }

    #[test]
    fn two_slots_of_one_name_are_refused() {
        let text = BUILT_IN[1].1.replacen("id = \"2\"", "id = \"1\"", 1);
        assert!(matches!(
            Persona::from_toml(&text),
            Err(PersonaError::DuplicateSlot { slot, .. }) if slot == "1"
        ));
    }

    #[test]
    fn a_boot_slot_that_does_not_exist_is_refused() {
        let text = BUILT_IN[1].1.replacen("slots = [\"2\"]", "slots = [\"9\"]", 1);
        assert!(matches!(
            Persona::from_toml(&text),
            Err(PersonaError::UnknownSlot { slot, .. }) if slot == "9"
        ));
    }
}
