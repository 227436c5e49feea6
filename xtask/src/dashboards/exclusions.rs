//! What a check is told to pass over, each with its reason.

use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The rule that a panel shows something, which a live run checks.
pub(super) const LIVE: &str = "answers";

/// Findings that are meant.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exclusions {
    #[serde(default)]
    exclusion: Vec<Exclusion>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exclusion {
    rule: String,
    /// The series or the panel it is about; a name that ends in `*` is about all that begin so.
    about: String,
    pub(crate) reason: String,
    /// Whether the finding comes in some runs only.
    #[serde(default)]
    pub(crate) by_chance: bool,
}

impl Exclusions {
    pub(super) fn read() -> Result<Self> {
        let path = super::directory().join("exclusions.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("understand {}", path.display()))
    }

    /// What excuses a panel that shows nothing.
    pub(crate) fn of_panel(&self, dashboard: &str, title: &str) -> Option<&Exclusion> {
        self.find(LIVE, &panel(dashboard, title))
    }

    pub(super) fn cover(&self, rule: &str, about: &str) -> bool {
        self.find(rule, about).is_some()
    }

    fn find(&self, rule: &str, about: &str) -> Option<&Exclusion> {
        self.exclusion.iter().find(|exclusion| exclusion.covers(rule, about))
    }

    /// Those that cover none of the findings, or give no reason.
    pub(super) fn idle<'a>(&'a self, found: &'a [(&str, String)]) -> impl Iterator<Item = &'a str> {
        let idle = |exclusion: &&Exclusion| {
            let needed = found.iter().any(|(rule, about)| exclusion.covers(rule, about));
            exclusion.reason.trim().is_empty() || !needed
        };
        self.exclusion.iter().filter(idle).map(|exclusion| exclusion.about.as_str())
    }
}

/// What an exclusion of a panel is about.
pub(super) fn panel(dashboard: &str, title: &str) -> String {
    format!("{dashboard} / {title}")
}

impl Exclusion {
    fn covers(&self, rule: &str, about: &str) -> bool {
        let named = match self.about.strip_suffix('*') {
            Some(beginning) => about.starts_with(beginning),
            None => about == self.about,
        };
        named && rule == self.rule
    }
}
