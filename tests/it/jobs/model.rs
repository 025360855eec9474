//! Any sequence of events, applied to the service on a real database and to the pure state machine: after each one the stored job
//! is what the machine says. The invariants are stated here once more in the test's own words, so that a mistake that service
//! and machine share is seen too. `SLIPWAY_CASES` sets the number of sequences per database.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use slipway::domain::identity::Caller;
use slipway::domain::job::{Control, Event, JobState, Reason, Refusal, Timers, transition};
use slipway::domain::page::PageRequest;
use slipway::domain::run::{MetricPoint, Number, RunStatus};
use slipway::service::{Claim, Close};
use slipway::store;

use super::{ENDS, given_a_dataset, spec};
use crate::support::db::{ENGINES, Engine, World};
use crate::support::rng::setting;

/// The defaults of `config.default.toml`.
const TIMERS: Timers = Timers { lease_ms: 30_000, slack_ms: 5_000, backoff_ms: 10_000, backoff_max_ms: 600_000, max_lost: 5 };

/// What a step does. `usize` picks the attempt that reports: 0 is the newest, 1 the one before.
#[derive(Clone, Debug)]
enum Step {
    Claim(u8),
    Started(usize),
    Beat(usize),
    Record(usize),
    Checkpoint(usize),
    Succeed(usize),
    Fail(usize, Reason),
    Cancel,
    Reap,
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = prop_oneof![4 => Just(0usize), 1 => Just(1usize)];
    let reason = prop_oneof![
        3 => Just(Reason::ServerError),
        1 => Just(Reason::UserCodeError),
        1 => Just(Reason::MaxDuration),
        2 => Just(Reason::WorkerShutdown),
        1 => Just(Reason::CanceledByUser),
    ];
    let step = prop_oneof![
        6 => (0..3u8).prop_map(Step::Claim),
        2 => who.clone().prop_map(Step::Started),
        3 => who.clone().prop_map(Step::Beat),
        4 => who.clone().prop_map(Step::Record),
        2 => who.clone().prop_map(Step::Checkpoint),
        1 => who.clone().prop_map(Step::Succeed),
        2 => (who, reason).prop_map(|(who, reason)| Step::Fail(who, reason)),
        1 => Just(Step::Cancel),
        3 => Just(Step::Reap),
        4 => prop_oneof![1_000..20_000i64, 35_001..90_000i64, Just(700_000i64)].prop_map(Step::Wait),
    ];
    // by chance alone a job would hardly ever lose all the workers that it may lose
    let lose = vec![Step::Claim(0), Step::Wait(36_000), Step::Reap, Step::Wait(700_000)];
    let block = prop_oneof![6 => step.prop_map(|step| vec![step]), 1 => Just(lose)];
    prop::collection::vec(block, 1..40).prop_map(|blocks| blocks.concat())
}

#[test]
fn the_stored_job_is_what_the_state_machine_says_whatever_happens() {
    let cases = u32::try_from(setting("SLIPWAY_CASES", 24)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for engine in ENGINES {
        let world = runtime.block_on(async {
            let world = World::new(engine).await;
            given_a_dataset(&world).await;
            world
        });
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let ended = runner.run(&steps(), |steps| runtime.block_on(play(engine, &world, &steps)));
        ended.unwrap_or_else(|e| panic!("{engine:?}: {e}"));
        runtime.block_on(world.end());
    }
}

/// What the test itself knows about a job.
struct Known {
    job_id: String,
    run_id: String,
    control: Control,
    claims: Vec<Claim>,
    /// Visible points of the metric: step to the attempt that logged it.
    points: BTreeMap<i64, i64>,
    /// Step of the newest checkpoint.
    saved: Option<i64>,
    next_step: i64,
    cancelled: bool,
}

async fn play(engine: Engine, world: &World, steps: &[Step]) -> Result<(), TestCaseError> {
    let me = Caller::local();
    let first_event = world.app.events().last_seq(&me).await.unwrap();
    let job = world.app.jobs().submit(&me, spec()).await.unwrap();
    let control = stored(world, &job.job_id).await;
    let mut known = Known {
        job_id: job.job_id,
        run_id: job.run_id,
        control,
        claims: Vec::new(),
        points: BTreeMap::new(),
        saved: None,
        next_step: 1,
        cancelled: false,
    };
    for step in steps {
        take(world, &mut known, step).await?;
        check(world, &known, step).await?;
    }
    // once the faults stop, the end is reached (I5): reap what is active, then run undisturbed
    for _ in 0..3 {
        for step in [Step::Wait(700_000), Step::Reap, Step::Claim(9), Step::Started(0), Step::Succeed(0)] {
            take(world, &mut known, &step).await?;
            check(world, &known, &step).await?;
        }
    }
    prop_assert!(known.control.state.is_final(), "I5: {:?}", known.control);
    // I4: exactly one event says that it ended, and it says how
    let events = world.app.events().list_after(&me, first_event, 1000).await.unwrap();
    let ends: Vec<&str> =
        events.iter().filter(|e| e.entity_id == known.job_id && ENDS.contains(&e.kind.as_str())).map(|e| e.kind.as_str()).collect();
    let end = match known.control.state {
        JobState::Succeeded => "job.succeeded",
        JobState::Failed => "job.failed",
        JobState::Timeout => "job.timed_out",
        _ => "job.canceled",
    };
    prop_assert_eq!(ends, [end], "I4 {:?}", engine);
    Ok(())
}

async fn stored(world: &World, id: &str) -> Control {
    let mut tx = world.db.read().await.unwrap();
    store::job::load(&mut tx, id).await.unwrap().unwrap().control
}

/// Applies a step to the service, and what must follow from it to what is known.
async fn take(world: &World, known: &mut Known, step: &Step) -> Result<(), TestCaseError> {
    let jobs = world.app.jobs();
    let now = world.now();
    let claim = |who: usize| known.claims.len().checked_sub(who + 1).map(|place| known.claims[place].clone());
    let decide = |event: &Event| transition(&known.control, event, &TIMERS, now);
    match step {
        Step::Wait(ms) => world.clock.advance_ms(*ms),
        Step::Claim(worker) => {
            let got = jobs.claim(&format!("worker-{worker}")).await.unwrap();
            let epoch = got.as_ref().map_or(i64::MAX, |claim| claim.epoch);
            let event = Event::Claim { worker: format!("worker-{worker}"), epoch };
            let next = decide(&event);
            prop_assert_eq!(got.is_some(), next.is_ok(), "T1 of {:?}", known.control);
            let (Some(claim), Ok(next)) = (got, next) else { return Ok(()) };
            prop_assert!(!known.cancelled, "an acknowledged cancel was forgotten");
            prop_assert_eq!(claim.attempt_no, known.claims.len() as i64 + 1);
            prop_assert!(known.claims.last().is_none_or(|before| before.epoch < claim.epoch), "epochs grow");
            prop_assert_eq!(claim.resume.as_ref().map(|(step, _)| *step), known.saved);
            known.points.retain(|step, _| *step <= known.saved.unwrap_or(-1));
            known.next_step = known.saved.unwrap_or(0) + 1;
            known.control = next;
            known.claims.push(claim);
        }
        Step::Started(who) => {
            let Some(claim) = claim(*who) else { return Ok(()) };
            let kept = jobs.started(&claim).await.unwrap();
            let next = decide(&Event::Started { epoch: claim.epoch });
            fence(known, *who, kept, &next)?;
            known.control = next.unwrap_or_else(|_| known.control.clone());
        }
        Step::Beat(who) => {
            let Some(claim) = claim(*who) else { return Ok(()) };
            let heard = jobs.beat(&claim).await.unwrap();
            let next = decide(&Event::Beat { epoch: claim.epoch });
            fence(known, *who, heard.is_some(), &next)?;
            prop_assert!(heard.is_none_or(|cancel| cancel == known.cancelled), "a beat carries the cancel");
            known.control = next.unwrap_or_else(|_| known.control.clone());
        }
        Step::Record(who) => {
            let Some(claim) = claim(*who) else { return Ok(()) };
            let at = known.next_step;
            let kept = jobs.record(&claim, &[point(at, claim.attempt_no)], None).await.unwrap();
            fence(known, *who, kept, &decide(&Event::Beat { epoch: claim.epoch }))?;
            if kept {
                known.points.insert(at, claim.attempt_no);
                known.next_step += 1;
            }
        }
        Step::Checkpoint(who) => {
            let Some(claim) = claim(*who) else { return Ok(()) };
            let at = known.next_step - 1;
            let kept = checkpoint(world, &claim, at).await;
            fence(known, *who, kept, &decide(&Event::Beat { epoch: claim.epoch }))?;
            if kept {
                known.saved = Some(at);
            }
        }
        Step::Succeed(who) => {
            let Some(claim) = claim(*who) else { return Ok(()) };
            let next = decide(&Event::Succeed { epoch: claim.epoch });
            let kept = match jobs.close(&claim).await.unwrap() {
                Close::Open(closing) => {
                    prop_assert_eq!(closing.succeeds(), !known.cancelled, "I7");
                    let result = closing.succeeds().then(|| serde_json::json!({ "attempt": claim.attempt_no }));
                    closing.commit(&world.app, &claim, result.as_ref()).await.unwrap()
                }
                Close::Done => {
                    prop_assert_eq!(known.control.state, JobState::Succeeded);
                    return Ok(());
                }
                Close::Fenced => false,
            };
            fence(known, *who, kept, &next)?;
            known.control = next.unwrap_or_else(|_| known.control.clone());
        }
        Step::Fail(who, reason) => {
            let Some(claim) = claim(*who) else { return Ok(()) };
            jobs.fail(&claim, *reason, "the test says so").await.unwrap();
            let found = stored(world, &known.job_id).await;
            let next = (80..=120).map(|jitter_percent| decide(&Event::Fail { epoch: claim.epoch, reason: *reason, jitter_percent }));
            let next = next.filter_map(Result::ok).find(|next| *next == found);
            prop_assert_eq!(next.is_some(), found != known.control, "T8 made {:?} of {:?}", found, known.control);
            if let Some(next) = next {
                prop_assert!(*who == 0, "I2: an attempt that is not the newest has failed the job");
                known.control = next;
            }
        }
        Step::Cancel => {
            let answer = jobs.cancel(&Caller::local(), &known.job_id).await;
            let next = decide(&Event::Cancel);
            prop_assert_eq!(answer.is_ok(), next.is_ok());
            known.cancelled |= answer.is_ok();
            known.control = next.unwrap_or_else(|_| known.control.clone());
        }
        Step::Reap => {
            let reaped = jobs.reap().await.unwrap();
            let next = decide(&Event::Reap);
            prop_assert_eq!(reaped, usize::from(next.is_ok()));
            known.control = next.unwrap_or_else(|_| known.control.clone());
        }
    }
    Ok(())
}

/// I2: what is accepted comes from the newest attempt, and only while that is active.
fn fence(known: &Known, who: usize, kept: bool, next: &Result<Control, Refusal>) -> Result<(), TestCaseError> {
    prop_assert_eq!(kept, next.is_ok(), "of {:?}", known.control);
    let active = known.control.attempt.as_ref().is_some_and(|attempt| attempt.state.is_active());
    prop_assert!(!kept || (who == 0 && active), "I2: a fenced attempt was heard");
    Ok(())
}

async fn check(world: &World, known: &Known, step: &Step) -> Result<(), TestCaseError> {
    let me = Caller::local();
    let found = stored(world, &known.job_id).await;
    prop_assert_eq!(&found, &known.control, "after {:?}", step);
    let attempts = world.app.jobs().attempts(&me, &known.job_id).await.unwrap();
    prop_assert_eq!(attempts.len() as i64, known.control.attempt_no);
    let active = attempts.iter().filter(|attempt| attempt.state.is_active()).count();
    prop_assert_eq!(active, usize::from(found.state == JobState::Running), "I1");
    prop_assert!(attempts.iter().all(|attempt| attempt.state.is_active() == attempt.ended_at.is_none()));
    prop_assert!(!(known.cancelled && found.state == JobState::Succeeded), "I7");
    prop_assert!(found.lost <= TIMERS.max_lost + 1 && found.failures <= found.max_failures, "attempts are capped");
    let job = world.app.jobs().get(&me, &known.job_id).await.unwrap();
    // I8: what a job made comes from the attempt that succeeded
    let made = (found.state == JobState::Succeeded).then(|| serde_json::json!({ "attempt": found.attempt_no }));
    prop_assert_eq!(job.result, made, "I8");
    let run = world.app.runs().get(&me, &known.run_id).await.unwrap();
    let status = match found.state {
        JobState::Pending => RunStatus::Scheduled,
        JobState::Running => RunStatus::Running,
        JobState::Succeeded => RunStatus::Finished,
        JobState::Failed | JobState::Timeout => RunStatus::Failed,
        JobState::Canceled => RunStatus::Killed,
    };
    prop_assert_eq!((run.status, run.end_time.is_some()), (status, found.state.is_final()));
    // I10: what was acknowledged and not superseded is there once
    let page = PageRequest::parse(Some(1000), None).unwrap();
    let read = world.app.runs().history(&me, &known.run_id, "loss", &page).await.unwrap().items;
    let read: Vec<(i64, Number)> = read.into_iter().map(|point| (point.step, point.value)).collect();
    let wanted: Vec<(i64, Number)> = known.points.iter().map(|(step, attempt)| (*step, Number(*attempt as f64))).collect();
    prop_assert_eq!(read, wanted, "I10 after {:?}", step);
    Ok(())
}

fn point(step: i64, attempt_no: i64) -> MetricPoint {
    MetricPoint { key: "loss".to_owned(), value: Number(attempt_no as f64), timestamp: step, step }
}

/// Records a checkpoint as a worker does, with bytes that nobody reads.
async fn checkpoint(world: &World, claim: &Claim, step: i64) -> bool {
    let (ws, digest) = (claim.caller.workspace.as_str(), "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9");
    let mut tx = world.db.begin().await.unwrap();
    if !store::job::hold(&mut tx, &claim.job_id, claim.attempt_no, claim.epoch).await.unwrap() {
        return false;
    }
    let now = world.now();
    store::artifact::record_blob(&mut tx, ws, digest, 0, 1, now).await.unwrap();
    store::job::insert_checkpoint(&mut tx, ws, &claim.job_id, (step, claim.attempt_no), (digest, 1), now).await.unwrap();
    tx.commit().await.unwrap();
    true
}
