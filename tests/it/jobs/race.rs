//! Many workers at once on one job: whoever wins, there is one active attempt, one end, and nothing from the losers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use slipway::domain::identity::Caller;
use slipway::domain::job::{JobState, Reason};
use slipway::domain::page::PageRequest;
use slipway::domain::run::{MetricPoint, Number};
use slipway::service::{App, Claim, Close};
use tokio::sync::Barrier;

use super::{ENDS, given_a_dataset, spec};
use crate::support::db::{ENGINES, World};
use crate::support::rng::Rng;

const WORKERS: u64 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn of_many_claims_at_once_one_wins() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        given_a_dataset(&world).await;
        for round in 0..5 {
            world.app.jobs().submit(&Caller::local(), spec()).await.unwrap();
            let gate = Arc::new(Barrier::new(WORKERS as usize));
            let tasks: Vec<_> = (0..WORKERS)
                .map(|worker| {
                    let (app, gate) = (world.app.clone(), gate.clone());
                    tokio::spawn(async move {
                        gate.wait().await;
                        app.jobs().claim(&format!("worker-{worker}")).await.unwrap()
                    })
                })
                .collect();
            let mut won = Vec::new();
            for task in tasks {
                won.extend(task.await.unwrap());
            }
            assert_eq!(won.len(), 1, "{engine:?}, round {round}");
            world.app.jobs().fail(&won[0], Reason::UserCodeError, "").await.unwrap();
        }
        world.end().await;
    }
}

/// What one worker did, as the service answered it.
#[derive(Default)]
struct Did {
    claimed: Vec<i64>,
    succeeded: Vec<i64>,
    /// Steps that were acknowledged, with the attempt.
    logged: Vec<(i64, i64)>,
}

/// Does what a worker does, in an order of chance and without regard for time: claims, logs with attempts that may be lost
/// already, reaps, ends.
async fn work(app: App, worker: u64, cancel: Option<String>, done: Arc<AtomicBool>) -> Did {
    let (jobs, mut rng, mut did) = (app.jobs(), Rng::new(worker), Did::default());
    let mut held: Option<Claim> = None;
    let mut step = worker.cast_signed() * 1_000_000;
    while !done.load(Ordering::Relaxed) {
        let Some(claim) = &held else {
            match rng.below(4) {
                0 => drop(jobs.reap().await.unwrap()),
                _ => held = jobs.claim(&format!("worker-{worker}")).await.unwrap(),
            }
            did.claimed.extend(held.as_ref().map(|claim| claim.attempt_no));
            continue;
        };
        match rng.below(20) {
            0 => match jobs.close(claim).await.unwrap() {
                Close::Open(closing) => {
                    let succeeds = closing.succeeds();
                    let kept = closing.commit(&app, claim, None).await.unwrap();
                    did.succeeded.extend((succeeds && kept).then_some(claim.attempt_no));
                    held = None;
                }
                Close::Done | Close::Fenced => held = None,
            },
            1 => {
                jobs.fail(claim, Reason::WorkerShutdown, "").await.unwrap();
                held = None;
            }
            2 => drop(jobs.reap().await.unwrap()),
            3..6 => {
                if jobs.beat(claim).await.unwrap().is_none() && rng.below(4) == 0 {
                    held = None;
                }
            }
            6 if cancel.is_some() && rng.below(10) == 0 => {
                drop(jobs.cancel(&Caller::local(), cancel.as_deref().unwrap()).await);
            }
            _ => {
                step += 1;
                let point = MetricPoint { key: "loss".to_owned(), value: Number(claim.attempt_no as f64), timestamp: step, step };
                if jobs.record(claim, &[point], None).await.unwrap() {
                    did.logged.push((step, claim.attempt_no));
                }
            }
        }
    }
    did
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_many_workers_do_to_one_job_it_ends_once() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        given_a_dataset(&world).await;
        for round in 0..4 {
            let me = Caller::local();
            let first_event = world.app.events().last_seq(&me).await.unwrap();
            let job = world.app.jobs().submit(&me, spec()).await.unwrap();
            let done = Arc::new(AtomicBool::new(false));
            let tasks: Vec<_> = (0..WORKERS)
                .map(|worker| {
                    let cancel = (round % 2 == 1).then(|| job.job_id.clone());
                    tokio::spawn(work(world.app.clone(), round * WORKERS + worker, cancel, done.clone()))
                })
                .collect();
            let ended = loop {
                // leases run out while their holders are busy
                world.clock.advance_ms(4_000);
                let attempts = world.app.jobs().attempts(&me, &job.job_id).await.unwrap();
                assert!(attempts.iter().filter(|attempt| attempt.state.is_active()).count() <= 1, "I1 {engine:?}");
                let now = world.app.jobs().get(&me, &job.job_id).await.unwrap();
                if now.state.is_final() {
                    break now;
                }
            };
            done.store(true, Ordering::Relaxed);
            let (mut claimed, mut succeeded, mut logged) = (Vec::new(), Vec::new(), Vec::new());
            for task in tasks {
                let did = task.await.unwrap();
                claimed.extend(did.claimed);
                succeeded.extend(did.succeeded);
                logged.extend(did.logged);
            }
            claimed.sort_unstable();
            assert_eq!(claimed, (1..=ended.attempt_no).collect::<Vec<_>>(), "{engine:?}: each attempt has one holder");
            let won = if ended.state == JobState::Succeeded { vec![ended.attempt_no] } else { vec![] };
            assert_eq!(succeeded, won, "{engine:?}, round {round}");
            let last = world.app.jobs().get(&me, &job.job_id).await.unwrap();
            assert_eq!((last.state, last.attempt_no), (ended.state, ended.attempt_no), "{engine:?}: an end is an end");
            let events = world.app.events().list_after(&me, first_event, 100_000).await.unwrap();
            let ends = events.iter().filter(|e| e.entity_id == job.job_id && ENDS.contains(&e.kind.as_str())).count();
            assert_eq!(ends, 1, "{engine:?}: I4");
            // no checkpoint was written, so only the last attempt's points are left, all that were acknowledged
            logged.retain(|(_, attempt)| *attempt == ended.attempt_no);
            logged.sort_unstable();
            let page = PageRequest::parse(Some(1000), None).unwrap();
            let read = world.app.runs().history(&me, &job.run_id, "loss", &page).await.unwrap().items;
            let read: Vec<(i64, i64)> = read.into_iter().map(|point| (point.step, point.value.0 as i64)).collect();
            assert_eq!(read, logged, "{engine:?}: I10");
        }
        world.end().await;
    }
}
