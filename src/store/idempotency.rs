//! Remembered answers of requests that carried an `Idempotency-Key`. The time of a reservation is its fence: what a request
//! writes about its own reservation is lost once somebody else took the key over.

use super::{Result, Tx, done, on};
use crate::domain::time::Timestamp;

/// Whose key it is, and which.
#[derive(Clone, Copy, Debug)]
pub struct KeyRef<'a> {
    /// The workspace.
    pub workspace: &'a str,
    /// Who sent it.
    pub principal: &'a str,
    /// The key.
    pub key: &'a str,
}

/// Status, content type and body.
pub type StoredAnswer = (u16, String, Vec<u8>);

/// What is remembered under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Digest of the request that came first.
    pub fingerprint: String,
    /// Its answer; none while it is still running.
    pub answer: Option<StoredAnswer>,
    /// When the key was reserved.
    pub reserved_at: Timestamp,
}

/// Reserves a key for a request; false when it is taken.
pub async fn reserve(tx: &mut Tx, key: KeyRef<'_>, fingerprint: &str, at: Timestamp) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query(
        "insert into idempotency_keys (workspace, principal, key, fingerprint, created_at) values ($1, $2, $3, $4, $5)
         on conflict (workspace, principal, key) do nothing")
        .bind(key.workspace).bind(key.principal).bind(key.key).bind(fingerprint).bind(at.0).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Finds what is remembered under a key.
pub async fn find(tx: &mut Tx, key: KeyRef<'_>) -> Result<Option<Remembered>> {
    type Row = (String, Option<i64>, Option<String>, Option<Vec<u8>>, i64);
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(
        "select fingerprint, status, content_type, body, created_at from idempotency_keys where workspace = $1 and principal = $2 and key = $3")
        .bind(key.workspace).bind(key.principal).bind(key.key).fetch_optional(conn).await?);
    Ok(row.map(|(fingerprint, status, content_type, body, reserved_at)| Remembered {
        fingerprint,
        answer: match (status, content_type, body) {
            (Some(status), Some(content_type), Some(body)) => Some((u16::try_from(status).unwrap_or(500), content_type, body)),
            _ => None,
        },
        reserved_at: Timestamp(reserved_at),
    }))
}

/// Takes a key over whose reservation is from `was`, and forgets what was remembered; false when somebody else was faster.
pub async fn take_over(tx: &mut Tx, key: KeyRef<'_>, fingerprint: &str, was: Timestamp, at: Timestamp) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query(
        "update idempotency_keys set fingerprint = $4, status = null, content_type = null, body = null, created_at = $6
         where workspace = $1 and principal = $2 and key = $3 and created_at = $5")
        .bind(key.workspace).bind(key.principal).bind(key.key).bind(fingerprint).bind(was.0).bind(at.0).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Says that the request which reserved the key is still running; false when the reservation is no longer its own.
pub async fn renew(tx: &mut Tx, key: KeyRef<'_>, was: Timestamp, at: Timestamp) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query(
        "update idempotency_keys set created_at = $5 where workspace = $1 and principal = $2 and key = $3 and created_at = $4 and status is null")
        .bind(key.workspace).bind(key.principal).bind(key.key).bind(was.0).bind(at.0).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Remembers the answer of the request that reserved the key; false when the reservation is no longer its own.
pub async fn remember(tx: &mut Tx, key: KeyRef<'_>, was: Timestamp, answer: &StoredAnswer) -> Result<bool> {
    let (status, content_type, body) = answer;
    let rows = on!(tx, conn => sqlx::query(
        "update idempotency_keys set status = $5, content_type = $6, body = $7
         where workspace = $1 and principal = $2 and key = $3 and created_at = $4 and status is null")
        .bind(key.workspace).bind(key.principal).bind(key.key).bind(was.0).bind(i64::from(*status)).bind(content_type)
        .bind(body.as_slice()).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Forgets a reservation whose request failed in a way that may be tried again.
pub async fn release(tx: &mut Tx, key: KeyRef<'_>, was: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "delete from idempotency_keys where workspace = $1 and principal = $2 and key = $3 and created_at = $4 and status is null")
        .bind(key.workspace).bind(key.principal).bind(key.key).bind(was.0).execute(conn).await?));
    Ok(())
}

/// Forgets all keys reserved before `before`; returns how many.
pub async fn prune(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    Ok(
        on!(tx, conn => sqlx::query("delete from idempotency_keys where created_at < $1").bind(before.0).execute(conn).await?.rows_affected()),
    )
}
