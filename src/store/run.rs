//! Experiments, runs, params and metric points.

use std::collections::BTreeMap;

use super::{Error, Result, Tx, done, on};
use crate::domain::run::{Experiment, MetricPoint, Number, Run, RunStatus};
use crate::domain::time::Timestamp;

/// A run to be inserted.
#[derive(Clone, Debug)]
pub struct NewRun<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its experiment.
    pub experiment_id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Where it starts.
    pub status: RunStatus,
    /// Who started it.
    pub user: &'a str,
    /// The job that will work on it.
    pub job_id: Option<&'a str>,
}

/// Finds the active experiment of a name, or makes it under `id`.
pub async fn ensure_experiment(tx: &mut Tx, workspace: &str, name: &str, id: &str, at: Timestamp) -> Result<Experiment> {
    on!(tx, conn => done(sqlx::query(
        "insert into experiments (id, workspace, name, artifact_location, lifecycle_stage, created_at, updated_at)
         values ($1, $2, $3, '', 'active', $4, $4) on conflict (workspace, name) where lifecycle_stage = 'active' do nothing")
        .bind(id).bind(workspace).bind(name).bind(at.0).execute(conn).await?));
    let (experiment_id, created_at): (String, i64) = on!(tx, conn => sqlx::query_as(
        "select id, created_at from experiments where workspace = $1 and name = $2 and lifecycle_stage = 'active'")
        .bind(workspace).bind(name).fetch_one(conn).await?);
    Ok(Experiment { experiment_id, name: name.to_owned(), created_at: Timestamp(created_at) })
}

/// Lists active experiments by name after `after`.
pub async fn list_experiments(tx: &mut Tx, workspace: &str, after: &str, limit: i64) -> Result<Vec<Experiment>> {
    let rows: Vec<(String, String, i64)> = on!(tx, conn => sqlx::query_as(
        "select id, name, created_at from experiments where workspace = $1 and lifecycle_stage = 'active' and name > $2 order by name limit $3")
        .bind(workspace).bind(after).bind(limit).fetch_all(conn).await?);
    Ok(rows.into_iter().map(|(experiment_id, name, at)| Experiment { experiment_id, name, created_at: Timestamp(at) }).collect())
}

/// Inserts a run.
pub async fn insert(tx: &mut Tx, workspace: &str, run: &NewRun<'_>, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into runs (id, workspace, experiment_id, name, status, user_id, job_id, attempt_no, start_time, lifecycle_stage, row_version)
         values ($1, $2, $3, $4, $5, $6, $7, 0, $8, 'active', 1)")
        .bind(run.id).bind(workspace).bind(run.experiment_id).bind(run.name).bind(run.status.as_str())
        .bind(run.user).bind(run.job_id).bind(at.0).execute(conn).await?));
    Ok(())
}

type Row = (i64, String, String, String, String, String, Option<String>, i64, Option<i64>);

/// Finds a run with its params and latest metrics.
pub async fn find(tx: &mut Tx, workspace: &str, id: &str) -> Result<Option<Run>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(
        "select seq, id, name, experiment_id, status, user_id, job_id, start_time, end_time from runs where workspace = $1 and id = $2")
        .bind(workspace).bind(id).fetch_optional(conn).await?);
    let Some(row) = row else { return Ok(None) };
    Ok(Some(fill(tx, row).await?))
}

/// Lists runs, newest first, of one experiment or of all.
pub async fn list(tx: &mut Tx, workspace: &str, experiment: Option<&str>, before: Option<&str>, limit: i64) -> Result<Vec<Run>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "select seq, id, name, experiment_id, status, user_id, job_id, start_time, end_time from runs
         where workspace = $1 and lifecycle_stage = 'active' and ($2 = '' or experiment_id = $2) and ($3 = '' or id < $3)
         order by id desc limit $4")
        .bind(workspace).bind(experiment.unwrap_or("")).bind(before.unwrap_or("")).bind(limit).fetch_all(conn).await?);
    let mut runs = Vec::with_capacity(rows.len());
    for row in rows {
        runs.push(fill(tx, row).await?);
    }
    Ok(runs)
}

async fn fill(tx: &mut Tx, row: Row) -> Result<Run> {
    let (seq, run_id, run_name, experiment_id, status, user_id, job_id, start_time, end_time) = row;
    let status = RunStatus::parse(&status).ok_or_else(|| Error::decode("runs", "status", &run_id, status))?;
    let params: Vec<(String, String)> =
        on!(tx, conn => sqlx::query_as("select key, value from params where run_seq = $1").bind(seq).fetch_all(conn).await?);
    let metrics: Vec<(String, i64)> =
        on!(tx, conn => sqlx::query_as("select key, latest_bits from metric_keys where run_seq = $1").bind(seq).fetch_all(conn).await?);
    Ok(Run {
        run_id,
        run_name,
        experiment_id,
        status,
        user_id,
        job_id,
        start_time: Timestamp(start_time),
        end_time: end_time.map(Timestamp),
        params: params.into_iter().collect(),
        metrics: metrics.into_iter().map(|(key, bits)| (key, Number(from_bits(bits)))).collect(),
    })
}

/// Moves a run to a status.
pub async fn set_status(tx: &mut Tx, workspace: &str, id: &str, status: RunStatus, end_time: Option<Timestamp>) -> Result<()> {
    on!(tx, conn => done(sqlx::query("update runs set status = $3, end_time = $4, row_version = row_version + 1 where workspace = $1 and id = $2")
        .bind(workspace).bind(id).bind(status.as_str()).bind(end_time.map(|t| t.0)).execute(conn).await?));
    Ok(())
}

/// Returns the surrogate of a run.
pub async fn find_seq(tx: &mut Tx, workspace: &str, id: &str) -> Result<Option<i64>> {
    Ok(on!(tx, conn => sqlx::query_scalar("select seq from runs where workspace = $1 and id = $2")
        .bind(workspace).bind(id).fetch_optional(conn).await?))
}

/// Sets params; the last value of a key stays.
pub async fn set_params(tx: &mut Tx, run_seq: i64, params: &BTreeMap<String, String>) -> Result<()> {
    for (key, value) in params {
        on!(tx, conn => done(sqlx::query(
            "insert into params (run_seq, key, value) values ($1, $2, $3) on conflict (run_seq, key) do update set value = excluded.value")
            .bind(run_seq).bind(key).bind(value).execute(conn).await?));
    }
    Ok(())
}

/// Notes that a run reads a data set version.
pub async fn add_input(tx: &mut Tx, run_seq: i64, dataset_version_id: &str, context: &str) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into run_inputs (run_seq, dataset_version_id, context) values ($1, $2, $3) on conflict do nothing")
        .bind(run_seq).bind(dataset_version_id).bind(context).execute(conn).await?));
    Ok(())
}

/// Lists the digests of the data that a run reads.
pub async fn input_digests(tx: &mut Tx, run_seq: i64) -> Result<Vec<String>> {
    Ok(on!(tx, conn => sqlx::query_scalar(
        "select distinct v.digest from run_inputs i join dataset_versions v on v.id = i.dataset_version_id
         where i.run_seq = $1 and v.digest is not null order by v.digest")
        .bind(run_seq).fetch_all(conn).await?))
}

/// Appends points as a set: one that is there already changes nothing. Keys are locked in their order, so that two batches
/// can't wait for each other.
pub async fn append_metrics(tx: &mut Tx, run_seq: i64, attempt_no: i64, points: &[MetricPoint]) -> Result<()> {
    super::tracking::metric::append(tx, run_seq, attempt_no, points).await
}

/// Hides the points of earlier attempts above `step`, and finds the latest of what stays visible.
pub async fn supersede(tx: &mut Tx, run_seq: i64, attempt_no: i64, step: i64) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "update metric_points set superseded = true
         where key_seq in (select seq from metric_keys where run_seq = $1) and attempt_no < $2 and step > $3 and not superseded")
        .bind(run_seq).bind(attempt_no).bind(step).execute(conn).await?));
    let keys: Vec<i64> =
        on!(tx, conn => sqlx::query_scalar("select seq from metric_keys where run_seq = $1").bind(run_seq).fetch_all(conn).await?);
    for key in keys {
        let points: Vec<(i64, i64, i64)> = on!(tx, conn => sqlx::query_as(
            "select step, timestamp, bits from metric_points where key_seq = $1 and not superseded")
            .bind(key).fetch_all(conn).await?);
        // what charts keep of the key holds no more
        on!(tx, conn => done(sqlx::query("delete from metric_rollups where key_seq = $1").bind(key).execute(conn).await?));
        let Some(latest) = points.iter().copied().reduce(|a, b| if later(b, a) { b } else { a }) else {
            on!(tx, conn => done(sqlx::query("delete from metric_points where key_seq = $1").bind(key).execute(conn).await?));
            on!(tx, conn => done(sqlx::query("delete from metric_keys where seq = $1").bind(key).execute(conn).await?));
            continue;
        };
        on!(tx, conn => done(sqlx::query(
            "update metric_keys set latest_step = $2, latest_timestamp = $3, latest_bits = $4, points = $5, rewrites = rewrites + 1
             where seq = $1")
            .bind(key).bind(latest.0).bind(latest.1).bind(latest.2).bind(points.len().cast_signed() as i64).execute(conn).await?));
    }
    Ok(())
}

/// Lists the visible points of a metric by step, timestamp and value bits after a position.
pub async fn history(tx: &mut Tx, run_seq: i64, key: &str, after: (i64, i64, i64), limit: i64) -> Result<Vec<(i64, i64, i64)>> {
    Ok(on!(tx, conn => sqlx::query_as(
        "select p.step, p.timestamp, p.bits from metric_points p join metric_keys k on k.seq = p.key_seq
         where k.run_seq = $1 and k.key = $2 and not p.superseded and (p.step, p.timestamp, p.bits) > ($3, $4, $5)
         order by p.step, p.timestamp, p.bits limit $6")
        .bind(run_seq).bind(key).bind(after.0).bind(after.1).bind(after.2).bind(limit).fetch_all(conn).await?))
}

/// Orders points as MLflow does for "latest": by step, then timestamp, then value; NaN is below every number.
pub(crate) fn later(a: (i64, i64, i64), b: (i64, i64, i64)) -> bool {
    let value = |bits| Some(from_bits(bits)).filter(|v| !v.is_nan()).map_or(f64::NEG_INFINITY, |v| v);
    (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| value(a.2).total_cmp(&value(b.2))).is_gt()
}

/// The column form of a double.
pub fn to_bits(value: f64) -> i64 {
    value.to_bits().cast_signed()
}

/// The double of a column.
pub fn from_bits(bits: i64) -> f64 {
    f64::from_bits(bits.cast_unsigned())
}
