//! `slipway config`: what the settings are and mean.

use clap::{Args, Subcommand};

use super::failure::{Done, Failure, USAGE};
use super::output::print;
use super::settings::Settings;
use crate::clock::{Ids as _, SystemIds};
use crate::config::{self, Config};
use crate::domain;

/// Shows settings and makes keys.
#[derive(Args)]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Lists all settings; secrets are masked.
    Show {
        /// Says where each value comes from.
        #[arg(long)]
        origin: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Prints what every setting means, as Markdown.
    Reference,
    /// Prints a new key that can be set as `admin_key` before the first start.
    NewKey,
}

impl Command {
    pub(super) fn run(self) -> Done {
        match self.verb {
            Verb::Show { origin, settings } => {
                let text = Config::show(&settings.gather(&[])?, origin).map_err(|e| Failure::new(USAGE, e.to_string()))?;
                print(&text)
            }
            Verb::Reference => print(&config::reference()),
            Verb::NewKey => {
                let mut random = [0; domain::key::ENTROPY];
                SystemIds.secret(&mut random);
                print(&format!("{}\n", domain::key::make(&random)))
            }
        }
    }
}
