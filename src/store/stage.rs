//! Stages of versions. The aliases of the same names are moved by who calls this, in the same transaction.

use super::{Result, Tx, done, on};
use crate::domain::registry::ModelStage;
use crate::domain::time::Timestamp;

/// Puts a version into a stage.
pub async fn enter(tx: &mut Tx, workspace: &str, model_id: &str, version: i64, stage: ModelStage, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "update model_versions set stage = $4, updated_at = $5, row_version = row_version + 1
         where workspace = $1 and model_id = $2 and version = $3")
        .bind(workspace).bind(model_id).bind(version).bind(stage.as_str()).bind(at.0).execute(conn).await?));
    Ok(())
}

/// Archives the versions of a stage that are newer than a number, but for one.
pub async fn archive(
    tx: &mut Tx,
    workspace: &str,
    model_id: &str,
    stage: ModelStage,
    (newer_than, but): (i64, Option<i64>),
    at: Timestamp,
) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "update model_versions set stage = 'Archived', updated_at = $4, row_version = row_version + 1
         where workspace = $1 and model_id = $2 and stage = $3 and version > $5 and version <> $6 and state <> 'DELETED'")
        .bind(workspace).bind(model_id).bind(stage.as_str()).bind(at.0).bind(newer_than).bind(but.unwrap_or(-1)).execute(conn).await?));
    Ok(())
}

/// Finds the newest version of a stage.
pub async fn newest(tx: &mut Tx, workspace: &str, model_id: &str, stage: ModelStage) -> Result<Option<i64>> {
    Ok(on!(tx, conn => sqlx::query_scalar(
        "select max(version) from model_versions where workspace = $1 and model_id = $2 and stage = $3 and state <> 'DELETED'")
        .bind(workspace).bind(model_id).bind(stage.as_str()).fetch_one(conn).await?))
}
