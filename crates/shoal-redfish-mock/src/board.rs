//! The state of a machine: power, slots, boot override, disk. One lock guards all of it, and a
//! run of the host may change it only while that run is the current one, so that a power cut
//! ends whatever the host was doing.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    medium::{ImageUrl, Medium},
    persona::{Refusal, WhileChanging},
    timeline::{Boot, BootFrom},
};

/// Where the host stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostPhase {
    /// Without power.
    Off,
    /// Testing itself.
    Post,
    /// Firmware looks for something to boot, or loads it.
    Booting,
    /// The maintenance OS runs.
    MaintenanceOs,
    /// An installer that is not ours runs.
    Installer,
    /// The installed system runs.
    Installed,
    /// Firmware found nothing to boot.
    NoBootDevice,
    /// The host stands still.
    Hung,
}

/// The target of an override that was imported with a piece of configuration: a virtual CD.
pub(crate) const VIRTUAL_CD: &str = "VCD-DVD";

/// The boot override as it reads back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootOverride {
    /// `Disabled`, `Once` or `Continuous`.
    pub enabled: String,
    /// Such as `Cd`; `VCD-DVD` when it was imported.
    pub target: String,
    /// `UEFI` or `Legacy`; `None` where the persona knows no mode.
    pub mode: Option<String>,
}

/// One slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotState {
    /// Id of the slot.
    pub id: String,
    /// The medium in it.
    pub image: Option<ImageUrl>,
}

/// What is in a slot, and what it claims.
#[derive(Default)]
pub(crate) struct Socket {
    pub(crate) medium: Option<Arc<Medium>>,
    /// From when on the medium shows.
    pub(crate) shows_from: Duration,
    pub(crate) write_protected: bool,
    /// The image a slot still claims after its ejection, and until when.
    pub(crate) stale: Option<(ImageUrl, Duration)>,
    /// An image that the slot claims to hold and that was never opened.
    pub(crate) pretended: Option<ImageUrl>,
    /// The image that was ejected last.
    pub(crate) last: Option<ImageUrl>,
}

impl Socket {
    /// The image that the slot claims to hold now.
    pub(crate) fn claims(&self, now: Duration) -> Option<&ImageUrl> {
        match (&self.medium, &self.pretended, &self.stale) {
            (Some(medium), _, _) => (now >= self.shows_from).then(|| medium.url()),
            (None, Some(url), _) => Some(url),
            (None, None, Some((url, until))) if now < *until => Some(url),
            (None, None, _) => None,
        }
    }

    /// Takes out what is in it, or is claimed to be; answers it.
    pub(crate) fn empty(&mut self) -> Option<ImageUrl> {
        let medium = self.medium.take().map(|medium| medium.url().clone());
        let url = medium.or(self.pretended.take());
        if url.is_some() {
            self.last.clone_from(&url);
        }
        url
    }
}

/// Something that was answered before it was done.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) done_at: Duration,
    pub(crate) failure: Option<Refusal>,
}

pub(crate) struct Board {
    pub(crate) on: bool,
    /// When power last changed; `None` before the first change.
    pub(crate) changed: Option<Duration>,
    /// When time on the machine's clock began.
    began: jiff::Timestamp,
    pub(crate) last_reset: Option<jiff::Timestamp>,
    pub(crate) sockets: Vec<Socket>,
    pub(crate) boot: BootOverride,
    pub(crate) installed: bool,
    pub(crate) phase: HostPhase,
    /// The phase that the BMC goes on showing, where it has not noticed a restart.
    pub(crate) shows: Option<HostPhase>,
    pub(crate) boots: Vec<Boot>,
    /// From when on remote media are on; `None` while nobody has switched them on.
    pub(crate) media_on: Option<Duration>,
    /// Number of the current run of the host; every power change begins a new one.
    pub(crate) run: u64,
    pub(crate) cut: CancellationToken,
}

impl Board {
    pub(crate) fn new(slots: usize, mode: Option<String>, installed: bool) -> Self {
        Self {
            on: false,
            changed: None,
            began: jiff::Timestamp::now(),
            last_reset: None,
            sockets: std::iter::repeat_with(Socket::default).take(slots).collect(),
            boot: BootOverride { enabled: "Disabled".to_owned(), target: "None".to_owned(), mode },
            installed,
            phase: HostPhase::Off,
            shows: None,
            boots: Vec::new(),
            media_on: None,
            run: 0,
            cut: CancellationToken::new(),
        }
    }

    /// Gives the host power; answers the number of its run and the token that ends it, which a
    /// power cut or `stop` cancels.
    pub(crate) fn switch_on(
        &mut self,
        now: Duration,
        stop: &CancellationToken,
    ) -> (u64, CancellationToken) {
        self.cut.cancel();
        self.cut = stop.child_token();
        self.run += 1;
        self.on = true;
        self.changed = Some(now);
        self.note_reset(now);
        self.phase = HostPhase::Post;
        self.shows = None;
        (self.run, self.cut.clone())
    }

    /// Moves `LastResetTime` to that time of the machine's clock.
    pub(crate) fn note_reset(&mut self, at: Duration) {
        self.last_reset = self.began.checked_add(at).ok();
    }

    /// Takes the host's power, which ends its run at once.
    pub(crate) fn switch_off(&mut self, now: Duration) {
        self.cut.cancel();
        self.run += 1;
        self.on = false;
        self.changed = Some(now);
        self.phase = HostPhase::Off;
        self.shows = None;
    }

    /// The phase as the BMC sees it.
    pub(crate) fn shown_phase(&self) -> HostPhase {
        self.shows.unwrap_or(self.phase)
    }

    /// `PowerState` as it reads, which may lag behind; `None` is no state at all.
    pub(crate) fn power_state(
        &self,
        now: Duration,
        lag: Duration,
        meanwhile: WhileChanging,
    ) -> Option<&'static str> {
        let lags = self.changed.is_some_and(|changed| now < changed + lag);
        Some(match (self.on, lags, meanwhile) {
            (_, true, WhileChanging::Null) => return None,
            (true, true, WhileChanging::Transition) => "PoweringOn",
            (false, true, WhileChanging::Transition) => "PoweringOff",
            (true, false, _) | (false, true, WhileChanging::Former) => "On",
            (false, false, _) | (true, true, WhileChanging::Former) => "Off",
        })
    }

    /// The override's target that counts for this boot, and whether that used it up: a one-time
    /// override is gone then, unless it is `kept` against its meaning.
    pub(crate) fn consume_override(&mut self, kept: bool) -> (Option<String>, bool) {
        match self.boot.enabled.as_str() {
            "Once" if !kept => {
                let target = std::mem::replace(&mut self.boot.target, "None".to_owned());
                "Disabled".clone_into(&mut self.boot.enabled);
                (Some(target), true)
            }
            "Once" | "Continuous" => (Some(self.boot.target.clone()), false),
            _ => (None, false),
        }
    }

    pub(crate) fn booted(&mut self, from: BootFrom, at: Duration) {
        self.boots.push(Boot { from, at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_state_lags_as_the_persona_says() {
        let mut board = Board::new(0, None, false);
        let lag = Duration::from_secs(2);
        let (former, transition) = (WhileChanging::Former, WhileChanging::Transition);
        let at = |board: &Board, second, meanwhile| {
            board.power_state(Duration::from_secs(second), lag, meanwhile)
        };
        assert_eq!(at(&board, 0, former), Some("Off"));
        board.switch_on(Duration::from_secs(10), &CancellationToken::new());
        assert_eq!(at(&board, 11, former), Some("Off"));
        assert_eq!(at(&board, 11, transition), Some("PoweringOn"));
        assert_eq!(at(&board, 11, WhileChanging::Null), None);
        assert_eq!(at(&board, 12, former), Some("On"));
        board.switch_off(Duration::from_secs(20));
        assert_eq!(at(&board, 21, former), Some("On"));
        assert_eq!(at(&board, 21, transition), Some("PoweringOff"));
        assert_eq!(at(&board, 22, WhileChanging::Null), Some("Off"));
    }

    #[test]
    fn a_one_time_override_is_used_up_and_a_lasting_one_is_not() {
        let mut board = Board::new(0, None, false);
        board.boot.enabled = "Once".to_owned();
        board.boot.target = "Cd".to_owned();
        assert_eq!(board.consume_override(true), (Some("Cd".to_owned()), false));
        assert_eq!(board.consume_override(false), (Some("Cd".to_owned()), true));
        assert_eq!(board.consume_override(false), (None, false));
        board.boot.enabled = "Continuous".to_owned();
        board.boot.target = "Cd".to_owned();
        assert_eq!(board.consume_override(false), (Some("Cd".to_owned()), false));
        assert_eq!(board.consume_override(false), (Some("Cd".to_owned()), false));
    }

    #[test]
    fn a_power_cut_ends_the_run() {
        let mut board = Board::new(0, None, false);
        let (run, cut) = board.switch_on(Duration::ZERO, &CancellationToken::new());
        board.switch_off(Duration::ZERO);
        assert!(cut.is_cancelled());
        assert_ne!(board.run, run);
    }
}
