//! The simulated BMC of the Redfish target: a tree of JSON texts, one of which or all of which the
//! input replaces, served one connection at a time.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{LazyLock, Mutex, PoisonError},
    thread,
};

const STATUSES: [u16; 8] = [200, 200, 200, 202, 301, 401, 404, 503];
/// Sorted by how deep a discovery has come when it asks.
const TREE: [(&str, &str); 9] = [
    (
        "/redfish/v1",
        r#"{"Vendor":"Dell","Systems":{"@odata.id":"/redfish/v1/Systems"},"Links":{"Sessions":{"@odata.id":"/redfish/v1/SessionService/Sessions"}},"ProtocolFeaturesSupported":{"ExpandQuery":{"NoLinks":false}}}"#,
    ),
    ("/redfish/v1/SessionService/Sessions", "{}"),
    ("/redfish/v1/Systems", r#"{"Members":[{"@odata.id":"/redfish/v1/Systems/1"}]}"#),
    (
        "/redfish/v1/Systems/1",
        r##"{"@odata.id":"/redfish/v1/Systems/1","PowerState":"On","SerialNumber":"SN1","UUID":"4C4C4544-0035-3410-8050-C6C04F314733","Boot":{"BootSourceOverrideEnabled":"Disabled","BootSourceOverrideTarget":"None","BootSourceOverrideMode":"UEFI","BootSourceOverrideTarget@Redfish.AllowableValues":["None","Cd"]},"VirtualMedia":{"@odata.id":"/redfish/v1/Systems/1/VirtualMedia"},"Links":{"ManagedBy":[{"@odata.id":"/redfish/v1/Managers/1"}]},"Actions":{"#ComputerSystem.Reset":{"target":"/redfish/v1/Systems/1/Actions/ComputerSystem.Reset","ResetType@Redfish.AllowableValues":["On","ForceOff"]}}}"##,
    ),
    (
        "/redfish/v1/Managers/1",
        r#"{"Model":"14G Monolithic","FirmwareVersion":"6.10.30.00","DateTime":"2026-08-08T18:48:10-05:00","VirtualMedia":{"@odata.id":"/redfish/v1/Managers/1/VirtualMedia"}}"#,
    ),
    (
        "/redfish/v1/Systems/1/VirtualMedia",
        r#"{"Members":[{"@odata.id":"/redfish/v1/Systems/1/VirtualMedia/1"},{"@odata.id":"/redfish/v1/Systems/1/VirtualMedia/2"}]}"#,
    ),
    (
        "/redfish/v1/Systems/1/VirtualMedia/1",
        r##"{"@odata.id":"/redfish/v1/Systems/1/VirtualMedia/1","Id":"1","MediaTypes":["CD","DVD"],"Inserted":false,"Image":"","Actions":{"#VirtualMedia.InsertMedia":{"target":"/redfish/v1/Systems/1/VirtualMedia/1/Actions/VirtualMedia.InsertMedia"},"#VirtualMedia.EjectMedia":{"target":"/redfish/v1/Systems/1/VirtualMedia/1/Actions/VirtualMedia.EjectMedia"}}}"##,
    ),
    (
        "/redfish/v1/Systems/1/VirtualMedia/2",
        r##"{"@odata.id":"/redfish/v1/Systems/1/VirtualMedia/2","Id":"2","MediaTypes":["USBStick"],"Inserted":false,"Image":"","Actions":{"#VirtualMedia.InsertMedia":{"target":"/redfish/v1/Systems/1/VirtualMedia/2/Actions/VirtualMedia.InsertMedia"},"#VirtualMedia.EjectMedia":{"target":"/redfish/v1/Systems/1/VirtualMedia/2/Actions/VirtualMedia.EjectMedia"}}}"##,
    ),
    ("/redfish/v1/Managers/1/VirtualMedia", r#"{"Members":[]}"#),
];

type Tree = BTreeMap<&'static str, (u16, Vec<u8>)>;

static SAID: Mutex<Tree> = Mutex::new(Tree::new());
static ADDRESS: LazyLock<String> = LazyLock::new(listen);

/// Lets the BMC say what the input says; gives its address.
pub(crate) fn say(input: &[u8]) -> &'static str {
    let mut tree: Tree =
        TREE.iter().map(|(path, body)| (*path, (200, body.as_bytes().to_vec()))).collect();
    for line in input.split(|byte| *byte == b'\n') {
        let [which, status, body @ ..] = line else { continue };
        let (path, _) = TREE[usize::from(*which) % TREE.len()];
        tree.insert(path, (STATUSES[usize::from(*status) % STATUSES.len()], body.to_vec()));
    }
    *SAID.lock().unwrap_or_else(PoisonError::into_inner) = tree;
    &ADDRESS
}

fn listen() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client may keep one connection open while it opens another.
            thread::spawn(move || serve(stream));
        }
    });
    format!("http://{address}")
}

/// Serves until the connection ends; the value only lets `?` be used.
fn serve(stream: TcpStream) -> Option<()> {
    let mut answers = stream.try_clone().ok()?;
    let mut requests = BufReader::new(stream);
    loop {
        let (mut start, mut length) = (String::new(), 0);
        requests.read_line(&mut start).ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            requests.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let field = line.to_ascii_lowercase();
            if let Some(value) = field.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        std::io::copy(&mut requests.by_ref().take(length), &mut std::io::sink()).ok()?;
        answers.write_all(&answer(&start)).ok()?;
    }
}

fn answer(start: &str) -> Vec<u8> {
    let mut words = start.split(' ');
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
    let said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let nothing = (404, Vec::new());
    let (status, body) = said.get(path).unwrap_or(&nothing);
    let login = method == "POST" && path.ends_with("/Sessions");
    let more = match (login, status) {
        (true, 200) => "X-Auth-Token: t\r\nLocation: /redfish/v1/SessionService/Sessions/1\r\n",
        (_, 503) => "Retry-After: 18446744073709551615\r\n",
        (_, 301) => "Location: /redfish/v1/Systems\r\n",
        _ => "",
    };
    let status = if login && *status == 200 { 201 } else { *status };
    let mut bytes =
        format!("HTTP/1.1 {status} X\r\n{more}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
