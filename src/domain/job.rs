//! Jobs and their attempts: one total function decides every change. The store repeats the decision as a compare-and-set on
//! the row it was made from, and the schema holds its outline as constraints. docs/state-machines.md draws it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::Timestamp;
use super::training::TrainSpec;

/// Where a job stands. The last four are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum JobState {
    /// Waits for a worker, or for the time of its next attempt.
    Pending,
    /// An attempt is under way.
    Running,
    /// Its outputs are published.
    Succeeded,
    /// It will not be tried again.
    Failed,
    /// It ran longer than it may.
    Timeout,
    /// Somebody asked for it.
    Canceled,
}

/// Where an attempt stands. The first four are active; a job has at most one active attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// A worker took it.
    Leased,
    /// It prepares.
    Starting,
    /// It computes.
    Running,
    /// It was asked to stop.
    Stopping,
    /// It published.
    Succeeded,
    /// It failed.
    Failed,
    /// It stopped because the job was cancelled.
    Cancelled,
    /// It ran too long.
    TimedOut,
    /// Its worker fell silent.
    Lost,
}

/// Why an attempt or a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// All went well.
    Completed,
    /// The data or the settings make training impossible, for instance a loss that diverges.
    UserCodeError,
    /// Somebody asked for it.
    CanceledByUser,
    /// It ran longer than it may.
    MaxDuration,
    /// The worker fell silent.
    WorkerLost,
    /// The worker was stopped in an orderly way.
    WorkerShutdown,
    /// The spec can't be carried out, whoever tries.
    InvalidSpec,
    /// An object could not be read or written.
    ArtifactError,
    /// The database or the server failed.
    ServerError,
}

macro_rules! named {
    ($type:ty { $($variant:ident => $text:literal),+ $(,)? }) => {
        impl $type {
            /// Returns the name as stored.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// Reads a stored name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
named!(JobState {
    Pending => "PENDING", Running => "RUNNING", Succeeded => "SUCCEEDED", Failed => "FAILED", Timeout => "TIMEOUT", Canceled => "CANCELED",
});
named!(AttemptState {
    Leased => "leased", Starting => "starting", Running => "running", Stopping => "stopping", Succeeded => "succeeded",
    Failed => "failed", Cancelled => "cancelled", TimedOut => "timed_out", Lost => "lost",
});
named!(Reason {
    Completed => "COMPLETED", UserCodeError => "USER_CODE_ERROR", CanceledByUser => "CANCELED_BY_USER", MaxDuration => "MAX_DURATION",
    WorkerLost => "WORKER_LOST", WorkerShutdown => "WORKER_SHUTDOWN", InvalidSpec => "INVALID_SPEC", ArtifactError => "ARTIFACT_ERROR",
    ServerError => "SERVER_ERROR",
});

impl JobState {
    /// Tells whether nothing can change any more.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

impl AttemptState {
    /// Tells whether the attempt may still write.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Leased | Self::Starting | Self::Running | Self::Stopping)
    }
}

impl Reason {
    /// Tells whether another attempt may go better.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::WorkerLost | Self::WorkerShutdown | Self::ArtifactError | Self::ServerError)
    }
}

/// The newest attempt, as far as decisions need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Fences the supervisor: unique over all attempts of all jobs, growing.
    pub epoch: i64,
    /// The process that holds the lease: an id made at its start.
    pub worker: String,
    /// Where it stands.
    pub state: AttemptState,
    /// When it may be taken for lost.
    pub lease_expires_at: Timestamp,
}

/// What decisions about a job need to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Where the job stands.
    pub state: JobState,
    /// Number of the newest attempt, 0 before the first. Fences data.
    pub attempt_no: i64,
    /// The newest attempt.
    pub attempt: Option<Attempt>,
    /// Attempts that failed for a cause of their own.
    pub failures: i64,
    /// Attempts that were lost with their worker.
    pub lost: i64,
    /// Failures after which the job fails.
    pub max_failures: i64,
    /// Whether somebody asked to stop.
    pub cancel_requested: bool,
    /// When the next attempt may start.
    pub retry_at: Timestamp,
    /// Why it ended, once it has.
    pub reason: Option<Reason>,
}

/// Durations that decisions need, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Length of a lease.
    pub lease_ms: i64,
    /// Slack on top of it.
    pub slack_ms: i64,
    /// First backoff.
    pub backoff_ms: i64,
    /// Longest backoff.
    pub backoff_max_ms: i64,
    /// Lost attempts after which the job fails.
    pub max_lost: i64,
}

/// What may happen to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// T1: a worker takes it, under a fresh epoch.
    Claim {
        /// The worker.
        worker: String,
        /// The epoch.
        epoch: i64,
    },
    /// T2: the attempt computes.
    Started {
        /// The epoch of the caller.
        epoch: i64,
    },
    /// T3: the worker is alive.
    Beat {
        /// The epoch of the caller.
        epoch: i64,
    },
    /// T5: the lease ran out.
    Reap,
    /// T7: the outputs are ready to be published.
    Succeed {
        /// The epoch of the caller.
        epoch: i64,
    },
    /// T8: the attempt failed; `jitter_percent` is drawn from 80 to 120.
    Fail {
        /// The epoch of the caller.
        epoch: i64,
        /// Why.
        reason: Reason,
        /// Spreads retries.
        jitter_percent: i64,
    },
    /// T9: somebody asks to stop.
    Cancel,
}

/// Why an event changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The job is not waiting, or not yet due.
    NotRunnable,
    /// The caller's attempt is not the current one any more: it must stop and write nothing.
    Fenced,
    /// The lease has not run out.
    Alive,
    /// The job has ended.
    Final,
}

/// Decides what `event` makes of a job at `now`. Total: every event in every state has an answer.
pub fn transition(job: &Control, event: &Event, timers: &Timers, now: Timestamp) -> Result<Control, Refusal> {
    let mut next = job.clone();
    match event {
        Event::Claim { worker, epoch } => {
            if job.state != JobState::Pending || job.retry_at > now || job.cancel_requested {
                return Err(Refusal::NotRunnable);
            }
            next.state = JobState::Running;
            next.attempt_no += 1;
            let lease_expires_at = now.plus_ms(timers.lease_ms);
            next.attempt = Some(Attempt { epoch: *epoch, worker: worker.clone(), state: AttemptState::Leased, lease_expires_at });
        }
        Event::Started { epoch } => {
            let attempt = current(&mut next, *epoch)?;
            attempt.lease_expires_at = now.plus_ms(timers.lease_ms);
            if attempt.state != AttemptState::Stopping {
                attempt.state = AttemptState::Running;
            }
        }
        Event::Beat { epoch } => current(&mut next, *epoch)?.lease_expires_at = now.plus_ms(timers.lease_ms),
        Event::Reap => {
            let attempt = active(&mut next).ok_or(Refusal::Alive)?;
            if attempt.lease_expires_at.plus_ms(timers.slack_ms) >= now {
                return Err(Refusal::Alive);
            }
            attempt.state = AttemptState::Lost;
            next.lost += 1;
            let delay = backoff(next.lost, timers);
            settle(&mut next, Reason::WorkerLost, job.lost + 1 > timers.max_lost, now.plus_ms(delay));
        }
        Event::Succeed { epoch } => {
            let attempt = current(&mut next, *epoch)?;
            if job.cancel_requested {
                attempt.state = AttemptState::Cancelled;
                end(&mut next, JobState::Canceled, Reason::CanceledByUser);
            } else {
                attempt.state = AttemptState::Succeeded;
                end(&mut next, JobState::Succeeded, Reason::Completed);
            }
        }
        Event::Fail { epoch, reason, jitter_percent } => {
            let attempt = current(&mut next, *epoch)?;
            attempt.state = match reason {
                Reason::CanceledByUser => AttemptState::Cancelled,
                Reason::MaxDuration => AttemptState::TimedOut,
                _ => AttemptState::Failed,
            };
            // an orderly shutdown of the worker is nobody's failure, and waits for nothing
            let own_fault = *reason != Reason::WorkerShutdown;
            next.failures += i64::from(own_fault);
            let delay = if own_fault { backoff(next.failures, timers) * jitter_percent / 100 } else { 0 };
            let exhausted = !reason.is_retryable() || (own_fault && next.failures >= next.max_failures);
            settle(&mut next, *reason, exhausted, now.plus_ms(delay));
        }
        Event::Cancel => {
            if job.state.is_final() {
                return Err(Refusal::Final);
            }
            next.cancel_requested = true;
            match active(&mut next) {
                Some(attempt) => attempt.state = AttemptState::Stopping,
                None => end(&mut next, JobState::Canceled, Reason::CanceledByUser),
            }
        }
    }
    Ok(next)
}

/// Decides what follows an attempt that ended without success.
fn settle(job: &mut Control, reason: Reason, exhausted: bool, retry_at: Timestamp) {
    if job.cancel_requested {
        end(job, JobState::Canceled, Reason::CanceledByUser);
    } else if exhausted {
        end(job, if reason == Reason::MaxDuration { JobState::Timeout } else { JobState::Failed }, reason);
    } else {
        job.state = JobState::Pending;
        job.retry_at = retry_at;
    }
}

fn end(job: &mut Control, state: JobState, reason: Reason) {
    job.state = state;
    job.reason = Some(reason);
}

fn active(job: &mut Control) -> Option<&mut Attempt> {
    job.attempt.as_mut().filter(|attempt| attempt.state.is_active())
}

fn current(job: &mut Control, epoch: i64) -> Result<&mut Attempt, Refusal> {
    active(job).filter(|attempt| attempt.epoch == epoch).ok_or(Refusal::Fenced)
}

/// Doubles with each repetition: `backoff_ms * 2^(n-1)`, at most `backoff_max_ms`.
fn backoff(n: i64, timers: &Timers) -> i64 {
    let doublings = u32::try_from(n - 1).unwrap_or(0).min(30);
    timers.backoff_ms.saturating_mul(1 << doublings).min(timers.backoff_max_ms)
}

/// A job as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Job {
    /// Its id.
    pub job_id: String,
    /// What kind of work: `TRAIN`.
    pub kind: String,
    /// Where it stands.
    pub state: JobState,
    /// What a person should know about that.
    pub message: String,
    /// Why it ended.
    pub termination_reason: Option<Reason>,
    /// The run that records what it does.
    pub run_id: String,
    /// What is to be done.
    pub spec: TrainSpec,
    /// How far it is.
    pub progress: Option<Progress>,
    /// What it made: `model_uri` of the run, `model` and `version` when it was registered.
    pub result: Option<serde_json::Value>,
    /// Number of the newest attempt.
    pub attempt_no: i64,
    /// Attempts that failed for a cause of their own.
    pub failures: i64,
    /// Attempts that were lost with their worker.
    pub lost: i64,
    /// Whether somebody asked to stop.
    pub cancel_requested: bool,
    /// When the next attempt may start.
    pub retry_at: Timestamp,
    /// Who submitted it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// `staging`, `training`, `evaluating`, `publishing`.
    pub phase: String,
    /// Units done.
    pub completed: u64,
    /// Units in all.
    pub total: u64,
    /// What is counted, for instance `epoch`.
    pub unit: String,
}

/// An attempt as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AttemptView {
    /// 1 for the first.
    pub attempt_no: i64,
    /// Where it stands.
    pub state: AttemptState,
    /// The worker process.
    pub worker_id: String,
    /// Step of the checkpoint it started from.
    pub resume_step: Option<i64>,
    /// Why it ended.
    pub termination_reason: Option<Reason>,
    /// What a person should know about that.
    pub message: String,
    /// When a worker took it.
    pub leased_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIMERS: Timers = Timers { lease_ms: 30_000, slack_ms: 5_000, backoff_ms: 10_000, backoff_max_ms: 600_000, max_lost: 5 };

    fn fresh() -> Control {
        Control {
            state: JobState::Pending,
            attempt_no: 0,
            attempt: None,
            failures: 0,
            lost: 0,
            max_failures: 3,
            cancel_requested: false,
            retry_at: Timestamp(0),
            reason: None,
        }
    }

    fn events() -> impl Strategy<Value = (Event, i64)> {
        let epoch = 1..8i64;
        let event = prop_oneof![
            3 => epoch.clone().prop_map(|epoch| Event::Claim { worker: "w".into(), epoch }),
            2 => epoch.clone().prop_map(|epoch| Event::Started { epoch }),
            3 => epoch.clone().prop_map(|epoch| Event::Beat { epoch }),
            3 => Just(Event::Reap),
            1 => epoch.clone().prop_map(|epoch| Event::Succeed { epoch }),
            2 => (epoch, prop_oneof![Just(Reason::ServerError), Just(Reason::UserCodeError), Just(Reason::WorkerShutdown)])
                .prop_map(|(epoch, reason)| Event::Fail { epoch, reason, jitter_percent: 100 }),
            1 => Just(Event::Cancel),
        ];
        (event, 0..50_000i64)
    }

    proptest! {
        #[test]
        fn whatever_happens_the_invariants_hold(events in prop::collection::vec(events(), 1..60)) {
            let (mut job, mut now, mut used) = (fresh(), Timestamp(0), Vec::new());
            let mut cancel_acknowledged = false;
            for (event, pause) in events {
                now = now.plus_ms(pause);
                // the store draws a fresh epoch for each claim
                let event = match event {
                    Event::Claim { worker, .. } => Event::Claim { worker, epoch: used.len() as i64 + 1 },
                    other => other,
                };
                let Ok(next) = transition(&job, &event, &TIMERS, now) else { continue };
                prop_assert!(!job.state.is_final(), "a final state is absorbing");
                if let Event::Claim { epoch, .. } = event {
                    used.push(epoch);
                    prop_assert!(job.attempt.as_ref().is_none_or(|a| !a.state.is_active()), "one active attempt");
                    prop_assert_eq!(next.attempt_no, job.attempt_no + 1);
                }
                if let Event::Started { epoch } | Event::Beat { epoch } | Event::Succeed { epoch } | Event::Fail { epoch, .. } = event {
                    prop_assert_eq!(used.last(), Some(&epoch), "only the newest epoch may write");
                }
                cancel_acknowledged |= event == Event::Cancel;
                prop_assert!(!(cancel_acknowledged && next.state == JobState::Succeeded), "no success after an acknowledged cancel");
                let active = next.attempt.as_ref().is_some_and(|a| a.state.is_active());
                prop_assert_eq!(active, next.state == JobState::Running);
                prop_assert_eq!(next.reason.is_some(), next.state.is_final());
                prop_assert!(next.lost <= TIMERS.max_lost + 1 && next.failures <= next.max_failures);
                job = next;
            }
            // once faults stop, the end is reached: reap what is active, then run undisturbed
            now = now.plus_ms(3_600_000);
            for epoch in 100..110 {
                if job.state.is_final() { break }
                if let Ok(next) = transition(&job, &Event::Reap, &TIMERS, now) { job = next }
                now = now.plus_ms(3_600_000);
                if let Ok(next) = transition(&job, &Event::Claim { worker: "w".into(), epoch }, &TIMERS, now) {
                    job = transition(&next, &Event::Succeed { epoch }, &TIMERS, now).unwrap();
                }
            }
            prop_assert!(job.state.is_final());
        }
    }

    #[test]
    fn backoff_doubles_up_to_its_limit() {
        let delays: Vec<i64> = [1, 2, 3, 7, 90].iter().map(|n| backoff(*n, &TIMERS)).collect();
        assert_eq!(delays, [10_000, 20_000, 40_000, 600_000, 600_000]);
    }

    #[test]
    fn a_lost_worker_does_not_use_up_the_failures() {
        let claimed = transition(&fresh(), &Event::Claim { worker: "w".into(), epoch: 1 }, &TIMERS, Timestamp(0)).unwrap();
        assert_eq!(transition(&claimed, &Event::Reap, &TIMERS, Timestamp(35_000)), Err(Refusal::Alive));
        let lost = transition(&claimed, &Event::Reap, &TIMERS, Timestamp(35_001)).unwrap();
        assert_eq!((lost.state, lost.failures, lost.lost, lost.retry_at), (JobState::Pending, 0, 1, Timestamp(45_001)));
        assert_eq!(transition(&lost, &Event::Beat { epoch: 1 }, &TIMERS, Timestamp(35_002)), Err(Refusal::Fenced));
    }
}
