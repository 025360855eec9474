//! `slipway login`, `logout`, `profiles`.

use std::io::{IsTerminal as _, Read as _};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::Client;
use super::failure::{Done, Failure};
use super::output::View;
use super::profile::{Profile, Profiles};
use super::session::{Common, read_url, variable};
use super::table::{Column, Kind};

/// Profiles in a list; their keys are not shown.
const PROFILE: View = View {
    plural: "profiles",
    name: "name",
    columns: &[
        Column::new("NAME", "/name", Kind::Text),
        Column::new("URL", "/url", Kind::Text),
        Column::new("KEY", "/key", Kind::Text),
        Column::new("IN USE", "/in_use", Kind::Text),
    ],
    more: &[],
};

/// Keeps a server and a key, so that other commands need not be told.
///
/// The key comes from --key, SLIPWAY_KEY, or standard input, and is asked for on a terminal; an empty one is for a server that asks for
/// none. It is tried before it is kept.
#[derive(Args)]
pub(super) struct Login {
    #[command(flatten)]
    common: Common,
}

impl Login {
    pub(super) async fn run(self) -> Done {
        let out = self.common.output();
        let mut profiles = Profiles::load()?;
        let name = profiles.name(self.common.profile.as_deref());
        let known = profiles.profiles.get(&name).map(|profile| profile.url.clone());
        let url = self.common.url.clone().or_else(|| variable("SLIPWAY_URL")).or(known);
        let url = url.ok_or_else(|| Failure::usage("say which server: slipway login --url http://HOST:PORT"))?;
        let url = read_url(&url)?;
        let key = match self.common.key.clone().or_else(|| variable("SLIPWAY_KEY")) {
            Some(key) => key,
            None => ask_for_key(url.as_str())?,
        };
        let key = Some(key.trim().to_owned()).filter(|key| !key.is_empty());
        let client = Client::new(url.clone(), key.clone(), self.common.timeout())?;
        let mut tried = client.v1(&["models"])?;
        tried.set_query(Some("page_size=1"));
        client.get(tried).await?;
        profiles.profiles.insert(name.clone(), Profile { url: url.as_str().trim_end_matches('/').to_owned(), key });
        profiles.current = Some(name.clone());
        profiles.save()?;
        out.note(&format!("profile {name}: {url} answers, and is used from now on"));
        Ok(())
    }
}

fn ask_for_key(url: &str) -> Result<String, Failure> {
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        eprint!("API key for {url} (not shown; empty for none): ");
        return Ok(console::Term::stderr().read_secure_line().map_err(|e| format!("can't read the key: {e}"))?);
    }
    // a key is short: whatever else comes is none
    let mut key = String::new();
    std::io::stdin().take(1_024).read_to_string(&mut key).map_err(|e| format!("can't read the key: {e}"))?;
    Ok(key)
}

/// Forgets a profile with its key. The key goes on working: `slipway keys revoke` ends it.
#[derive(Args)]
pub(super) struct Logout {
    #[command(flatten)]
    common: Common,
}

impl Logout {
    pub(super) fn run(self) -> Done {
        let mut profiles = Profiles::load()?;
        let name = profiles.name(self.common.profile.as_deref());
        if profiles.profiles.remove(&name).is_none() {
            return Err(Failure::usage(format!("there is no profile {name:?}")).next("`slipway profiles ls` lists them"));
        }
        profiles.current = profiles.current.filter(|current| *current != name);
        profiles.save()?;
        self.common.output().note(&format!("profile {name} is forgotten"));
        Ok(())
    }
}

/// Lists profiles and says which is used.
#[derive(Args)]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand)]
enum Verb {
    /// Lists the profiles.
    Ls,
    /// Uses a profile from now on.
    Use {
        /// Its name.
        name: String,
    },
}

impl Command {
    pub(super) fn run(self) -> Done {
        let mut profiles = Profiles::load()?;
        match self.verb {
            Verb::Ls => {
                let used = profiles.name(self.common.profile.as_deref());
                let shown = |(name, profile): (&String, &Profile)| json!({ "name": name, "url": profile.url, "key": profile.key.as_ref().map(|_| "***"), "in_use": *name == used });
                let items: Vec<Value> = profiles.profiles.iter().map(shown).collect();
                self.common.output().all(&items, &PROFILE)
            }
            Verb::Use { name } => {
                if !profiles.profiles.contains_key(&name) {
                    return Err(Failure::usage(format!("there is no profile {name:?}")).next("`slipway profiles ls` lists them"));
                }
                profiles.current = Some(name);
                profiles.save()
            }
        }
    }
}
