//! Verbs on the registry. All but `copy` and `rebuild` ask the controller; `copy` talks to registries.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Yes;
use crate::tls::Pin;

#[derive(Debug, Subcommand)]
pub(crate) enum RegistryVerb {
    /// List repositories with what they hold
    List(ListRepositories),
    /// Show a repository with its tags, or a manifest with everything below it
    Show(ShowArtifact),
    /// Show what is stored, who holds most, and what a collection would free
    Usage(Usage),
    /// List uploads that have not ended, or give one up
    Uploads(Uploads),
    /// Remove what the rules of retention give up and what nothing needs
    Gc(Gc),
    /// Apply the rules of retention, or tell what they would do
    Retention(Retain),
    /// Read everything that is stored; put away what is damaged and name who needs it
    Check(Check),
    /// List work on the registry, or stop it
    Runs(Runs),
    /// Tell how a lost catalogue is rebuilt; that is done with the controller stopped
    Rebuild,
    /// Copy an artifact from one registry to another
    Copy(Box<Copy>),
}

#[derive(Debug, Args)]
pub(crate) struct ListRepositories {
    /// Only names that begin with this
    pub(crate) prefix: Option<String>,
    /// The most to list
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shoal registry show tools/partition
  shoal registry show tools/partition:1.4
  shoal registry show os-images/rocky@sha256:5a5a...")]
pub(crate) struct ShowArtifact {
    /// A repository, or a manifest of it by tag or digest
    #[arg(value_name = "REPO[:TAG|@DIGEST]", value_parser = artifact)]
    pub(crate) what: Artifact,
    /// The most tags to list
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

/// A repository, and a tag or digest in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Artifact {
    pub(crate) repository: String,
    pub(crate) reference: Option<String>,
}

/// Splits `repo`, `repo:tag` and `repo@digest`.
pub(crate) fn artifact(text: &str) -> Result<Artifact, &'static str> {
    let (repository, reference) = match text.split_once('@') {
        Some((name, digest)) => (without_tag(name), Some(digest)),
        None => match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (text, None),
        },
    };
    if repository.is_empty() || reference == Some("") {
        return Err("an artifact is REPO, REPO:TAG or REPO@DIGEST");
    }
    Ok(Artifact { repository: repository.to_owned(), reference: reference.map(str::to_owned) })
}

/// The digest says more than the tag before it.
fn without_tag(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    }
}

#[derive(Debug, Args)]
pub(crate) struct Usage {
    /// How many repositories to show, those that hold most
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) top: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Uploads {
    /// Give this one up: what it has received is removed
    #[arg(long, value_name = "ID")]
    pub(crate) remove: Option<String>,
    #[command(flatten)]
    pub(crate) yes: Yes,
}

/// How long to follow a run.
#[derive(Debug, Args)]
pub(crate) struct Following {
    /// Print the run as it began, and do not wait for its end
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// The longest wait, such as 90s, 15m, 4h; the run goes on afterwards, and the exit code is 1
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    pub(crate) timeout: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The controller collects garbage by itself as well. What a client was told of less than a grace period
ago stays. After a rebuild nothing is collected until a dry run was confirmed.

Examples:
  shoal registry gc --dry-run
  shoal registry gc
  shoal registry gc --confirm 8c1f0a2b3c4d5e6f")]
pub(crate) struct Gc {
    /// Tell what would be removed and how much that frees, and remove nothing
    #[arg(long, conflicts_with = "confirm")]
    pub(crate) dry_run: bool,
    /// After a rebuild: remove what the dry run with this confirmation told; without WORD a dry run is made and shown, and you are asked
    #[arg(long, value_name = "WORD", num_args = 0..=1, default_missing_value = "")]
    pub(crate) confirm: Option<String>,
    #[command(flatten)]
    pub(crate) yes: Yes,
    #[command(flatten)]
    pub(crate) following: Following,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Tags and manifests go, and no space is freed; shoal registry gc does both.

Examples:
  shoal registry retention --dry-run
  shoal registry retention tools/partition --dry-run
  shoal registry retention")]
pub(crate) struct Retain {
    /// Only tell of this repository
    #[arg(value_name = "REPO", requires = "dry_run")]
    pub(crate) repository: Option<String>,
    /// Tell which rule keeps or removes each tag, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The most tags to tell of
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) yes: Yes,
    #[command(flatten)]
    pub(crate) following: Following,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The exit code is 1 when something is damaged. Pushing what is named heals it.")]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) following: Following,
}

#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// Ask this one to stop; what it did stays done
    #[arg(long, value_name = "ID")]
    pub(crate) stop: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A name without a host means the registry of the controller, with the trust given before the noun.
Passwords come from a file, from SRC_REGISTRY_PASSWORD or DST_REGISTRY_PASSWORD, or are asked for.
What the destination has is not sent again, so the same command goes on where a broken one ended.

Examples:
  shoal registry copy registry.example/tools/partition:1.4 tools/partition:1.4 --dst-user ops
  shoal registry copy tools/partition:1.4 registry.example:5000/mirror/partition --referrers")]
pub(crate) struct Copy {
    // Said as `help`, since brackets in a comment are taken for links.
    #[arg(value_name = "SRC", help = "What to copy, as [HOST[:PORT]/]REPO[:TAG|@DIGEST]")]
    pub(crate) source: String,
    #[arg(
        value_name = "DST",
        help = "Where to, as [HOST[:PORT]/]REPO[:TAG]; the tag of SRC unless it says another"
    )]
    pub(crate) destination: String,
    /// Copy what refers to it as well, such as signatures
    #[arg(long)]
    pub(crate) referrers: bool,
    /// User of the registry of SRC
    #[arg(long, value_name = "NAME")]
    pub(crate) src_user: Option<String>,
    /// File with the password of --src-user
    #[arg(long, value_name = "FILE", requires = "src_user")]
    pub(crate) src_password_file: Option<PathBuf>,
    /// PEM file with the authority that issued the certificate of SRC's registry
    #[arg(long, value_name = "FILE", conflicts_with = "src_pin")]
    pub(crate) src_ca: Option<PathBuf>,
    /// SHA-256 of the certificate of SRC's registry
    #[arg(long, value_name = "SHA256")]
    pub(crate) src_pin: Option<Pin>,
    /// Talk to SRC's registry without TLS
    #[arg(long)]
    pub(crate) src_plain_http: bool,
    /// User of the registry of DST
    #[arg(long, value_name = "NAME")]
    pub(crate) dst_user: Option<String>,
    /// File with the password of --dst-user
    #[arg(long, value_name = "FILE", requires = "dst_user")]
    pub(crate) dst_password_file: Option<PathBuf>,
    /// PEM file with the authority that issued the certificate of DST's registry
    #[arg(long, value_name = "FILE", conflicts_with = "dst_pin")]
    pub(crate) dst_ca: Option<PathBuf>,
    /// SHA-256 of the certificate of DST's registry
    #[arg(long, value_name = "SHA256")]
    pub(crate) dst_pin: Option<Pin>,
    /// Talk to DST's registry without TLS
    #[arg(long)]
    pub(crate) dst_plain_http: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_are_split_where_their_names_end() {
        let split =
            |text: &str| artifact(text).map(|it| (it.repository, it.reference.unwrap_or_default()));
        for (text, repository, reference) in [
            ("a/b", "a/b", ""),
            ("a/b:1.4", "a/b", "1.4"),
            ("a/b@sha256:5a", "a/b", "sha256:5a"),
            ("a/b:1.4@sha256:5a", "a/b", "sha256:5a"),
            ("host:5000/a/b", "host:5000/a/b", ""),
            ("host:5000/a/b:v1", "host:5000/a/b", "v1"),
        ] {
            assert_eq!(split(text), Ok((repository.to_owned(), reference.to_owned())), "{text}");
        }
        for wrong in ["", ":v1", "a:", "a@"] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }
}
