//! What the group commit writes about many runs at once. Every text is constant, so that it is prepared once per connection: lists
//! travel as arrays to Postgres and as one JSON text to SQLite. Rows come sorted by what they lock.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;

use super::run::NewTrackedRun;
use crate::domain::tracking::Stage;
use crate::store::{Error, Result, Tx, to_json};

/// What decides whether a run takes what is logged to it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its surrogate.
    pub seq: i64,
    /// Whether it is deleted.
    pub stage: Stage,
    /// The job that works on it.
    pub job_id: Option<String>,
}

/// Finds runs of a workspace by their ids.
pub async fn find_runs(tx: &mut Tx, workspace: &str, ids: &[&str]) -> Result<HashMap<String, Known>> {
    let rows: Vec<(String, i64, String, Option<String>)> = match tx {
        Tx::Postgres(tx) => {
            sqlx::query_as("select id, seq, lifecycle_stage, job_id from runs where workspace = $1 and id = any($2)")
                .bind(workspace)
                .bind(ids)
                .fetch_all(&mut **tx)
                .await?
        }
        Tx::Sqlite(tx) => {
            sqlx::query_as(
                "select id, seq, lifecycle_stage, job_id from runs where workspace = $1 and id in (select value from json_each($2))",
            )
            .bind(workspace)
            .bind(to_json(&ids))
            .fetch_all(&mut **tx)
            .await?
        }
    };
    let known = |(id, seq, stage, job_id): (String, i64, String, Option<String>)| {
        let stage = Stage::parse(&stage).ok_or_else(|| Error::decode("runs", "lifecycle_stage", &id, stage))?;
        Ok((id, Known { seq, stage, job_id }))
    };
    rows.into_iter().map(known).collect()
}

/// Inserts runs that no job works on; returns their surrogates by id.
pub async fn insert_runs(tx: &mut Tx, workspace: &str, runs: &[NewTrackedRun<'_>]) -> Result<HashMap<String, i64>> {
    let rows: Vec<(String, i64)> = match tx {
        Tx::Postgres(tx) => {
            let column = |of: fn(&NewTrackedRun<'_>) -> String| runs.iter().map(of).collect::<Vec<String>>();
            let started: Vec<i64> = runs.iter().map(|run| run.start_time).collect();
            sqlx::query_as(
                "insert into runs (id, workspace, experiment_id, name, status, user_id, job_id, attempt_no, start_time, lifecycle_stage,
                    row_version)
                 select n.id, $1, n.experiment_id, n.name, 'RUNNING', n.user_id, null, 0, n.start_time, 'active', 1
                 from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[]) as n (id, experiment_id, name, user_id, start_time)
                 returning id, seq",
            )
            .bind(workspace)
            .bind(column(|run| run.id.to_owned()))
            .bind(column(|run| run.experiment_id.to_owned()))
            .bind(column(|run| run.name.to_owned()))
            .bind(column(|run| run.user.to_owned()))
            .bind(started)
            .fetch_all(&mut **tx)
            .await?
        }
        Tx::Sqlite(tx) => {
            let list: Vec<_> = runs.iter().map(|run| (run.id, run.experiment_id, run.name, run.user, run.start_time)).collect();
            sqlx::query_as(
                "insert into runs (id, workspace, experiment_id, name, status, user_id, job_id, attempt_no, start_time, lifecycle_stage,
                    row_version)
                 select value ->> 0, $1, value ->> 1, value ->> 2, 'RUNNING', value ->> 3, null, 0, value ->> 4, 'active', 1
                 from json_each($2) returning id, seq",
            )
            .bind(workspace)
            .bind(to_json(&list))
            .fetch_all(&mut **tx)
            .await?
        }
    };
    Ok(rows.into_iter().collect())
}

/// Names runs anew.
pub async fn name_runs(tx: &mut Tx, names: &[(i64, &str)]) -> Result<()> {
    match tx {
        Tx::Postgres(tx) => {
            let (seqs, names): (Vec<i64>, Vec<&str>) = names.iter().copied().unzip();
            sqlx::query(
                "update runs set name = n.name, row_version = row_version + 1
                 from unnest($1::bigint[], $2::text[]) as n (seq, name) where runs.seq = n.seq",
            )
            .bind(seqs)
            .bind(names)
            .execute(&mut **tx)
            .await?;
        }
        Tx::Sqlite(tx) => {
            sqlx::query(
                "update runs set name = n.name, row_version = row_version + 1
                 from (select value ->> 0 as seq, value ->> 1 as name from json_each($1)) n where runs.seq = n.seq",
            )
            .bind(to_json(&names))
            .execute(&mut **tx)
            .await?;
        }
    }
    Ok(())
}

/// A run's surrogate, a word and its value.
pub type Word<'a> = (i64, &'a str, &'a str);

/// Returns the values of those params that are there.
pub async fn find_params(tx: &mut Tx, keys: &[(i64, &str)]) -> Result<HashMap<(i64, String), String>> {
    let rows: Vec<(i64, String, String)> = match tx {
        Tx::Postgres(tx) => {
            let (seqs, names): (Vec<i64>, Vec<&str>) = keys.iter().copied().unzip();
            sqlx::query_as(
                "select p.run_seq, p.key, p.value from unnest($1::bigint[], $2::text[]) as n (run_seq, key)
                 join params p on p.run_seq = n.run_seq and p.key = n.key",
            )
            .bind(seqs)
            .bind(names)
            .fetch_all(&mut **tx)
            .await?
        }
        Tx::Sqlite(tx) => {
            sqlx::query_as(
                "select p.run_seq, p.key, p.value from json_each($1) n cross join params p
                 on p.run_seq = n.value ->> 0 and p.key = n.value ->> 1",
            )
            .bind(to_json(&keys))
            .fetch_all(&mut **tx)
            .await?
        }
    };
    Ok(rows.into_iter().map(|(seq, key, value)| ((seq, key), value)).collect())
}

/// Adds params; returns how many were not there.
pub async fn add_params(tx: &mut Tx, params: &[Word<'_>]) -> Result<u64> {
    write(tx, "params", "nothing", params).await
}

/// Sets params, those that are there too. A key of a run may come once.
pub async fn set_params(tx: &mut Tx, params: &[Word<'_>]) -> Result<u64> {
    write(tx, "params", "update set value = excluded.value", params).await
}

/// Sets tags of runs. A key of a run may come once.
pub async fn set_tags(tx: &mut Tx, tags: &[Word<'_>]) -> Result<u64> {
    write(tx, "run_tags", "update set value = excluded.value", tags).await
}

async fn write(tx: &mut Tx, table: &'static str, conflict: &'static str, words: &[Word<'_>]) -> Result<u64> {
    let (into, or) = (format!("insert into {table} (run_seq, key, value) select"), format!("on conflict (run_seq, key) do {conflict}"));
    Ok(match tx {
        Tx::Postgres(tx) => {
            let (mut seqs, mut keys, mut values) = (Vec::new(), Vec::new(), Vec::new());
            for (seq, key, value) in words {
                seqs.push(*seq);
                keys.push(*key);
                values.push(*value);
            }
            sqlx::query(AssertSqlSafe(format!("{into} * from unnest($1::bigint[], $2::text[], $3::text[]) {or}")))
                .bind(seqs)
                .bind(keys)
                .bind(values)
                .execute(&mut **tx)
                .await?
                .rows_affected()
        }
        Tx::Sqlite(tx) => {
            let columns = "value ->> 0, value ->> 1, value ->> 2 from json_each($1) where true";
            sqlx::query(AssertSqlSafe(format!("{into} {columns} {or}"))).bind(to_json(&words)).execute(&mut **tx).await?.rows_affected()
        }
    })
}
