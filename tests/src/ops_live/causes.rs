//! The causes that a simulation can make, in waves: those of a wave leave each other alone.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use shoal_redfish_mock::{Action, EffectKind, Ending, Rule, Step, When};
use shoal_tests::{Follow, Machine, PATIENCE, linux_job};
use tokio::time::{sleep, timeout};

use crate::{
    ground::{Ground, PACE, Times, Told},
    load::Load,
    stage::{ENOUGH, host},
};

/// Makes every cause, or only those that show within seconds.
pub(crate) async fn prove(ground: &Ground<'_>, brief: bool) -> Vec<Told> {
    let mut told = Box::pin(strangers_and_machines(ground, brief)).await;
    told.extend(disks(ground, brief).await);
    let unwritable = database_full(ground).await;
    told.push(of("ShoalHttp5xxHigh", "the database's disk is full", unwritable));
    told.extend(frozen(ground).await);
    told
}

fn of(alert: &'static str, cause: &'static str, result: Result<Times>) -> Told {
    Told { alert, cause, result }
}

async fn strangers_and_machines(ground: &Ground<'_>, brief: bool) -> Vec<Told> {
    let slow = async {
        if brief {
            return Vec::new();
        }
        let (failing, timeouts) = tokio::join!(failing_jobs(ground), lost_reset(ground));
        vec![
            of("ShoalJobFailedRateHigh", "images that cannot be written", failing),
            of("ShoalRedfishPollTimeouts", "a reset that never shows", timeouts),
        ]
    };
    let (secret, login, silent, redfish, slow) = tokio::join!(
        wrong_secret(ground),
        wrong_login(ground),
        silent_machine(ground),
        failing_bmc(ground),
        slow,
    );
    let (stuck, address) = match silent {
        Ok(both) => both,
        Err(error) => (Err(error), Err(anyhow::anyhow!("there was no job to take it from"))),
    };
    let mut told = vec![
        of("ShoalWebhookAuthFailures", "reports with a wrong secret", secret),
        of("ShoalLoginFailures", "logins with a wrong token", login),
        of("ShoalJobsStuck", "a machine that never reports", stuck),
        of("ShoalSignedUrlFailures", "an address with another signature", address),
        of("ShoalRedfishErrorRateHigh", "a BMC that answers 500", redfish),
    ];
    told.extend(slow);
    told
}

async fn wrong_secret(ground: &Ground<'_>) -> Result<Times> {
    let report = json!({"status": "success"});
    let act = async || {
        let answer = ground.stage.api.report("LOAD0", "another-secret", &report).await?;
        ensure!(matches!(answer.status, 403 | 404 | 429), "it was answered {}", answer.status);
        Ok(())
    };
    ground.by_repeating("ShoalWebhookAuthFailures", act).await
}

async fn wrong_login(ground: &Ground<'_>) -> Result<Times> {
    let act = async || {
        let answer = ground.stage.api.get_with("another-token", "/jobs").await?;
        ensure!(matches!(answer.status, 401 | 429), "it was answered {}", answer.status);
        Ok(())
    };
    ground.by_repeating("ShoalLoginFailures", act).await
}

/// A job that gets nowhere, and the address of its medium with a signature that is none.
async fn silent_machine(ground: &Ground<'_>) -> Result<(Result<Times>, Result<Times>)> {
    let stage = ground.stage;
    let machine = stage.machine("xcc", "SILENT0", host(Ending::HangAt(Step::Partition))).await?;
    let begun = ground.drained("ShoalJobsStuck").await?;
    let job = stage.api.create_job(&linux_job(machine.serial())?).await?;
    let follow = Follow::start(&stage.api, &job);
    follow.phase("await_report").await?;
    let address = forged(&machine)?;
    let act = async || {
        let (status, bytes) = stage.api.read(&address, 0, 512).await?;
        ensure!(matches!(status, 403 | 429) && bytes == 0, "it was answered {status}");
        Ok(())
    };
    let stuck = async {
        let fired = ground.fires("ShoalJobsStuck", begun).await;
        stage.api.cancel(&job).await?;
        follow.completed().await?;
        ground.resolves("ShoalJobsStuck", fired?).await
    };
    let both = tokio::join!(stuck, ground.by_repeating("ShoalSignedUrlFailures", act));
    machine.shutdown().await;
    Ok(both)
}

/// The address of a medium in the machine, its last signed character another.
fn forged(machine: &Machine) -> Result<String> {
    let slots = machine.mock().state().slots;
    let address = slots.iter().find_map(|slot| slot.image.as_ref()).context("no medium is in")?;
    let (segment, file) = address.as_str().rsplit_once('/').context("an address without a file")?;
    let last = segment.chars().last().context("an address without a signature")?;
    let other = if last == 'A' { 'E' } else { 'A' };
    let kept = segment.strip_suffix(last).unwrap_or(segment);
    Ok(format!("{kept}{other}/{file}"))
}

/// An operator looks again and again at a BMC whose requests all fail.
async fn failing_bmc(ground: &Ground<'_>) -> Result<Times> {
    let stage = ground.stage;
    let machine = stage.machine("smc-x12", "BROKEN0", host(Ending::Succeed)).await?;
    let action = Action::Status {
        code: 500,
        message_id: "Base.1.0.InternalError".to_owned(),
        retry_after: None,
    };
    machine.mock().faults().add(Rule::always(When::request("*", "*"), action));
    let path = format!("/servers/{}/probe", machine.serial());
    let act = async || stage.api.post(&path, &json!({})).await.map(drop);
    let times = ground.by_repeating("ShoalRedfishErrorRateHigh", act).await;
    machine.mock().faults().clear();
    machine.shutdown().await;
    times
}

/// Two machines fail one job after another while the load's succeed.
async fn failing_jobs(ground: &Ground<'_>) -> Result<Times> {
    let alert = "ShoalJobFailedRateHigh";
    let begun = ground.drained(alert).await?;
    let load = Load::failing(ground.stage, 2).await?;
    let fired = ground.fires(alert, begun).await;
    load.end().await?;
    ground.resolves(alert, fired?).await
}

/// The answer to power-on is lost, and the BMC then says that the machine is off.
async fn lost_reset(ground: &Ground<'_>) -> Result<Times> {
    let stage = ground.stage;
    let machine = stage.machine("openbmc", "OFF0", host(Ending::Succeed)).await?;
    let faults = machine.mock().faults();
    faults.add(Rule::always(When::Intends(EffectKind::PowerOn), Action::CloseAfter));
    let says_off = Action::Rewrite { pointer: "/PowerState".to_owned(), value: json!("Off") };
    faults.add(Rule::always(When::request("GET", "/redfish/v1/Systems/*"), says_off));
    let alert = "ShoalRedfishPollTimeouts";
    let begun = ground.drained(alert).await?;
    let job = stage.api.create_job(&linux_job(machine.serial())?).await?;
    let follow = Follow::start(&stage.api, &job);
    let fired = ground.fires(alert, begun).await;
    faults.clear();
    // It may have ended meanwhile, and then there is nothing to cancel.
    let _ = stage.api.tell(&job, "cancel", &json!({})).await;
    follow.completed().await?;
    machine.shutdown().await;
    ground.resolves(alert, fired?).await
}

async fn disks(ground: &Ground<'_>, brief: bool) -> Vec<Told> {
    let (mut told, registry) = tokio::join!(task_disk(ground, brief), registry_disk(ground));
    told.extend(registry);
    told
}

/// Content fills the registry's disk, since the disk shrinks around it.
async fn registry_disk(ground: &Ground<'_>) -> Vec<Told> {
    let stage = ground.stage;
    let resized = async |room: &str| stage.registry.resize(stage.pid(), room).await;
    let low = ground.by_change(
        "ShoalRegistryDiskLow",
        async || {
            stage.registry.occupy(stage.pid(), 128 << 20)?;
            resized("152m").await
        },
        async || resized(ENOUGH).await,
    );
    let low = low.await;
    let critical = ground.by_change(
        "ShoalRegistryDiskCritical",
        async || resized("137m").await,
        async || resized(ENOUGH).await,
    );
    let critical = critical.await;
    let errors = ground.by_change(
        "ShoalRegistryUploadErrors",
        async || stage.registry.fill(stage.pid()).await,
        async || resized(ENOUGH).await,
    );
    vec![
        of("ShoalRegistryDiskLow", "a seventh of the registry's disk is free", low),
        of("ShoalRegistryDiskCritical", "a twentieth of the registry's disk is free", critical),
        of("ShoalRegistryUploadErrors", "pushes that find no room", errors.await),
    ]
}

async fn task_disk(ground: &Ground<'_>, brief: bool) -> Vec<Told> {
    let stage = ground.stage;
    let resized = async |room: &str| stage.tasks.resize(stage.pid(), room).await;
    let low = ground.by_change(
        "ShoalTaskDirLow",
        async || resized("3g").await,
        async || resized(ENOUGH).await,
    );
    let mut told = vec![of("ShoalTaskDirLow", "3 GiB for task media", low.await)];
    if brief {
        let make = async || resized("1g").await;
        let critical =
            ground.by_change("ShoalTaskDirCritical", make, async || resized(ENOUGH).await).await;
        told.push(of("ShoalTaskDirCritical", "1 GiB for task media", critical));
        return told;
    }
    let (critical, build) = match no_room_for_media(ground).await {
        Ok((critical, build)) => (Ok(critical), Ok(build)),
        Err(error) => (Err(error), Err(anyhow::anyhow!("the one above failed"))),
    };
    told.push(of("ShoalTaskDirCritical", "no room for task media", critical));
    told.push(of("ShoalIsoBuildFailures", "a medium that finds no room", build));
    told
}

/// A job that is about to build its medium meets a disk without a free page.
async fn no_room_for_media(ground: &Ground<'_>) -> Result<(Times, Times)> {
    let stage = ground.stage;
    let machine = stage.machine("ilo5", "FULL0", host(Ending::Succeed)).await?;
    let rule = Rule::once(When::request("GET", "/redfish/v1/Systems/*"), Action::HoldBefore);
    let held = machine.mock().faults().add(rule);
    let job = stage.api.create_job(&linux_job(machine.serial())?).await?;
    let follow = Follow::start(&stage.api, &job);
    timeout(PATIENCE, held.reached()).await.context("nobody looked at the machine")?;
    ground.drained("ShoalIsoBuildFailures").await?;
    let begun = ground.drained("ShoalTaskDirCritical").await?;
    let fired = async {
        let critical = ground.fires("ShoalTaskDirCritical", begun).await?;
        held.release();
        Ok((critical, ground.fires("ShoalIsoBuildFailures", begun).await?))
    };
    // Other jobs end meanwhile, and their media give room back.
    let full = async {
        loop {
            if let Err(error) = stage.tasks.fill(stage.pid()).await {
                return error;
            }
            sleep(PACE).await;
        }
    };
    let fired = tokio::select! {
        fired = fired => fired,
        error = full => Err(error),
    };
    stage.tasks.resize(stage.pid(), ENOUGH).await?;
    let (critical, build) = fired?;
    let times = tokio::join!(
        ground.resolves("ShoalTaskDirCritical", critical),
        ground.resolves("ShoalIsoBuildFailures", build),
        follow.completed(),
    );
    times.2.context("the job did not go on when there was room")?;
    machine.shutdown().await;
    Ok((times.0?, times.1?))
}

/// Requests that must write are answered 503 for as long as nothing can be written.
async fn database_full(ground: &Ground<'_>) -> Result<Times> {
    let stage = ground.stage;
    stage.database.fill(stage.pid()).await?;
    let alert = "ShoalHttp5xxHigh";
    let begun = ground.drained(alert).await?;
    let fired = tokio::select! {
        fired = ground.fires(alert, begun) => fired,
        error = written(ground) => Err(error),
    };
    stage.database.resize(stage.pid(), ENOUGH).await?;
    ground.resolves(alert, fired?).await
}

/// Writes what takes new room each time: what fits into pages that are there already is still taken.
async fn written(ground: &Ground<'_>) -> anyhow::Error {
    let server = json!({
        "bmc_address": "https://127.0.0.1:9",
        "credentials": {"user": "operator", "password": "unused"},
        "tls": {"policy": "pin", "sha256": "0".repeat(64)},
    });
    for number in 0_u32.. {
        let serial = format!("NOWHERE{number}");
        match ground.stage.api.put_server(&serial, &server).await {
            Ok(answer) if answer.status == 503 => sleep(PACE).await,
            Ok(answer) if answer.status == 201 => {}
            Ok(answer) => return anyhow::anyhow!("a write was answered {}", answer.status),
            Err(error) => return error,
        }
    }
    anyhow::anyhow!("every serial was written")
}

/// The process hangs: nothing scrapes it, and nothing from outside reaches it.
async fn frozen(ground: &Ground<'_>) -> Vec<Told> {
    let (down, livez) = match hang(ground).await {
        Ok((down, livez)) => (Ok(down), Ok(livez)),
        Err(error) => (Err(error), Err(anyhow::anyhow!("the one above failed"))),
    };
    vec![
        of("ShoalDown", "a process that hangs", down),
        of("ShoalLivenessFailing", "a process that hangs", livez),
    ]
}

async fn hang(ground: &Ground<'_>) -> Result<(Times, Times)> {
    ground.drained("ShoalLivenessFailing").await?;
    let begun = ground.drained("ShoalDown").await?;
    ground.stage.controller().freeze()?;
    let fired = tokio::join!(
        ground.fires("ShoalDown", begun),
        ground.fires("ShoalLivenessFailing", begun),
    );
    ground.stage.controller().thaw()?;
    let (down, livez) = (fired.0?, fired.1?);
    let times = tokio::join!(
        ground.resolves("ShoalDown", down),
        ground.resolves("ShoalLivenessFailing", livez),
    );
    Ok((times.0?, times.1?))
}
