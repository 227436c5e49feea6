//! What happens to a BMC as a whole: its network fails, it restarts, or another one takes its place.
//! The host behind it runs on through all of this, as hosts do.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use super::{Bmc, Shown};
use crate::{
    door::{Away, Presence},
    timeline::Event,
    tls::{Identity, TlsError},
};

impl Bmc {
    /// Stops answering the network for a while. Somebody who is away already stays away for as long
    /// as said last.
    pub(crate) fn leave(self: &Arc<Self>, at: Duration, span: Duration, away: Away) {
        let absence = self.presence.borrow().absence() + 1;
        self.presence.send_replace(Presence::Away { absence, away });
        let back_at = at + span;
        let bmc = Arc::clone(self);
        self.tasks.spawn(async move {
            if bmc.stop.run_until_cancelled(bmc.clock.sleep_until(back_at)).await.is_none() {
                return;
            }
            bmc.presence.send_if_modified(|presence| {
                let ours = presence.absence() == absence;
                if ours {
                    *presence = Presence::Here { absence };
                }
                ours
            });
        });
    }

    /// Restarts the BMC: it forgets its sessions, drops its media and answers nothing for a while.
    pub(crate) fn restart(self: &Arc<Self>, at: Duration, span: Duration) {
        self.forget();
        self.leave(at, span, Away::Refused);
    }

    /// Puts another BMC in its place, with a certificate of its own. It says `serial`, and a UUID that
    /// goes with it.
    pub(crate) fn replace(&self, serial: &str, uuid: String) -> Result<(), TlsError> {
        let identity = Identity::new(&format!("{}-{serial}", self.persona.name))?;
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) =
            Shown { serial: serial.to_owned(), uuid, identity };
        self.forget();
        self.works().clear();
        {
            let mut board = self.board();
            "Disabled".clone_into(&mut board.boot.enabled);
            "None".clone_into(&mut board.boot.target);
            board.last_reset = None;
        }
        self.timeline.push(self.clock.now(), Event::BmcReplaced);
        // Whoever was connected was connected to the other one.
        self.presence.send_modify(|presence| {
            *presence = Presence::Here { absence: presence.absence() + 1 };
        });
        Ok(())
    }

    /// What no BMC knows after it started again.
    fn forget(&self) {
        self.sessions().clear();
        for socket in &mut self.board().sockets {
            socket.empty();
            socket.stale = None;
            socket.last = None;
        }
    }
}
