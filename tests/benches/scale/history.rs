//! A controller with ten thousand jobs behind it: how long it takes to start, and how fast they can
//! be read.

use std::{path::Path, time::Duration};

use anyhow::Result;
use reqwest::Method;
use shoal_tests::{Controller, Programs, linux_job};

use crate::{config, each, enrol_absent, reader, text, timed};

const JOBS: u32 = 10_000;
const SERVERS: u32 = 200;
const CLIENTS: u32 = 8;
const READ_FOR: Duration = Duration::from_secs(4);

pub(crate) async fn measure(programs: &Programs, scratch: &Path) -> Result<()> {
    let mut config = config(scratch, "history");
    config.workers = 0;
    let mut controller = Controller::start(programs, config).await?;
    let api = controller.api()?;
    each(&api, SERVERS, async |api, number| enrol_absent(&api, &serial(number)).await).await?;
    each(&api, JOBS, async |api, number| {
        // Eight clients go through the numbers in steps of eight, so no two meet at a server.
        let job = api.create_job(&linux_job(&serial(number % SERVERS))?).await?;
        api.cancel(&job).await
    })
    .await?;
    controller.kill().await?;
    let ((), took) = timed(controller.restart()).await?;
    println!(
        "{:>8.2} s from start to ready with {JOBS} jobs stored (target 1)",
        took.as_secs_f64()
    );

    let api = controller.api()?;
    let list = api.call(Method::GET, "/jobs?limit=1", None).await?.wants(200)?;
    let job = text(&list, "/jobs/0/job_id")?.to_owned();
    let one =
        reader::rate(controller.ready(), &format!("/api/v1/jobs/{job}"), CLIENTS, READ_FOR).await?;
    println!("{one:>8.0} GET /jobs/{{id}} per second, {CLIENTS} clients over TLS (target 10,000)");
    let live = reader::rate(controller.ready(), "/livez", CLIENTS, READ_FOR).await?;
    println!("{live:>8.0} GET /livez per second, the same way: the limit of this machine");
    let page =
        reader::rate(controller.ready(), "/api/v1/jobs?limit=1000", CLIENTS, READ_FOR).await?;
    println!("{page:>8.0} pages of 1,000 jobs per second (target 100)");
    controller.stop().await
}

fn serial(number: u32) -> String {
    format!("SN-{number}")
}
