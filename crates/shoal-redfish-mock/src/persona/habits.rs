//! What a kind of BMC does where others do otherwise. Each habit is one field, so that a test
//! can turn a single one and leave the rest alone.

mod boot;
mod media;
mod oddities;
mod power;
mod wire;

pub use boot::{BootHabits, ImportHabits, SettingsHabits};
pub use media::{EmptyImage, InsertAnswer, MediaHabits, OffHabits, ShownImage};
pub use oddities::Oddities;
pub use power::{PowerHabits, ResetTypesIn, WhileChanging};
pub use wire::{
    ConnectionHabits, ErrorHabits, EtagForm, EtagHabits, IfMatch, Refusal, Refusals, SessionHabits,
    Success,
};
