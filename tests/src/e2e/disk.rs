//! Disks that are full, read-only or damaged, and controllers that want the same files at once.

use std::{
    fs::{self, File},
    future::Future,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shoal_redfish_mock::{
    Action, BootFrom, EffectKind, Ending, Event, HostScript, ImageUrl, Rule, Step, When,
};
use shoal_tests::{BootMedium, Config, Controller, Follow, Machine, OwnMount, linux_job};

use crate::{
    Group, PERSONAS, proof,
    stage::{Stage, asked, host, reached},
    suite::{Place, Scenario},
};

/// Room enough for anything a scenario writes, and for the controller to feel at ease.
const ENOUGH: &str = "2g";

pub(crate) fn scenarios() -> Vec<Scenario> {
    let [first, second, ..] = PERSONAS;
    vec![
        new(Some(first), "a full disk of task media stops the queue, and jobs go on after it", {
            move |place| task_disk_full(place, first)
        }),
        new(Some(second), "a full disk of the database costs no job, and no milestone", {
            move |place| database_full(place, second)
        }),
        new(Some(first), "a database that cannot be written is refused at start", move |place| {
            read_only(place, first)
        }),
        new(Some(first), "a task medium damaged on disk is served as it was built", move |place| {
            damaged(place, first)
        }),
        new(Some(second), "a task medium lost while nobody looked is built again", move |place| {
            lost(place, second)
        }),
        new(None, "of controllers that race for a new database one starts", race),
    ]
}

fn new<F>(
    persona: Option<&'static str>,
    name: &str,
    run: impl FnOnce(Place) -> F + Send + 'static,
) -> Scenario
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    Scenario::new(Group::Fault, persona, name, run)
}

/// The media of a job in the slots of a machine: of kind `t`, or `b`.
fn url(machine: &Machine, kind: &str) -> Result<String> {
    let slots = machine.mock().state().slots;
    let mut images = slots.iter().filter_map(|slot| slot.image.as_ref()).map(ImageUrl::as_str);
    let wanted = images.find(|url| url.contains(&format!("/media/{kind}/")));
    wanted.map(str::to_owned).with_context(|| format!("no medium of kind {kind} is in"))
}

async fn task_disk_full(place: Place, persona: &'static str) -> Result<()> {
    let disk = OwnMount::at(place.directory.join("tasks"))?;
    let at = disk.directory().display().to_string();
    let stage =
        Stage::set_with(&place, |config| disk.empty(config, "16k").set("TASK_ISO_DIR", at)).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let other = stage.stranger(persona, "SN0002", host(Ending::Succeed)).await?;
    stage.api.enrol(&other).await?;
    let (job, follow) = stage.job(&machine).await?;
    let full = |event: &shoal_tests::Event| {
        let summary = event.get("summary").unwrap_or_default();
        event.kind == "fault" && summary.contains("task medium directory is full")
    };
    follow.wait_for(full).await?;
    let retries = |job: &Value| job.get("waiting_for_code") == Some(&json!("retry"));
    let seen = asked(&stage.api, &format!("/jobs/{job}"), retries).await?;
    ensure!(seen.get("phase") == Some(&json!("build")), "{seen}");
    ensure!(seen.to_string().contains("free space and the job goes on"), "{seen}");
    let counted = stage.api.metrics().await?;
    let mut counted = counted.lines().filter(|line| line.starts_with("iso_build_failures_total"));
    let disk_full = counted.find(|line| line.contains("disk_full")).unwrap_or_default();
    ensure!(!disk_full.is_empty() && !disk_full.ends_with(" 0"), "not counted: {disk_full}");
    proof::power(&machine, 0, 0)?;

    asked(&stage.api, "/admin/drain", |said| said.get("picking") == Some(&json!(false))).await?;
    let (second, follow_second) = stage.job_with(&linux_job(other.serial())?).await?;
    let queued = stage.api.job(&second).await?;
    let waits = queued.whole.get("waiting_for_code").and_then(Value::as_str);
    ensure!(queued.status == "queued" && waits == Some("little_space"), "{}", queued.whole);
    let words = queued.whole.get("waiting_for").and_then(Value::as_str).unwrap_or_default();
    ensure!(words.contains(&disk.directory().display().to_string()), "it waits for {words}");

    disk.resize(stage.controller.ready().pid, ENOUGH).await?;
    for (job, machine, follow) in [(&job, &machine, &follow), (&second, &other, &follow_second)] {
        follow.completed().await?;
        proof::installed(&stage.api, job, machine, follow).await?;
        proof::power(machine, 2, 1)?;
    }
    stage.strike([machine, other]).await
}

/// Nothing of the boot image leaves while nobody can write down that it did.
async fn database_full(place: Place, persona: &'static str) -> Result<()> {
    let disk = OwnMount::at(place.directory.join("database"))?;
    let file = disk.directory().join("provisioner.db").display().to_string();
    let stage =
        Stage::set_with(&place, |config| disk.empty(config, ENOUGH).set("DB_PATH", file)).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let rule = Rule::once(When::Intends(EffectKind::PowerOn), Action::HoldBefore);
    let held = machine.mock().faults().add(rule);
    let (job, follow) = stage.job(&machine).await?;
    reached(&held).await?;
    let pid = stage.controller.ready().pid;
    disk.fill(pid).await?;

    let stranger = machine.record();
    let refused = stage.api.put_server("SN0009", &stranger).await?;
    ensure!(refused.status == 503, "a write was answered {}: {}", refused.status, refused.body);
    ensure!(refused.body.to_string().contains("free space there"), "{}", refused.body);
    let known = stage.api.get("/servers/SN0009").await?;
    ensure!(known.status == 404, "what could not be written is there: {}", known.body);
    let boot = url(&machine, "b")?;
    let (status, bytes) = stage.api.read(&boot, BootMedium::BOOT_IMAGE_AT, 4096).await?;
    ensure!(status == 503 && bytes == 0, "{bytes} bytes of the boot image left, with {status}");
    let seen = stage.api.job(&job).await?;
    ensure!(!seen.evidence.milestones.contains_key("boot_image_read"), "{:?}", seen.evidence);

    ensure!(held.release(), "nothing was held");
    machine.wait_for(|event| *event == Event::Booted(BootFrom::BootMedium)).await?;
    let seen = stage.api.job(&job).await?;
    ensure!(seen.phase == "power_on", "what was not written is told: {}", seen.story());
    disk.resize(pid, ENOUGH).await?;
    follow.completed().await?;
    let done = proof::installed(&stage.api, &job, &machine, &follow).await?;
    ensure!(done.attempt == 1, "{}", done.story());
    proof::power(&machine, 2, 1)?;
    stage.strike([machine]).await
}

async fn read_only(place: Place, persona: &'static str) -> Result<()> {
    let mut stage = Stage::set(&place).await?;
    let script = HostScript { step: Duration::from_mins(1), ..host(Ending::Succeed) };
    let machine = stage.machine(persona, script).await?;
    let (job, follow) = stage.job(&machine).await?;
    machine.wait_for(|event| *event == Event::StepStarted(Step::Partition)).await?;
    stage.controller.kill().await?;
    let directory = stage.controller.directory().join("storage/db");
    let disk = OwnMount::at(directory)?;
    let config = Config::new(place.directory.join("controller"), &place.static_dir);
    let refused = Controller::start(&place.programs, disk.read_only(config)).await;
    let said = refused.err().map(|error| format!("{error:#}")).unwrap_or_default();
    ensure!(said.contains("exit status: 69"), "it started, or ended otherwise: {said}");
    let named =
        ["provisioner.db", "read-only"].iter().all(|word| said.to_lowercase().contains(word));
    ensure!(named, "it does not say what is wrong: {said}");
    stage.controller.restart().await?;
    follow.completed().await?;
    proof::installed(&stage.api, &job, &machine, &follow).await?;
    proof::power(&machine, 2, 1)?;
    stage.strike([machine]).await
}

/// Where the controller keeps the job's task medium.
fn task_file(stage: &Stage, job: &str) -> Result<PathBuf> {
    let directory = stage.controller.directory().join("storage/tasks").join(job);
    let file = directory.join("task.iso");
    ensure!(file.is_file(), "{} is not there", file.display());
    Ok(file)
}

/// Somebody writes into the file while its medium is in, and its size stays.
async fn damaged(place: Place, persona: &'static str) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let (held, job, follow) = with_media_in(&stage, &machine).await?;
    let path = task_file(&stage, &job)?;
    let built = fs::read(&path).context("read the task medium")?;
    let file = File::options().write(true).open(&path).context("open the task medium")?;
    let half = built.len() / 2;
    file.write_all_at(&vec![0xA5; half], u64::try_from(built.len() - half)?)?;
    file.write_all_at(&[0xA5; 4096], 16 * 2048)?;
    ensure!(held.release(), "nothing was held");
    finish(stage, machine, (&job, &follow), (&path, &built)).await
}

async fn lost(place: Place, persona: &'static str) -> Result<()> {
    let mut stage = Stage::set(&place).await?;
    let machine = stage.machine(persona, host(Ending::Succeed)).await?;
    let (held, job, follow) = with_media_in(&stage, &machine).await?;
    stage.controller.kill().await?;
    ensure!(held.drop_connection(), "nothing was held");
    let path = task_file(&stage, &job)?;
    let built = fs::read(&path).context("read the task medium")?;
    fs::remove_file(&path).context("lose the task medium")?;
    stage.controller.restart().await?;
    finish(stage, machine, (&job, &follow), (&path, &built)).await
}

/// A job whose media are in, and nothing more is done about it yet.
async fn with_media_in(
    stage: &Stage,
    machine: &Machine,
) -> Result<(shoal_redfish_mock::Fault, String, Follow)> {
    let rule = Rule::once(When::Intends(EffectKind::BootOnce), Action::HoldBefore);
    let held = machine.mock().faults().add(rule);
    let (job, follow) = stage.job(machine).await?;
    reached(&held).await?;
    Ok((held, job, follow))
}

/// The machine reads what was built, and the file is that again.
async fn finish(
    stage: Stage,
    machine: Machine,
    (job, follow): (&str, &Follow),
    (path, built): (&Path, &[u8]),
) -> Result<()> {
    machine.wait_for(|event| *event == Event::Dispatched { code: Some(0) }).await?;
    ensure!(fs::read(path).context("read the task medium")? == built, "it was not built again");
    follow.completed().await?;
    let done = proof::installed(&stage.api, job, &machine, follow).await?;
    ensure!(done.attempt == 1, "{}", done.story());
    proof::power(&machine, 2, 1)?;
    stage.strike([machine]).await
}

/// First for files that are not there yet, then for those that the winner made.
async fn race(place: Place) -> Result<()> {
    let storage = place.directory.join("storage").display().to_string();
    for round in 1..=2 {
        let start = |name: u32| {
            let directory = place.directory.join(format!("controller-{round}-{name}"));
            let config = Config::new(directory, &place.static_dir);
            Controller::start(&place.programs, config.set("STORAGE_ROOT", storage.clone()))
        };
        let (one, two, three) = tokio::join!(start(1), start(2), start(3));
        let (won, refused): (Vec<_>, Vec<_>) =
            [one, two, three].into_iter().partition(Result::is_ok);
        let refused: Vec<String> =
            refused.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
        ensure!(won.len() == 1, "{} controllers started: {refused:?}", won.len());
        for said in &refused {
            ensure!(said.contains("exit status: 69"), "refused otherwise: {said}");
            ensure!(said.contains("held by"), "it does not say what is wrong: {said}");
        }
        for mut controller in won.into_iter().flatten() {
            controller.api()?.get("/jobs").await?.wants(200)?;
            controller.kill().await?;
        }
    }
    Ok(())
}
