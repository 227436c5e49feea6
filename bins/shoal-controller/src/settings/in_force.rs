//! The settings in force, for those who ask anew each time, so that a reload reaches them without a
//! word to anybody.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Settings;

/// The settings in force. Clones share them.
#[derive(Clone, Debug)]
pub struct InForce(Arc<ArcSwap<Settings>>);

impl InForce {
    /// These, until others take their place.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(settings)))
    }

    /// The settings at this moment; ask again instead of keeping them.
    pub fn now(&self) -> Arc<Settings> {
        self.0.load_full()
    }

    /// Puts others in force.
    pub fn replace(&self, settings: Settings) {
        self.0.store(Arc::new(settings));
    }
}
