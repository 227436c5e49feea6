//! The body of a boot override change and the judgement of its result, as pure functions: which
//! properties a BMC must, may and must not be told is the most varied part of all.

use serde_json::{Map, Value, json};

use crate::{
    boot::BootOnce,
    plan::{BootPlan, Plan},
    view::BootView,
};

/// Which properties a change names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// All of them, instead of only those that differ.
    pub(crate) full: bool,
    /// The firmware mode too.
    pub(crate) with_mode: bool,
}

/// What the state amounts to, when it is what the plan wants.
pub(crate) fn achieved(plan: &BootPlan, view: &BootView) -> Option<BootOnce> {
    let right = view.target.as_deref() == Some(plan.target.as_str());
    let mode = match (&plan.mode, &view.mode) {
        (Some(wanted), Some(shown)) => wanted.eq_ignore_ascii_case(shown),
        _ => true,
    };
    match view.enabled.as_deref() {
        Some("Once") if right && mode => Some(BootOnce::Once),
        Some("Continuous") if right && mode => Some(BootOnce::Continuous),
        _ => None,
    }
}

/// Names only what differs, because some BMCs reject values that are set already; or everything,
/// because others reset what is left out.
pub(crate) fn redirection(plan: &BootPlan, view: &BootView, form: Form) -> Map<String, Value> {
    let mut boot = Map::new();
    let mode = plan.mode.as_deref().filter(|_| form.with_mode);
    let wanted = [
        ("BootSourceOverrideTarget", Some(plan.target.as_str()), &view.target),
        ("BootSourceOverrideEnabled", Some("Once"), &view.enabled),
        ("BootSourceOverrideMode", mode, &view.mode),
    ];
    for (key, value, shown) in wanted {
        let Some(value) = value else { continue };
        if form.full || shown.as_deref() != Some(value) {
            boot.insert(key.to_owned(), json!(value));
        }
    }
    boot
}

/// From the proper way to the last resort of BMCs that cannot switch their override off.
pub(crate) fn clearing_forms(plan: &Plan, view: &BootView, form: Form) -> Vec<Map<String, Value>> {
    let fields_of = |fields: &[(&str, &str)]| {
        fields.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect::<Map<_, _>>()
    };
    let disabled = ("BootSourceOverrideEnabled", "Disabled");
    let none = ("BootSourceOverrideTarget", "None");
    let mut forms = Vec::new();
    if !form.full {
        forms.push(fields_of(&[disabled]));
    }
    match plan.boot.mode.as_deref().filter(|_| form.full) {
        Some(mode) => forms.push(fields_of(&[disabled, none, ("BootSourceOverrideMode", mode)])),
        None => forms.push(fields_of(&[disabled, none])),
    }
    if view.targets.as_ref().is_some_and(|targets| targets.iter().any(|target| target == "Hdd")) {
        forms.push(fields_of(&[
            ("BootSourceOverrideEnabled", "Continuous"),
            ("BootSourceOverrideTarget", "Hdd"),
        ]));
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> BootPlan {
        BootPlan {
            strategy: String::new(),
            alternative: None,
            resource: "/s".into(),
            target: "Cd".into(),
            mode: Some("UEFI".into()),
            full: false,
            import: None,
        }
    }

    fn form(full: bool) -> Form {
        Form { full, with_mode: true }
    }

    fn view(enabled: &str, target: &str, mode: Option<&str>) -> BootView {
        BootView {
            enabled: Some(enabled.into()),
            target: Some(target.into()),
            mode: mode.map(str::to_owned),
            ..BootView::default()
        }
    }

    #[test]
    fn only_differences_are_sent_unless_the_bmc_wants_everything() {
        let seen = view("Disabled", "Cd", Some("UEFI"));
        let sparse = redirection(&plan(), &seen, form(false));
        assert_eq!(Value::Object(sparse), json!({"BootSourceOverrideEnabled": "Once"}));
        let full = redirection(&plan(), &seen, form(true));
        assert_eq!(full.len(), 3);
    }

    #[test]
    fn a_wrong_mode_is_not_what_was_asked_for() {
        assert_eq!(achieved(&plan(), &view("Once", "Cd", Some("UEFI"))), Some(BootOnce::Once));
        assert_eq!(achieved(&plan(), &view("Once", "Cd", None)), Some(BootOnce::Once));
        assert_eq!(achieved(&plan(), &view("Continuous", "Cd", None)), Some(BootOnce::Continuous));
        assert_eq!(achieved(&plan(), &view("Once", "Cd", Some("Legacy"))), None);
        assert_eq!(achieved(&plan(), &view("Disabled", "Cd", None)), None);
        assert_eq!(achieved(&plan(), &view("Once", "UefiHttp", None)), None);
    }
}
