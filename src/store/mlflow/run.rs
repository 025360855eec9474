//! Runs in MLflow's database, with all that they logged.

use std::collections::HashMap;

use super::Schema;
use crate::domain::logged_model::ModelOutput;
use crate::domain::moving::MovedRun;
use crate::domain::run::{MetricPoint, Number, RunStatus};
use crate::domain::tracking::{DatasetInput, LoggedDataset, Pair, Stage};
use crate::store::tracking::sql::{Dialect, Sql, fetch};
use crate::store::{Error, Result, Tx, on};

/// Lists runs of an experiment by id after `after`.
pub async fn list(tx: &mut Tx, schema: Schema, experiment_id: i64, after: &str, limit: i64) -> Result<Vec<MovedRun>> {
    type Row = (String, Option<String>, Option<String>, Option<String>, Option<i64>, Option<i64>, Option<String>, Option<String>);
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "select run_uuid, name, status, user_id, start_time, end_time, lifecycle_stage, artifact_uri from runs
         where experiment_id = $1 and run_uuid > $2 order by run_uuid limit $3")
        .bind(experiment_id).bind(after).bind(limit).fetch_all(conn).await?);
    let mut at = HashMap::with_capacity(rows.len());
    let mut runs = Vec::with_capacity(rows.len());
    for (i, (run_id, name, status, user, start_time, end_time, stage, artifact_uri)) in rows.into_iter().enumerate() {
        let (status, stage) = (status.unwrap_or_else(|| "FINISHED".to_owned()), stage.unwrap_or_else(|| "active".to_owned()));
        at.insert(run_id.clone(), i);
        runs.push(MovedRun {
            status: RunStatus::parse(&status).ok_or_else(|| Error::decode("runs", "status", &run_id, status))?,
            stage: Stage::parse(&stage).ok_or_else(|| Error::decode("runs", "lifecycle_stage", &run_id, stage))?,
            run_id,
            name: name.unwrap_or_default(),
            user: user.unwrap_or_default(),
            start_time: start_time.unwrap_or(0),
            end_time,
            artifact_uri: artifact_uri.unwrap_or_default(),
            params: Vec::new(),
            tags: Vec::new(),
            inputs: Vec::new(),
            metrics: Vec::new(),
            model_inputs: Vec::new(),
            model_outputs: Vec::new(),
        });
    }
    if runs.is_empty() {
        return Ok(runs);
    }
    for table in ["params", "tags", "latest_metrics"] {
        let value = if table == "latest_metrics" { "''" } else { "coalesce(value, '')" };
        let mut sql = Sql::new(Dialect::of(tx), &format!("select run_uuid, key, {value} from {table} where run_uuid in "));
        sql.texts(at.keys().map(String::as_str));
        let found: Vec<(String, String, String)> = fetch!(tx, sql);
        for (id, key, value) in found {
            let Some(run) = at.get(&id).and_then(|i| runs.get_mut(*i)) else { continue };
            match table {
                "params" => run.params.push(Pair { key, value }),
                "tags" => run.tags.push(Pair { key, value }),
                _ => run.metrics.push(key),
            }
        }
    }
    runs.iter_mut().for_each(|run| run.metrics.sort());
    if schema.inputs {
        for (id, input) in inputs(tx, &at).await? {
            if let Some(run) = at.get(&id).and_then(|i| runs.get_mut(*i)) {
                run.inputs.push(input);
            }
        }
    }
    if schema.logged_models {
        links(tx, &at, &mut runs).await?;
    }
    Ok(runs)
}

/// Reads which logged models runs used and made.
async fn links(tx: &mut Tx, at: &HashMap<String, usize>, runs: &mut [MovedRun]) -> Result<()> {
    let mut sql = Sql::new(
        Dialect::of(tx),
        "select distinct source_id, source_type, destination_id, step from inputs
         where source_type in ('RUN_INPUT', 'RUN_OUTPUT') and source_id in ",
    );
    sql.texts(at.keys().map(String::as_str)).push(" order by source_id, step, destination_id");
    let found: Vec<(String, String, String, i64)> = fetch!(tx, sql);
    for (id, kind, model_id, step) in found {
        let Some(run) = at.get(&id).and_then(|i| runs.get_mut(*i)) else { continue };
        match kind == "RUN_INPUT" {
            true => run.model_inputs.push(model_id),
            false => run.model_outputs.push(ModelOutput { model_id, step }),
        }
    }
    Ok(())
}

async fn inputs(tx: &mut Tx, runs: &HashMap<String, usize>) -> Result<Vec<(String, DatasetInput)>> {
    type Row = (String, String, String, String, String, String, Option<String>, Option<String>);
    let mut sql = Sql::new(
        Dialect::of(tx),
        "select i.destination_id, i.input_uuid, d.name, d.digest, d.dataset_source_type, d.dataset_source, d.dataset_schema, d.dataset_profile
         from inputs i join datasets d on d.dataset_uuid = i.source_id
         where i.source_type = 'DATASET' and i.destination_type = 'RUN' and i.destination_id in ",
    );
    sql.texts(runs.keys().map(String::as_str)).push(" order by i.input_uuid");
    let rows: Vec<Row> = fetch!(tx, sql);
    let mut tags: HashMap<String, Vec<Pair>> = HashMap::new();
    for chunk in rows.chunks(500) {
        let mut sql = Sql::new(Dialect::of(tx), "select input_uuid, name, value from input_tags where input_uuid in ");
        sql.texts(chunk.iter().map(|row| row.1.as_str()));
        let found: Vec<(String, String, String)> = fetch!(tx, sql);
        for (id, key, value) in found {
            tags.entry(id).or_default().push(Pair { key, value });
        }
    }
    let input = |(run, id, name, digest, source_type, source, schema, profile): Row| {
        let dataset = LoggedDataset { name, digest, source_type, source, schema, profile };
        (run, DatasetInput { dataset, tags: tags.remove(&id).unwrap_or_default() })
    };
    Ok(rows.into_iter().map(input).collect())
}

/// Where a page of points ended: step, timestamp, value and whether it is no number.
pub type Position = (i64, i64, f64, bool);

/// Lists points of a metric by step, timestamp and value after a position. A NaN stands there as 0 with a mark.
pub async fn points(tx: &mut Tx, run_id: &str, key: &str, after: Position, limit: i64) -> Result<(Vec<MetricPoint>, Option<Position>)> {
    let rows: Vec<Position> = on!(tx, conn => sqlx::query_as(
        "select step, timestamp, value, is_nan from metrics
         where run_uuid = $1 and key = $2 and (step, timestamp, value, is_nan) > ($3, $4, $5, $6)
         order by step, timestamp, value, is_nan limit $7")
        .bind(run_id).bind(key).bind(after.0).bind(after.1).bind(after.2).bind(after.3).bind(limit).fetch_all(conn).await?);
    let full = i64::try_from(rows.len()).is_ok_and(|count| count == limit);
    let last = rows.last().copied().filter(|_| full);
    let point = |(step, timestamp, value, is_nan): Position| {
        let value = Number(if is_nan { f64::NAN } else { value });
        MetricPoint { key: key.to_owned(), value, timestamp, step }
    };
    Ok((rows.into_iter().map(point).collect(), last))
}
