#![no_main]
//! A discovery and a plan of a BMC that says anything at all: never a crash, never a loop, and never
//! our password in what is told about it.
//!
//! The BMC is an honest tree behind a socket on loopback, so that what runs is the whole client. Each
//! line of the input replaces one resource: its first byte says which, its second with which status,
//! the rest is the body.

mod bmc;

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use shoal_redfish::{Bmc, Credentials, Endpoint, Error, Options, PlanRequest, Secret, Tls};

const PASSWORD: &str = "zanzibar-0815";

fuzz_target!(|bytes: &[u8]| {
    let address = bmc::say(bytes);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let seen = runtime.expect("a runtime").block_on(look(address));
    let shown = match seen {
        Ok(shown) => shown,
        Err(error) => format!("{error} {error:?} {:?} {}", error.kind(), error.is_transient()),
    };
    assert!(!shown.contains(PASSWORD), "the password is told: {shown}");
});

async fn look(address: &str) -> Result<String, Error> {
    let account = Credentials::new("admin", Secret::new(PASSWORD));
    let tls = Tls::Insecure { reason: "a simulated BMC on loopback".to_owned() };
    let endpoint = Endpoint::new(address, tls, account).expect("an address");
    let pause = Duration::from_millis(1);
    let options =
        Options { retries: 1, backoff_first: pause, backoff_most: pause, ..Options::default() };
    let bmc = Bmc::connect(endpoint, options).await?;
    let discovery = bmc.discover().await?;
    // A machine that cannot be provisioned has a plan too: the reason why not.
    let plan = discovery.plan(&PlanRequest::default());
    Ok(format!("{discovery:?} {plan:?}"))
}
