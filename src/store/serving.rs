//! What servers should serve, and what they say that they do.

use std::collections::HashMap;

use super::{Error, Result, Tx, done, on};
use crate::domain::registry::PROMPT_FLAVOR;
use crate::domain::time::Timestamp;

/// A version that an alias points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The workspace.
    pub workspace: String,
    /// The model's id.
    pub model_id: String,
    /// Its name.
    pub name: String,
    /// The alias.
    pub alias: String,
    /// The version's id.
    pub version_id: String,
    /// Its number.
    pub version: i64,
    /// Digest of the model file.
    pub digest: String,
    /// Generation of the stored object.
    pub generation: u32,
    /// Whether the stored bytes were found damaged since the alias moved: who has it loaded keeps it, nobody loads it.
    pub damaged: bool,
    /// Why no server can load it.
    pub unservable: Option<String>,
}

/// Lists the versions that aliases point at, over all workspaces: servers serve everybody. Prompts are nothing to serve.
pub async fn list_wanted(tx: &mut Tx) -> Result<Vec<Wanted>> {
    type Row = (String, String, String, String, String, i64, String, i64, String, String);
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "select m.workspace, m.id, m.name, a.alias, v.id, v.version, v.model_digest, coalesce(b.generation, 0), v.state, v.unservable
         from aliases a join registered_models m on m.id = a.model_id
         join model_versions v on v.model_id = m.id and v.version = a.version
         left join blobs b on b.workspace = m.workspace and b.digest = v.model_digest
         where v.state in ('READY', 'DEPRECATED', 'QUARANTINED') and v.flavor <> $1 and (b.digest is not null or v.unservable <> '')")
        .bind(PROMPT_FLAVOR).fetch_all(conn).await?);
    rows.into_iter()
        .map(|(workspace, model_id, name, alias, version_id, version, digest, generation, state, unservable)| {
            let generation = u32::try_from(generation).map_err(|_| Error::decode("blobs", "generation", &digest, generation))?;
            let damaged = state == "QUARANTINED";
            let unservable = Some(unservable).filter(|why| !why.is_empty());
            Ok(Wanted { workspace, model_id, name, alias, version_id, version, digest, generation, damaged, unservable })
        })
        .collect()
}

/// Finds the names of the models of versions; those that were deleted have none.
pub async fn list_names(tx: &mut Tx, version_ids: &[String]) -> Result<HashMap<String, String>> {
    let mut names = HashMap::with_capacity(version_ids.len());
    for id in version_ids {
        let name: Option<String> = on!(tx, conn => sqlx::query_scalar(
            "select m.name from model_versions v join registered_models m on m.id = v.model_id where v.id = $1 and v.state <> 'DELETED'")
            .bind(id).fetch_optional(conn).await?);
        names.extend(name.map(|name| (id.clone(), name)));
    }
    Ok(names)
}

/// Says that a server is alive.
pub async fn beat(tx: &mut Tx, replica: &str, host: &str, pid: i64, url: &str, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into replicas (id, host, pid, url, started_at, heartbeat_at) values ($1, $2, $3, $4, $5, $5)
         on conflict (id) do update set heartbeat_at = excluded.heartbeat_at")
        .bind(replica).bind(host).bind(pid).bind(url).bind(at.0).execute(conn).await?));
    Ok(())
}

/// Forgets servers that have been silent since `before`, with what they said.
pub async fn forget_silent(tx: &mut Tx, before: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from replicas where heartbeat_at < $1").bind(before.0).execute(conn).await?));
    Ok(())
}

/// What a server says about a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The workspace.
    pub workspace: String,
    /// The model's id.
    pub model_id: String,
    /// The version.
    pub version: i64,
    /// `AVAILABLE` or `FAILED`.
    pub state: &'static str,
    /// What is wrong.
    pub message: String,
    /// Aliases, between commas.
    pub labels: String,
}

/// Replaces what a server said.
pub async fn report(tx: &mut Tx, replica: &str, reports: &[Report], at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from replica_routes where replica_id = $1").bind(replica).execute(conn).await?));
    for report in reports {
        on!(tx, conn => done(sqlx::query(
            "insert into replica_routes (replica_id, workspace, model_id, version, state, message, labels, updated_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(replica).bind(&report.workspace).bind(&report.model_id).bind(report.version).bind(report.state)
            .bind(&report.message).bind(&report.labels).bind(at.0).execute(conn).await?));
    }
    Ok(())
}

/// One line of what servers say about a model: server, address, version, state, message, labels.
pub type Line = (String, String, i64, String, String, String);

/// Lists what servers say about a model.
pub async fn list_routes(tx: &mut Tx, workspace: &str, model: &str) -> Result<Vec<Line>> {
    Ok(on!(tx, conn => sqlx::query_as(
        "select r.id, r.url, s.version, s.state, s.message, s.labels from replica_routes s join replicas r on r.id = s.replica_id
         join registered_models m on m.id = s.model_id where s.workspace = $1 and m.name = $2 order by r.id, s.version")
        .bind(workspace).bind(model).fetch_all(conn).await?))
}
