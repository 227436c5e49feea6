//! Writes to the system: resets and the boot override.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{Ask, Bmc};
use crate::{
    board::{Board, BootOverride, HostPhase},
    journal::Effect,
    reply::Reply,
    target::Target,
    timeline::Event,
};

/// What a host does after it followed a graceful request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Afterwards {
    StayOff,
    PowerOn,
}

impl Bmc {
    pub(super) fn reset(self: &Arc<Self>, ask: &Ask, seq: u64) -> Result<Reply, Reply> {
        let kind = ask.object()?.get("ResetType").ok_or_else(|| Reply::missing("ResetType"))?;
        let kind = kind.as_str().unwrap_or_default();
        if !self.persona.power.reset_types.iter().any(|known| known == kind) {
            return Err(Reply::bad_value("ResetType"));
        }
        let now = self.clock.now();
        let mut board = self.board();
        match (kind, board.on) {
            ("On" | "ForceOn", true) => {
                return Err(Reply::refused(&self.persona.refusals.already_on));
            }
            ("On" | "ForceOn" | "PushPowerButton", false) => {
                self.check_rest_after_off(&board, now)?;
                self.journal.changed(seq, Effect::PowerOn);
                self.start_host(&mut board, now);
            }
            ("ForceOff", true) => {
                self.journal.changed(seq, Effect::PowerOff);
                self.stop_host(&mut board, now, Event::PoweredOff);
            }
            ("ForceRestart" | "PowerCycle", true) => {
                self.journal.changed(seq, Effect::Restart);
                self.stop_host(&mut board, now, Event::PoweredOff);
                self.start_host(&mut board, now);
            }
            ("GracefulShutdown" | "PushPowerButton", true) => {
                self.journal.changed(seq, Effect::AskedGracefully);
                self.ask_host(&board, Afterwards::StayOff);
            }
            ("GracefulRestart", true) => {
                self.journal.changed(seq, Effect::AskedGracefully);
                self.ask_host(&board, Afterwards::PowerOn);
            }
            // An interrupt changes nothing that is simulated; anything else needs power.
            ("Nmi", true) => {}
            (_, true) => return Err(Reply::bad_value("ResetType")),
            (_, false) => return Err(Reply::refused(&self.persona.refusals.already_off)),
        }
        Ok(Reply::accepted(&self.persona.success))
    }

    fn check_rest_after_off(&self, board: &Board, now: Duration) -> Result<(), Reply> {
        let rest = Duration::from_millis(self.persona.power.no_on_after_off_ms);
        if board.changed.is_some_and(|changed| now < changed + rest) {
            return Err(Reply::refused(&self.persona.refusals.on_too_soon));
        }
        Ok(())
    }

    /// Takes the host's power. The caller holds the board.
    pub(crate) fn stop_host(self: &Arc<Self>, board: &mut Board, at: Duration, event: Event) {
        board.switch_off(at);
        self.timeline.push(at, event);
        if let Some(after) = self.script().wakes_after {
            self.start_later(board, at + after);
        }
    }

    /// Gives the host power at that time, unless somebody changes power before.
    pub(crate) fn start_later(self: &Arc<Self>, board: &Board, at: Duration) {
        let off = board.run;
        let bmc = Arc::clone(self);
        self.tasks.spawn(async move {
            if bmc.stop.run_until_cancelled(bmc.clock.sleep_until(at)).await.is_none() {
                return;
            }
            let mut board = bmc.board();
            if board.run == off {
                bmc.start_host(&mut board, at);
            }
        });
    }

    /// Asks the operating system, which follows after a while if there is one.
    fn ask_host(self: &Arc<Self>, board: &Board, afterwards: Afterwards) {
        let listens = [HostPhase::MaintenanceOs, HostPhase::Installer, HostPhase::Installed];
        if !listens.contains(&board.phase) {
            return;
        }
        let asked = board.run;
        let follows = self.clock.now() + Duration::from_millis(self.persona.power.graceful_ms);
        let bmc = Arc::clone(self);
        let cut = board.cut.clone();
        self.tasks.spawn(async move {
            if cut.run_until_cancelled(bmc.clock.sleep_until(follows)).await.is_none() {
                return;
            }
            let mut board = bmc.board();
            if board.run != asked {
                return;
            }
            let now = bmc.clock.now();
            bmc.stop_host(&mut board, now, Event::SwitchedItselfOff);
            if afterwards == Afterwards::PowerOn {
                bmc.start_host(&mut board, now);
            }
        });
    }

    /// A change of the system or of its settings, of which the boot override is the only one taken.
    pub(super) fn patch_boot(&self, target: Target, ask: &Ask, seq: u64) -> Result<Reply, Reply> {
        let body = ask.object()?;
        if let Some(unknown) = body.keys().find(|name| *name != "Boot") {
            return Err(Reply::unknown_property(unknown));
        }
        self.check_precondition(target, ask)?;
        let wanted = body.get("Boot").ok_or_else(|| Reply::missing("Boot"))?;
        self.check_place(target)?;
        let mut board = self.board();
        if self.persona.boot.refused_in_post && board.phase == HostPhase::Post {
            return Err(Reply::refused(&self.persona.refusals.in_post));
        }
        let boot = self.merged(&board.boot, wanted)?;
        self.journal.changed(
            seq,
            match boot.enabled.as_str() {
                "Once" => Effect::BootOnce { target: boot.target.clone() },
                "Continuous" => Effect::BootAlways { target: boot.target.clone() },
                _ => Effect::BootCleared,
            },
        );
        board.boot = boot;
        Ok(Reply::accepted(&self.persona.success))
    }

    /// Whether the override is taken there.
    fn check_place(&self, target: Target) -> Result<(), Reply> {
        let settings = self.persona.boot.settings.as_ref();
        let elsewhere = settings.and_then(|settings| settings.elsewhere.as_ref());
        match (target, elsewhere) {
            (Target::System, Some(refusal)) => Err(Reply::refused(refusal)),
            (Target::Settings, None) if settings.is_some_and(|settings| !settings.lists_values) => {
                Err(Reply::not_writable("Boot"))
            }
            _ => Ok(()),
        }
    }

    /// The override after a PATCH: what is not sent stays, where the persona allows leaving it out.
    fn merged(&self, current: &BootOverride, wanted: &Value) -> Result<BootOverride, Reply> {
        let fields = wanted.as_object().ok_or_else(|| Reply::bad_value("Boot"))?;
        let habits = &self.persona.boot;
        if let Some(missing) = habits.required.iter().find(|name| !fields.contains_key(*name)) {
            return Err(Reply::missing(missing));
        }
        let mut boot = current.clone();
        if let Some(mode) = &habits.mode_unless_named {
            boot.mode = Some(mode.clone());
        }
        for (name, value) in fields {
            let value = value.as_str().ok_or_else(|| Reply::bad_value(name))?;
            let allowed = match name.as_str() {
                "BootSourceOverrideEnabled" => &habits.enabled,
                "BootSourceOverrideTarget" => &habits.targets,
                "BootSourceOverrideMode" if !habits.modes.is_empty() => &habits.modes,
                _ => return Err(Reply::unknown_property(name)),
            };
            if !allowed.iter().any(|known| known == value) {
                return Err(Reply::bad_value(name));
            }
            let place = match name.as_str() {
                "BootSourceOverrideEnabled" => &mut boot.enabled,
                "BootSourceOverrideTarget" => &mut boot.target,
                _ => boot.mode.get_or_insert_default(),
            };
            if habits.refuses_unchanged && *place == value {
                return Err(Reply::unchanged(name));
            }
            value.clone_into(place);
        }
        // Either half of "no override" implies the other.
        if boot.enabled == "Disabled" || boot.target == "None" {
            "Disabled".clone_into(&mut boot.enabled);
            "None".clone_into(&mut boot.target);
        }
        Ok(boot)
    }
}
