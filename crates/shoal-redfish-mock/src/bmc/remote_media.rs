//! Remote media that are off as a board is delivered: until an action of the manager has switched
//! them on, slots refuse every image or are not even listed.

use std::time::Duration;

use super::{Ask, Bmc};
use crate::{board::Board, journal::Effect, reply::Reply};

impl Bmc {
    /// Switches remote media on; that takes a while to show.
    pub(super) fn enable_media(&self, ask: &Ask, seq: u64) -> Result<Reply, Reply> {
        let body = ask.object()?;
        let wanted = body.get("RMediaState").ok_or_else(|| Reply::missing("RMediaState"))?;
        if wanted != "Enable" {
            return Err(Reply::bad_value("RMediaState"));
        }
        let off = self.persona.media.delivered_off.as_ref().ok_or_else(Reply::not_found)?;
        let at = self.clock.now() + Duration::from_millis(off.takes_ms);
        let mut board = self.board();
        if board.media_on.is_none() {
            board.media_on = Some(at);
            self.journal.changed(seq, Effect::MediaEnabled);
        }
        Ok(Reply::accepted(&self.persona.success))
    }

    /// Whether images can be put in at all.
    pub(super) fn media_are_on(&self, board: &Board) -> bool {
        let off = self.persona.media.delivered_off.is_some();
        !off || board.media_on.is_some_and(|from| self.clock.now() >= from)
    }
}
