//! What a life costs in requests on every kind of BMC, by the BMCs' own count. Nothing lags here, so
//! that no request is a look at something that is still on its way.

use shoal_redfish::{Checkpoint, MediaClass, PlanRequest, Role};
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

/// More, where slots can be read one by one only: each look at both, before an insert and after it.
const SINGLY: u64 = 2;

/// Requests of one client.
struct Cost {
    discovery: u64,
    to_power_on: u64,
    life: u64,
    connections: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_costs_few_requests_and_one_connection_on_every_bmc() {
    let mut table =
        vec!["persona | discovery | to power-on, cold | warm | life, cold | warm".to_owned()];
    let mut dear = Vec::new();
    for (name, ..) in KNOWN {
        let class = KNOWN.iter().find(|(known, ..)| *known == name).unwrap().2;
        let (cold, warm) = costs(without_delays(name), class).await;
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

/// Two slots and four under the manager, an override in a resource of its own, reset types in another:
/// boards with AMI's firmware under other names.
const SHAPES: [(&str, &str); 3] = [
    ("dgx-h100", "system.id = \"DGX\"\nmanager.id = \"BMC\"\nCDS2"),
    (
        "dgx-h100 without $expand",
        "system.id = \"DGX\"\nmanager.id = \"BMC\"\nroot.expand = []\nCDS2",
    ),
    (
        "sr655",
        "system.id = \"Self\"\nmanager.id = \"Self\"\nroot.vendor = \"Lenovo\"\nmedia.schemes = [\"https\"]\nCDS4",
    ),
];

fn shaped(text: &str) -> Persona {
    let slot = |number| {
        format!("{{ id = \"CD{number}\", under = [\"manager\"], media_types = [\"CD\", \"DVD\"] }}")
    };
    let slots = |most| format!("slots = [{}]", (1..=most).map(slot).collect::<Vec<_>>().join(", "));
    let text = text.replace("CDS2", &slots(2)).replace("CDS4", &slots(4));
    let common = "like = \"generic\"\n\
        power.reset_types_in = \"action_info\"\n\
        media.requires = [\"TransferProtocolType\"]\n\
        boot.settings = { id = \"SD\", linked = false, elsewhere = { status = 400, \
        id = \"Ami.1.0.OperationSupportedInFutureStateURI\", text = \"Not here.\" } }\n\
        etags.if_match = \"required\"\netags.own = false\n";
    Persona::from_toml(&format!("{common}{text}")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn boards_with_amis_firmware_cost_no_more() {
    let mut table = Vec::new();
    let mut dear = Vec::new();
    for (name, text) in SHAPES {
        let (cold, warm) = costs(shaped(text), MediaClass::TwoCd).await;
        let numbers = [cold.discovery, cold.to_power_on, warm.to_power_on, cold.life, warm.life];
        table.push(format!("{name} | {numbers:?}"));
        let more = if text.contains("root.expand = []") { SINGLY } else { 0 };
        let bounds = [(cold.to_power_on, COLD), (warm.to_power_on, WARM + more), (warm.life, LIFE)];
        let lines = (cold.connections, warm.connections);
        if bounds.iter().any(|(number, bound)| number > bound) || lines != (1, 1) {
            dear.push(name);
        }
    }
    let table = table.join("\n");
    println!("{table}");
    assert!(dear.is_empty(), "{dear:?} cost too much:\n{table}");
}

/// Slots that take a PATCH want a tag, which expanded reads may leave out: any does, at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_slot_without_a_tag_is_not_asked_for_one() {
    let text = "like = \"xcc\"\nroot.expand_omits = [\"@odata.etag\"]\n";
    let stand = Stand::like(Persona::from_toml(text).unwrap(), HostScript::default()).await;
    let bmc = stand.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
    let urls = stand.urls(plan.media.class);
    bmc.ensure_inserted(&plan, Role::Task, urls.task.as_ref().unwrap()).await.unwrap();
    bmc.ensure_inserted(&plan, Role::Boot, &urls.boot).await.unwrap();
    let entries = stand.mock.journal().entries();
    assert_eq!(entries.iter().filter(|entry| entry.method == "PATCH").count(), 2, "{entries:?}");
}

/// Of a first client, and of one that comes later with what the first found out.
async fn costs(persona: Persona, class: MediaClass) -> (Cost, Cost) {
    let stand = Stand::like(persona, HostScript::default()).await;
    stand.switch_on().await;
    let journal = stand.mock.journal();
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
