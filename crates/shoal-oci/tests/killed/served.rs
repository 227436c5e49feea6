//! A registry in a process of its own: this program, started again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use shoal_oci::audit::LogAudit;
use shoal_oci::auth::Open;
use shoal_oci::http::Service;
use shoal_oci::{Config, Registry};
use tokio_util::sync::CancellationToken;

const CHILD: &str = "SHOAL_OCI_TEST_CHILD_ROOT";

/// A registry that can be killed.
pub(crate) struct Served {
    pub(crate) port: u16,
    child: Child,
}

impl Served {
    pub(crate) fn start(root: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "what_was_answered_outlives_kill_minus_nine", "--nocapture"])
            .env(CHILD, root)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .map(Result::unwrap)
            .find_map(|line| line.strip_prefix("port ")?.parse().ok())
            .unwrap();
        Self { port, child }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the child: serves until it is killed. In the parent: false at once.
pub(crate) fn serve_if_child() -> bool {
    let Some(root) = std::env::var_os(CHILD) else { return false };
    let mut config = Config::new(PathBuf::from(root));
    config.limits.headroom_bytes = 0;
    let registry = Registry::open(config).unwrap();
    let service = Service::new(registry, Arc::new(Open), Arc::new(LogAudit));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(serve(service));
    true
}

async fn serve(service: Service) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    // The harness has begun a line with the name of this test.
    let port = listener.local_addr().unwrap().port();
    std::io::stdout().write_all(format!("\nport {port}\n").as_bytes()).unwrap();
    let chores = service.registry().clone();
    tokio::spawn(async move { chores.run(CancellationToken::new()).await });
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let service = service.clone();
                async move { Ok::<_, std::convert::Infallible>(service.respond(request).await) }
            });
            let builder = hyper::server::conn::http1::Builder::new();
            let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}
