//! Experiments in MLflow's database.

use std::collections::HashMap;

use super::Schema;
use crate::domain::moving::MovedExperiment;
use crate::domain::time::Timestamp;
use crate::domain::tracking::{Pair, Stage};
use crate::store::tracking::sql::{Dialect, Sql, fetch};
use crate::store::{Error, Result, Tx};

/// Lists experiments by id after `after`.
pub async fn list(tx: &mut Tx, schema: Schema, after: i64, limit: i64) -> Result<Vec<MovedExperiment>> {
    type Row = (i64, String, Option<String>, Option<String>, Option<i64>, Option<i64>);
    let mut sql = Sql::new(
        Dialect::of(tx),
        "select cast(e.experiment_id as bigint), e.name, e.artifact_location, e.lifecycle_stage, e.creation_time, e.last_update_time
         from experiments e where e.experiment_id > ",
    );
    sql.number(after).push(&schema.here("e")).push(" order by e.experiment_id limit ").number(limit);
    let rows: Vec<Row> = fetch!(tx, sql);
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(
        Dialect::of(tx),
        "select cast(experiment_id as bigint), key, coalesce(value, '') from experiment_tags where experiment_id in ",
    );
    sql.numbers(rows.iter().map(|row| row.0));
    let mut tags: HashMap<i64, Vec<Pair>> = HashMap::new();
    let found: Vec<(i64, String, String)> = fetch!(tx, sql);
    for (id, key, value) in found {
        tags.entry(id).or_default().push(Pair { key, value });
    }
    let experiment = |(id, name, location, stage, created, updated): Row| {
        let stage = stage.unwrap_or_else(|| "active".to_owned());
        let created = created.unwrap_or(0);
        Ok(MovedExperiment {
            source_id: id.to_string(),
            name,
            location: location.unwrap_or_default(),
            stage: Stage::parse(&stage).ok_or_else(|| Error::decode("experiments", "lifecycle_stage", &id.to_string(), stage))?,
            created_at: Timestamp(created),
            updated_at: Timestamp(updated.unwrap_or(created)),
            tags: tags.remove(&id).unwrap_or_default(),
        })
    };
    rows.into_iter().map(experiment).collect()
}

/// Counts the runs of all experiments.
pub async fn count_runs(tx: &mut Tx, schema: Schema) -> Result<i64> {
    let sql = Sql {
        dialect: Dialect::of(tx),
        text: format!(
            "select count(*) from runs r join experiments e on e.experiment_id = r.experiment_id where 1 = 1{}",
            schema.here("e")
        ),
        args: Vec::new(),
    };
    let counted: Vec<(i64,)> = fetch!(tx, sql);
    Ok(counted.first().map_or(0, |row| row.0))
}
