//! Failures that validators find and that stay, each with the reason: what a BMC of that kind does
//! so in life too. A run must find exactly these, so that the list can only shrink on purpose.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::validators::Validator;
use crate::PERSONAS;

const LIST: &str = include_str!("known.toml");

/// One failure as a validator reports it, without what differs from run to run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Failure {
    /// The resource, and what in it, or the rule that is broken there.
    pub(super) at: String,
    /// What kind of failure it is.
    pub(super) what: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    known: Vec<Known>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    validator: Validator,
    /// The kinds of BMC that show it.
    personas: Vec<String>,
    /// Where it is; `{}` stands for each of `each`.
    at: String,
    #[serde(default = "nothing")]
    each: Vec<String>,
    what: String,
    /// Why it stays.
    reason: String,
}

/// Fails unless what was found is exactly what is known.
pub(super) fn check(validator: Validator, persona: &str, found: &BTreeSet<Failure>) -> Result<()> {
    let known = of(validator, persona)?;
    let new: Vec<_> = found.difference(&known).collect();
    let gone: Vec<_> = known.difference(found).collect();
    ensure!(
        new.is_empty() && gone.is_empty(),
        "{} on {persona}: new: {new:#?}; listed in known.toml and not found: {gone:#?}",
        validator.name(),
    );
    Ok(())
}

fn of(validator: Validator, persona: &str) -> Result<BTreeSet<Failure>> {
    let list: List = toml::from_str(LIST).context("read the list of known failures")?;
    let mut known = BTreeSet::new();
    for entry in list.known {
        ensure!(!entry.reason.trim().is_empty(), "no reason is given for {}", entry.at);
        let strange = entry.personas.iter().find(|it| !PERSONAS.contains(&it.as_str()));
        ensure!(strange.is_none(), "{} is listed for {strange:?}, which is no kind", entry.at);
        if entry.validator == validator && entry.personas.iter().any(|it| it == persona) {
            known.extend(
                entry.each.iter().map(|one| Failure {
                    at: entry.at.replace("{}", one),
                    what: entry.what.clone(),
                }),
            );
        }
    }
    Ok(known)
}

fn nothing() -> Vec<String> {
    vec![String::new()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_more_and_nothing_less_than_what_is_known_passes() {
        let mut found = of(Validator::Interop, "smc-x12").unwrap();
        assert!(check(Validator::Interop, "smc-x12", &found).is_ok());
        let known = found.pop_first().unwrap();
        assert!(check(Validator::Interop, "smc-x12", &found).is_err());
        let new = Failure { at: format!("{}/more", known.at), what: known.what.clone() };
        found.extend([known, new]);
        assert!(check(Validator::Interop, "smc-x12", &found).is_err());
    }

    #[test]
    fn an_entry_stands_for_each_of_its_places() {
        let known = of(Validator::Protocol, "idrac10").unwrap();
        assert!(known.iter().any(|failure| failure.at == "GET /redfish/v1/Systems"));
        assert!(known.iter().all(|failure| !failure.at.contains('{')), "{known:#?}");
    }
}
