//! `config check`: what would be used and who set it, without starting anything.

use std::io::Write;

use clap::Subcommand;

use super::{Configuration, Failure};
use crate::Exit;

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Check the configuration as `serve` would; exits with 64 if it is refused.
    Check {
        #[command(flatten)]
        configuration: Configuration,
    },
}

impl Config {
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), Failure> {
        let Self::Check { configuration } = self;
        let loaded = configuration.load()?;
        crate::tls::Prepared::check(&loaded.settings, std::time::SystemTime::now())
            .map_err(|error| Failure::new(Exit::Configuration, error))?;
        for given in &loaded.given {
            writeln!(out, "{} = {} ({})", given.key, given.value, given.source)?;
        }
        for key in &loaded.ignored {
            writeln!(out, "{key} is ignored: this release does not have what it configures")?;
        }
        writeln!(out, "the configuration is valid; every other key has its default")?;
        Ok(())
    }
}
