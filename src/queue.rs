//! apalis as the bell. It carries the id of a job from the transaction that made the job runnable to a worker, and nothing else:
//! the tables of ours decide who works on what, so a delivery that is lost, late or doubled costs a moment and never a job.
//! docs/decisions/0002-apalis-is-the-bell.md says why it is kept this thin.

use std::task::{Context, Poll};
use std::time::Duration;

use apalis_core::backend::ext::poll_strategy::{IntervalStrategy, PollSnapshot, PollStrategy, PollWith, StreamStrategy};
use apalis_core::task::builder::TaskBuilder;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_postgres::{PostgresStorage, Pubsub};
use apalis_sqlite::SqliteStorage;
use tokio::sync::watch;

use crate::domain::time::Timestamp;
use crate::store::{Db, Error, Result, Tx, done};

/// The one queue: training jobs.
const QUEUE: &str = "slipway.train";
/// How often a worker says that it is alive; its undelivered tasks go back to the queue after three times this.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Rest after a worker ended with an error, for instance because the database went away.
const REST: Duration = Duration::from_secs(1);

/// Makes apalis' own tables: the schema `apalis` on Postgres, `Jobs` and `Workers` on SQLite. Its `setup` is not used there, as
/// it would turn synchronous commits off.
pub async fn migrate(db: &Db) -> Result<()> {
    match db {
        Db::Postgres(pool) => PostgresStorage::<()>::migrations().run(pool).await?,
        Db::Sqlite { writer, .. } => {
            let mut migrations = SqliteStorage::<()>::migrations();
            migrations.dangerous_set_table_name("_apalis_migrations");
            migrations.run(writer).await?;
        }
    }
    Ok(())
}

/// Rings for a job at `at`, if and when the transaction commits.
pub async fn push(tx: &mut Tx, job_id: &str, at: Timestamp) -> Result<()> {
    // whole seconds, and not before the job may be claimed
    let second = u64::try_from(at.0).unwrap_or(0).div_ceil(1000);
    let args = serde_json::Value::from(job_id).to_string().into_bytes();
    let task = TaskBuilder::new(args).max_attempts(1).run_at_timestamp(second).build();
    match tx {
        Tx::Postgres(tx) => apalis_postgres::queries::push_tasks(&mut **tx, QUEUE, vec![task]).await.map_err(of_postgres),
        Tx::Sqlite(tx) => apalis_sqlite::queries::push_tasks(&mut **tx, QUEUE, &[task]).await.map_err(of_sqlite),
    }
}

/// Calls `ring` with each job id that is delivered, until `stop` is true. A worker that fails is replaced by one of another name:
/// a name that is used again would keep alive what the dead one held.
pub async fn listen(
    db: &Db,
    name: impl Fn() -> String,
    ring: impl Fn(String) + Clone + Send + Sync + 'static,
    stop: watch::Receiver<bool>,
) {
    while !*stop.borrow() {
        let ended = match db {
            Db::Postgres(_) => listen_postgres(db, &name(), ring.clone(), stop.clone()).await,
            Db::Sqlite { .. } => listen_sqlite(db, &name(), ring.clone(), stop.clone()).await,
        };
        if let Err(e) = ended {
            tracing::warn!(error = %e, "the queue's listener ended and starts again");
        }
        let mut stop = stop.clone();
        let _ = tokio::time::timeout(REST, stop.wait_for(|stopping| *stopping)).await;
    }
}

/// Deletes what was delivered, and workers that are gone for a day.
pub async fn prune(db: &Db, now: Timestamp) -> Result<()> {
    let second = now.0 / 1000 - 86_400;
    match db {
        Db::Postgres(pool) => {
            done(
                sqlx::query("delete from apalis.jobs where status in ('Done', 'Failed', 'Killed') and done_at < to_timestamp($1)")
                    .bind(second as f64)
                    .execute(pool)
                    .await?,
            );
            done(sqlx::query("delete from apalis.workers w where last_seen < to_timestamp($1) and not exists (select 1 from apalis.jobs where lock_by = w.id)")
                .bind(second as f64).execute(pool).await?);
        }
        Db::Sqlite { writer, .. } => {
            done(sqlx::query("delete from Jobs where status in ('Done', 'Failed', 'Killed')").execute(writer).await?);
            done(
                sqlx::query("delete from Workers where last_seen < $1 and id not in (select lock_by from Jobs where lock_by is not null)")
                    .bind(second)
                    .execute(writer)
                    .await?,
            );
            done(sqlx::query("pragma optimize").execute(writer).await?);
        }
    }
    Ok(())
}

async fn listen_postgres(
    db: &Db,
    name: &str,
    ring: impl Fn(String) + Clone + Send + Sync + 'static,
    stop: watch::Receiver<bool>,
) -> Result<(), String> {
    let Db::Postgres(pool) = db else { return Ok(()) };
    let config = apalis_postgres::Config::default().queue(QUEUE).batch_size(1).heartbeat_interval(HEARTBEAT).missed_heartbeats(3);
    let storage = PostgresStorage::<String>::new(pool).with_config(config);
    let notified = PollWith::new(storage, Drained(StreamStrategy::new(Pubsub::new(pool.clone(), QUEUE.to_owned()))));
    let backend = PollWith::new(notified, Drained(IntervalStrategy::new(Duration::from_secs(1))));
    let worker = WorkerBuilder::new(name).backend(backend).build(move |id: String| {
        let ring = ring.clone();
        async move {
            ring(id);
            Ok::<_, std::io::Error>(())
        }
    });
    worker.run_until(stopped(stop)).await.map_err(|e| e.to_string())
}

async fn listen_sqlite(
    db: &Db,
    name: &str,
    ring: impl Fn(String) + Clone + Send + Sync + 'static,
    stop: watch::Receiver<bool>,
) -> Result<(), String> {
    let Db::Sqlite { writer, .. } = db else { return Ok(()) };
    let config = apalis_sqlite::Config::default().queue(QUEUE).batch_size(1).heartbeat_interval(HEARTBEAT).missed_heartbeats(3);
    let storage = SqliteStorage::<String>::new(writer).with_config(config);
    let backend = PollWith::new(storage, Drained(IntervalStrategy::new(Duration::from_millis(200))));
    let worker = WorkerBuilder::new(name).backend(backend).build(move |id: String| {
        let ring = ring.clone();
        async move {
            ring(id);
            Ok::<_, std::io::Error>(())
        }
    });
    worker.run_until(stopped(stop)).await.map_err(|e| e.to_string())
}

async fn stopped(mut stop: watch::Receiver<bool>) -> std::io::Result<()> {
    let _ = stop.wait_for(|stopping| *stopping).await;
    Ok(())
}

/// A strategy that fired leaves no waker behind, so the next wake-up would be lost until the heartbeat. This one is asked until
/// it is pending, which leaves one.
struct Drained<S>(S);

impl<S: PollStrategy> PollStrategy for Drained<S> {
    fn poll_drive(&mut self, cx: &mut Context<'_>, snapshot: &PollSnapshot) -> Poll<Option<()>> {
        let mut fired = false;
        while let Poll::Ready(Some(())) = self.0.poll_drive(cx, snapshot) {
            fired = true;
        }
        if fired { Poll::Ready(Some(())) } else { Poll::Pending }
    }

    fn on_poll(&mut self, snapshot: &PollSnapshot) {
        self.0.on_poll(snapshot);
    }
}

fn of_postgres(error: apalis_postgres::Error) -> Error {
    match error {
        apalis_postgres::Error::Database(e) => Error::Database(e),
        other => Error::Config(format!("queue: {other}")),
    }
}

fn of_sqlite(error: apalis_sqlite::Error) -> Error {
    match error {
        apalis_sqlite::Error::Database(e) => Error::Database(e),
        other => Error::Config(format!("queue: {other}")),
    }
}
