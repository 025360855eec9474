//! Webhooks, and events on their way to them. `attempts` counts tries since a delivery was made or replayed; `tries` counts all of
//! them and is the fence: who claimed a delivery may say how its try went as long as nobody claimed it after them.

use super::{Error, Result, Tx, done, json, on, to_json};
use crate::domain::time::Timestamp;
use crate::domain::webhook::{Delivery, DeliveryState, Webhook, WebhookStatus};

/// A webhook with its secret as it is stored.
#[derive(Clone, Debug)]
pub struct StoredWebhook {
    /// What can be shown.
    pub webhook: Webhook,
    /// Sealed, or as it is.
    pub secret: Option<String>,
    /// Events up to this one happened before it was made.
    pub since_seq: i64,
}

type Row = (String, String, String, String, String, String, Option<String>, i64, i64, i64);

const COLUMNS: &str = "select id, name, description, url, events_json, status, secret, since_seq, created_at, updated_at from webhooks";

fn read(row: Row) -> Result<StoredWebhook> {
    let (webhook_id, name, description, url, events, status, secret, since_seq, created_at, updated_at) = row;
    let events = json("webhooks", "events_json", &webhook_id, &events)?;
    let status = WebhookStatus::parse(&status).ok_or_else(|| Error::decode("webhooks", "status", &webhook_id, status))?;
    let (created_at, updated_at, signed) = (Timestamp(created_at), Timestamp(updated_at), secret.is_some());
    let webhook = Webhook { webhook_id, name, description, url, events, status, signed, created_at, updated_at };
    Ok(StoredWebhook { webhook, secret, since_seq })
}

/// Inserts a webhook.
pub async fn insert(tx: &mut Tx, workspace: &str, w: &StoredWebhook) -> Result<()> {
    let hook = &w.webhook;
    on!(tx, conn => done(sqlx::query(
        "insert into webhooks (id, workspace, name, description, url, events_json, status, secret, since_seq, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
        .bind(&hook.webhook_id).bind(workspace).bind(&hook.name).bind(&hook.description).bind(&hook.url).bind(to_json(&hook.events))
        .bind(hook.status.as_str()).bind(&w.secret).bind(w.since_seq).bind(hook.created_at.0).bind(hook.updated_at.0)
        .execute(conn).await?));
    Ok(())
}

/// Finds a webhook.
pub async fn find(tx: &mut Tx, workspace: &str, id: &str) -> Result<Option<StoredWebhook>> {
    let sql = format!("{COLUMNS} where workspace = $1 and id = $2");
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(workspace).bind(id).fetch_optional(conn).await?);
    row.map(read).transpose()
}

/// Lists webhooks after a position, newest first.
pub async fn list(tx: &mut Tx, workspace: &str, (before, id): (i64, &str), limit: i64) -> Result<Vec<StoredWebhook>> {
    let sql = format!(
        "{COLUMNS} where workspace = $1 and created_at <= $2 and (created_at < $2 or id < $3) order by created_at desc, id desc limit $4"
    );
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(workspace).bind(before).bind(id).bind(limit).fetch_all(conn).await?);
    rows.into_iter().map(read).collect()
}

/// Counts the webhooks of a workspace.
pub async fn count(tx: &mut Tx, workspace: &str) -> Result<i64> {
    Ok(on!(tx, conn => sqlx::query_scalar("select count(*) from webhooks where workspace = $1")
        .bind(workspace).fetch_one(conn).await?))
}

/// Writes what may change about a webhook.
pub async fn update(tx: &mut Tx, w: &StoredWebhook) -> Result<()> {
    let hook = &w.webhook;
    on!(tx, conn => done(sqlx::query(
        "update webhooks set name = $2, description = $3, url = $4, events_json = $5, status = $6, secret = $7, since_seq = $8,
            updated_at = $9 where id = $1")
        .bind(&hook.webhook_id).bind(&hook.name).bind(&hook.description).bind(&hook.url).bind(to_json(&hook.events))
        .bind(hook.status.as_str()).bind(&w.secret).bind(w.since_seq).bind(hook.updated_at.0).execute(conn).await?));
    Ok(())
}

/// Deletes a webhook and its deliveries; false when there is none.
pub async fn delete(tx: &mut Tx, workspace: &str, id: &str) -> Result<bool> {
    on!(tx, conn => done(sqlx::query(
        "delete from webhook_deliveries where webhook_id in (select id from webhooks where workspace = $1 and id = $2)")
        .bind(workspace).bind(id).execute(conn).await?));
    let rows = on!(tx, conn => sqlx::query("delete from webhooks where workspace = $1 and id = $2")
        .bind(workspace).bind(id).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Makes the cursor of a workspace at a position unless there is one.
pub async fn ensure_cursor(tx: &mut Tx, workspace: &str, seq: i64) -> Result<()> {
    on!(tx, conn => done(sqlx::query("insert into webhook_cursors (workspace, seq) values ($1, $2) on conflict (workspace) do nothing")
        .bind(workspace).bind(seq).execute(conn).await?));
    Ok(())
}

/// Lists workspaces with events that were not turned into deliveries yet.
pub async fn list_behind(tx: &mut Tx) -> Result<Vec<String>> {
    Ok(on!(tx, conn => sqlx::query_scalar(
        "select c.workspace from webhook_cursors c join event_counters e on e.workspace = c.workspace where e.last_seq > c.seq
         order by c.workspace")
        .fetch_all(conn).await?))
}

/// Locks the cursor of a workspace until the transaction ends and returns where it is.
pub async fn hold_cursor(tx: &mut Tx, workspace: &str) -> Result<Option<i64>> {
    Ok(on!(tx, conn => sqlx::query_scalar("update webhook_cursors set seq = seq where workspace = $1 returning seq")
        .bind(workspace).fetch_optional(conn).await?))
}

/// Moves the cursor of a workspace.
pub async fn move_cursor(tx: &mut Tx, workspace: &str, seq: i64) -> Result<()> {
    on!(tx, conn => done(sqlx::query("update webhook_cursors set seq = $2 where workspace = $1")
        .bind(workspace).bind(seq).execute(conn).await?));
    Ok(())
}

/// A delivery to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewDelivery<'a> {
    /// Its id.
    pub id: &'a str,
    /// Where to.
    pub webhook_id: &'a str,
    /// The event's position.
    pub seq: i64,
    /// The event's kind.
    pub event: &'a str,
    /// What the receiver is told.
    pub body: &'a str,
}

/// Makes a delivery that is due at once; one of the same webhook and event stays as it is.
pub async fn add_delivery(tx: &mut Tx, new: NewDelivery<'_>, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into webhook_deliveries (id, webhook_id, seq, event, body, state, attempts, tries, next_at, created_at)
         values ($1, $2, $3, $4, $5, 'PENDING', 0, 0, $6, $6) on conflict (webhook_id, seq) do nothing")
        .bind(new.id).bind(new.webhook_id).bind(new.seq).bind(new.event).bind(new.body).bind(at.0).execute(conn).await?));
    Ok(())
}

/// A delivery that somebody is about to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Its id.
    pub id: String,
    /// Where to.
    pub webhook_id: String,
    /// The workspace of the webhook.
    pub workspace: String,
    /// What the receiver is told.
    pub body: String,
    /// The number of this try since it was made or replayed.
    pub attempts: i64,
    /// The fence.
    pub tries: i64,
}

/// Claims up to `limit` deliveries that are due, oldest first. They come due again at `until` unless the try is recorded before.
pub async fn claim(tx: &mut Tx, now: Timestamp, until: Timestamp, limit: i64) -> Result<Vec<Claimed>> {
    let lock = if matches!(tx, Tx::Postgres(_)) { " for update skip locked" } else { "" };
    let sql = format!(
        "update webhook_deliveries set attempts = attempts + 1, tries = tries + 1, next_at = $2
         where id in (select id from webhook_deliveries where next_at <= $1 order by next_at, id limit $3{lock})
         returning id, webhook_id, body, attempts, tries"
    );
    type Row = (String, String, String, i64, i64);
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(now.0).bind(until.0).bind(limit).fetch_all(conn).await?);
    let mut claimed = Vec::with_capacity(rows.len());
    for (id, webhook_id, body, attempts, tries) in rows {
        let workspace: String = on!(tx, conn => sqlx::query_scalar("select workspace from webhooks where id = $1")
            .bind(&webhook_id).fetch_one(conn).await?);
        claimed.push(Claimed { id, webhook_id, workspace, body, attempts, tries });
    }
    Ok(claimed)
}

/// How a try went.
#[derive(Clone, Copy, Debug)]
pub struct Tried<'a> {
    /// Where the delivery stands now.
    pub state: DeliveryState,
    /// When it is tried next.
    pub next_at: Option<Timestamp>,
    /// Status of the answer.
    pub response_status: Option<i64>,
    /// Why it failed.
    pub error: Option<&'a str>,
}

/// Records how a try went, unless somebody claimed the delivery since.
pub async fn record(tx: &mut Tx, claimed: &Claimed, tried: Tried<'_>, now: Timestamp) -> Result<bool> {
    let finished = tried.state.is_over().then_some(now.0);
    let rows = on!(tx, conn => sqlx::query(
        "update webhook_deliveries set state = $3, next_at = $4, response_status = $5, error = $6, finished_at = $7
         where id = $1 and tries = $2 and state in ('PENDING', 'RETRYING')")
        .bind(&claimed.id).bind(claimed.tries).bind(tried.state.as_str()).bind(tried.next_at.map(|at| at.0))
        .bind(tried.response_status).bind(tried.error).bind(finished).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Makes a delivery that is over due again; false when it is not over.
pub async fn replay(tx: &mut Tx, id: &str, now: Timestamp) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query(
        "update webhook_deliveries set state = 'PENDING', attempts = 0, next_at = $2, finished_at = null
         where id = $1 and state in ('DELIVERED', 'DEAD')")
        .bind(id).bind(now.0).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Lists deliveries of a webhook before a position in the stream of events, newest first.
pub async fn list_deliveries(tx: &mut Tx, webhook_id: &str, before: i64, only: Option<&str>, limit: i64) -> Result<Vec<Delivery>> {
    type Row = (String, String, i64, String, i64, Option<i64>, Option<i64>, Option<String>, i64, Option<i64>);
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "select id, event, seq, state, attempts, next_at, response_status, error, created_at, finished_at from webhook_deliveries
         where webhook_id = $1 and seq < $2 and id = coalesce($3, id) order by seq desc limit $4")
        .bind(webhook_id).bind(before).bind(only).bind(limit).fetch_all(conn).await?);
    rows.into_iter()
        .map(|(id, event, seq, state, attempts, next_at, response_status, error, created_at, finished_at)| {
            let state = DeliveryState::parse(&state).ok_or_else(|| Error::decode("webhook_deliveries", "state", &id, state))?;
            Ok(Delivery {
                delivery_id: id,
                event,
                seq,
                state,
                attempts,
                next_attempt_at: next_at.map(Timestamp),
                response_status,
                error,
                created_at: Timestamp(created_at),
                finished_at: finished_at.map(Timestamp),
            })
        })
        .collect()
}

/// Deletes deliveries that were over before a time. Returns how many.
pub async fn prune(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    Ok(on!(tx, conn => sqlx::query("delete from webhook_deliveries where finished_at < $1")
        .bind(before.0).execute(conn).await?.rows_affected()))
}
