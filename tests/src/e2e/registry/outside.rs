//! A controller without a registry, and the one of Debian in its place, which asks for a login.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use shoal_redfish_mock::{Ending, Step};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    time::timeout,
};

use super::{ann, client::Client, job, noise};
use crate::{
    medium,
    stage::{Stage, host},
    suite::Place,
};

/// Longest start.
const START: Duration = Duration::from_mins(5);

pub(super) async fn run(place: Place, persona: &'static str) -> Result<()> {
    let home = place.directory.join("outside");
    let (mut registry, ann) = start(&home).await?;
    let credentials = place.directory.join("credentials");
    std::fs::write(&credentials, format!("# one of others\n{} ann:secret\n", ann.host))
        .context("write the credentials")?;
    let stage = Stage::set_with(&place, |config| {
        config
            .set("ENABLE_REGISTRY", "false")
            .set("REGISTRY_CREDENTIALS_FILE", credentials.display().to_string())
    })
    .await?;
    for path in ["/v2/", "/v2/os-images/debian/manifests/13"] {
        let status = stage.api.request(Method::GET, path).send().await?.status();
        ensure!(status == 404, "{path} is answered {status}");
    }
    let login = ["login", "-u", "ann", "--password-stdin", &ann.host];
    ann.does_with("oras", &login, "secret").await?;
    let rootfs = noise(21, 2_000_000);
    let digest = job::push(&ann, "os-images/debian:13", &rootfs).await?;

    let machine = stage.machine(persona, host(Ending::HangAt(Step::ImageLinux))).await?;
    let named = format!("oci://{}/os-images/debian:13@{digest}", ann.host);
    let (id, follow) = stage.job_with(&job::request(machine.serial(), &named)?).await?;
    let token = job::token(&machine).await?;
    let told = job::environment(&machine).await?;
    ensure!(told.contains(&named), "the machine is not told of {named}: {told}");
    ensure!(told.contains("REGISTRY_USER=") && told.contains("ann"), "not whose login: {told}");

    let puller = Client::new(&place.directory.join("machine"), ann.host.clone(), ann.ca())?;
    puller.fails("oras", &["manifest", "fetch", &ann.at("os-images/debian:13")], "").await?;
    puller.does_with("oras", &login, token.trim()).await?;
    let own = puller.at(&format!("os-images/debian@{digest}"));
    puller.does("oras", &["pull", &own, "-o", "own"]).await?;
    puller.has("own/rootfs", &rootfs)?;
    stage.api.cancel(&id).await?;
    follow.completed().await?;
    stage.strike([machine]).await?;
    registry.kill().await.context("end the registry of others")
}

/// The registry of Debian on a port that it chose, over TLS, with one user.
async fn start(home: &Path) -> Result<(Child, Client)> {
    std::fs::create_dir_all(home).context("make a home for the registry of others")?;
    let path = |name: &str| home.join(name).display().to_string();
    let [cert, key] = ["cert.pem", "key.pem"].map(path);
    let words = format!(
        "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=127.0.0.1 \
         -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}"
    );
    let words: Vec<&std::ffi::OsStr> = words.split(' ').map(AsRef::as_ref).collect();
    medium::run(Path::new("openssl"), &words).await?;
    let client = Client::new(home, String::new(), cert.clone().into())?;
    client.write("users", ann().as_bytes())?;
    let [root, users] = ["content", "users"].map(path);
    let configuration = format!(
        "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {root}\n\
         http:\n  addr: 127.0.0.1:0\n  tls:\n    certificate: {cert}\n    key: {key}\n\
         auth:\n  htpasswd:\n    realm: outside\n    path: {users}\n"
    );
    client.write("config.yml", configuration.as_bytes())?;
    let mut command = client.command("docker-registry", &["serve", "config.yml"])?;
    // It takes every variable of this beginning for a part of its configuration.
    let mut child = command.env_remove("REGISTRY_AUTH_FILE").spawn()?;
    let said = child.stderr.take().context("it says nothing")?;
    let mut lines = BufReader::new(said).lines();
    let listening = async {
        let mut last = String::new();
        while let Some(line) = lines.next_line().await? {
            let Some((_, rest)) = line.split_once("listening on ") else {
                last = line;
                continue;
            };
            let host = rest.split([',', '"']).next().unwrap_or_default();
            return anyhow::Ok(host.to_owned());
        }
        anyhow::bail!("it ended at start: {last}")
    };
    let host = timeout(START, listening).await.context("it does not start")??;
    // It goes on talking, and must not wait for somebody to listen.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, Client::new(home, host, cert.into())?))
}
