//! A machine in the middle of an attempt and the controller it reports to: a temporary root with
//! the dispatcher's files, a listener that answers a script, and a clock that does not pass.

use std::cell::{OnceCell, RefCell};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use shoal_webhook::client::{Pace, PostError};
use tempfile::TempDir;

use super::super::{Monitor, Options, report};
use crate::command::Exit;

pub(super) const TOKEN: &str = "tok-3f9a-SECRET";

/// What [`Frozen`] shows at first, in Unix seconds.
pub(super) const NOW: u64 = 1_800_000_000;

/// A wall clock that moves only by the pauses made.
#[derive(Default)]
pub(super) struct Frozen {
    pub(super) passed: Duration,
}

impl Pace for Frozen {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW) + self.passed
    }

    fn spread(&mut self) -> u16 {
        u16::MAX
    }

    fn pause(&mut self, pause: Duration, _error: &PostError) {
        self.passed += pause;
    }
}

pub(super) fn monitor(result: &str, exit_status: Option<&str>) -> Monitor {
    Monitor {
        result: Some(result.to_owned()),
        exit_status: exit_status.map(str::to_owned),
        ..Monitor::default()
    }
}

/// A machine in the middle of an attempt, and the controller it reports to.
pub(super) struct Machine {
    root: TempDir,
    url: String,
    log: RefCell<Vec<u8>>,
    server: RefCell<Option<JoinHandle<Vec<String>>>>,
    seen: OnceCell<Vec<String>>,
}

impl Machine {
    pub(super) fn new(script: Vec<(u16, &'static str)>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            script.into_iter().map_while(|(status, body)| serve(&listener, status, body)).collect()
        });
        let machine = Self {
            root: tempfile::tempdir().unwrap(),
            url: format!("http://{address}/api/v1/status-webhook/SN-1"),
            log: Vec::new().into(),
            server: Some(server).into(),
            seen: OnceCell::new(),
        };
        std::fs::create_dir_all(machine.dir()).unwrap();
        machine.order(&json!({}));
        std::fs::write(machine.dir().join("webhook-token"), format!("{TOKEN}\n")).unwrap();
        std::fs::write(machine.dir().join("ca.pem"), "").unwrap();
        machine
    }

    pub(super) fn dir(&self) -> PathBuf {
        self.root.path().join("run/provision")
    }

    /// Writes `report.json` as the dispatcher does, with some fields replaced.
    pub(super) fn order(&self, changes: &Value) {
        let mut order = json!({
            "server_serial": "SN-1", "webhook_url": self.url, "attempt": 1,
            "job_id": "0198c1de-0000-7000-8000-000000000001", "report_until": NOW + 7_200,
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        });
        for (key, value) in changes.as_object().unwrap() {
            order[key] = value.clone();
        }
        std::fs::write(self.dir().join("report.json"), order.to_string()).unwrap();
    }

    pub(super) fn fails(&self, step: &str) {
        let failure =
            json!({"failed_step": step, "exit_code": 14, "message": "target_disk is missing"});
        std::fs::write(self.dir().join("failure.json"), failure.to_string()).unwrap();
    }

    pub(super) fn run(&self, args: &[&str]) -> Exit {
        self.run_monitored(args, &Monitor::default())
    }

    pub(super) fn run_monitored(&self, args: &[&str], monitor: &Monitor) -> Exit {
        self.run_paced(args, monitor, &mut Frozen::default())
    }

    pub(super) fn run_paced(&self, args: &[&str], monitor: &Monitor, pace: &mut Frozen) -> Exit {
        let root = self.root.path().to_str().unwrap();
        let args = [args, &["--root", root]].concat();
        let args: Vec<_> = args.iter().map(ToString::to_string).collect();
        let options = Options::parse(&args).unwrap();
        report(&options, monitor, pace, &mut *self.log.borrow_mut())
    }

    pub(super) fn log(&self) -> String {
        String::from_utf8(self.log.borrow().clone()).unwrap()
    }

    /// What the controller was sent; ends it.
    pub(super) fn requests(&self) -> &[String] {
        self.seen.get_or_init(|| {
            let server = self.server.take().unwrap();
            let address = self.url.strip_prefix("http://").unwrap().split('/').next().unwrap();
            // An empty connection ends a script that was not used up.
            drop(TcpStream::connect(address));
            server.join().unwrap()
        })
    }

    pub(super) fn bodies(&self) -> Vec<Value> {
        let body = |request: &String| request.split_once("\r\n\r\n").unwrap().1.to_owned();
        self.requests().iter().map(|r| serde_json::from_str(&body(r)).unwrap()).collect()
    }
}

/// Answers one connection and gives back the request; nothing for one that asked nothing.
fn serve(listener: &TcpListener, status: u16, answer: &str) -> Option<String> {
    let mut stream = BufReader::new(listener.accept().unwrap().0);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if stream.read_line(&mut request).ok()? == 0 {
            return None;
        }
    }
    let length = request
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
        .unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    let length = answer.len();
    let head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n");
    stream.get_mut().write_all(format!("{head}\r\n{answer}").as_bytes()).unwrap();
    Some(request + std::str::from_utf8(&body).unwrap())
}
