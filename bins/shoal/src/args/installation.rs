//! What administrators do to the installation: drain, configuration, keys, tokens.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Yes;

#[derive(Debug, Subcommand)]
pub(crate) enum DrainVerb {
    /// Take no more jobs out of the queue; jobs under way go on to their end
    On(Patience),
    /// Take jobs out of the queue again
    Off,
    /// Show whether the controller drains, and what still depends on it
    Status(Patience),
}

#[derive(Debug, Args)]
#[command(after_help = "\
A drain is over when the controller restarts.

Examples:
  shoal drain on --wait
  shoal drain status --wait-media --timeout 2h")]
pub(crate) struct Patience {
    /// End only when no job works on its BMC any more
    #[arg(long)]
    pub(crate) wait: bool,
    /// End only when no machine needs media from this controller any more either
    #[arg(long)]
    pub(crate) wait_media: bool,
    /// The longest wait, such as 90s, 15m, 4h; then the exit code is 1
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    pub(crate) timeout: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Have the controller read its configuration again, and take over all of it or nothing
    Reload(Reload),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shoal config reload --dry-run
  shoal config reload")]
pub(crate) struct Reload {
    /// Tell what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Take over a certificate that machines of unfinished jobs do not trust; they cannot report
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) yes: Yes,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretsVerb {
    /// List keys by id and state; no key is ever shown
    List,
    /// Make another key current; the former one stays accepted for a while
    Set(SetSecret),
    /// End the acceptance of a former key
    Revoke(RevokeSecret),
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// Signs the addresses of media
    Media,
    /// Makes the tokens with which machines report
    WebhookToken,
    /// Makes the tokens with which machines pull images
    RegistryToken,
    /// The one secret of a whole fleet, while WEBHOOK_SECRET is set
    FleetWebhook,
}

impl Purpose {
    /// The word of the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Media => "media",
            Self::WebhookToken => "webhook_token",
            Self::RegistryToken => "registry_token",
            Self::FleetWebhook => "fleet_webhook",
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shoal secrets set media
  shoal secrets set fleet_webhook --write fleet.secret")]
pub(crate) struct SetSecret {
    /// What the key is for
    #[arg(value_enum, value_name = "PURPOSE")]
    pub(crate) purpose: Purpose,
    /// File with the new key on its one line; drawn by the controller when absent
    #[arg(long, value_name = "FILE")]
    pub(crate) value_file: Option<PathBuf>,
    /// New file, readable by you alone, for a fleet secret that the controller draws
    #[arg(long, value_name = "FILE", conflicts_with = "value_file")]
    pub(crate) write: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shoal secrets revoke media 3
  shoal secrets revoke media 3 --emergency --yes")]
pub(crate) struct RevokeSecret {
    /// What the key is for
    #[arg(value_enum, value_name = "PURPOSE")]
    pub(crate) purpose: Purpose,
    /// Its id, as secrets list shows it
    #[arg(value_name = "ID")]
    pub(crate) id: u8,
    /// Also while unfinished jobs depend on it; their machines lose their media or cannot report
    #[arg(long)]
    pub(crate) emergency: bool,
    #[command(flatten)]
    pub(crate) yes: Yes,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokensVerb {
    /// List API tokens; their texts are never shown again
    List,
    /// Make an API token
    Create(NewToken),
    /// End an API token
    Revoke(RevokeToken),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Role {
    /// Looks
    Reader,
    /// Looks, and acts on jobs and servers
    Operator,
    /// Everything
    Admin,
}

impl Role {
    /// The word of the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without --write the token is the only line on standard output; it is not shown again.

Examples:
  shoal tokens create ci --role operator --expires 90d --write ci.token
  shoal tokens create dashboard --role reader")]
pub(crate) struct NewToken {
    /// Who will use it; shown in the audit log
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What it allows
    #[arg(long, value_enum, value_name = "ROLE")]
    pub(crate) role: Role,
    /// When it ends: after a span such as 90d, or at a time in RFC 3339; never when absent
    #[arg(long, value_name = "WHEN")]
    pub(crate) expires: Option<String>,
    /// New file for the token, readable by you alone
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shoal tokens revoke ci --yes")]
pub(crate) struct RevokeToken {
    /// The token's id or name
    #[arg(value_name = "TOKEN")]
    pub(crate) token: String,
    #[command(flatten)]
    pub(crate) yes: Yes,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shoal audit --since 7d --target SRV-1
  shoal audit --actor ci --action cancel")]
pub(crate) struct Audit {
    /// How far back: a span such as 90m, 24h, 7d, or a time in RFC 3339
    #[arg(long, value_name = "WHEN", default_value = "24h")]
    pub(crate) since: String,
    /// Only what this caller did
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    /// Only actions with this in their name
    #[arg(long, value_name = "TEXT")]
    pub(crate) action: Option<String>,
    /// Only what was done to this; a server's serial finds what was done to its jobs as well
    #[arg(long, value_name = "ID")]
    pub(crate) target: Option<String>,
    /// At most so many entries
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shoal changes --since 7d")]
pub(crate) struct Changes {
    /// How far back: a span such as 90m, 24h, 7d, or a time in RFC 3339
    #[arg(long, value_name = "WHEN", default_value = "24h")]
    pub(crate) since: String,
}
