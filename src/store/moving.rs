//! Imports: what was brought in from where, and the rows of runs that keep their ids.

use super::run::from_bits;
use super::tracking::sql::{Dialect, Sql, fetch};
use super::{Result, Tx, done, on};
use crate::domain::logged_model::{LoggedModel, ModelPoint};
use crate::domain::moving::{MovedExperiment, MovedRegistered, MovedRun, MovedVersion, Tally};
use crate::domain::run::{MetricPoint, Number};
use crate::domain::time::Timestamp;

/// An import from one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its id.
    pub id: String,
    /// Counts how often it was begun after it had ended.
    pub round: i64,
    /// Whether a former one was cut off and goes on now.
    pub resumed: bool,
}

/// A thing that was brought in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its id at the source.
    pub source_id: String,
    /// Its id here.
    pub target_id: String,
    /// When it was looked at last.
    pub round: i64,
    /// How many items it had.
    pub items: i64,
    /// Their digest.
    pub digest: String,
}

/// Takes up the import from a source: the next round, or the one that was cut off.
pub async fn begin(tx: &mut Tx, workspace: &str, source: &str, id: &str, at: Timestamp) -> Result<Import> {
    on!(tx, conn => done(sqlx::query(
        "insert into imports (id, workspace, source, round, state, created_at, updated_at) values ($1, $2, $3, 0, 'DONE', $4, $4)
         on conflict (workspace, source) do nothing")
        .bind(id).bind(workspace).bind(source).bind(at.0).execute(conn).await?));
    let (id, round, state): (String, i64, String) = on!(tx, conn => sqlx::query_as(
        "select id, round, state from imports where workspace = $1 and source = $2")
        .bind(workspace).bind(source).fetch_one(conn).await?);
    let resumed = state == "RUNNING";
    let import = Import { id, round: if resumed { round } else { round + 1 }, resumed };
    set_state(tx, &import, "RUNNING", at).await?;
    Ok(import)
}

/// Notes that an import ended.
pub async fn end(tx: &mut Tx, import: &Import, at: Timestamp) -> Result<()> {
    set_state(tx, import, "DONE", at).await
}

async fn set_state(tx: &mut Tx, import: &Import, state: &str, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query("update imports set round = $2, state = $3, updated_at = $4 where id = $1")
        .bind(&import.id).bind(import.round).bind(state).bind(at.0).execute(conn).await?));
    Ok(())
}

type Row = (String, String, i64, i64, String);

fn imported((source_id, target_id, round, items, digest): Row) -> Imported {
    Imported { source_id, target_id, round, items, digest }
}

/// Finds things of a kind by their ids at the source.
pub async fn find(tx: &mut Tx, import: &Import, kind: &str, source_ids: &[&str]) -> Result<Vec<Imported>> {
    let mut found = Vec::new();
    for chunk in source_ids.chunks(500) {
        let mut sql = Sql::new(Dialect::of(tx), "select source_id, target_id, round, items, digest from imported where import_id = ");
        sql.text(&import.id).push(" and kind = ").text(kind).push(" and source_id in ").texts(chunk.iter().copied());
        let rows: Vec<Row> = fetch!(tx, sql);
        found.extend(rows.into_iter().map(imported));
    }
    Ok(found)
}

/// Lists things of a kind that this round has seen, by their ids at the source after `after`.
pub async fn list(tx: &mut Tx, import: &Import, kind: &str, after: &str, limit: i64) -> Result<Vec<Imported>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "select source_id, target_id, round, items, digest from imported
         where import_id = $1 and kind = $2 and source_id > $3 and round = $4 order by source_id limit $5")
        .bind(&import.id).bind(kind).bind(after).bind(import.round).bind(limit).fetch_all(conn).await?);
    Ok(rows.into_iter().map(imported).collect())
}

/// Notes that a thing is here, and what it consists of.
pub async fn note(tx: &mut Tx, import: &Import, kind: &str, (source_id, target_id): (&str, &str), tally: &Tally) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into imported (import_id, kind, source_id, target_id, round, items, digest) values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (import_id, kind, source_id) do update set target_id = excluded.target_id, round = excluded.round,
            items = excluded.items, digest = excluded.digest")
        .bind(&import.id).bind(kind).bind(source_id).bind(target_id).bind(import.round).bind(tally.items).bind(tally.digest())
        .execute(conn).await?));
    Ok(())
}

/// Inserts an experiment with the stage and the times that it has at its source.
pub async fn insert_experiment(tx: &mut Tx, workspace: &str, id: &str, experiment: &MovedExperiment, location: &str) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into experiments (id, workspace, name, artifact_location, lifecycle_stage, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7)")
        .bind(id).bind(workspace).bind(&experiment.name).bind(location).bind(experiment.stage.as_str())
        .bind(experiment.created_at.0).bind(experiment.updated_at.0).execute(conn).await?));
    Ok(())
}

/// Gives an experiment the name, stage and times that it has at its source.
pub async fn update_experiment(tx: &mut Tx, workspace: &str, id: &str, experiment: &MovedExperiment) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "update experiments set name = $3, lifecycle_stage = $4, created_at = $5, updated_at = $6 where workspace = $1 and id = $2")
        .bind(workspace).bind(id).bind(&experiment.name).bind(experiment.stage.as_str())
        .bind(experiment.created_at.0).bind(experiment.updated_at.0).execute(conn).await?));
    Ok(())
}

/// Writes the row of a run under the id that it has at its source and returns its surrogate; none when the id belongs to another
/// workspace or to a run that a job works on.
pub async fn put_run(tx: &mut Tx, workspace: &str, experiment_id: &str, run: &MovedRun) -> Result<Option<i64>> {
    Ok(on!(tx, conn => sqlx::query_scalar(
        "insert into runs
            (id, workspace, experiment_id, name, status, user_id, job_id, attempt_no, start_time, end_time, lifecycle_stage, row_version)
         values ($1, $2, $3, $4, $5, $6, null, 0, $7, $8, $9, 1)
         on conflict (id) do update set experiment_id = excluded.experiment_id, name = excluded.name, status = excluded.status,
            user_id = excluded.user_id, start_time = excluded.start_time, end_time = excluded.end_time,
            lifecycle_stage = excluded.lifecycle_stage, row_version = runs.row_version + 1
            where runs.workspace = excluded.workspace and runs.job_id is null
         returning seq")
        .bind(&run.run_id).bind(workspace).bind(experiment_id).bind(&run.name).bind(run.status.as_str()).bind(&run.user)
        .bind(run.start_time).bind(run.end_time).bind(run.stage.as_str()).fetch_optional(conn).await?))
}

/// Deletes params and tags of a run, for others to take their place.
pub async fn clear_pairs(tx: &mut Tx, run_seq: i64) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from params where run_seq = $1").bind(run_seq).execute(conn).await?));
    on!(tx, conn => done(sqlx::query("delete from run_tags where run_seq = $1").bind(run_seq).execute(conn).await?));
    Ok(())
}

/// Lists the names of the metrics of a run.
pub async fn metric_keys(tx: &mut Tx, run_seq: i64) -> Result<Vec<String>> {
    Ok(on!(tx, conn => sqlx::query_scalar("select key from metric_keys where run_seq = $1").bind(run_seq).fetch_all(conn).await?))
}

/// Tells whether a thing of a kind was brought in by any import.
pub async fn is_imported(tx: &mut Tx, workspace: &str, kind: &str, source_id: &str) -> Result<bool> {
    let found: Option<i64> = on!(tx, conn => sqlx::query_scalar(
        "select i.round from imports m join imported i on i.import_id = m.id and i.kind = $2 and i.source_id = $3
         where m.workspace = $1 limit 1")
        .bind(workspace).bind(kind).bind(source_id).fetch_optional(conn).await?);
    Ok(found.is_some())
}

/// Writes the row of a logged model under the id that it has at its source and returns its surrogate; none when the id belongs to
/// another workspace.
pub async fn put_model(tx: &mut Tx, workspace: &str, experiment_id: &str, model: &LoggedModel) -> Result<Option<i64>> {
    Ok(on!(tx, conn => sqlx::query_scalar(
        "insert into logged_models
            (id, workspace, experiment_id, name, status, model_type, source_run_id, lifecycle_stage, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (id) do update set experiment_id = excluded.experiment_id, name = excluded.name, status = excluded.status,
            model_type = excluded.model_type, source_run_id = excluded.source_run_id, lifecycle_stage = excluded.lifecycle_stage,
            created_at = excluded.created_at, updated_at = excluded.updated_at
            where logged_models.workspace = excluded.workspace
         returning seq")
        .bind(&model.model_id).bind(workspace).bind(experiment_id).bind(&model.name).bind(model.status.as_str()).bind(&model.model_type)
        .bind(&model.source_run_id).bind(model.stage.as_str()).bind(model.created_at.0).bind(model.updated_at.0)
        .fetch_optional(conn).await?))
}

/// Deletes params and tags of a logged model, for others to take their place.
pub async fn clear_model_pairs(tx: &mut Tx, model_seq: i64) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from logged_model_params where model_seq = $1").bind(model_seq).execute(conn).await?));
    on!(tx, conn => done(sqlx::query("delete from logged_model_tags where model_seq = $1").bind(model_seq).execute(conn).await?));
    Ok(())
}

/// Lists all points that were measured on a logged model.
pub async fn model_points(tx: &mut Tx, model_id: &str, model_seq: i64) -> Result<Vec<ModelPoint>> {
    type Row = (String, String, String, String, i64, i64, i64);
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "select r.id, m.dataset_name, m.dataset_digest, m.key, m.bits, m.timestamp, m.step
         from logged_model_metrics m join runs r on r.seq = m.run_seq where m.model_seq = $1")
        .bind(model_seq).fetch_all(conn).await?);
    let point = |(run_id, dataset_name, dataset_digest, key, bits, timestamp, step): Row| {
        let point = MetricPoint { key, value: Number(from_bits(bits)), timestamp, step };
        ModelPoint { model_id: model_id.to_owned(), run_id, dataset_name, dataset_digest, point }
    };
    Ok(rows.into_iter().map(point).collect())
}

/// Lets the next version of a registered model have the number after `last`, unless there are later ones.
pub async fn skip_versions(tx: &mut Tx, workspace: &str, model_id: &str, last: i64) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "update registered_models set last_version = $3 where workspace = $1 and id = $2 and last_version < $3")
        .bind(workspace).bind(model_id).bind(last).execute(conn).await?));
    Ok(())
}

/// Gives a version the description, the state and the message that it has at its source.
pub async fn update_version(tx: &mut Tx, workspace: &str, id: &str, version: &MovedVersion) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "update model_versions set description = $3, state = $4, state_message = $5, run_link = $6, row_version = row_version + 1
         where workspace = $1 and id = $2")
        .bind(workspace).bind(id).bind(&version.description).bind(version.state.as_str()).bind(&version.state_message)
        .bind(&version.run_link).execute(conn).await?));
    Ok(())
}

/// Gives a registered model the description and the times that it has at its source.
pub async fn update_registered(tx: &mut Tx, workspace: &str, id: &str, model: &MovedRegistered) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "update registered_models set description = $3, created_at = $4, updated_at = $5 where workspace = $1 and id = $2")
        .bind(workspace).bind(id).bind(&model.description).bind(model.created_at.0).bind(model.updated_at.0).execute(conn).await?));
    Ok(())
}

/// Gives a version the times that it has at its source.
pub async fn date_version(
    tx: &mut Tx,
    workspace: &str,
    model_id: &str,
    number: i64,
    (created, updated): (Timestamp, Timestamp),
) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "update model_versions set created_at = $4, updated_at = $5 where workspace = $1 and model_id = $2 and version = $3")
        .bind(workspace).bind(model_id).bind(number).bind(created.0).bind(updated.0).execute(conn).await?));
    Ok(())
}

/// Deletes the tags of a registered model, for others to take their place.
pub async fn clear_registered_tags(tx: &mut Tx, model_id: &str) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from model_tags where model_id = $1").bind(model_id).execute(conn).await?));
    Ok(())
}

/// Deletes the tags of a version, for others to take their place.
pub async fn clear_version_tags(tx: &mut Tx, version_id: &str) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from model_version_tags where model_version_id = $1").bind(version_id).execute(conn).await?));
    Ok(())
}
