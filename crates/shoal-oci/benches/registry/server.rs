//! The servers that are measured, each a process of its own, so that its processor time and its
//! memory are its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use shoal_oci::audit::LogAudit;
use shoal_oci::auth::{Access, Htpasswd, Open};
use shoal_oci::http::Service;
use shoal_oci::{Config, Registry};

use crate::sink::SINK;

/// The first argument of a process of this program that is to be a registry.
pub(crate) const SERVE: &str = "--serve";

/// A server that listens.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
}

/// What a process has used so far.
#[derive(Clone, Copy)]
pub(crate) struct Used {
    pub(crate) processor: Duration,
    /// Most memory since it was last asked, in bytes.
    pub(crate) most: u64,
}

impl Server {
    /// This program again, as a registry.
    pub(crate) fn ours(root: &Path, htpasswd: Option<&Path>) -> Self {
        Self::again(SERVE, &[Some(root), htpasswd])
    }

    /// This program again, as what only takes content in.
    pub(crate) fn sink(directory: &Path) -> Self {
        Self::again(SINK, &[Some(directory)])
    }

    fn again(role: &str, paths: &[Option<&Path>]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(role).args(paths.iter().flatten()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { address: line.trim().parse().unwrap(), child }
    }

    /// The registry that is in Debian.
    pub(crate) fn docker(directory: &Path) -> Self {
        let address = free_address();
        let at = directory.display();
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {at}/data}}, delete: {{enabled: true}}}}\n\
             http: {{addr: {address}}}\n"
        );
        let file = directory.join("docker.yml");
        fs::write(&file, config).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        Self::start(command, address, "apt-get install docker-registry")
    }

    /// nginx with sendfile, as one process.
    pub(crate) fn nginx(directory: &Path) -> Self {
        let address = free_address();
        let at = directory.display();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|name| format!("{name}_temp_path {at}/{name};")).concat();
        let config = format!(
            "master_process off; daemon off; pid {at}/nginx.pid; error_log {at}/error.log;\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off; sendfile on; keepalive_requests 1000000000;\n\
             {temporary} server {{ listen {address}; root {at}; }} }}\n"
        );
        let file = directory.join("nginx.conf");
        fs::write(&file, config).unwrap();
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-c"]).arg(&file).stderr(Stdio::null());
        Self::start(command, address, "apt-get install nginx-light")
    }

    fn start(mut command: Command, address: SocketAddr, install: &str) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("{error}: {install}"));
        let mut server = Self { address, child };
        for _ in 0..1000 {
            if TcpStream::connect(address).is_ok() {
                return server;
            }
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("{command:?} ended: {status}");
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{command:?} does not listen");
    }

    /// What it has used so far; its highest memory is counted anew from here.
    pub(crate) fn used(&self) -> Used {
        let pid = self.child.id();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        // Fields 14 and 15 of the line, 12 and 13 behind the name; in hundredths of a second.
        let fields = stat.rsplit(')').next().unwrap().split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
        fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
        Used { processor: Duration::from_millis(ticks * 10), most: kib * 1024 }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).ok();
        }
        self.child.wait().ok();
    }
}

/// Not every server can be handed a port 0; one that was free a moment ago has to do.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Is a registry until it is killed.
pub(crate) fn serve(root: &Path, htpasswd: Option<&Path>) {
    let mut config = Config::new(root);
    config.policy.allow_delete = true;
    config.gc_interval = None;
    let registry = Registry::open(config).unwrap();
    let access: Arc<dyn Access> = match htpasswd {
        Some(file) => Arc::new(Htpasswd::open(file).unwrap()),
        None => Arc::new(Open),
    };
    let service = Service::new(registry.clone(), access, Arc::new(LogAudit));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        tokio::spawn(async move { registry.run(tokio_util::sync::CancellationToken::new()).await });
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let service = service.clone();
            tokio::spawn(async move {
                let answer = service_fn(|request| {
                    let service = service.clone();
                    async move { Ok::<_, std::convert::Infallible>(service.respond(request).await) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                // A client that went away is no news.
                let _ = http.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
}
