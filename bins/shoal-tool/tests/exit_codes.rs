//! The binary as a unit file runs it: arguments, environment and exit codes of the real process.

#![expect(clippy::unwrap_used, reason = "a failed set-up step is a failed test")]

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};

fn tool(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shoal-tool"));
    command.args(args).env_remove("MONITOR_SERVICE_RESULT").env_remove("MONITOR_UNIT");
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn attempt(root: &Path, url: &str) {
    let dir = root.join("run/provision");
    std::fs::create_dir_all(&dir).unwrap();
    let order = serde_json::json!({
        "server_serial": "SN-1", "webhook_url": url, "job_id": "j-1", "attempt": 1, "report_until": 1,
    });
    std::fs::write(dir.join("report.json"), order.to_string()).unwrap();
    std::fs::write(dir.join("webhook-token"), "tok-SECRET").unwrap();
}

#[test]
fn a_wrong_command_line_exits_64_with_usage() {
    for args in [&[][..], &["no-such"], &["report", "--no-such"], &["report", "--status", "x"]] {
        let output = tool(args).output().unwrap();
        assert_eq!(code(&output), 64, "{args:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("usage: shoal-tool"));
    }
}

#[test]
fn missing_files_exit_78() {
    let root = tempfile::tempdir().unwrap();
    let output = tool(&["report", "--root", root.path().to_str().unwrap()]).output().unwrap();
    assert_eq!(code(&output), 78);
    assert!(String::from_utf8(output.stderr).unwrap().contains("report.json"));
}

/// Where nobody listens: an address of its own, at which nobody else can come to.
fn free() -> SocketAddr {
    TcpListener::bind(("127.0.0.2", 0)).unwrap().local_addr().unwrap()
}

#[test]
fn an_unreachable_controller_exits_69_and_costs_progress_nothing() {
    let free = free();
    let root = tempfile::tempdir().unwrap();
    attempt(root.path(), &format!("http://{free}/api/v1/status-webhook/SN-1"));
    let root = root.path().to_str().unwrap();

    let terminal = tool(&["report", "--root", root, "--once"]).output().unwrap();
    assert_eq!(code(&terminal), 69);
    assert!(!String::from_utf8(terminal.stderr).unwrap().contains("tok-SECRET"));

    let progress = tool(&["report", "--root", root, "--status", "progress"]).output().unwrap();
    assert_eq!(code(&progress), 0);
}

#[test]
fn the_token_is_not_sent_through_a_proxy_of_the_environment() {
    let proxy = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let free = free();
    let root = tempfile::tempdir().unwrap();
    attempt(root.path(), &format!("http://{free}/api/v1/status-webhook/SN-1"));
    let mut command = tool(&["report", "--once", "--root", root.path().to_str().unwrap()]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    {
        command.env(name, format!("http://{}", proxy.local_addr().unwrap()));
    }
    let output = command.env_remove("no_proxy").env_remove("NO_PROXY").output().unwrap();
    assert_eq!(code(&output), 69);
    proxy.set_nonblocking(true).unwrap();
    assert_eq!(proxy.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn the_handler_of_a_unit_that_did_not_fail_exits_0_without_reading_anything() {
    let args = ["report", "--root", "/nonexistent", "--status", "failed", "--unit", "a.service"];
    let output = tool(&args).env("MONITOR_SERVICE_RESULT", "success").output().unwrap();
    assert_eq!(code(&output), 0);
    let failed = tool(&args).env("MONITOR_SERVICE_RESULT", "exit-code").output().unwrap();
    assert_eq!(code(&failed), 78);
}
