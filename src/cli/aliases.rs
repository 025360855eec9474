//! Aliases of models: how they move, where they have been.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::failure::{Done, Failure, UNAVAILABLE};
use super::output::View;
use super::session::{Limit, Session};
use super::table::{Column, Kind};
use super::text;
use crate::clock::{Clock as _, SystemClock};

const ALIAS: View = View {
    plural: "aliases",
    name: "alias",
    columns: &[
        Column::new("MODEL", "/name", Kind::Text),
        Column::new("ALIAS", "/alias", Kind::Text),
        Column::new("VERSION", "/version", Kind::Number),
        Column::new("REVISION", "/revision", Kind::Number),
        Column::new("UPDATED", "/updated_at", Kind::Time),
    ],
    more: &[],
};

const MOVE: View = View {
    plural: "moves",
    name: "revision",
    columns: &[
        Column::new("REVISION", "/revision", Kind::Number),
        Column::new("KIND", "/kind", Kind::Text),
        Column::new("FROM", "/from_version", Kind::Number),
        Column::new("TO", "/to_version", Kind::Number),
        Column::new("REVERTS", "/reverts_revision", Kind::Number),
        Column::new("AT", "/at", Kind::Time),
        Column::new("BY", "/actor", Kind::Text),
        Column::new("REASON", "/reason", Kind::Text),
    ],
    more: &[],
};

/// How often servers are asked whether they serve a version.
const LOOK: Duration = Duration::from_millis(100);

/// What all moves take.
#[derive(Args)]
struct Move {
    /// Name of the model.
    name: String,
    /// The alias; `champion` answers requests that name no version.
    #[arg(long, default_value = "champion")]
    alias: String,
    /// Why; it stays in the history.
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// Moves it only from this revision: when somebody else was faster, nothing happens (exit code 5).
    #[arg(long, value_name = "N")]
    expected_revision: Option<i64>,
    /// Waits until all servers serve it, --timeout seconds at most.
    #[arg(long)]
    wait: bool,
}

#[derive(Args)]
pub(super) struct Promote {
    #[command(flatten)]
    how: Move,
    /// Number of the version.
    version: i64,
    /// Lets a version pass that the gates refuse; needs the role admin and a reason.
    #[arg(long)]
    override_gates: bool,
}

#[derive(Args)]
pub(super) struct Rollback {
    #[command(flatten)]
    how: Move,
    /// To this version; to the one before when nothing is said.
    #[arg(long, value_name = "N")]
    to_version: Option<i64>,
    /// To where it pointed then: RFC 3339, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME", conflicts_with = "to_version")]
    to_time: Option<String>,
}

#[derive(Args)]
pub(super) struct History {
    /// Name of the model.
    name: String,
    /// The alias.
    #[arg(long, default_value = "champion")]
    alias: String,
    #[command(flatten)]
    limit: Limit,
}

#[derive(Subcommand)]
pub(super) enum Aliases {
    /// Lists the aliases of a model.
    Ls {
        /// Name of the model.
        name: String,
    },
    /// Shows where an alias points, or pointed at a time.
    Get {
        /// Name of the model.
        name: String,
        /// The alias.
        alias: String,
        /// Shows the version that it pointed at then: RFC 3339, or how long ago, such as 2h.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// Takes an alias away; its history stays.
    Rm {
        /// Name of the model.
        name: String,
        /// The alias.
        alias: String,
        /// Why; it stays in the history.
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
        /// Only from this revision.
        #[arg(long, value_name = "N")]
        expected_revision: Option<i64>,
        /// Does not ask.
        #[arg(long)]
        yes: bool,
    },
}

impl Promote {
    pub(super) async fn run(self, session: &Session) -> Done {
        let body = json!({ "version": self.version, "reason": self.how.reason, "expected_revision": self.how.expected_revision,
            "override_gates": self.override_gates });
        let url = session.client.v1(&["models", &self.how.name, "aliases", &self.how.alias])?;
        let alias = session.client.post(url, &body).await?;
        moved(session, &self.how, &alias).await
    }
}

impl Rollback {
    pub(super) async fn run(self, session: &Session) -> Done {
        let time = self.to_time.as_deref().map(|text| text::time(text, SystemClock.now())).transpose().map_err(Failure::usage)?;
        let body = json!({ "to_version": self.to_version, "to_time": time, "reason": self.how.reason,
            "expected_revision": self.how.expected_revision });
        let url = session.client.v1(&["models", &self.how.name, "aliases", &self.how.alias, "rollback"])?;
        let alias = session.client.post(url, &body).await?;
        moved(session, &self.how, &alias).await
    }
}

impl History {
    pub(super) async fn run(self, session: &Session) -> Done {
        let url = session.client.v1(&["models", &self.name, "aliases", &self.alias, "history"])?;
        session.list(url, &self.limit, &MOVE).await
    }
}

impl Aliases {
    pub(super) async fn run(self, session: &Session) -> Done {
        match self {
            Self::Ls { name } => {
                let model = session.client.get(session.client.v1(&["models", &name])?).await?;
                let mut aliases = Vec::new();
                for alias in model["aliases"].as_object().into_iter().flatten().map(|(alias, _)| alias) {
                    aliases.push(session.client.get(session.client.v1(&["models", &name, "aliases", alias])?).await?);
                }
                session.out.all(&aliases, &ALIAS)
            }
            Self::Get { name, alias, at: None } => session.show(session.client.v1(&["models", &name, "aliases", &alias])?, &ALIAS).await,
            Self::Get { name, alias, at: Some(at) } => {
                let time = text::time(&at, SystemClock.now()).map_err(Failure::usage)?;
                let mut url = session.client.v1(&["models", &name, "aliases", &alias, "at"])?;
                url.query_pairs_mut().append_pair("time", &time.to_rfc3339());
                let version = session.client.get(url).await?;
                let shown = json!({ "name": name, "alias": alias, "version": version["version"], "at": time });
                session.out.one(&shown, &ALIAS_AT)
            }
            Self::Rm { name, alias, reason, expected_revision, yes } => {
                session.confirm(&format!("takes the alias {alias:?} of {name:?} away"), yes)?;
                let mut url = session.client.v1(&["models", &name, "aliases", &alias])?;
                url.query_pairs_mut()
                    .append_pair("reason", &reason)
                    .extend_pairs(expected_revision.iter().map(|revision| ("expected_revision", revision.to_string())));
                session.client.delete(url).await
            }
        }
    }
}

const ALIAS_AT: View = View {
    plural: "aliases",
    name: "version",
    columns: &[
        Column::new("MODEL", "/name", Kind::Text),
        Column::new("ALIAS", "/alias", Kind::Text),
        Column::new("AT", "/at", Kind::Time),
        Column::new("VERSION", "/version", Kind::Number),
    ],
    more: &[],
};

/// Prints where an alias is, once it is served there if that was asked for.
async fn moved(session: &Session, how: &Move, alias: &Value) -> Done {
    if how.wait {
        wait(session, how, &alias["version"]).await?;
    }
    session.out.one(alias, &ALIAS)
}

/// Waits until every server says that the alias is that version, and that it is loaded.
async fn wait(session: &Session, how: &Move, version: &Value) -> Done {
    let begun = Instant::now();
    let url = session.client.v1(&["models", &how.name, "replicas"])?;
    loop {
        let replicas = session.client.get(url.clone()).await?;
        let ours = |replica: &&Value| replica["aliases"].as_array().is_some_and(|names| names.iter().any(|name| *name == *how.alias));
        let named: Vec<&Value> = replicas["items"].as_array().into_iter().flatten().filter(ours).collect();
        if !named.is_empty() && named.iter().all(|replica| replica["version"] == *version && replica["state"] == "AVAILABLE") {
            return Ok(());
        }
        if begun.elapsed() > session.client.timeout() {
            let failed =
                named.iter().find(|replica| replica["state"] == "FAILED").map(|replica| format!(": {}", text::scalar(&replica["message"])));
            let message = format!("the alias has moved, but version {version} is not served by all servers{}", failed.unwrap_or_default());
            return Err(Failure::new(UNAVAILABLE, message).next(format!("`slipway models replicas {}` shows what each says", how.name)));
        }
        tokio::time::sleep(LOOK).await;
    }
}
