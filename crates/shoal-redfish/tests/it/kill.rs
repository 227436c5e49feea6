//! A run is killed at every request and at every save, right before and right after it, and goes on
//! from its last stored checkpoint in a new process. However often that happens, the host starts
//! once, from both media, and in the end everything is taken back.

use std::sync::{Arc, Mutex};

use shoal_redfish::{Bmc, Checkpoint, Kind, Options, Plan, Stage};

use crate::{
    bmc::{Fault, TestBmc, What},
    given::{any, forget, quick, request, urls},
    model::Family,
};

/// Requests of one life, with room to spare; the loops end earlier.
const MANY: usize = 60;

/// What survives a process.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<String>>);

impl Disk {
    fn checkpoint(&self) -> Checkpoint {
        let stored = self.0.lock().unwrap();
        if stored.is_empty() {
            Checkpoint::default()
        } else {
            serde_json::from_str(&stored).unwrap()
        }
    }

    fn store(&self, checkpoint: &Checkpoint) {
        *self.0.lock().unwrap() = serde_json::to_string(checkpoint).unwrap();
    }
}

fn killed() -> std::io::Error {
    std::io::Error::other("killed")
}

/// A process without patience: what it cannot send it does not send again, as if it were dead.
fn start_process(server: &TestBmc, plan: &Plan) -> Bmc {
    let options = Options { retries: 0, ..quick() };
    Bmc::resume(&server.endpoint(any()), options, plan).unwrap()
}

async fn plan(server: &TestBmc) -> Plan {
    let bmc = server.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    bmc.close().await.unwrap();
    plan
}

/// Applies to the end, as an operator's program would that looks before it allows a second start.
async fn finish(server: &TestBmc, plan: &Plan, disk: &Disk) {
    let mut checkpoint = disk.checkpoint();
    let bmc = start_process(server, plan);
    let mut result = bmc.apply(plan, &urls(), &mut checkpoint, &mut forget).await;
    if result.as_ref().is_err_and(|error| *error.kind() == Kind::PowerOnUnsure) {
        assert_eq!(server.with(|model| model.starts), 0, "a start that happened was doubted");
        checkpoint.rearm();
        result = bmc.apply(plan, &urls(), &mut checkpoint, &mut forget).await;
    }
    result.unwrap();
    assert_eq!(checkpoint.stage(), Stage::Running);
    server.with(|model| {
        assert_eq!((model.power, model.starts), ("On", 1));
        assert_eq!(model.started_with.len(), 3, "{:?}", model.started_with);
    });
    disk.store(&checkpoint);
}

/// From a number of requests on nothing reaches the BMC; one more may, without an answer.
fn die_after(server: &TestBmc, requests: usize, answered: bool) {
    let mut after = requests;
    if !answered {
        server.fault(Fault { after, ..Fault::once("", "", What::LoseAnswer) });
        // The next fault sees requests only when this one is over.
        after = 0;
    }
    server.fault(Fault { after, times: usize::MAX, ..Fault::once("", "", What::DropRequest) });
}

#[tokio::test]
async fn a_run_killed_at_any_request_starts_the_host_once_with_both_media() {
    for (family, answered) in
        [(Family::Idrac, true), (Family::Idrac, false), (Family::Ilo, true), (Family::Ilo, false)]
    {
        let mut kills = 0;
        for requests in 0..MANY {
            let server = TestBmc::start(family).await;
            let plan = plan(&server).await;
            let disk = Disk::default();
            let mut checkpoint = Checkpoint::default();
            let bmc = start_process(&server, &plan);
            die_after(&server, requests, answered);
            let mut save = |checkpoint: &Checkpoint| {
                disk.store(checkpoint);
                Ok(())
            };
            let result = bmc.apply(&plan, &urls(), &mut checkpoint, &mut save).await;
            server.heal();
            finish(&server, &plan, &disk).await;
            if result.is_ok() {
                break;
            }
            kills += 1;
        }
        assert!((8..MANY).contains(&kills), "{family:?}: killed {kills} times");
    }
}

#[tokio::test]
async fn a_run_killed_at_any_save_starts_the_host_once_with_both_media() {
    for stored in [false, true] {
        let mut kills = 0;
        for saves in 0..MANY {
            let server = TestBmc::start(Family::Ilo).await;
            let plan = plan(&server).await;
            let disk = Disk::default();
            let mut left = saves;
            let mut save = |checkpoint: &Checkpoint| {
                if left > 0 {
                    left -= 1;
                    disk.store(checkpoint);
                    return Ok(());
                }
                if stored {
                    disk.store(checkpoint);
                }
                Err(killed())
            };
            let bmc = start_process(&server, &plan);
            let result = bmc.apply(&plan, &urls(), &mut Checkpoint::default(), &mut save).await;
            finish(&server, &plan, &disk).await;
            if result.is_ok() {
                break;
            }
            kills += 1;
        }
        assert_eq!(kills, 5, "before the first change, before each medium, around the power-on");
    }
}

#[tokio::test]
async fn a_revert_killed_at_any_request_is_finished_by_the_next() {
    for (family, answered) in [(Family::Idrac, true), (Family::Ilo, false)] {
        let mut kills = 0;
        for requests in 0..MANY {
            let server = TestBmc::start(family).await;
            let plan = plan(&server).await;
            let disk = Disk::default();
            finish(&server, &plan, &disk).await;
            let bmc = start_process(&server, &plan);
            die_after(&server, requests, answered);
            let mut save = |checkpoint: &Checkpoint| {
                disk.store(checkpoint);
                Ok(())
            };
            let result = bmc.revert(&plan, &mut disk.checkpoint(), &mut save).await;
            server.heal();
            let mut checkpoint = disk.checkpoint();
            let next = start_process(&server, &plan);
            next.revert(&plan, &mut checkpoint, &mut forget).await.unwrap();
            assert_eq!(checkpoint.stage(), Stage::Reverted);
            server.with(|model| {
                assert_eq!((model.power, model.starts), ("Off", 1));
                assert_eq!((model.image("1"), model.image("2")), (None, None));
                assert_eq!(model.boot["Enabled"], "Disabled");
            });
            if result.is_ok() {
                break;
            }
            kills += 1;
        }
        assert!((5..MANY).contains(&kills), "{family:?}: killed {kills} times");
    }
}
