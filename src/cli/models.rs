//! `slipway models`: the registry. What it does to aliases is in `aliases.rs`, to gates and tags in `gates.rs`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::aliases::{Aliases, History, Promote, Rollback};
use super::failure::Done;
use super::files::{ARTIFACT, digest_of};
use super::gates::{Gates, Tags};
use super::output::View;
use super::session::{Common, Limit, Session};
use super::table::{Column, Kind};
use super::transfer::Target;

const MODEL: View = View {
    plural: "models",
    name: "name",
    columns: &[
        Column::new("NAME", "/name", Kind::Text),
        Column::new("VERSIONS", "/last_version", Kind::Number),
        Column::new("ALIASES", "/aliases", Kind::Map),
        Column::new("UPDATED", "/updated_at", Kind::Time),
        Column::new("BY", "/created_by", Kind::Text),
    ],
    more: &[
        Column::new("CREATED", "/created_at", Kind::Time),
        Column::new("DESCRIPTION", "/description", Kind::Text),
        Column::new("TAGS", "/tags", Kind::Map),
        Column::new("GATES", "/gates", Kind::List),
    ],
};

const VERSION: View = View {
    plural: "versions",
    name: "version",
    columns: &[
        Column::new("VERSION", "/version", Kind::Number),
        Column::new("STATUS", "/status", Kind::State),
        Column::new("ALIASES", "/aliases", Kind::List),
        Column::new("RUN", "/run_id", Kind::Text),
        Column::new("SIZE", "/size_bytes", Kind::Size),
        Column::new("CREATED", "/created_at", Kind::Time),
        Column::new("BY", "/created_by", Kind::Text),
    ],
    more: &[
        Column::new("MESSAGE", "/status_message", Kind::Text),
        Column::new("DESCRIPTION", "/description", Kind::Text),
        Column::new("DIGEST", "/model_digest", Kind::Text),
        Column::new("DATA", "/dataset_digests", Kind::List),
        Column::new("TAGS", "/tags", Kind::Map),
        Column::new("METRICS", "/metrics", Kind::Metrics),
    ],
};

const REPLICA: View = View {
    plural: "servers that serve it",
    name: "replica_id",
    columns: &[
        Column::new("SERVER", "/url", Kind::Text),
        Column::new("VERSION", "/version", Kind::Number),
        Column::new("STATE", "/state", Kind::State),
        Column::new("ALIASES", "/aliases", Kind::List),
        Column::new("MESSAGE", "/message", Kind::Text),
    ],
    more: &[],
};

/// Models: versions, aliases and how they move, gates, tags, files.
#[derive(Args)]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    common: Common,
}

/// A version of a model.
#[derive(Args)]
struct Which {
    /// Name of the model.
    name: String,
    /// Number of the version.
    version: i64,
}

#[derive(Subcommand)]
enum Verb {
    /// Lists models by name.
    Ls {
        #[command(flatten)]
        limit: Limit,
    },
    /// Shows a model, or one of its versions.
    Get {
        /// Name of the model.
        name: String,
        /// Number of the version.
        version: Option<i64>,
    },
    /// Makes a model.
    Create {
        /// Its name.
        name: String,
        /// What it is for.
        #[arg(long, default_value = "", hide_default_value = true)]
        description: String,
    },
    /// Changes the description of a model.
    Describe {
        /// Name of the model.
        name: String,
        /// What it is for.
        description: String,
    },
    /// Lists the versions of a model, newest first.
    Versions {
        /// Name of the model.
        name: String,
        #[command(flatten)]
        limit: Limit,
    },
    /// Registers the model that a run left as a new version.
    Register {
        /// Name of the model.
        name: String,
        /// Id of the run.
        run: String,
        /// Folder of the run's files that holds the model.
        #[arg(long, default_value = "model")]
        path: String,
        /// What is new about it.
        #[arg(long, default_value = "", hide_default_value = true)]
        description: String,
    },
    /// Deprecates, archives, deletes or restores a version.
    Status {
        #[command(flatten)]
        which: Which,
        /// READY, DEPRECATED, ARCHIVED or DELETED.
        status: String,
        /// Does not ask before a version is deleted.
        #[arg(long)]
        yes: bool,
    },
    /// Points an alias at a version that passes the model's gates.
    Promote(Promote),
    /// Points an alias back at a version of its history.
    Rollback(Rollback),
    /// Lists the moves of an alias, newest first: who, when, why, from where, to where.
    History(History),
    /// Aliases of a model.
    #[command(subcommand)]
    Aliases(Aliases),
    /// Tags of a model or a version.
    #[command(subcommand)]
    Tags(Tags),
    /// Conditions that a version must meet to be promoted.
    #[command(subcommand)]
    Gates(Gates),
    /// Files of a version.
    #[command(subcommand)]
    Artifacts(Artifacts),
    /// Lists which server serves which version.
    Replicas {
        /// Name of the model.
        name: String,
    },
}

#[derive(Subcommand)]
enum Artifacts {
    /// Lists the files of a version.
    Ls(Which),
    /// Downloads a file of a version, and verifies it.
    Get {
        #[command(flatten)]
        which: Which,
        /// Path of the file, for instance model.onnx.
        path: String,
        #[command(flatten)]
        target: Target,
    },
}

impl Command {
    pub(super) async fn run(self) -> Done {
        let session = self.common.open()?;
        let client = &session.client;
        match self.verb {
            Verb::Ls { limit } => session.list(client.v1(&["models"])?, &limit, &MODEL).await,
            Verb::Get { name, version: None } => session.show(client.v1(&["models", &name])?, &MODEL).await,
            Verb::Get { name, version: Some(version) } => {
                session.show(client.v1(&["models", &name, "versions", &version.to_string()])?, &VERSION).await
            }
            Verb::Create { name, description } => {
                session.post(client.v1(&["models"])?, &json!({ "name": name, "description": description }), &MODEL).await
            }
            Verb::Describe { name, description } => {
                let model = client.patch(client.v1(&["models", &name])?, &json!({ "description": description })).await?;
                session.out.one(&model, &MODEL)
            }
            Verb::Versions { name, limit } => session.list(client.v1(&["models", &name, "versions"])?, &limit, &VERSION).await,
            Verb::Register { name, run, path, description } => {
                let body = json!({ "run_id": run, "path": path, "description": description });
                session.post(client.v1(&["models", &name, "versions"])?, &body, &VERSION).await
            }
            Verb::Status { which, status, yes } => set_status(&session, &which, &status.to_uppercase(), yes).await,
            Verb::Promote(promote) => promote.run(&session).await,
            Verb::Rollback(rollback) => rollback.run(&session).await,
            Verb::History(history) => history.run(&session).await,
            Verb::Aliases(verb) => verb.run(&session).await,
            Verb::Tags(verb) => verb.run(&session).await,
            Verb::Gates(verb) => verb.run(&session).await,
            Verb::Artifacts(verb) => artifacts(&session, verb).await,
            Verb::Replicas { name } => {
                let answer = client.get(client.v1(&["models", &name, "replicas"])?).await?;
                session.out.all(answer["items"].as_array().map(Vec::as_slice).unwrap_or_default(), &REPLICA)
            }
        }
    }
}

async fn set_status(session: &Session, which: &Which, status: &str, yes: bool) -> Done {
    if status == "DELETED" {
        session.confirm(&format!("deletes version {} of {:?}", which.version, which.name), yes)?;
    }
    let url = session.client.v1(&["models", &which.name, "versions", &which.version.to_string(), "status"])?;
    let version = session.client.put(url, &json!({ "status": status })).await?;
    session.out.one(&version, &VERSION)
}

async fn artifacts(session: &Session, verb: Artifacts) -> Done {
    let which = match &verb {
        Artifacts::Ls(which) | Artifacts::Get { which, .. } => which,
    };
    let number = which.version.to_string();
    let base = ["models", &which.name, "versions", &number, "artifacts"];
    let listed = session.client.get(session.client.v1(&base)?).await?;
    match &verb {
        Artifacts::Ls(_) => session.out.all(listed["items"].as_array().map(Vec::as_slice).unwrap_or_default(), &ARTIFACT),
        Artifacts::Get { path, target, .. } => {
            let mut url = session.client.v1(&[&base[..], &["content"]].concat())?;
            url.query_pairs_mut().append_pair("path", path);
            session.download(url, target, path, digest_of(&listed, path)).await
        }
    }
}
