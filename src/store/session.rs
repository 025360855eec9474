//! Sign-ins of browsers.

use super::identity::{Found, found};
use super::{Result, Tx, done, on};
use crate::domain::time::Timestamp;

/// Stores a session of a key; `secret_hash` is the SHA-256 of its secret in hex.
pub async fn insert(tx: &mut Tx, secret_hash: &str, key_id: &str, at: Timestamp, expires_at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query("insert into sessions (secret_hash, key_id, created_at, expires_at) values ($1, $2, $3, $4)")
        .bind(secret_hash).bind(key_id).bind(at.0).bind(expires_at.0).execute(conn).await?));
    Ok(())
}

/// Finds the key, whatever its state, of a session that has not ended by `now`.
pub async fn find_key(tx: &mut Tx, secret_hash: &str, now: Timestamp) -> Result<Option<Found>> {
    let row = on!(tx, conn => sqlx::query_as(
        "select k.id, k.name, k.role, k.created_by, k.created_at, k.expires_at, k.revoked_at, k.workspace, k.secret_hash
         from sessions s join api_keys k on k.id = s.key_id where s.secret_hash = $1 and s.expires_at > $2")
        .bind(secret_hash).bind(now.0).fetch_optional(conn).await?);
    row.map(found).transpose()
}

/// Ends a session.
pub async fn delete(tx: &mut Tx, secret_hash: &str) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from sessions where secret_hash = $1").bind(secret_hash).execute(conn).await?));
    Ok(())
}

/// Forgets sessions that ended before `before`.
pub async fn prune(tx: &mut Tx, before: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from sessions where expires_at < $1").bind(before.0).execute(conn).await?));
    Ok(())
}
