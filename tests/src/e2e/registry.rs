//! The registry of a controller in the hands of clients that others wrote, over TLS and with logins:
//! what is pushed comes back byte for byte, who may not is refused, and a machine under installation
//! reads its own artifact alone.

mod client;
mod clients;
mod job;
mod login;
mod operate;
mod outside;
mod resume;

use anyhow::{Context, Result};
use shoal_tests::Config;

use crate::{
    Group, PERSONAS,
    suite::{Place, Scenario},
};

/// `crypt` of libxcrypt made this of `secret`.
const HASH_OF_SECRET: &str = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

pub(crate) fn scenarios() -> Vec<Scenario> {
    let [_, persona, ..] = PERSONAS;
    vec![
        Scenario::new(
            Group::Registry,
            None,
            "oras, skopeo and podman push, copy, pull, attach and delete over TLS with a login",
            clients::run,
        ),
        Scenario::new(
            Group::Registry,
            None,
            "the registry's users follow a reload, and wrong logins are counted, bounded and refused alike",
            login::run,
        ),
        Scenario::new(
            Group::Registry,
            None,
            "an upload cut by a kill goes on where the registry holds it",
            resume::run,
        ),
        Scenario::new(
            Group::Registry,
            Some(persona),
            "a machine pulls the artifact its recipe names, and nothing else, until its job ends",
            move |place| job::run(place, persona),
        ),
        Scenario::new(
            Group::Registry,
            Some(persona),
            "with the registry off, a job's artifact comes from a registry of others",
            move |place| outside::run(place, persona),
        ),
        Scenario::new(
            Group::Registry,
            None,
            "a registry full of what nothing needs has room again, and loses nothing that is needed",
            operate::full,
        ),
        Scenario::new(
            Group::Registry,
            None,
            "an operator sees uploads and copies, and damage is named with what it hurts",
            operate::looked_at,
        ),
        Scenario::new(
            Group::Registry,
            None,
            "a lost database is rebuilt, and nothing is collected until a dry run is confirmed",
            operate::rebuilt,
        ),
    ]
}

/// Whether every client is there.
pub(crate) fn is_installed() -> bool {
    client::PROGRAMS.into_iter().all(|name| client::program(name).is_ok())
}

/// A configuration whose registry has this file of users, which is written.
fn with_users(place: &Place, config: Config, users: &str) -> Result<Config> {
    let file = users_file(place);
    std::fs::write(&file, users).context("write the registry's users")?;
    Ok(config.set("REGISTRY_USERS_FILE", file.display().to_string()))
}

fn users_file(place: &Place) -> std::path::PathBuf {
    place.directory.join("registry-users.htpasswd")
}

/// `ann`, whose password is `secret`.
fn ann() -> String {
    format!("ann:{HASH_OF_SECRET}\n")
}

/// Bytes that compress to nothing and are the same each time.
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}
