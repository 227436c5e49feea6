//! What the BMC client costs: the whole life of a machine at the distance of another continent, beside
//! the same life as a client drives it that opens a connection for every request, and how many such
//! lives one core drives. Run with `cargo xtask bench redfish`; `far` or `many` runs one of the two.
#![expect(clippy::print_stdout, reason = "a bench prints its result")]

mod distance;
mod far;
#[path = "../../tests/bmc/images.rs"]
#[expect(clippy::unwrap_used, reason = "it is shared with tests")]
mod images;
mod machine;
mod many;
mod per_request;

use anyhow::Result;
use shoal_tests::install_crypto;

fn main() -> Result<()> {
    install_crypto();
    let wanted = std::env::args().nth(1).filter(|word| !word.starts_with('-'));
    let is_wanted = |part: &str| wanted.as_deref().is_none_or(|word| word == part);
    if is_wanted("far") {
        far::measure()?;
    }
    if is_wanted("many") {
        many::measure()?;
    }
    Ok(())
}
