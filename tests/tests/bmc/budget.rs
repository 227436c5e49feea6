//! What a life costs in requests on every kind of BMC, by the BMCs' own count. Nothing lags here, so
//! that no request is a look at something that is still on its way.

use shoal_redfish::{Checkpoint, PlanRequest};
use shoal_redfish_mock::{BootFrom, Event, HostScript, Persona};

use crate::{
    KNOWN,
    stand::{Stand, forget},
};

/// To power-on by a client that has never met the BMC.
const COLD: u64 = 20;
/// To power-on by a client that has a plan and what was learned.
const WARM: u64 = 12;
/// From the login to the logout of such a client.
const LIFE: u64 = 23;
/// More, where the override is an import beside what the system is told: the job and two looks at it,
/// less a look at a second slot.
const IMPORT: u64 = 2;

/// Requests of one client.
struct Cost {
    discovery: u64,
    to_power_on: u64,
    life: u64,
    connections: u64,
}

// With one thread a connection is back in its pool before the next request asks for one, so that the
// count says what the client meant.
#[tokio::test]
async fn a_life_costs_few_requests_and_one_connection_on_every_bmc() {
    let mut table =
        vec!["persona | discovery | to power-on, cold | warm | life, cold | warm".to_owned()];
    let mut dear = Vec::new();
    for (name, ..) in KNOWN {
        let (cold, warm) = costs(name).await;
        let numbers = [cold.discovery, cold.to_power_on, warm.to_power_on, cold.life, warm.life];
        let numbers = numbers.map(|number| number.to_string()).join(" | ");
        table.push(format!("{name} | {numbers}"));
        let more = if name == "idrac9-scp" { IMPORT } else { 0 };
        let bounds = [(cold.to_power_on, COLD), (warm.to_power_on, WARM), (warm.life, LIFE)];
        if bounds.iter().any(|(number, bound)| *number > bound + more) {
            dear.push(name);
        }
        if (cold.connections, warm.connections) != (1, 1) {
            dear.push(name);
        }
    }
    let table = table.join(
        "
",
    );
    println!("{table}");
    assert!(dear.is_empty(), "{dear:?} cost too much:\n{table}");
}

/// Of a first client, and of one that comes later with what the first found out.
async fn costs(name: &str) -> (Cost, Cost) {
    let stand = Stand::like(without_delays(name), HostScript::default()).await;
    stand.switch_on().await;
    let journal = stand.mock.journal();
    let class = KNOWN.iter().find(|(known, ..)| *known == name).unwrap().2;
    let urls = stand.urls(class);

    let bmc = stand.connect().await;
    let request = PlanRequest { ..stand.request() };
    let plan = bmc.discover().await.unwrap().plan(&request).unwrap();
    let asked = || {
        // A look at a task is a look while waiting.
        let entries = journal.entries();
        let looks =
            entries.iter().filter(|entry| entry.path.starts_with("/redfish/v1/TaskService"));
        journal.requests() - looks.count() as u64
    };
    let discovery = asked();
    let mut checkpoint = Checkpoint::default();
    bmc.apply(&plan, &urls, &mut checkpoint, &mut forget).await.unwrap();
    let to_power_on = asked();
    bmc.revert(&plan, &mut checkpoint, &mut forget).await.unwrap();
    bmc.close().await.unwrap();
    let connections = journal.connections();
    let cold = Cost { discovery, to_power_on, life: asked(), connections };

    stand.mock.press_power_button();
    let known = stand.mock.events().len() as u64;
    stand.wait_since(known, Event::Booted(BootFrom::Nothing)).await;
    let later = stand.resume(&plan, bmc.learned());
    let mut checkpoint = Checkpoint::default();
    later.apply(&plan, &urls, &mut checkpoint, &mut forget).await.unwrap();
    let to_power_on = asked() - cold.life;
    later.revert(&plan, &mut checkpoint, &mut forget).await.unwrap();
    later.close().await.unwrap();
    let life = asked() - cold.life;
    let connections = journal.connections() - cold.connections;
    (cold, Cost { discovery: 0, to_power_on, life, connections })
}

fn without_delays(name: &str) -> Persona {
    let mut persona = Persona::built_in(name).unwrap();
    persona.power.lag_ms = 0;
    persona.power.no_on_after_off_ms = 0;
    persona.media.shows_after_ms = 0;
    persona.media.stale_inserted_ms = 0;
    if let Some(import) = &mut persona.boot.import {
        import.job_ms = 0;
    }
    persona
}
