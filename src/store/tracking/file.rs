//! Files of runs and of logged models by path. The rows are those of `store::artifact`.

use crate::domain::artifact::Artifact;
use crate::store::{Result, Tx, on};

/// Finds a file.
pub async fn find(tx: &mut Tx, workspace: &str, (owner, owner_id): (&str, &str), path: &str) -> Result<Option<Artifact>> {
    let row: Option<(String, String, i64, String)> = on!(tx, conn => sqlx::query_as(
        "select path, digest, size_bytes, media_type from artifacts
         where workspace = $1 and owner = $2 and owner_id = $3 and path = $4")
        .bind(workspace).bind(owner).bind(owner_id).bind(path).fetch_optional(conn).await?);
    Ok(row.map(|(path, digest, size_bytes, media_type)| Artifact { path, digest, size_bytes, media_type }))
}

/// Tells whether a path is a folder because a file lies below it.
pub async fn is_folder(tx: &mut Tx, workspace: &str, (owner, owner_id): (&str, &str), path: &str) -> Result<bool> {
    let folder = format!("{path}/");
    let found: Option<i64> = on!(tx, conn => sqlx::query_scalar(
        "select size_bytes from artifacts
         where workspace = $1 and owner = $2 and owner_id = $3 and substr(path, 1, length($4)) = $4 limit 1")
        .bind(workspace).bind(owner).bind(owner_id).bind(&folder).fetch_optional(conn).await?);
    Ok(found.is_some())
}

/// Deletes the file at a path and all files below it; returns how many. The bytes stay until nothing names them.
pub async fn delete(tx: &mut Tx, workspace: &str, (owner, owner_id): (&str, &str), path: &str) -> Result<u64> {
    let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
    Ok(on!(tx, conn => sqlx::query(
        "delete from artifacts
         where workspace = $1 and owner = $2 and owner_id = $3 and (path = $4 or substr(path, 1, length($5)) = $5)")
        .bind(workspace).bind(owner).bind(owner_id).bind(path).bind(&folder).execute(conn).await?.rows_affected()))
}
