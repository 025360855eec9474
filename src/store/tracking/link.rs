//! Which logged models a run used and made.

use std::collections::HashMap;

use super::sql::{Dialect, Sql, fetch};
use crate::domain::logged_model::ModelOutput;
use crate::store::{Result, Tx, done, on};

const INPUT: &str = "INPUT";
const OUTPUT: &str = "OUTPUT";

/// What a run used and made.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// Ids of the models that it used.
    pub inputs: Vec<String>,
    /// Models that it made.
    pub outputs: Vec<ModelOutput>,
}

/// Notes that a run used models.
pub async fn add_inputs(tx: &mut Tx, run_seq: i64, model_ids: &[String]) -> Result<()> {
    for id in model_ids {
        add(tx, run_seq, INPUT, id, 0).await?;
    }
    Ok(())
}

/// Notes that a run made models.
pub async fn add_outputs(tx: &mut Tx, run_seq: i64, outputs: &[ModelOutput]) -> Result<()> {
    for output in outputs {
        add(tx, run_seq, OUTPUT, &output.model_id, output.step).await?;
    }
    Ok(())
}

async fn add(tx: &mut Tx, run_seq: i64, direction: &str, model_id: &str, step: i64) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into run_models (run_seq, direction, model_id, step) values ($1, $2, $3, $4) on conflict do nothing")
        .bind(run_seq).bind(direction).bind(model_id).bind(step).execute(conn).await?));
    Ok(())
}

/// Lists what runs used and made, by run; outputs by step.
pub async fn list(tx: &mut Tx, run_seqs: &[i64]) -> Result<HashMap<i64, Links>> {
    let mut sql = Sql::new(Dialect::of(tx), "select run_seq, direction, model_id, step from run_models where run_seq in ");
    sql.numbers(run_seqs.iter().copied()).push(" order by run_seq, direction, step, model_id");
    let rows: Vec<(i64, String, String, i64)> = fetch!(tx, sql);
    let mut links: HashMap<i64, Links> = HashMap::new();
    for (run, direction, model_id, step) in rows {
        let of_run = links.entry(run).or_default();
        match direction == INPUT {
            true => of_run.inputs.push(model_id),
            false => of_run.outputs.push(ModelOutput { model_id, step }),
        }
    }
    Ok(links)
}
