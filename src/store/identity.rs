//! Workspaces and API keys.

use super::{Error, Result, Tx, done, on};
use crate::domain::identity::{ApiKey, Role};
use crate::domain::time::Timestamp;

/// Makes a workspace unless it exists.
// Without a target: of two that make it at once, one may meet the other at the index of names first.
pub async fn ensure_workspace(tx: &mut Tx, id: &str, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into workspaces (id, name, state, created_at) values ($1, $1, 'active', $2) on conflict do nothing")
        .bind(id).bind(at.0).execute(conn).await?));
    Ok(())
}

/// Stores a key; `secret_hash` is the SHA-256 of the whole secret in hex.
pub async fn insert_key(tx: &mut Tx, workspace: &str, key: &ApiKey, secret_hash: &str) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into api_keys (id, workspace, name, secret_hash, role, created_by, created_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(&key.key_id).bind(workspace).bind(&key.name).bind(secret_hash).bind(key.role.as_str())
        .bind(&key.created_by).bind(key.created_at.0).bind(key.expires_at.map(|t| t.0)).execute(conn).await?));
    Ok(())
}

type KeyRow = (String, String, String, String, i64, Option<i64>, Option<i64>);

fn key((key_id, name, role, created_by, created_at, expires_at, revoked_at): KeyRow) -> Result<ApiKey> {
    let role = Role::parse(&role).ok_or_else(|| Error::decode("api_keys", "role", &key_id, role))?;
    Ok(ApiKey {
        key_id,
        name,
        role,
        created_by,
        created_at: Timestamp(created_at),
        expires_at: expires_at.map(Timestamp),
        revoked_at: revoked_at.map(Timestamp),
    })
}

/// A key, its workspace and the hash of its secret.
pub type Found = (ApiKey, String, String);

type FoundRow = (String, String, String, String, i64, Option<i64>, Option<i64>, String, String);

/// Reads a row of a key with its workspace and the hash of its secret.
pub(super) fn found((a, b, c, d, e, f, g, workspace, hash): FoundRow) -> Result<Found> {
    Ok((key((a, b, c, d, e, f, g))?, workspace, hash))
}

/// Finds a key with its workspace and the hash of its secret, whatever its state.
pub async fn find_key(tx: &mut Tx, key_id: &str) -> Result<Option<Found>> {
    let row = on!(tx, conn => sqlx::query_as(
        "select id, name, role, created_by, created_at, expires_at, revoked_at, workspace, secret_hash from api_keys where id = $1")
        .bind(key_id).fetch_optional(conn).await?);
    row.map(found).transpose()
}

/// Lists keys by id after `after`.
pub async fn list_keys(tx: &mut Tx, workspace: &str, after: &str, limit: i64) -> Result<Vec<ApiKey>> {
    let rows: Vec<KeyRow> = on!(tx, conn => sqlx::query_as(
        "select id, name, role, created_by, created_at, expires_at, revoked_at from api_keys
         where workspace = $1 and id > $2 order by id limit $3")
        .bind(workspace).bind(after).bind(limit).fetch_all(conn).await?);
    rows.into_iter().map(key).collect()
}

/// Counts the keys of all workspaces, revoked ones included.
pub async fn count_keys(tx: &mut Tx) -> Result<i64> {
    Ok(on!(tx, conn => sqlx::query_scalar("select count(*) from api_keys").fetch_one(conn).await?))
}

/// Revokes a key; false when there is no such unrevoked key.
pub async fn revoke_key(tx: &mut Tx, workspace: &str, key_id: &str, at: Timestamp) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query("update api_keys set revoked_at = $3 where workspace = $1 and id = $2 and revoked_at is null")
        .bind(workspace).bind(key_id).bind(at.0).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}
