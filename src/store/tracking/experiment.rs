//! Experiments and their tags.

use super::filter;
use super::order::{join, push_after, push_order};
use super::sql::{Dialect, Sql, fetch};
use crate::domain::search::{Clause, Cursor, OrderBy};
use crate::domain::time::Timestamp;
use crate::domain::tracking::{Pair, Stage, TrackedExperiment, View, default_location};
use crate::store::{Error, Result, Tx, done, on};

type Row = (String, String, String, String, i64, i64);

const COLUMNS: &str = "select x.id, x.name, x.artifact_location, x.lifecycle_stage, x.created_at, x.updated_at from experiments x";

/// Makes the experiment of an id and a name unless either is taken.
pub async fn ensure(tx: &mut Tx, workspace: &str, id: &str, name: &str, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into experiments (id, workspace, name, artifact_location, lifecycle_stage, created_at, updated_at)
         values ($1, $2, $3, '', 'active', $4, $4) on conflict do nothing")
        .bind(id).bind(workspace).bind(name).bind(at.0).execute(conn).await?));
    Ok(())
}

/// Inserts an experiment; false when an active one has the name.
pub async fn insert(tx: &mut Tx, workspace: &str, id: &str, name: &str, location: &str, at: Timestamp) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query(
        "insert into experiments (id, workspace, name, artifact_location, lifecycle_stage, created_at, updated_at)
         values ($1, $2, $3, $4, 'active', $5, $5) on conflict (workspace, name) where lifecycle_stage = 'active' do nothing")
        .bind(id).bind(workspace).bind(name).bind(location).bind(at.0).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Finds an experiment, deleted or not.
pub async fn find(tx: &mut Tx, workspace: &str, id: &str) -> Result<Option<TrackedExperiment>> {
    let mut sql = Sql::new(Dialect::of(tx), COLUMNS);
    sql.push(" where x.workspace = ").text(workspace).push(" and x.id = ").text(id);
    Ok(load(tx, sql).await?.pop())
}

/// Finds the active experiment of a name, or else the one of that name that was deleted last.
pub async fn find_by_name(tx: &mut Tx, workspace: &str, name: &str) -> Result<Option<TrackedExperiment>> {
    let mut sql = Sql::new(Dialect::of(tx), COLUMNS);
    sql.push(" where x.workspace = ").text(workspace).push(" and x.name = ").text(name);
    sql.push(" order by x.lifecycle_stage, x.updated_at desc, x.id desc limit 1");
    Ok(load(tx, sql).await?.pop())
}

/// Lists up to `limit` experiments that pass all clauses, after a position.
pub async fn search(
    tx: &mut Tx,
    workspace: &str,
    (view, filter): (View, &[Clause]),
    (order, after): (&[OrderBy], Option<&Cursor>),
    limit: i64,
) -> Result<Vec<TrackedExperiment>> {
    let mut sql = Sql::new(Dialect::of(tx), COLUMNS);
    let terms = join(&mut sql, order, false);
    sql.push(" where x.workspace = ").text(workspace).push(" and x.lifecycle_stage in ");
    sql.texts(view.stages().iter().map(|stage| stage.as_str()));
    for clause in filter {
        filter::push_experiment(&mut sql, clause);
    }
    if let Some(cursor) = after {
        push_after(&mut sql, &terms, &cursor.0);
    }
    push_order(&mut sql, &terms);
    sql.push(" limit ").number(limit);
    load(tx, sql).await
}

async fn load(tx: &mut Tx, sql: Sql) -> Result<Vec<TrackedExperiment>> {
    let rows: Vec<Row> = fetch!(tx, sql);
    let mut experiments = Vec::with_capacity(rows.len());
    for (id, name, artifact_location, stage, created_at, updated_at) in rows {
        let stage = Stage::parse(&stage).ok_or_else(|| Error::decode("experiments", "lifecycle_stage", &id, stage))?;
        let artifact_location = if artifact_location.is_empty() { default_location(&id) } else { artifact_location };
        experiments.push(TrackedExperiment {
            id,
            name,
            artifact_location,
            stage,
            created_at: Timestamp(created_at),
            updated_at: Timestamp(updated_at),
            tags: Vec::new(),
        });
    }
    for chunk in experiments.chunks_mut(500) {
        let mut sql = Sql::new(Dialect::of(tx), "select experiment_id, key, value from experiment_tags where experiment_id in ");
        sql.texts(chunk.iter().map(|experiment| experiment.id.as_str())).push(" order by experiment_id, key");
        let tags: Vec<(String, String, String)> = fetch!(tx, sql);
        for (id, key, value) in tags {
            if let Some(experiment) = chunk.iter_mut().find(|experiment| experiment.id == id) {
                experiment.tags.push(Pair { key, value });
            }
        }
    }
    Ok(experiments)
}

/// Renames an active experiment; false when there is no such.
pub async fn rename(tx: &mut Tx, workspace: &str, id: &str, name: &str, at: Timestamp) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query(
        "update experiments set name = $3, updated_at = $4 where workspace = $1 and id = $2 and lifecycle_stage = 'active'")
        .bind(workspace).bind(id).bind(name).bind(at.0).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Moves an experiment and all of its runs from one stage to the other; false when it was not in the first.
pub async fn set_stage(tx: &mut Tx, workspace: &str, id: &str, (from, to): (Stage, Stage), at: Timestamp) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query(
        "update experiments set lifecycle_stage = $4, updated_at = $5 where workspace = $1 and id = $2 and lifecycle_stage = $3")
        .bind(workspace).bind(id).bind(from.as_str()).bind(to.as_str()).bind(at.0).execute(conn).await?.rows_affected());
    if rows == 1 {
        on!(tx, conn => done(sqlx::query(
            "update runs set lifecycle_stage = $3, row_version = row_version + 1 where workspace = $1 and experiment_id = $2")
            .bind(workspace).bind(id).bind(to.as_str()).execute(conn).await?));
    }
    Ok(rows == 1)
}

/// Sets a tag.
pub async fn set_tag(tx: &mut Tx, id: &str, key: &str, value: &str) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into experiment_tags (experiment_id, key, value) values ($1, $2, $3)
         on conflict (experiment_id, key) do update set value = excluded.value")
        .bind(id).bind(key).bind(value).execute(conn).await?));
    Ok(())
}

/// Deletes a tag; false when there is none.
pub async fn delete_tag(tx: &mut Tx, id: &str, key: &str) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query("delete from experiment_tags where experiment_id = $1 and key = $2")
        .bind(id).bind(key).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}
