//! The outbox and the log of state changes.

use serde_json::Value;

use super::{Result, Tx, done, json, on, to_json};
use crate::domain::event::{Event, NewEvent};
use crate::domain::identity::Caller;
use crate::domain::time::Timestamp;

/// Appends an event. Call it last in a transaction: it holds the workspace's counter until the commit.
pub async fn append(tx: &mut Tx, caller: &Caller, event: &NewEvent, at: Timestamp) -> Result<i64> {
    let seq: i64 = on!(tx, conn => sqlx::query_scalar(
        "insert into event_counters (workspace, last_seq) values ($1, 1)
         on conflict (workspace) do update set last_seq = event_counters.last_seq + 1
         returning last_seq")
        .bind(&caller.workspace).fetch_one(conn).await?);
    on!(tx, conn => done(sqlx::query(
        "insert into events (workspace, seq, kind, entity, entity_id, actor, payload, at) values ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(&caller.workspace).bind(seq).bind(event.kind).bind(event.entity).bind(&event.entity_id)
        .bind(&caller.principal).bind(event.payload.to_string()).bind(at.0).execute(conn).await?));
    Ok(seq)
}

/// Appends events of one workspace, each by its actor, as [`append`] does.
pub async fn append_all(tx: &mut Tx, workspace: &str, events: &[(&str, NewEvent)], at: Timestamp) -> Result<()> {
    let count = events.len().cast_signed() as i64;
    let last: i64 = on!(tx, conn => sqlx::query_scalar(
        "insert into event_counters (workspace, last_seq) values ($1, $2)
         on conflict (workspace) do update set last_seq = event_counters.last_seq + $2
         returning last_seq")
        .bind(workspace).bind(count).fetch_one(conn).await?);
    let rows = (last - count + 1..).zip(events);
    match tx {
        Tx::Postgres(tx) => {
            let (mut seqs, mut columns): (Vec<i64>, [Vec<&str>; 4]) = (Vec::new(), Default::default());
            let mut payloads = Vec::new();
            for (seq, (actor, event)) in rows {
                seqs.push(seq);
                for (column, value) in columns.iter_mut().zip([event.kind, event.entity, &event.entity_id, actor]) {
                    column.push(value);
                }
                payloads.push(event.payload.to_string());
            }
            let [kinds, entities, ids, actors] = columns;
            sqlx::query(
                "insert into events (workspace, seq, kind, entity, entity_id, actor, payload, at)
                 select $1, n.*, $8 from unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) as n",
            )
            .bind(workspace)
            .bind(seqs)
            .bind(kinds)
            .bind(entities)
            .bind(ids)
            .bind(actors)
            .bind(payloads)
            .bind(at.0)
            .execute(&mut **tx)
            .await?;
        }
        Tx::Sqlite(tx) => {
            let list: Vec<_> = rows
                .map(|(seq, (actor, event))| (seq, event.kind, event.entity, &event.entity_id, *actor, event.payload.to_string()))
                .collect();
            sqlx::query(
                "insert into events (workspace, seq, kind, entity, entity_id, actor, payload, at)
                 select $1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, $3 from json_each($2)",
            )
            .bind(workspace)
            .bind(to_json(&list))
            .bind(at.0)
            .execute(&mut **tx)
            .await?;
        }
    }
    Ok(())
}

/// Lists the events after `seq` in their order.
pub async fn list_after(tx: &mut Tx, workspace: &str, seq: i64, limit: i64) -> Result<Vec<Event>> {
    type Row = (i64, String, String, String, String, String, i64);
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "select seq, kind, entity, entity_id, actor, payload, at from events where workspace = $1 and seq > $2 order by seq limit $3")
        .bind(workspace).bind(seq).bind(limit).fetch_all(conn).await?);
    rows.into_iter()
        .map(|(seq, kind, entity, entity_id, actor, payload, at)| {
            let payload: Value = json("events", "payload", &seq.to_string(), &payload)?;
            Ok(Event { seq, kind, entity, entity_id, actor, payload, at: Timestamp(at) })
        })
        .collect()
}

/// Returns the newest sequence number, 0 before the first event.
pub async fn last_seq(tx: &mut Tx, workspace: &str) -> Result<i64> {
    let seq: Option<i64> = on!(tx, conn => sqlx::query_scalar("select last_seq from event_counters where workspace = $1")
        .bind(workspace).fetch_optional(conn).await?);
    Ok(seq.unwrap_or(0))
}

/// One line of the state log.
#[derive(Clone, Copy, Debug)]
pub struct Transition<'a> {
    /// The noun.
    pub entity: &'a str,
    /// Its id.
    pub id: &'a str,
    /// State left.
    pub from: &'a str,
    /// State entered.
    pub to: &'a str,
    /// Why.
    pub reason: &'a str,
    /// Fence of the attempt that did it, for jobs.
    pub fence: Option<i64>,
}

/// Appends to the log of state changes.
pub async fn log_transition(tx: &mut Tx, caller: &Caller, change: Transition<'_>, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into state_transitions (workspace, entity, entity_id, from_state, to_state, actor, reason, fence, at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(&caller.workspace).bind(change.entity).bind(change.id).bind(change.from).bind(change.to)
        .bind(&caller.principal).bind(change.reason).bind(change.fence).bind(at.0).execute(conn).await?));
    Ok(())
}
