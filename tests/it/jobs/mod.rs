//! The life of a job against both databases: fenced attempts, lost workers, cancelled work. `model` holds the service against the
//! pure state machine, `race` lets many workers loose on one job.

mod model;
mod race;

use bytes::Bytes;
use slipway::domain::identity::Caller;
use slipway::domain::job::{JobState, Reason};
use slipway::domain::run::{MetricPoint, Number, RunStatus};
use slipway::domain::schema::Format;
use slipway::domain::training::TrainSpec;
use slipway::store::Db;

use crate::support::db::{ENGINES, World};

/// What the outbox says when a job ends.
const ENDS: [&str; 4] = ["job.succeeded", "job.failed", "job.timed_out", "job.canceled"];

/// Uploads a small data set.
async fn given_a_dataset(world: &World) {
    let bytes = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"hour,height\n1,0.5\n2,0.75\n"))]);
    world.app.datasets().upload(&Caller::local(), "tides", Format::Csv, Default::default(), bytes).await.unwrap();
}

fn spec() -> TrainSpec {
    serde_json::from_str(r#"{"dataset": "tides", "target": "height"}"#).unwrap()
}

fn point(step: i64) -> MetricPoint {
    MetricPoint { key: "loss".to_owned(), value: Number(0.5), timestamp: 1, step }
}

#[tokio::test]
async fn a_lost_attempt_is_given_to_another_worker_and_can_write_nothing_more() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        given_a_dataset(&world).await;
        let (jobs, me) = (world.app.jobs(), Caller::local());
        let job = jobs.submit(&me, spec()).await.unwrap();
        assert_eq!((job.state, job.spec.dataset_version), (JobState::Pending, Some(1)));

        let first = jobs.claim("worker-1").await.unwrap().unwrap();
        assert!(jobs.claim("worker-2").await.unwrap().is_none(), "{engine:?}: one active attempt");
        assert!(jobs.record(&first, &[point(1), point(2)], None).await.unwrap());
        assert_eq!(jobs.reap().await.unwrap(), 0);
        world.clock.advance_ms(35_001);
        assert_eq!(jobs.reap().await.unwrap(), 1);
        assert_eq!(jobs.beat(&first).await.unwrap(), None);
        assert!(!jobs.record(&first, &[point(3)], None).await.unwrap());
        assert_eq!(world.app.runs().get(&me, &job.run_id).await.unwrap().status, RunStatus::Scheduled);

        world.clock.advance_ms(10_001);
        let second = jobs.claim("worker-2").await.unwrap().unwrap();
        assert_eq!((second.attempt_no, second.resume.clone()), (2, None));
        assert!(second.epoch > first.epoch);
        let run = world.app.runs().get(&me, &job.run_id).await.unwrap();
        assert!(run.metrics.is_empty(), "{engine:?}: without a checkpoint nothing of attempt 1 stays visible");
        jobs.fail(&second, Reason::UserCodeError, "the loss diverged").await.unwrap();
        let ended = jobs.get(&me, &job.job_id).await.unwrap();
        assert_eq!((ended.state, ended.lost, ended.failures), (JobState::Failed, 1, 1));
        assert_eq!(jobs.cancel(&me, &job.job_id).await.unwrap_err().code, "job_ended");
        world.end().await;
    }
}

#[tokio::test]
async fn a_cancel_reaches_the_worker_with_its_next_beat() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        given_a_dataset(&world).await;
        let (jobs, me) = (world.app.jobs(), Caller::local());
        let job = jobs.submit(&me, spec()).await.unwrap();
        let claim = jobs.claim("worker-1").await.unwrap().unwrap();
        assert_eq!(jobs.beat(&claim).await.unwrap(), Some(false));
        jobs.cancel(&me, &job.job_id).await.unwrap();
        assert_eq!(jobs.beat(&claim).await.unwrap(), Some(true), "{engine:?}");
        jobs.fail(&claim, Reason::CanceledByUser, "stopped").await.unwrap();
        assert_eq!(jobs.get(&me, &job.job_id).await.unwrap().state, JobState::Canceled);
        assert_eq!(world.app.runs().get(&me, &job.run_id).await.unwrap().status, RunStatus::Killed);
        world.end().await;
    }
}

#[tokio::test]
async fn a_job_that_loses_one_worker_after_the_other_fails_in_the_end() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        given_a_dataset(&world).await;
        let (jobs, me) = (world.app.jobs(), Caller::local());
        let job = jobs.submit(&me, spec()).await.unwrap();
        for attempt in 1..=6 {
            let claim = jobs.claim("worker").await.unwrap().unwrap_or_else(|| panic!("{engine:?}: attempt {attempt}"));
            assert!(jobs.started(&claim).await.unwrap());
            world.clock.advance_ms(35_001);
            assert_eq!(jobs.reap().await.unwrap(), 1);
            // the backoff doubles from ten seconds up to ten minutes
            world.clock.advance_ms((10_000 << (attempt - 1)).min(600_000) - 1);
            assert!(jobs.claim("worker").await.unwrap().is_none(), "{engine:?}: attempt {attempt} is followed by a pause");
            world.clock.advance_ms(1);
        }
        let ended = jobs.get(&me, &job.job_id).await.unwrap();
        assert_eq!((ended.state, ended.termination_reason), (JobState::Failed, Some(Reason::WorkerLost)), "{engine:?}");
        assert_eq!((ended.lost, ended.failures), (6, 0));
        world.end().await;
    }
}

#[tokio::test]
async fn a_job_that_can_not_be_read_keeps_nobody_else_waiting() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        given_a_dataset(&world).await;
        let (jobs, me) = (world.app.jobs(), Caller::local());
        let held = [jobs.submit(&me, spec()).await.unwrap(), jobs.submit(&me, spec()).await.unwrap()];
        for _ in &held {
            jobs.claim("worker").await.unwrap().unwrap();
        }
        let waiting = [jobs.submit(&me, spec()).await.unwrap(), jobs.submit(&me, spec()).await.unwrap()];
        for broken in [&held[0].job_id, &waiting[0].job_id] {
            let sql = "update job_records set spec_json = '{' where id = $1";
            match &world.db {
                Db::Postgres(pool) => drop(sqlx::query(sql).bind(broken).execute(pool).await.unwrap()),
                Db::Sqlite { writer, .. } => drop(sqlx::query(sql).bind(broken).execute(writer).await.unwrap()),
            }
        }
        assert_eq!(jobs.claim("worker").await.unwrap().unwrap().job_id, waiting[1].job_id, "{engine:?}");
        world.clock.advance_ms(35_001);
        assert_eq!(jobs.reap().await.unwrap(), 2, "{engine:?}: all but the broken one are taken away");
        assert_eq!(jobs.get(&me, &held[1].job_id).await.unwrap().state, JobState::Pending, "{engine:?}");
        world.end().await;
    }
}
