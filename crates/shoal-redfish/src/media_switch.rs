//! Some BMCs leave the factory with remote media switched off: their slots refuse every image, or are
//! not listed at all, until an action of the manager's maker switches them on. Which action that is,
//! and where its effect shows, is the profile's knowledge. The action is only a means: whether images
//! go in is decided by inserting them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    bmc::Bmc,
    call::Change,
    discover::Discovery,
    error::Error,
    kind::Kind,
    manager::Manager,
    patience::Patience,
    plan::Plan,
    profile::{Profile, SwitchRules},
    recent::Look,
    transcript::Op,
    wire::Method,
};

/// The action of one BMC, and what it showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MediaSwitch {
    manager: String,
    target: String,
    /// Whether remote media are on, where the BMC says so.
    pub(crate) on: Option<bool>,
}

impl MediaSwitch {
    fn of(manager: &Value, path: &str, rules: &SwitchRules) -> Option<Self> {
        let actions = manager.get("Actions")?;
        let listed = |actions: &Value| {
            actions.get(&rules.action)?.get("target")?.as_str().map(str::to_owned)
        };
        let target = actions.get("Oem").and_then(listed).or_else(|| listed(actions))?;
        let on = is_on(manager, rules);
        let local = target.starts_with('/') && !target.starts_with("//");
        local.then(|| Self { manager: path.to_owned(), target, on })
    }
}

fn is_on(manager: &Value, rules: &SwitchRules) -> Option<bool> {
    let shown = manager.pointer(&rules.state)?.as_str()?;
    Some(shown.eq_ignore_ascii_case(&rules.on))
}

/// The switch of remote media, if the profile knows one and a manager has it.
pub(crate) fn of_any(profile: &Profile, managers: &[Manager]) -> Option<MediaSwitch> {
    let rules = profile.media.switch.as_ref()?;
    managers.iter().find_map(|manager| MediaSwitch::of(&manager.body, &manager.path, rules))
}

impl Discovery {
    /// Remote media are off, as the BMC says, or as it seems where it says nothing and shows no slot.
    pub(crate) fn media_are_off(&self) -> bool {
        let on = self.media_switch.as_ref().map(|switch| switch.on);
        on == Some(Some(false)) || (on == Some(None) && self.slots.is_empty())
    }
}

impl Bmc {
    /// Switches remote media on where they are off, and returns when the BMC shows them on, or after
    /// the time that takes where it shows nothing; they stay on. True when they were off: what was
    /// discovered before lacks slots then.
    ///
    /// # Errors
    /// `VerifyFailed` when the BMC accepted it and does not show it, and the BMC's own refusals.
    pub async fn ensure_media_on(&self, discovery: &Discovery) -> Result<bool, Error> {
        let _turn = self.inner.turn.lock().await;
        let rules = discovery.profile.media.switch.as_ref();
        let (Some(switch), Some(rules), true) =
            (&discovery.media_switch, rules, discovery.media_are_off())
        else {
            return Ok(false);
        };
        let patience = self.settling(&discovery.profile);
        self.told(self.switch_media_on(switch, rules, patience).await)
    }

    /// The same before an insert, or after one that was refused; true when they were not on.
    pub(crate) async fn wake_media(&self, plan: &Plan) -> bool {
        let profile = &plan.profile;
        let (Some(switch), Some(rules)) = (&plan.media_switch, &profile.media.switch) else {
            return false;
        };
        let woken = self.switch_media_on(switch, rules, self.settling(profile)).await;
        woken.unwrap_or_else(|error| {
            tracing::debug!(%error, "remote media could not be switched on");
            false
        })
    }

    async fn switch_media_on(
        &self,
        switch: &MediaSwitch,
        rules: &SwitchRules,
        mut patience: Patience,
    ) -> Result<bool, Error> {
        let seen = self.seen(Op::MountMaintenance, &switch.manager, Look::Fresh).await?;
        if is_on(&seen.body, rules) == Some(true) {
            return Ok(false);
        }
        let change = Change {
            op: Op::MountMaintenance,
            method: Method::Post,
            path: &switch.target,
            body: Some(&rules.body),
            timeout: self.inner.options.request_timeout,
        };
        // The manager's state decides, whatever became of the request.
        let sent = self.change(&change, None).await;
        if let Err(error) = sent
            && !error.may_have_taken_effect()
        {
            return Err(error);
        }
        loop {
            let seen = self.seen(Op::MountMaintenance, &switch.manager, Look::Fresh).await?;
            let on = is_on(&seen.body, rules);
            // A BMC that shows nothing is given all the time it may need.
            let waits = on != Some(true) && patience.pause(None).await;
            match on {
                _ if waits => {}
                Some(false) => {
                    let kind = Kind::VerifyFailed {
                        expected: "remote media that are on".to_owned(),
                        seen: "remote media that are off".to_owned(),
                    };
                    return Err(Error::new(kind).at("GET", &switch.manager));
                }
                Some(true) | None => {
                    let manager = &switch.manager;
                    tracing::warn!(manager, "remote media were switched on, and stay on");
                    return Ok(true);
                }
            }
        }
    }
}
