//! Runs, their params and tags, and the search over them.

use std::collections::HashMap;

use super::filter::{self, ARTIFACT_URI};
use super::input;
use super::order::{join, push_after, push_order};
use super::sql::{Dialect, Sql, execute, fetch};
use crate::domain::run::{MetricPoint, Number, RunStatus};
use crate::domain::search::{Clause, Cursor, Op, OrderBy, OrderField};
use crate::domain::tracking::{Pair, RunInfo, Stage, TrackedRun, View};
use crate::store::run::from_bits;
use crate::store::{Error, Result, Tx, done, on};

/// A run to be inserted.
#[derive(Clone, Debug)]
pub struct NewTrackedRun<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its experiment.
    pub experiment_id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Who started it.
    pub user: &'a str,
    /// When it started, by the client's clock.
    pub start_time: i64,
}

type Row = (i64, String, String, String, String, String, Option<String>, i64, Option<i64>, String, String);

fn columns() -> String {
    format!(
        "select r.seq, r.id, r.name, r.experiment_id, r.status, r.user_id, r.job_id, r.start_time, r.end_time, r.lifecycle_stage, {ARTIFACT_URI}"
    )
}

fn info(row: Row) -> Result<(i64, RunInfo)> {
    let (seq, run_id, run_name, experiment_id, status, user_id, job_id, start_time, end_time, stage, artifact_uri) = row;
    let status = RunStatus::parse(&status).ok_or_else(|| Error::decode("runs", "status", &run_id, status))?;
    let stage = Stage::parse(&stage).ok_or_else(|| Error::decode("runs", "lifecycle_stage", &run_id, stage))?;
    let info = RunInfo { run_id, run_name, experiment_id, status, user_id, job_id, start_time, end_time, stage, artifact_uri };
    Ok((seq, info))
}

/// Finds a run, deleted or not, with its surrogate.
pub async fn find_info(tx: &mut Tx, workspace: &str, id: &str) -> Result<Option<(i64, RunInfo)>> {
    let mut sql = Sql::new(Dialect::of(tx), &columns());
    sql.push(" from runs r where r.workspace = ").text(workspace).push(" and r.id = ").text(id);
    let mut rows: Vec<Row> = fetch!(tx, sql);
    rows.pop().map(info).transpose()
}

/// Finds a run with all that it logged.
pub async fn find(tx: &mut Tx, workspace: &str, id: &str) -> Result<Option<TrackedRun>> {
    let Some(found) = find_info(tx, workspace, id).await? else { return Ok(None) };
    Ok(fill(tx, vec![found]).await?.pop())
}

/// Where a search looks.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The workspace.
    pub workspace: &'a str,
    /// The experiments.
    pub experiments: &'a [String],
    /// The stages.
    pub view: View,
}

/// Lists up to `limit` runs that pass all clauses, after a position.
pub async fn search(
    tx: &mut Tx,
    scope: Scope<'_>,
    filter: &[Clause],
    (order, after): (&[OrderBy], Option<&Cursor>),
    limit: i64,
) -> Result<Vec<TrackedRun>> {
    if scope.experiments.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(Dialect::of(tx), &columns());
    let driver = driver(filter, order);
    // `cross join` keeps SQLite to this sequence: from the best value down, not from the first run on
    sql.push(if driver.is_some() { " from metric_keys o0 cross join runs r" } else { " from runs r" });
    let terms = join(&mut sql, order, driver.is_some());
    sql.push(" where r.workspace = ").text(scope.workspace).push(" and r.experiment_id in ");
    sql.texts(scope.experiments.iter().map(String::as_str)).push(" and r.lifecycle_stage in ");
    sql.texts(scope.view.stages().iter().map(|stage| stage.as_str()));
    for (i, clause) in filter.iter().enumerate() {
        match clause {
            Clause::Metric { key, op, value } if driver == Some(i) => {
                sql.push(" and o0.run_seq = r.seq and o0.key = ").text(key).push(" and ");
                filter::metric(&mut sql, "o0", *op, *value);
            }
            clause => filter::push(&mut sql, clause),
        }
    }
    if let Some(cursor) = after {
        push_after(&mut sql, &terms, cursor);
    }
    push_order(&mut sql, &terms);
    sql.push(" limit ").number(limit);
    let rows: Vec<Row> = fetch!(tx, sql);
    let infos = rows.into_iter().map(info).collect::<Result<Vec<_>>>()?;
    fill(tx, infos).await
}

/// Finds a clause that makes every result have a number for the metric that is ordered by first: the index by value can then
/// be walked in that order.
fn driver(filter: &[Clause], order: &[OrderBy]) -> Option<usize> {
    let OrderField::Metric(wanted) = &order.first()?.field else { return None };
    filter.iter().position(|clause| matches!(clause, Clause::Metric { key, op, .. } if key == wanted && *op != Op::NotEqual))
}

/// Reads what runs logged, a round trip per kind for many runs at once.
async fn fill(tx: &mut Tx, infos: Vec<(i64, RunInfo)>) -> Result<Vec<TrackedRun>> {
    let mut at: HashMap<i64, usize> = HashMap::with_capacity(infos.len());
    let mut runs = Vec::with_capacity(infos.len());
    for (i, (seq, info)) in infos.into_iter().enumerate() {
        at.insert(seq, i);
        runs.push(TrackedRun { info, metrics: Vec::new(), params: Vec::new(), tags: Vec::new(), inputs: Vec::new() });
    }
    let mut seqs: Vec<i64> = at.keys().copied().collect();
    seqs.sort_unstable();
    for chunk in seqs.chunks(1000) {
        for table in ["params", "run_tags"] {
            let mut sql = Sql::new(Dialect::of(tx), &format!("select run_seq, key, value from {table} where run_seq in "));
            sql.numbers(chunk.iter().copied()).push(" order by run_seq, key");
            let rows: Vec<(i64, String, String)> = fetch!(tx, sql);
            for (seq, key, value) in rows {
                if let Some(run) = at.get(&seq).and_then(|i| runs.get_mut(*i)) {
                    if table == "params" { &mut run.params } else { &mut run.tags }.push(Pair { key, value });
                }
            }
        }
        let mut sql =
            Sql::new(Dialect::of(tx), "select run_seq, key, latest_step, latest_timestamp, latest_bits from metric_keys where run_seq in ");
        sql.numbers(chunk.iter().copied()).push(" order by run_seq, key");
        let rows: Vec<(i64, String, i64, i64, i64)> = fetch!(tx, sql);
        for (seq, key, step, timestamp, bits) in rows {
            if let Some(run) = at.get(&seq).and_then(|i| runs.get_mut(*i)) {
                run.metrics.push(MetricPoint { key, value: Number(from_bits(bits)), timestamp, step });
            }
        }
        for (seq, dataset) in input::list(tx, chunk).await? {
            if let Some(run) = at.get(&seq).and_then(|i| runs.get_mut(*i)) {
                run.inputs.push(dataset);
            }
        }
    }
    Ok(runs)
}

/// Changes what is given of a run's status, end and name.
pub async fn update(tx: &mut Tx, run_seq: i64, status: Option<RunStatus>, end_time: Option<i64>, name: Option<&str>) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "update runs set status = coalesce($2, status), end_time = coalesce($3, end_time), name = coalesce($4, name),
            row_version = row_version + 1 where seq = $1")
        .bind(run_seq).bind(status.map(RunStatus::as_str)).bind(end_time).bind(name).execute(conn).await?));
    Ok(())
}

/// Moves a run to a stage.
pub async fn set_stage(tx: &mut Tx, run_seq: i64, stage: Stage) -> Result<()> {
    on!(tx, conn => done(sqlx::query("update runs set lifecycle_stage = $2, row_version = row_version + 1 where seq = $1")
        .bind(run_seq).bind(stage.as_str()).execute(conn).await?));
    Ok(())
}

/// Sets tags; the last value of a key stays.
pub async fn set_tags(tx: &mut Tx, run_seq: i64, tags: &[Pair]) -> Result<()> {
    let mut distinct: Vec<&Pair> = Vec::with_capacity(tags.len());
    for pair in sorted(tags) {
        match distinct.last_mut() {
            Some(last) if last.key == pair.key => *last = pair,
            _ => distinct.push(pair),
        }
    }
    for chunk in distinct.chunks(500) {
        let mut sql = Sql::new(Dialect::of(tx), "insert into run_tags (run_seq, key, value) values ");
        rows(&mut sql, run_seq, chunk);
        sql.push(" on conflict (run_seq, key) do update set value = excluded.value");
        let _rows = execute!(tx, sql);
    }
    Ok(())
}

/// Sorts by key, so that two transactions lock rows in the same sequence; equal keys stay in theirs.
fn sorted(pairs: &[Pair]) -> Vec<&Pair> {
    let mut sorted: Vec<&Pair> = pairs.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    sorted
}

fn rows(sql: &mut Sql, run_seq: i64, pairs: &[&Pair]) {
    for (i, pair) in pairs.iter().enumerate() {
        sql.push(if i == 0 { "(" } else { ", (" }).number(run_seq).push(", ").text(&pair.key).push(", ").text(&pair.value).push(")");
    }
}

/// Deletes a tag; false when there is none.
pub async fn delete_tag(tx: &mut Tx, run_seq: i64, key: &str) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query("delete from run_tags where run_seq = $1 and key = $2")
        .bind(run_seq).bind(key).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}
