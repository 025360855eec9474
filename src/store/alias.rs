//! Aliases and the history of their moves.

use super::{Error, Result, Tx, done, json, on, to_json};
use crate::domain::model::{Alias, AliasEvent, AliasEventKind};
use crate::domain::promotion::{GateResult, Pointer, Step};
use crate::domain::time::Timestamp;

/// Returns where an alias points.
pub async fn find(tx: &mut Tx, workspace: &str, model_id: &str, alias: &str) -> Result<Pointer> {
    let row: Option<(Option<i64>, i64)> = on!(tx, conn => sqlx::query_as(
        "select version, revision from aliases where workspace = $1 and model_id = $2 and alias = $3")
        .bind(workspace).bind(model_id).bind(alias).fetch_optional(conn).await?);
    Ok(row.map_or(Pointer { version: None, revision: 0 }, |(version, revision)| Pointer { version, revision }))
}

/// Returns an alias as the API shows it, also when it was deleted.
pub async fn find_view(tx: &mut Tx, workspace: &str, model: &str, alias: &str) -> Result<Option<Alias>> {
    let row: Option<(Option<i64>, i64, i64)> = on!(tx, conn => sqlx::query_as(
        "select a.version, a.revision, a.updated_at from aliases a join registered_models m on m.id = a.model_id
         where a.workspace = $1 and m.name = $2 and a.alias = $3")
        .bind(workspace).bind(model).bind(alias).fetch_optional(conn).await?);
    Ok(row.map(|(version, revision, at)| Alias {
        name: model.to_owned(),
        alias: alias.to_owned(),
        version,
        revision,
        updated_at: Timestamp(at),
    }))
}

/// A move to be written.
#[derive(Clone, Debug)]
pub struct Move<'a> {
    /// The model.
    pub model_id: &'a str,
    /// The alias.
    pub alias: &'a str,
    /// Where it points before.
    pub from: Pointer,
    /// Where it points after.
    pub to: Option<i64>,
    /// How it moves.
    pub kind: AliasEventKind,
    /// Of a rollback: the revision that it takes back.
    pub reverts: Option<i64>,
    /// Digest of the version that it moves to.
    pub manifest_digest: Option<&'a str>,
    /// What the gates said.
    pub gates: &'a [GateResult],
    /// Who moves it.
    pub actor: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// Moves an alias if it still is where `from` says, appends to its history and raises the routing revision. False when somebody
/// else was faster, and then nothing is written.
pub async fn shift(tx: &mut Tx, workspace: &str, step: &Move<'_>, at: Timestamp) -> Result<bool> {
    let moved = if step.from.revision == 0 {
        on!(tx, conn => sqlx::query(
            "insert into aliases (workspace, model_id, alias, version, revision, updated_at) values ($1, $2, $3, $4, 1, $5) on conflict do nothing")
            .bind(workspace).bind(step.model_id).bind(step.alias).bind(step.to).bind(at.0).execute(conn).await?.rows_affected())
    } else {
        on!(tx, conn => sqlx::query(
            "update aliases set version = $4, revision = revision + 1, updated_at = $5
             where workspace = $1 and model_id = $2 and alias = $3 and revision = $6")
            .bind(workspace).bind(step.model_id).bind(step.alias).bind(step.to).bind(at.0).bind(step.from.revision)
            .execute(conn).await?.rows_affected())
    };
    if moved == 0 {
        return Ok(false);
    }
    on!(tx, conn => done(sqlx::query(
        "insert into alias_events (workspace, model_id, alias, revision, kind, from_version, to_version, reverts_revision, manifest_digest,
            gates_json, actor, reason, at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
        .bind(workspace).bind(step.model_id).bind(step.alias).bind(step.from.revision + 1).bind(step.kind.as_str())
        .bind(step.from.version).bind(step.to).bind(step.reverts).bind(step.manifest_digest).bind(to_json(&step.gates))
        .bind(step.actor).bind(step.reason).bind(at.0).execute(conn).await?));
    bump_routing(tx).await?;
    Ok(true)
}

/// Raises the number that servers watch to learn that what they serve may have changed.
pub async fn bump_routing(tx: &mut Tx) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into counters (name, value) values ('routing', 1) on conflict (name) do update set value = counters.value + 1")
        .execute(conn).await?));
    Ok(())
}

/// Reads that number.
pub async fn routing_revision(tx: &mut Tx) -> Result<i64> {
    let value: Option<i64> =
        on!(tx, conn => sqlx::query_scalar("select value from counters where name = 'routing'").fetch_optional(conn).await?);
    Ok(value.unwrap_or(0))
}

/// Lists all moves of an alias, oldest first.
pub async fn steps(tx: &mut Tx, workspace: &str, model_id: &str, alias: &str) -> Result<Vec<Step>> {
    let rows: Vec<(i64, String, Option<i64>)> = on!(tx, conn => sqlx::query_as(
        "select revision, kind, to_version from alias_events where workspace = $1 and model_id = $2 and alias = $3 order by revision")
        .bind(workspace).bind(model_id).bind(alias).fetch_all(conn).await?);
    rows.into_iter().map(|(revision, text, to)| Ok(Step { revision, kind: kind(&text, model_id)?, to })).collect()
}

/// Returns where an alias pointed at a time, with the revision that had put it there; `None` before its first move.
pub async fn at_time(tx: &mut Tx, workspace: &str, model_id: &str, alias: &str, time: Timestamp) -> Result<Option<(i64, Option<i64>)>> {
    Ok(on!(tx, conn => sqlx::query_as(
        "select revision, to_version from alias_events where workspace = $1 and model_id = $2 and alias = $3 and at <= $4
         order by revision desc limit 1")
        .bind(workspace).bind(model_id).bind(alias).bind(time.0).fetch_optional(conn).await?))
}

/// Lists moves before a revision, newest first.
pub async fn list_events(tx: &mut Tx, workspace: &str, model_id: &str, alias: &str, before: i64, limit: i64) -> Result<Vec<AliasEvent>> {
    type Row = (i64, String, Option<i64>, Option<i64>, Option<i64>, Option<String>, String, String, String, i64);
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "select revision, kind, from_version, to_version, reverts_revision, manifest_digest, gates_json, actor, reason, at from alias_events
         where workspace = $1 and model_id = $2 and alias = $3 and revision < $4 order by revision desc limit $5")
        .bind(workspace).bind(model_id).bind(alias).bind(before).bind(limit).fetch_all(conn).await?);
    rows.into_iter()
        .map(|(revision, text, from_version, to_version, reverts_revision, manifest_digest, gates, actor, reason, at)| {
            Ok(AliasEvent {
                revision,
                kind: kind(&text, model_id)?,
                from_version,
                to_version,
                reverts_revision,
                manifest_digest,
                gates: json("alias_events", "gates_json", model_id, &gates)?,
                actor,
                reason,
                at: Timestamp(at),
            })
        })
        .collect()
}

fn kind(text: &str, row: &str) -> Result<AliasEventKind> {
    AliasEventKind::parse(text).ok_or_else(|| Error::decode("alias_events", "kind", row, text))
}
