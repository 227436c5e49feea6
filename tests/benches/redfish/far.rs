//! One life at 150 ms there and back, over TLS, by either client.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{
    distance,
    machine::{Machine, images, life},
    per_request::PerRequest,
};

const THERE_AND_BACK: Duration = Duration::from_millis(150);

pub(crate) fn measure() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        println!("the whole life of a machine at {THERE_AND_BACK:?} there and back, over TLS:");
        for persona in ["ilo5", "idrac9-6x"] {
            compare(persona).await?;
        }
        Ok(())
    })
}

async fn compare(persona: &str) -> Result<()> {
    let images = images().await;
    let machine = Machine::start(persona, "FAR1").await?;
    let address = distance::from(machine.mock.address(), THERE_AND_BACK).await?;
    let url = format!("https://{address}");

    machine.mock.press_power_button();
    let started = Instant::now();
    let requests = life(machine.endpoint(&url)?, &images).await?;
    let ours = started.elapsed();
    println!("  {persona:<10} shoal-redfish      {requests:>4} requests {ours:>10.1?}");

    machine.mock.press_power_button();
    let started = Instant::now();
    let mut flow = PerRequest::connect(url).await?;
    let origin = images.url("boot.iso").origin().to_owned();
    let task = if persona == "ilo5" { "task.img" } else { "task.iso" };
    flow.life(&format!("{origin}/media/boot.iso"), &format!("{origin}/media/{task}")).await?;
    let theirs = started.elapsed();
    println!("  {persona:<10} one per request    {:>4} requests {theirs:>10.1?}", flow.requests);
    println!(
        "  {persona:<10} {:.1} times as fast, with {:.1} times fewer requests",
        theirs.as_secs_f64() / ours.as_secs_f64(),
        ratio(flow.requests, requests)
    );
    machine.mock.shutdown().await;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "some hundred requests")]
fn ratio(more: u64, fewer: u64) -> f64 {
    more as f64 / fewer as f64
}
