//! The everyday work of three clients, side by side.

use anyhow::{Result, ensure};
use shoal_tests::{Config, Controller};

use super::{ann, client::Client, noise, with_users};
use crate::suite::Place;

const TOOL: &str = "application/vnd.example.tool.v1";
const ROOTFS: &str = "application/vnd.example.rootfs.v1";

pub(super) async fn run(place: Place) -> Result<()> {
    let config = Config::new(place.directory.join("controller"), &place.static_dir);
    let config = with_users(&place, config, &ann())?;
    let controller = Controller::start(&place.programs, config).await?;
    let oras = Client::of(&controller, &place.directory.join("oras"))?;
    let image = Client::of(&controller, &place.directory.join("image"))?;
    tokio::try_join!(artifacts(&oras), images(&image))?;
    let api = controller.api()?;
    let audited = crate::stage::asked(&api, "/admin/audit?action=registry.delete", |page| {
        page.to_string().contains("tools/copied")
    })
    .await?;
    ensure!(audited.to_string().contains("\"actor\":\"ann\""), "by nobody: {audited}");
    ensure!(audited.to_string().contains("127.0.0.1"), "from nowhere: {audited}");
    controller.stop().await
}

/// A tool and a root filesystem, as artifacts with types of their own.
async fn artifacts(client: &Client) -> Result<()> {
    let login = ["login", "-u", "ann", "--password-stdin", &client.host];
    client.fails("oras", &login, "wrong").await?;
    let refused =
        client.fails("oras", &["repo", "tags", &client.at("tools/partition")], "").await?;
    ensure!(refused.contains("credential"), "{refused}");
    client.does_with("oras", &login, "secret").await?;

    let (tool, rootfs) = (noise(1, 300_001), noise(2, 9_000_000));
    client.write("partition", &tool)?;
    client.write("rootfs.tar.zst", &rootfs)?;
    client.write("signature.txt", b"signed by nobody")?;
    let [own, copy, os] =
        ["tools/partition:1", "tools/copied:1", "os-images/debian:13"].map(|name| client.at(name));
    let layer = format!("partition:{TOOL}.layer");
    client.does("oras", &["push", &own, "--artifact-type", TOOL, &layer]).await?;
    let layer = format!("rootfs.tar.zst:{ROOTFS}.layer+zstd");
    client.does("oras", &["push", &os, "--artifact-type", ROOTFS, &layer]).await?;
    client.does("oras", &["pull", &os, "-o", "pulled"]).await?;
    client.has("pulled/rootfs.tar.zst", &rootfs)?;
    let manifest = client.does("oras", &["manifest", "fetch", &os]).await?;
    ensure!(manifest.contains(ROOTFS) && manifest.contains("layer+zstd"), "{manifest}");

    let signature = "application/vnd.example.signature";
    let attach = ["attach", &os, "--artifact-type", signature, "signature.txt:text/plain"];
    client.does("oras", &attach).await?;
    let found = client.does("oras", &["discover", &os]).await?;
    ensure!(found.contains(signature), "nothing refers to it: {found}");

    client.does("oras", &["cp", &own, &copy]).await?;
    client.does("oras", &["pull", &copy, "-o", "copied"]).await?;
    client.has("copied/partition", &tool)?;
    let tags = client.does("oras", &["repo", "tags", &client.at("tools/copied")]).await?;
    ensure!(tags.trim() == "1", "the tags are {tags}");
    client.does("oras", &["manifest", "delete", "--force", &copy]).await?;
    client.fails("oras", &["manifest", "fetch", &copy], "").await?;
    client.does("oras", &["pull", &own, "-o", "kept"]).await?;
    client.has("kept/partition", &tool)
}

/// Where podman keeps images of ours, apart from those of the machine.
const STORE: [&str; 8] = [
    "--root",
    "store",
    "--runroot",
    "run",
    "--storage-driver",
    "vfs",
    "--cgroup-manager",
    "cgroupfs",
];

async fn podman(client: &Client, arguments: &[&str]) -> Result<String> {
    client.does("podman", &[&STORE, arguments].concat()).await
}

/// An image built by podman, copied by skopeo, pulled again.
async fn images(client: &Client) -> Result<()> {
    let login = ["login", "-u", "ann", "--password-stdin", &client.host];
    client.fails("podman", &[&STORE[..], &login].concat(), "wrong").await?;
    client.does_with("podman", &[&STORE[..], &login].concat(), "secret").await?;

    client.write("tool", &noise(3, 2_000_000))?;
    client.write("Dockerfile", b"FROM scratch\nCOPY tool /tool\n")?;
    let [image, copy] = ["tools/image:1", "tools/image-copy:2"].map(|name| client.at(name));
    let built =
        podman(client, &["build", "--isolation", "chroot", "-q", "-t", &image, "."]).await?;
    podman(client, &["push", "-q", &image]).await?;
    podman(client, &["rmi", &image]).await?;

    let [from, to] = [&image, &copy].map(|name| format!("docker://{name}"));
    client.does("skopeo", &["copy", &from, &to]).await?;
    client.does("skopeo", &["copy", &to, "oci:layout:2"]).await?;
    client.does("skopeo", &["copy", "oci:layout:2", &format!("{to}-again")]).await?;
    let digest = async |name: &str| {
        let inspect = ["inspect", "--format", "{{.Digest}}", name];
        client.does("skopeo", &inspect).await
    };
    let (first, again) = (digest(&from).await?, digest(&format!("{to}-again")).await?);
    ensure!(first == again, "{first} came back as {again}");
    let repository = format!("docker://{}", client.at("tools/image-copy"));
    let tags = client.does("skopeo", &["list-tags", &repository]).await?;
    ensure!(tags.contains("2-again"), "the tags are {tags}");
    client.does("skopeo", &["delete", &to]).await?;
    client.fails("skopeo", &["inspect", &to], "").await?;

    // The id is the digest of the configuration, which has those of the layers.
    let pulled = podman(client, &["pull", "-q", &image]).await?;
    ensure!(pulled == built, "{built} came back as {pulled}");
    Ok(())
}
