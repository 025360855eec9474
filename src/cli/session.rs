//! What every command of a client has: flags that say which server and how to print, and what follows from them.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Args;
use reqwest::Url;
use serde_json::Value;

use super::client::Client;
use super::failure::{Done, Failure};
use super::output::{Form, Listing, Output, View};
use super::profile::Profiles;

/// The server when nobody says which.
const LOCAL: &str = "http://127.0.0.1:7500";

/// Flags of all commands of a client.
#[derive(Args)]
#[command(next_help_heading = "Server and output")]
pub(super) struct Common {
    /// The server; otherwise SLIPWAY_URL, the profile's, or http://127.0.0.1:7500.
    #[arg(long, global = true, value_name = "URL")]
    pub(super) url: Option<String>,
    /// The API key; otherwise SLIPWAY_KEY or the profile's. Other users of the machine can see flags: better set the variable.
    #[arg(long, global = true, value_name = "KEY")]
    pub(super) key: Option<String>,
    /// Profile that `slipway login` kept; otherwise SLIPWAY_PROFILE, or the one in use.
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// Form of what is printed.
    #[arg(short, long, global = true, value_enum, default_value_t = Form::Table, value_name = "FORM")]
    output: Form,
    /// Says nothing but the answer and errors.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// No colours, on a terminal either; NO_COLOR does the same.
    #[arg(long, global = true)]
    no_color: bool,
    /// Seconds that an answer may take; transfers of files may take longer.
    #[arg(long, global = true, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

/// How many items of a list.
#[derive(Args)]
pub(super) struct Limit {
    /// Items at most; 0 for all.
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: u64,
}

impl Limit {
    /// The number, if there is one.
    pub(super) fn get(&self) -> Option<u64> {
        (self.limit > 0).then_some(self.limit)
    }
}

/// A server and a way to print.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) out: Output,
}

impl Common {
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// How to print.
    pub(super) fn output(&self) -> Output {
        Output::new(self.output, self.quiet, self.no_color)
    }

    /// Flags beat the environment, which beats the profile.
    pub(super) fn open(&self) -> Result<Session, Failure> {
        let profile = Profiles::load()?.find(self.profile.as_deref())?;
        let profile_url = profile.as_ref().map(|profile| profile.url.clone());
        let url = self.url.clone().or_else(|| variable("SLIPWAY_URL"));
        // a profile's key is for the profile's server alone
        let is_profiles =
            url.is_none() || url.as_deref().and_then(|url| read_url(url).ok()) == profile_url.as_deref().and_then(|url| read_url(url).ok());
        let kept = profile.and_then(|profile| profile.key).filter(|_| is_profiles);
        let key = self.key.clone().or_else(|| variable("SLIPWAY_KEY")).or(kept);
        let url = url.or(profile_url).unwrap_or_else(|| LOCAL.to_owned());
        let client = Client::new(read_url(&url)?, key, self.timeout())?;
        Ok(Session { client, out: self.output() })
    }
}

/// A variable that is set to something.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads the address of a server.
pub(super) fn read_url(text: &str) -> Result<Url, Failure> {
    let bad =
        || Failure::usage(format!("{:?} is no address of a server: write http://HOST:PORT or https://HOST", crate::config::mask(text)));
    let mut url = Url::parse(text).map_err(|_| bad())?;
    if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none() || url.query().is_some() || url.fragment().is_some() {
        return Err(bad());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::usage("the address of a server holds no password: set SLIPWAY_KEY, or use `slipway login`"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

impl Session {
    /// Lists what an address lists.
    pub(super) async fn list(&self, url: Url, limit: &Limit, view: &View) -> Done {
        self.list_in(url, limit, self.out.list(view)).await
    }

    /// The same into a list with columns of its own.
    pub(super) async fn list_in(&self, url: Url, limit: &Limit, mut list: Listing<'_>) -> Done {
        let more = self.client.pages(&url, limit.get(), |items| list.page(&items)).await?;
        list.end()?;
        self.note_more(more, limit);
        Ok(())
    }

    /// Says that a list goes on.
    pub(super) fn note_more(&self, more: bool, limit: &Limit) {
        if more {
            self.out.note(&format!("there are more than {}: --limit 0 shows all", limit.limit));
        }
    }

    /// Gets and prints one thing.
    pub(super) async fn show(&self, url: Url, view: &View) -> Done {
        self.out.one(&self.client.get(url).await?, view)
    }

    /// Posts, and prints what the thing is then.
    pub(super) async fn post(&self, url: Url, body: &Value, view: &View) -> Done {
        self.out.one(&self.client.post(url, body).await?, view)
    }

    /// Makes sure that something is meant that can't be undone.
    pub(super) fn confirm(&self, what: &str, yes: bool) -> Done {
        if yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Err(Failure::usage(format!("{what} can't be undone: say --yes")));
        }
        eprint!("{what}, which can't be undone. Go on? [y/N] ");
        let mut line = String::new();
        std::io::stderr().flush().and_then(|()| std::io::stdin().read_line(&mut line)).map_err(|e| e.to_string())?;
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::from("nothing was done".to_owned())),
        }
    }
}
