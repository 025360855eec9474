//! Processes that run jobs. They belong to nobody's workspace.

use super::{Result, Tx, done, on};
use crate::domain::time::Timestamp;
use crate::domain::worker::WorkerProcess;

/// Notes that a process is alive.
pub async fn beat(tx: &mut Tx, id: &str, host: &str, pid: i64, slots: i64, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into worker_processes (id, host, pid, slots, started_at, heartbeat_at) values ($1, $2, $3, $4, $5, $5)
         on conflict (id) do update set heartbeat_at = excluded.heartbeat_at")
        .bind(id).bind(host).bind(pid).bind(slots).bind(at.0).execute(conn).await?));
    Ok(())
}

/// Forgets a process that ends.
pub async fn forget(tx: &mut Tx, id: &str) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from worker_processes where id = $1").bind(id).execute(conn).await?));
    Ok(())
}

/// Forgets processes that have been silent since `before`.
pub async fn forget_silent(tx: &mut Tx, before: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from worker_processes where heartbeat_at < $1").bind(before.0).execute(conn).await?));
    Ok(())
}

/// Lists processes by the time of their start, with the number of attempts that each holds.
pub async fn list(tx: &mut Tx) -> Result<Vec<WorkerProcess>> {
    type Row = (String, String, i64, i64, i64, i64, i64);
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "select w.id, w.host, w.pid, w.slots, w.started_at, w.heartbeat_at,
            (select count(*) from job_attempts a where a.worker_id = w.id and a.state in ('leased', 'starting', 'running', 'stopping'))
         from worker_processes w order by w.started_at, w.id")
        .fetch_all(conn).await?);
    let process = |(worker_id, host, pid, slots, started, heartbeat, running): Row| WorkerProcess {
        worker_id,
        host,
        pid,
        slots,
        running,
        started_at: Timestamp(started),
        heartbeat_at: Timestamp(heartbeat),
    };
    Ok(rows.into_iter().map(process).collect())
}
