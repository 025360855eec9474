//! Logged models, their params and tags, and the points that were measured on them. The search is in `logged_model_search`.

use std::collections::HashMap;

use super::sql::{Dialect, Sql, execute, fetch};
use crate::domain::logged_model::{LoggedModel, LoggedModelStatus, ModelPoint};
use crate::domain::run::{MetricPoint, Number};
use crate::domain::time::Timestamp;
use crate::domain::tracking::{Pair, Stage};
use crate::store::run::{from_bits, to_bits};
use crate::store::{Error, Result, Tx, done, on};

/// Points of one answer; many models share them evenly.
const MOST_POINTS: usize = 50_000;

/// Where logged models keep their files.
pub(super) const ARTIFACT_URI: &str = "(select case when e.artifact_location = '' then 'mlflow-artifacts:/' || e.id \
     else e.artifact_location end from experiments e where e.id = l.experiment_id) || '/models/' || l.id || '/artifacts'";

/// A model to be inserted.
#[derive(Clone, Copy, Debug)]
pub struct NewLoggedModel<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its experiment.
    pub experiment_id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its kind, in the client's words.
    pub model_type: &'a str,
    /// The run that makes it, or nothing.
    pub source_run_id: &'a str,
}

pub(super) type Row = (i64, String, String, String, String, String, String, String, String, i64, i64);

/// The columns of a [`Row`]; models are `l`.
pub(super) fn columns() -> String {
    format!(
        "select l.seq, l.id, l.experiment_id, l.name, {ARTIFACT_URI}, l.status, l.model_type, l.source_run_id, l.lifecycle_stage,
            l.created_at, l.updated_at"
    )
}

/// Inserts a model whose files are on their way, and returns its surrogate.
pub async fn insert(tx: &mut Tx, workspace: &str, model: NewLoggedModel<'_>, at: Timestamp) -> Result<i64> {
    Ok(on!(tx, conn => sqlx::query_scalar(
        "insert into logged_models
            (id, workspace, experiment_id, name, status, model_type, source_run_id, lifecycle_stage, created_at, updated_at)
         values ($1, $2, $3, $4, 'PENDING', $5, $6, 'active', $7, $7) returning seq")
        .bind(model.id).bind(workspace).bind(model.experiment_id).bind(model.name).bind(model.model_type).bind(model.source_run_id)
        .bind(at.0).fetch_one(conn).await?))
}

/// Finds a model, deleted or not, with its surrogate.
pub async fn find(tx: &mut Tx, workspace: &str, id: &str) -> Result<Option<(i64, LoggedModel)>> {
    let mut sql = Sql::new(Dialect::of(tx), &columns());
    sql.push(" from logged_models l where l.workspace = ").text(workspace).push(" and l.id = ").text(id);
    let rows: Vec<Row> = fetch!(tx, sql);
    let seq = rows.first().map(|row| row.0);
    Ok(seq.zip(fill(tx, rows).await?.pop()))
}

/// Returns where a model that is not deleted keeps its files.
pub async fn find_uri(tx: &mut Tx, workspace: &str, id: &str) -> Result<Option<String>> {
    let mut sql = Sql::new(Dialect::of(tx), &format!("select {ARTIFACT_URI} from logged_models l where l.workspace = "));
    sql.text(workspace).push(" and l.id = ").text(id).push(" and l.lifecycle_stage = 'active'");
    let rows: Vec<(String,)> = fetch!(tx, sql);
    Ok(rows.into_iter().next().map(|(uri,)| uri))
}

/// Finds the surrogates of models, deleted or not, by id.
pub async fn find_seqs(tx: &mut Tx, workspace: &str, ids: &[&str]) -> Result<HashMap<String, i64>> {
    let mut found = HashMap::with_capacity(ids.len());
    for chunk in ids.chunks(500) {
        let mut sql = Sql::new(Dialect::of(tx), "select id, seq from logged_models where workspace = ");
        sql.text(workspace).push(" and id in ").texts(chunk.iter().copied());
        let rows: Vec<(String, i64)> = fetch!(tx, sql);
        found.extend(rows);
    }
    Ok(found)
}

/// Keeps others who lock the model away from it until the end of the transaction.
pub async fn lock(tx: &mut Tx, workspace: &str, id: &str) -> Result<()> {
    on!(tx, conn => done(sqlx::query("update logged_models set updated_at = updated_at where workspace = $1 and id = $2")
        .bind(workspace).bind(id).execute(conn).await?));
    Ok(())
}

/// Moves a model to a status.
pub async fn set_status(tx: &mut Tx, seq: i64, status: LoggedModelStatus, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query("update logged_models set status = $2, updated_at = $3 where seq = $1")
        .bind(seq).bind(status.as_str()).bind(at.0).execute(conn).await?));
    Ok(())
}

/// Deletes a model for now; false when it was.
pub async fn delete(tx: &mut Tx, seq: i64, at: Timestamp) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query(
        "update logged_models set lifecycle_stage = 'deleted', updated_at = $2 where seq = $1 and lifecycle_stage = 'active'")
        .bind(seq).bind(at.0).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Adds params; returns the first that is there with another value: key, value there, value given.
pub async fn add_params(tx: &mut Tx, seq: i64, params: &[Pair]) -> Result<Option<(String, String, String)>> {
    for pair in sorted(params) {
        let added = on!(tx, conn => sqlx::query(
            "insert into logged_model_params (model_seq, key, value) values ($1, $2, $3) on conflict (model_seq, key) do nothing")
            .bind(seq).bind(&pair.key).bind(&pair.value).execute(conn).await?.rows_affected());
        if added == 1 {
            continue;
        }
        let there: String = on!(tx, conn => sqlx::query_scalar("select value from logged_model_params where model_seq = $1 and key = $2")
            .bind(seq).bind(&pair.key).fetch_one(conn).await?);
        if there != pair.value {
            return Ok(Some((pair.key.clone(), there, pair.value.clone())));
        }
    }
    Ok(None)
}

/// Sets tags; the last value of a key stays.
pub async fn set_tags(tx: &mut Tx, seq: i64, tags: &[Pair]) -> Result<()> {
    for pair in sorted(tags) {
        on!(tx, conn => done(sqlx::query(
            "insert into logged_model_tags (model_seq, key, value) values ($1, $2, $3)
             on conflict (model_seq, key) do update set value = excluded.value")
            .bind(seq).bind(&pair.key).bind(&pair.value).execute(conn).await?));
    }
    Ok(())
}

/// Sorts by key, so that two transactions lock rows in the same sequence; equal keys stay in theirs.
fn sorted(pairs: &[Pair]) -> Vec<&Pair> {
    let mut sorted: Vec<&Pair> = pairs.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    sorted
}

/// Deletes a tag; false when there is none.
pub async fn delete_tag(tx: &mut Tx, seq: i64, key: &str) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query("delete from logged_model_tags where model_seq = $1 and key = $2")
        .bind(seq).bind(key).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Appends points, each with the surrogate of its model; one that is there already changes nothing.
pub async fn append_metrics(tx: &mut Tx, run_seq: i64, points: &[(i64, &ModelPoint)]) -> Result<()> {
    // in one sequence by all, so that two requests can't wait for each other
    let mut sorted: Vec<&(i64, &ModelPoint)> = points.iter().collect();
    sorted.sort_by_key(|(seq, of)| (*seq, &of.point.key, of.point.timestamp, of.point.step, to_bits(of.point.value.0)));
    for chunk in sorted.chunks(200) {
        let mut sql = Sql::new(
            Dialect::of(tx),
            "insert into logged_model_metrics (model_seq, key, timestamp, step, run_seq, bits, dataset_name, dataset_digest) values ",
        );
        for (i, (seq, of)) in chunk.iter().enumerate() {
            sql.push(if i == 0 { "(" } else { ", (" }).number(*seq).push(", ").text(&of.point.key).push(", ").number(of.point.timestamp);
            sql.push(", ").number(of.point.step).push(", ").number(run_seq).push(", ").number(to_bits(of.point.value.0));
            sql.push(", ").text(&of.dataset_name).push(", ").text(&of.dataset_digest).push(")");
        }
        sql.push(" on conflict do nothing");
        let _rows = execute!(tx, sql);
    }
    Ok(())
}

/// Makes models of rows and reads what belongs to them, a round trip per kind for many at once.
pub(super) async fn fill(tx: &mut Tx, rows: Vec<Row>) -> Result<Vec<LoggedModel>> {
    let mut at: HashMap<i64, usize> = HashMap::with_capacity(rows.len());
    let mut seqs = Vec::with_capacity(rows.len());
    let mut models = Vec::with_capacity(rows.len());
    for (i, row) in rows.into_iter().enumerate() {
        at.insert(row.0, i);
        seqs.push(row.0);
        models.push(model(row)?);
    }
    let most = (MOST_POINTS / seqs.len().max(1)).max(1).cast_signed() as i64;
    for chunk in seqs.chunks(500) {
        for table in ["logged_model_params", "logged_model_tags"] {
            let mut sql = Sql::new(Dialect::of(tx), &format!("select model_seq, key, value from {table} where model_seq in "));
            sql.numbers(chunk.iter().copied()).push(" order by model_seq, key");
            let rows: Vec<(i64, String, String)> = fetch!(tx, sql);
            for (seq, key, value) in rows {
                if let Some(model) = at.get(&seq).and_then(|i| models.get_mut(*i)) {
                    let pairs = if table == "logged_model_params" { &mut model.params } else { &mut model.tags };
                    pairs.push(Pair { key, value });
                }
            }
        }
        for (seq, mut point) in points(tx, chunk, most).await? {
            if let Some(model) = at.get(&seq).and_then(|i| models.get_mut(*i)) {
                point.model_id.clone_from(&model.model_id);
                model.metrics.push(point);
            }
        }
    }
    Ok(models)
}

fn model(row: Row) -> Result<LoggedModel> {
    let (_, model_id, experiment_id, name, artifact_uri, status, model_type, source_run_id, stage, created_at, updated_at) = row;
    let bad = |column, value| Error::decode("logged_models", column, &model_id, value);
    Ok(LoggedModel {
        status: LoggedModelStatus::parse(&status).ok_or_else(|| bad("status", status))?,
        stage: Stage::parse(&stage).ok_or_else(|| bad("lifecycle_stage", stage))?,
        model_id,
        experiment_id,
        name,
        artifact_uri,
        model_type,
        source_run_id,
        created_at: Timestamp(created_at),
        updated_at: Timestamp(updated_at),
        params: Vec::new(),
        tags: Vec::new(),
        metrics: Vec::new(),
    })
}

/// Lists the latest `most` points of each model, without its id.
async fn points(tx: &mut Tx, seqs: &[i64], most: i64) -> Result<Vec<(i64, ModelPoint)>> {
    type PointRow = (i64, String, i64, i64, i64, String, String, String);
    let mut sql = Sql::new(
        Dialect::of(tx),
        "select p.model_seq, p.key, p.step, p.timestamp, p.bits, p.dataset_name, p.dataset_digest, r.id from (
            select m.*, row_number() over (partition by m.model_seq order by m.timestamp desc, m.step desc, m.key, m.run_seq) as n
            from logged_model_metrics m where m.model_seq in ",
    );
    sql.numbers(seqs.iter().copied()).push(") p join runs r on r.seq = p.run_seq where p.n <= ").number(most);
    sql.push(" order by p.model_seq, p.key, p.step, p.timestamp, p.run_seq, p.dataset_name, p.dataset_digest, p.bits");
    let rows: Vec<PointRow> = fetch!(tx, sql);
    let point = |(seq, key, step, timestamp, bits, dataset_name, dataset_digest, run_id): PointRow| {
        let point = MetricPoint { key, value: Number(from_bits(bits)), timestamp, step };
        (seq, ModelPoint { model_id: String::new(), run_id, dataset_name, dataset_digest, point })
    };
    Ok(rows.into_iter().map(point).collect())
}
