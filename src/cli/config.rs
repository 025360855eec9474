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
    /// Prints the value of one setting; secrets are masked.
    Get {
        /// Its key, for instance database_url.
        key: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Prints which settings file is read; nothing when there is none.
    Path {
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
            Verb::Get { key, settings } => {
                let text = Config::show(&settings.gather(&[])?, false).map_err(|e| Failure::usage(e.to_string()))?;
                let line = text.lines().find_map(|line| line.strip_prefix(&key)?.strip_prefix(" = "));
                let value = line.ok_or_else(|| Failure::usage(format!("unknown setting {key:?}; `slipway config show` lists all")))?;
                print(&format!("{}\n", value.trim_matches('"')))
            }
            Verb::Path { settings } => match settings.gather(&[])?.file {
                Some((path, _)) => print(&format!("{}\n", path.display())),
                None => Ok(()),
            },
            Verb::Reference => print(&config::reference()),
            Verb::NewKey => {
                let mut random = [0; domain::key::ENTROPY];
                SystemIds.secret(&mut random);
                print(&format!("{}\n", domain::key::make(&random)))
            }
        }
    }
}
