//! Workspaces, API keys and remembered answers of idempotent requests.

use super::{Error, Result, Tx, done, on};
use crate::domain::identity::{ApiKey, Role};
use crate::domain::time::Timestamp;

/// Makes a workspace unless it exists.
pub async fn ensure_workspace(tx: &mut Tx, id: &str, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into workspaces (id, name, state, created_at) values ($1, $1, 'active', $2) on conflict (id) do nothing")
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

/// Finds a key with its workspace and the hash of its secret, whatever its state.
pub async fn find_key(tx: &mut Tx, key_id: &str) -> Result<Option<(ApiKey, String, String)>> {
    type Row = (String, String, String, String, i64, Option<i64>, Option<i64>, String, String);
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(
        "select id, name, role, created_by, created_at, expires_at, revoked_at, workspace, secret_hash from api_keys where id = $1")
        .bind(key_id).fetch_optional(conn).await?);
    row.map(|(a, b, c, d, e, f, g, workspace, hash)| Ok((key((a, b, c, d, e, f, g))?, workspace, hash))).transpose()
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

/// A remembered answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Digest of method, path and body of the request that came first.
    pub fingerprint: String,
    /// Status, content type and body; none while the first request is still running.
    pub answer: Option<(u16, String, Vec<u8>)>,
    /// When the first request came.
    pub created_at: Timestamp,
}

/// Reserves a key for a request; false when it is taken.
pub async fn reserve_idempotency(
    tx: &mut Tx,
    workspace: &str,
    principal: &str,
    key: &str,
    fingerprint: &str,
    at: Timestamp,
) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query(
        "insert into idempotency_keys (workspace, principal, key, fingerprint, created_at) values ($1, $2, $3, $4, $5)
         on conflict (workspace, principal, key) do nothing")
        .bind(workspace).bind(principal).bind(key).bind(fingerprint).bind(at.0).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Finds what is remembered under a key.
pub async fn find_idempotency(tx: &mut Tx, workspace: &str, principal: &str, key: &str) -> Result<Option<Remembered>> {
    type Row = (String, Option<i64>, Option<String>, Option<Vec<u8>>, i64);
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(
        "select fingerprint, status, content_type, body, created_at from idempotency_keys where workspace = $1 and principal = $2 and key = $3")
        .bind(workspace).bind(principal).bind(key).fetch_optional(conn).await?);
    Ok(row.map(|(fingerprint, status, content_type, body, created_at)| Remembered {
        fingerprint,
        answer: match (status, content_type, body) {
            (Some(status), Some(content_type), Some(body)) => Some((u16::try_from(status).unwrap_or(500), content_type, body)),
            _ => None,
        },
        created_at: Timestamp(created_at),
    }))
}

/// Remembers the answer of the request that reserved the key.
pub async fn remember_answer(
    tx: &mut Tx,
    workspace: &str,
    principal: &str,
    key: &str,
    (status, content_type, body): (u16, &str, &[u8]),
) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "update idempotency_keys set status = $4, content_type = $5, body = $6 where workspace = $1 and principal = $2 and key = $3")
        .bind(workspace).bind(principal).bind(key).bind(i64::from(status)).bind(content_type).bind(body).execute(conn).await?));
    Ok(())
}

/// Forgets a reservation whose request failed in a way that may be tried again.
pub async fn release_idempotency(tx: &mut Tx, workspace: &str, principal: &str, key: &str) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from idempotency_keys where workspace = $1 and principal = $2 and key = $3 and status is null")
        .bind(workspace).bind(principal).bind(key).execute(conn).await?));
    Ok(())
}

/// Forgets all answers older than `before`.
pub async fn prune_idempotency(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    Ok(
        on!(tx, conn => sqlx::query("delete from idempotency_keys where created_at < $1").bind(before.0).execute(conn).await?.rows_affected()),
    )
}
