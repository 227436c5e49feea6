//! The registry alone, without the controller: for tests against real clients, and for measuring.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use shoal_oci::audit::LogAudit;
use shoal_oci::auth::{Access, Htpasswd, Open};
use shoal_oci::http::{Patience, Service, Watched};
use shoal_oci::{Config, Registry};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Serves a registry over plain HTTP.
#[derive(Debug, Parser)]
struct Options {
    /// Address and port; port 0 takes a free one.
    #[arg(long)]
    listen: SocketAddr,
    /// The registry's directory.
    #[arg(long)]
    root: PathBuf,
    /// A file of users; without it everybody may do everything.
    #[arg(long)]
    htpasswd: Option<PathBuf>,
    /// Seconds that content a client was told of is safe from the garbage collection.
    #[arg(long, default_value_t = 3600.0)]
    gc_grace: f64,
    /// Seconds between two garbage collections, such as 0.5; 0 switches them off.
    #[arg(long, default_value_t = 3600.0)]
    gc_interval: f64,
    /// Answer DELETE.
    #[arg(long)]
    allow_delete: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut config = Config::new(&options.root);
    config.policy.allow_delete = options.allow_delete;
    config.grace = Duration::try_from_secs_f64(options.gc_grace).context("read --gc-grace")?;
    let interval =
        Duration::try_from_secs_f64(options.gc_interval).context("read --gc-interval")?;
    config.gc_interval = Some(interval).filter(|interval| !interval.is_zero());
    let registry = Registry::open(config).context("open the registry")?;
    let access: Arc<dyn Access> = match &options.htpasswd {
        Some(path) => Arc::new(Htpasswd::open(path)?),
        None => Arc::new(Open),
    };
    let service = Service::new(registry, access, Arc::new(LogAudit));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(options.listen, service))
}

#[expect(clippy::print_stdout, reason = "whoever started us with port 0 asks where we listen")]
async fn serve(listen: SocketAddr, service: Service) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.context("listen")?;
    println!("listening on {}", listener.local_addr()?);
    let stop = CancellationToken::new();
    let chores = tokio::spawn({
        let (registry, stop) = (service.registry().clone(), stop.clone());
        async move { registry.run(stop).await }
    });
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.context("accept")?.0,
            _ = &mut interrupted => break,
        };
        tokio::spawn(converse(stream, service.clone()));
    }
    stop.cancel();
    chores.await?;
    service.registry().close().await.context("close the registry")
}

async fn converse(stream: TcpStream, service: Service) {
    // Small answers are not to wait for more.
    let _ = stream.set_nodelay(true);
    let patience = Patience::default();
    let answer = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
        let service = service.clone();
        request.extensions_mut().insert(patience.clone());
        async move { Ok::<_, std::convert::Infallible>(service.respond(request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(30))
        .serve_connection(TokioIo::new(Watched::new(stream, patience.clone())), answer);
    // A client that went away is no news.
    let _ = served.await;
}
