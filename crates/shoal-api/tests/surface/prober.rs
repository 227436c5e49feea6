//! A prober without BMCs.

use std::time::Duration;

use shoal_api::{Asked, Finding, Forecast, Looking, NotProbed, Probe, Prober, Stranger};
use shoal_store::ServerRecord;

/// Looks at BMCs that are never there; two vendor hints make it busy or find the server gone.
pub(crate) struct TestProber;

impl Prober for TestProber {
    fn probe(&self, server: ServerRecord) -> Looking<Probe> {
        Box::pin(async move {
            match server.server.vendor_hint.as_deref() {
                Some("busy") => return Err(NotProbed::Busy),
                Some("gone") => return Err(NotProbed::Gone),
                _ => {}
            }
            let problems = vec![Finding {
                code: "unreachable".to_owned(),
                message: "the BMC cannot be reached".to_owned(),
                next_step: "check its network".to_owned(),
                seen: Vec::new(),
            }];
            Ok(Probe { bmc_address: server.server.bmc_address, problems, ..Probe::default() })
        })
    }

    fn examine(&self, stranger: Stranger) -> Looking<Probe> {
        let state = match stranger.credentials {
            Some(_) => shoal_api::LoginState::Accepted,
            None => shoal_api::LoginState::NotTried,
        };
        let login = shoal_api::LoginSeen { state, ..shoal_api::LoginSeen::default() };
        let bmc_address = stranger.bmc_address;
        Box::pin(async { Ok(Probe { bmc_address, login, ..Probe::default() }) })
    }

    fn forget(&self, kind: String) -> Looking<bool> {
        Box::pin(async move { Ok(kind == "dell/iDRAC 9/6.10") })
    }

    fn forecast(&self, asked: Asked) -> Looking<Forecast> {
        let note = if asked.live { "asked now" } else { "never looked at" };
        let notes = vec![note.to_owned()];
        let forecast = Forecast { probed_at: None, media_plan: None, problems: Vec::new(), notes };
        Box::pin(async { Ok(forecast) })
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }
}
