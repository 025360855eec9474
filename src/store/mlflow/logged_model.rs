//! Logged models in MLflow's database.

use std::collections::HashMap;

use crate::domain::logged_model::{LoggedModel, LoggedModelStatus, ModelPoint};
use crate::domain::run::{MetricPoint, Number};
use crate::domain::time::Timestamp;
use crate::domain::tracking::{Pair, Stage};
use crate::store::tracking::sql::{Dialect, Sql, fetch};
use crate::store::{Error, Result, Tx, on};

type Row = (String, String, String, i64, i64, i64, Option<String>, Option<String>);

/// Lists logged models of an experiment that are not deleted, by id after `after`, with all points that were measured on them.
pub async fn list(tx: &mut Tx, experiment_id: i64, after: &str, limit: i64) -> Result<Vec<LoggedModel>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "select model_id, name, artifact_location, creation_timestamp_ms, last_updated_timestamp_ms, cast(status as bigint), model_type,
            source_run_id
         from logged_models where experiment_id = $1 and model_id > $2 and lifecycle_stage = 'active' order by model_id limit $3")
        .bind(experiment_id).bind(after).bind(limit).fetch_all(conn).await?);
    let mut at = HashMap::with_capacity(rows.len());
    let mut models = Vec::with_capacity(rows.len());
    for (i, row) in rows.into_iter().enumerate() {
        at.insert(row.0.clone(), i);
        models.push(model(row, experiment_id)?);
    }
    if models.is_empty() {
        return Ok(models);
    }
    for (table, key, value) in [("logged_model_params", "param_key", "param_value"), ("logged_model_tags", "tag_key", "tag_value")] {
        let mut sql = Sql::new(Dialect::of(tx), &format!("select model_id, {key}, {value} from {table} where model_id in "));
        sql.texts(at.keys().map(String::as_str));
        let found: Vec<(String, String, String)> = fetch!(tx, sql);
        for (id, key, value) in found {
            let Some(model) = at.get(&id).and_then(|i| models.get_mut(*i)) else { continue };
            let pairs = if table == "logged_model_params" { &mut model.params } else { &mut model.tags };
            pairs.push(Pair { key, value });
        }
    }
    for (id, point) in points(tx, &at).await? {
        if let Some(model) = at.get(&id).and_then(|i| models.get_mut(*i)) {
            model.metrics.push(point);
        }
    }
    Ok(models)
}

fn model(
    (model_id, name, artifact_uri, created, updated, status, model_type, source_run_id): Row,
    experiment_id: i64,
) -> Result<LoggedModel> {
    let status = match status {
        1 => LoggedModelStatus::Pending,
        2 => LoggedModelStatus::Ready,
        3 => LoggedModelStatus::Failed,
        other => return Err(Error::decode("logged_models", "status", &model_id, other)),
    };
    Ok(LoggedModel {
        model_id,
        experiment_id: experiment_id.to_string(),
        name,
        artifact_uri,
        status,
        model_type: model_type.unwrap_or_default(),
        source_run_id: source_run_id.unwrap_or_default(),
        stage: Stage::Active,
        created_at: Timestamp(created),
        updated_at: Timestamp(updated),
        params: Vec::new(),
        tags: Vec::new(),
        metrics: Vec::new(),
    })
}

async fn points(tx: &mut Tx, models: &HashMap<String, usize>) -> Result<Vec<(String, ModelPoint)>> {
    type Point = (String, String, i64, i64, Option<f64>, String, Option<String>, Option<String>);
    let mut sql = Sql::new(
        Dialect::of(tx),
        "select model_id, metric_name, metric_timestamp_ms, metric_step, metric_value, run_id, dataset_name, dataset_digest
         from logged_model_metrics where model_id in ",
    );
    sql.texts(models.keys().map(String::as_str));
    let rows: Vec<Point> = fetch!(tx, sql);
    let point = |(model_id, key, timestamp, step, value, run_id, dataset_name, dataset_digest): Point| {
        let of = ModelPoint {
            model_id: model_id.clone(),
            run_id,
            dataset_name: dataset_name.unwrap_or_default(),
            dataset_digest: dataset_digest.unwrap_or_default(),
            point: MetricPoint { key, value: Number(value.unwrap_or(f64::NAN)), timestamp, step },
        };
        (model_id, of)
    };
    Ok(rows.into_iter().map(point).collect())
}
