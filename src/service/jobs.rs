//! Jobs: submitting, cancelling, claiming, and every report of an attempt. Decisions are `domain::job::transition`'s; what is
//! written here is bound to the row that a decision was made from, and to the attempt's epoch.

use super::App;
use super::writer::{Attempt, Done, Work};
use crate::domain::dataset::DatasetVersion;
use crate::domain::event::NewEvent;
use crate::domain::identity::Caller;
use crate::domain::job::{AttemptView, Control, Event, Job, JobState, Progress, Reason, Refusal, Timers, transition};
use crate::domain::page::{Page, PageRequest};
use crate::domain::run::{MetricPoint, RunStatus};
use crate::domain::time::Timestamp;
use crate::domain::training::TrainSpec;
use crate::error::{Error, Kind, Result};
use crate::queue;
use crate::store::{self, Tx, job::Ending, job::Loaded};

/// Decisions that lose a race are made again this often.
const RACES: usize = 20;

/// Use cases of jobs.
pub struct Jobs<'a>(pub(super) &'a App);

/// An attempt that a worker holds.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The job.
    pub job_id: String,
    /// Its run.
    pub run_id: String,
    /// Acts in the job's workspace.
    pub caller: Caller,
    /// What to do.
    pub spec: TrainSpec,
    /// Fences data.
    pub attempt_no: i64,
    /// Fences the supervisor.
    pub epoch: i64,
    /// Step and digest of the checkpoint to resume from.
    pub resume: Option<(i64, String)>,
    /// When the attempt began.
    pub started_at: Timestamp,
}

/// What became of an attempt that has its outputs.
pub enum Close {
    /// It is the current one: write the outputs and commit.
    Open(Box<Closing>),
    /// An earlier try has committed, though its answer was lost.
    Done,
    /// Another attempt may be under way: nothing may be written any more.
    Fenced,
}

/// The last transaction of an attempt. It holds the job's row, so nothing can come between the decision and the commit.
pub struct Closing {
    pub(super) tx: Tx,
    job: Loaded,
    next: Control,
    event: Event,
    now: Timestamp,
}

impl Closing {
    /// Tells whether the job succeeds. It does not when somebody asked to stop, and then its outputs are not to be written.
    pub fn succeeds(&self) -> bool {
        self.next.state == JobState::Succeeded
    }

    /// Ends the job in the transaction that holds its outputs. False: the attempt is fenced, and nothing was written.
    pub async fn commit(mut self, app: &App, claim: &Claim, result: Option<&serde_json::Value>) -> Result<bool> {
        if let Some(result) = result {
            store::job::set_result(&mut self.tx, &claim.job_id, result).await?;
        }
        if !write(&mut self.tx, &claim.caller, &claim.job_id, &self.job, &self.next, &self.event, "", self.now).await? {
            return Ok(false);
        }
        self.tx.commit().await?;
        tracing::info!(job.id = claim.job_id, workspace = claim.caller.workspace, state = self.next.state.as_str(), "job ended");
        app.nudge();
        Ok(true)
    }
}

impl Jobs<'_> {
    /// Makes run and job in one transaction.
    pub async fn submit(&self, caller: &Caller, mut spec: TrainSpec) -> Result<Job> {
        spec.check()?;
        let app = self.0;
        let (job_id, run_id, now) = (app.ids().next(), app.ids().next(), app.now());
        let mut tx = app.db().begin().await?;
        let version = find_ready(&mut tx, caller, &spec.dataset, spec.dataset_version).await?;
        spec.dataset_version = version.version;
        spec.check_against(&spec.dataset, &store::dataset::find_schema(&mut tx, &caller.workspace, &version.id).await?)?;
        let mut inputs = vec![(version.id, "training")];
        if let Some(name) = &spec.validation_dataset.clone() {
            let version = find_ready(&mut tx, caller, name, spec.validation_dataset_version).await?;
            spec.validation_dataset_version = version.version;
            spec.check_against(name, &store::dataset::find_schema(&mut tx, &caller.workspace, &version.id).await?)?;
            inputs.push((version.id, "validation"));
        }
        let experiment = store::run::ensure_experiment(&mut tx, &caller.workspace, &spec.experiment, &app.ids().next(), now).await?;
        let name = spec.run_name.clone().unwrap_or_else(|| format!("train-{}", &run_id[run_id.len() - 8..]));
        let run = store::run::NewRun {
            id: &run_id,
            experiment_id: &experiment.experiment_id,
            name: &name,
            status: RunStatus::Scheduled,
            user: &caller.principal,
            job_id: Some(&job_id),
        };
        store::run::insert(&mut tx, &caller.workspace, &run, now).await?;
        let seq = store::run::find_seq(&mut tx, &caller.workspace, &run_id).await?.ok_or_else(no_job)?;
        store::run::set_params(&mut tx, seq, &spec.params()).await?;
        for (version, context) in &inputs {
            store::run::add_input(&mut tx, seq, version, context).await?;
        }
        let new = store::job::NewJob { id: &job_id, run_id: &run_id, spec: &spec, created_by: &caller.principal };
        store::job::insert(&mut tx, &caller.workspace, &new, now).await?;
        queue::push(&mut tx, &job_id, now).await?;
        append(&mut tx, caller, "job.created", &job_id, serde_json::json!({ "run_id": run_id }), now).await?;
        tx.commit().await?;
        app.nudge();
        self.get(caller, &job_id).await
    }

    /// Returns a job.
    pub async fn get(&self, caller: &Caller, id: &str) -> Result<Job> {
        let mut tx = self.0.db().read().await?;
        store::job::find(&mut tx, &caller.workspace, id).await?.ok_or_else(no_job)
    }

    /// Lists jobs, newest first.
    pub async fn list(&self, caller: &Caller, state: Option<JobState>, page: &PageRequest) -> Result<Page<Job>> {
        let mut tx = self.0.db().read().await?;
        let rows = store::job::list(&mut tx, &caller.workspace, state, page.after.as_deref(), page.limit()).await?;
        Ok(Page::cut(rows, page, |job| job.job_id.clone()))
    }

    /// Lists the attempts of a job.
    pub async fn attempts(&self, caller: &Caller, id: &str) -> Result<Vec<AttemptView>> {
        let mut tx = self.0.db().read().await?;
        store::job::find(&mut tx, &caller.workspace, id).await?.ok_or_else(no_job)?;
        Ok(store::job::list_attempts(&mut tx, &caller.workspace, id).await?)
    }

    /// Asks a job to stop. The answer means that it will not succeed any more.
    pub async fn cancel(&self, caller: &Caller, id: &str) -> Result<Job> {
        self.get(caller, id).await?;
        match self.apply(caller, id, &Event::Cancel, "cancelled by a user").await? {
            Err(Refusal::Final) => Err(Error::conflict("job_ended", "the job has ended already")),
            Err(_) => Err(Error::internal("a cancel was refused")),
            Ok(_) => self.get(caller, id).await,
        }
    }

    /// Takes the most urgent waiting job for a worker.
    pub async fn claim(&self, worker: &str) -> Result<Option<Claim>> {
        let app = self.0;
        let mut tx = app.db().read().await?;
        let candidates = store::job::list_runnable(&mut tx, app.now(), 16).await?;
        drop(tx);
        for id in candidates {
            match self.claim_one(worker, &id).await {
                Ok(None) => {}
                Err(e) if e.kind != Kind::Unavailable => {
                    tracing::error!(job.id = id, error = %e, "a job can't be claimed; others are not kept waiting");
                }
                ended => return ended,
            }
        }
        Ok(None)
    }

    async fn claim_one(&self, worker: &str, id: &str) -> Result<Option<Claim>> {
        let app = self.0;
        let now = app.now();
        let mut tx = app.db().begin().await?;
        let Some(job) = store::job::load(&mut tx, id).await? else { return Ok(None) };
        let epoch = store::job::next_epoch(&mut tx).await?;
        let event = Event::Claim { worker: worker.to_owned(), epoch };
        let Ok(next) = transition(&job.control, &event, &self.timers(), now) else { return Ok(None) };
        if !store::job::save(&mut tx, id, &job, &next, Ending::default(), now).await? {
            return Ok(None);
        }
        let caller = Caller::system(&job.workspace);
        let resume = store::job::latest_checkpoint(&mut tx, id).await?.map(|(step, digest, _)| (step, digest));
        let seq = store::run::find_seq(&mut tx, &job.workspace, &job.run_id).await?.ok_or_else(no_job)?;
        let step = resume.as_ref().map_or(-1, |(step, _)| *step);
        if next.attempt_no > 1 {
            store::tracking::metric::fold_all(&mut tx, &job.workspace).await?;
            store::run::supersede(&mut tx, seq, next.attempt_no, step).await?;
        }
        if resume.is_some() {
            store::job::set_resume_step(&mut tx, id, next.attempt_no, step).await?;
        }
        store::run::set_status(&mut tx, &job.workspace, &job.run_id, RunStatus::Running, None).await?;
        let payload =
            serde_json::json!({ "attempt_no": next.attempt_no, "worker_id": worker, "resume_step": resume.as_ref().map(|r| r.0) });
        append(&mut tx, &caller, "job.started", id, payload, now).await?;
        tx.commit().await?;
        app.nudge();
        let (run_id, spec) = (job.run_id, job.spec);
        let attempt_no = next.attempt_no;
        Ok(Some(Claim { job_id: id.to_owned(), run_id, caller, spec, attempt_no, epoch, resume, started_at: now }))
    }

    /// Reports that an attempt has its inputs and computes; false when it is fenced.
    pub async fn started(&self, claim: &Claim) -> Result<bool> {
        let event = Event::Started { epoch: claim.epoch };
        Ok(self.apply(&claim.caller, &claim.job_id, &event, "").await?.is_ok())
    }

    /// Begins the last transaction of an attempt that has its outputs.
    pub async fn close(&self, claim: &Claim) -> Result<Close> {
        let app = self.0;
        let now = app.now();
        let mut tx = app.db().begin().await?;
        let current = fence(&mut tx, claim).await?;
        let job = store::job::load(&mut tx, &claim.job_id).await?.ok_or_else(no_job)?;
        if !current {
            let done = job.control.state == JobState::Succeeded && job.control.attempt_no == claim.attempt_no;
            return Ok(if done { Close::Done } else { Close::Fenced });
        }
        let event = Event::Succeed { epoch: claim.epoch };
        Ok(match transition(&job.control, &event, &self.timers(), now) {
            Ok(next) => Close::Open(Box::new(Closing { tx, job, next, event, now })),
            Err(_) => Close::Fenced,
        })
    }

    /// Reports that an attempt is alive; tells whether it is asked to stop. `Ok(None)`: the attempt is fenced and must end.
    pub async fn beat(&self, claim: &Claim) -> Result<Option<bool>> {
        let event = Event::Beat { epoch: claim.epoch };
        Ok(self.apply(&claim.caller, &claim.job_id, &event, "").await?.ok().map(|control| control.cancel_requested))
    }

    /// Logs points of an attempt, and how far it is; false when the attempt is fenced, and then nothing is written.
    pub async fn record(&self, claim: &Claim, points: &[MetricPoint], progress: Option<&Progress>) -> Result<bool> {
        let attempt = Attempt { claim: claim.clone(), points: points.to_vec(), progress: progress.cloned() };
        Ok(matches!(self.0.write(Work::Attempt(Box::new(attempt))).await?, Done::Reported(true)))
    }

    /// Ends an attempt without success.
    pub async fn fail(&self, claim: &Claim, reason: Reason, message: &str) -> Result<()> {
        let mut byte = [0; 1];
        self.0.ids().secret(&mut byte);
        let jitter_percent = 80 + i64::from(byte[0]) * 40 / 255;
        let event = Event::Fail { epoch: claim.epoch, reason, jitter_percent };
        // a fenced attempt has nothing to report any more
        let _ = self.apply(&claim.caller, &claim.job_id, &event, message).await?;
        Ok(())
    }

    /// Takes jobs away from workers that fell silent; returns how many.
    pub async fn reap(&self) -> Result<usize> {
        let app = self.0;
        let before = app.now().plus_ms(-self.timers().slack_ms);
        let mut tx = app.db().read().await?;
        let expired = store::job::list_expired(&mut tx, before, 100).await?;
        drop(tx);
        let mut reaped = 0;
        for id in expired {
            let caller = Caller::system("");
            match self.apply(&caller, &id, &Event::Reap, "the worker fell silent").await {
                Ok(outcome) => reaped += usize::from(outcome.is_ok()),
                Err(e) if e.kind == Kind::Unavailable => return Err(e),
                Err(e) => tracing::error!(job.id = id, error = %e, "a lost attempt can't be taken away; others are"),
            }
        }
        Ok(reaped)
    }

    /// Decides, writes and tells; makes the decision again when another writer was faster.
    async fn apply(&self, caller: &Caller, id: &str, event: &Event, message: &str) -> Result<Result<Control, Refusal>> {
        let app = self.0;
        for _ in 0..RACES {
            let now = app.now();
            let mut tx = app.db().begin().await?;
            let job = store::job::load(&mut tx, id).await?.ok_or_else(no_job)?;
            let next = match transition(&job.control, event, &self.timers(), now) {
                Ok(next) => next,
                Err(refusal) => return Ok(Err(refusal)),
            };
            if !write(&mut tx, caller, id, &job, &next, event, message, now).await? {
                continue;
            }
            tx.commit().await?;
            app.nudge();
            return Ok(Ok(next));
        }
        Err(Error::new(Kind::ResourceExhausted, "job_contended", "the job changes too fast; try again"))
    }

    fn timers(&self) -> Timers {
        let config = self.0.config();
        let ms = |value: u64| i64::try_from(value).unwrap_or(i64::MAX / 4);
        Timers {
            lease_ms: ms(config.job_lease_ms),
            slack_ms: ms(config.job_lease_slack_ms),
            backoff_ms: ms(config.job_backoff_ms),
            backoff_max_ms: ms(config.job_backoff_max_ms),
            max_lost: i64::from(config.job_max_lost),
        }
    }
}

/// Writes a decision with all that follows from it; false when somebody else changed the job since it was loaded.
#[expect(clippy::too_many_arguments, reason = "one call writes everything that a decision changes")]
async fn write(
    tx: &mut Tx,
    caller: &Caller,
    id: &str,
    from: &Loaded,
    to: &Control,
    event: &Event,
    message: &str,
    now: Timestamp,
) -> Result<bool> {
    let reason = match event {
        Event::Reap => Some(Reason::WorkerLost),
        Event::Fail { reason, .. } => Some(*reason),
        Event::Succeed { .. } => to.reason,
        _ => None,
    };
    if !store::job::save(tx, id, from, to, Ending { reason, message }, now).await? {
        return Ok(false);
    }
    if to.state == JobState::Pending && from.control.state != JobState::Pending {
        queue::push(tx, id, to.retry_at).await?;
    }
    if to.state.is_final() {
        store::job::delete_checkpoints(tx, id).await?;
    }
    let actor = Caller { workspace: from.workspace.clone(), ..caller.clone() };
    follow_up(tx, &actor, id, from, to, now).await?;
    Ok(true)
}

async fn find_ready(tx: &mut Tx, caller: &Caller, name: &str, version: Option<i64>) -> Result<DatasetVersion> {
    store::dataset::find_ready(tx, &caller.workspace, name, version).await?.ok_or_else(|| {
        let which = version.map_or("ready version".to_owned(), |v| format!("ready version {v}"));
        Error::not_found("dataset_version_not_found", format!("data set {name:?} has no {which}"))
    })
}

/// Tells whether the attempt may still write. Taken inside the writing transaction: on SQLite it is the only one, on Postgres
/// a later change of the job waits for the row lock that [`store::job::hold`] takes.
pub(super) async fn fence(tx: &mut Tx, claim: &Claim) -> Result<bool> {
    Ok(store::job::hold(tx, &claim.job_id, claim.attempt_no, claim.epoch).await?)
}

/// Carries a change of the job over to its run and into the outbox.
async fn follow_up(tx: &mut Tx, caller: &Caller, id: &str, from: &Loaded, to: &Control, now: Timestamp) -> Result<()> {
    if from.control.state == to.state {
        return Ok(());
    }
    let (status, kind, ended) = match to.state {
        JobState::Pending => (RunStatus::Scheduled, "job.retrying", None),
        JobState::Running => (RunStatus::Running, "job.started", None),
        JobState::Succeeded => (RunStatus::Finished, "job.succeeded", Some(now)),
        JobState::Failed => (RunStatus::Failed, "job.failed", Some(now)),
        JobState::Timeout => (RunStatus::Failed, "job.timed_out", Some(now)),
        JobState::Canceled => (RunStatus::Killed, "job.canceled", Some(now)),
    };
    store::run::set_status(tx, &from.workspace, &from.run_id, status, ended).await?;
    let change = store::event::Transition {
        entity: "job",
        id,
        from: from.control.state.as_str(),
        to: to.state.as_str(),
        reason: to.reason.map_or("", Reason::as_str),
        fence: to.attempt.as_ref().map(|attempt| attempt.epoch),
    };
    store::event::log_transition(tx, caller, change, now).await?;
    append(tx, caller, kind, id, serde_json::json!({ "attempt_no": to.attempt_no, "reason": to.reason, "run_id": from.run_id }), now).await
}

async fn append(tx: &mut Tx, caller: &Caller, kind: &'static str, id: &str, payload: serde_json::Value, now: Timestamp) -> Result<()> {
    let event = NewEvent { kind, entity: "job", entity_id: id.to_owned(), payload };
    store::event::append(tx, caller, &event, now).await?;
    Ok(())
}

pub(super) fn no_job() -> Error {
    Error::not_found("job_not_found", "there is no such job")
}
