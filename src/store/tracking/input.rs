//! Data sets that runs name as their inputs.

use std::collections::HashMap;

use super::sql::{Dialect, Sql, fetch};
use crate::domain::tracking::{DatasetInput, LoggedDataset, Pair};
use crate::store::{Result, Tx, done, on};

/// Names a data set as the input of a run. A data set of that name and digest in the experiment is used as it is, and so is an
/// input that the run has already.
pub async fn add(tx: &mut Tx, run_seq: i64, experiment_id: &str, input: &DatasetInput) -> Result<()> {
    let d = &input.dataset;
    let seq: i64 = on!(tx, conn => sqlx::query_scalar(
        "insert into logged_datasets (experiment_id, name, digest, source_type, source, schema_text, profile_text)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (experiment_id, name, digest) do update set name = excluded.name returning seq")
        .bind(experiment_id).bind(&d.name).bind(&d.digest).bind(&d.source_type).bind(&d.source).bind(&d.schema).bind(&d.profile)
        .fetch_one(conn).await?);
    let added = on!(tx, conn => sqlx::query(
        "insert into logged_inputs (run_seq, dataset_seq) values ($1, $2) on conflict do nothing")
        .bind(run_seq).bind(seq).execute(conn).await?.rows_affected());
    if added == 0 {
        return Ok(());
    }
    for tag in &input.tags {
        on!(tx, conn => done(sqlx::query(
            "insert into logged_input_tags (run_seq, dataset_seq, key, value) values ($1, $2, $3, $4)
             on conflict (run_seq, dataset_seq, key) do update set value = excluded.value")
            .bind(run_seq).bind(seq).bind(&tag.key).bind(&tag.value).execute(conn).await?));
    }
    Ok(())
}

/// Lists the inputs of runs.
pub async fn list(tx: &mut Tx, run_seqs: &[i64]) -> Result<Vec<(i64, DatasetInput)>> {
    type Row = (i64, i64, String, String, String, String, Option<String>, Option<String>);
    let mut sql = Sql::new(
        Dialect::of(tx),
        "select i.run_seq, d.seq, d.name, d.digest, d.source_type, d.source, d.schema_text, d.profile_text
         from logged_inputs i join logged_datasets d on d.seq = i.dataset_seq where i.run_seq in ",
    );
    sql.numbers(run_seqs.iter().copied()).push(" order by i.run_seq, d.seq");
    let rows: Vec<Row> = fetch!(tx, sql);
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(Dialect::of(tx), "select run_seq, dataset_seq, key, value from logged_input_tags where run_seq in ");
    sql.numbers(run_seqs.iter().copied()).push(" order by run_seq, dataset_seq, key");
    let tags: Vec<(i64, i64, String, String)> = fetch!(tx, sql);
    let mut by_input: HashMap<(i64, i64), Vec<Pair>> = HashMap::new();
    for (run, dataset, key, value) in tags {
        by_input.entry((run, dataset)).or_default().push(Pair { key, value });
    }
    let input = |(run, seq, name, digest, source_type, source, schema, profile): Row| {
        let dataset = LoggedDataset { name, digest, source_type, source, schema, profile };
        (run, DatasetInput { dataset, tags: by_input.remove(&(run, seq)).unwrap_or_default() })
    };
    Ok(rows.into_iter().map(input).collect())
}
