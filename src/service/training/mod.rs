//! Carrying out an attempt of a training job: data in, fit, model out. Everything written is fenced by the attempt, and what is
//! logged up to a checkpoint is durable before the checkpoint is, so an attempt that resumes neither loses nor doubles a point.

mod halt;
mod publish;
mod stage;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::App;
use super::jobs::Claim;
use crate::blob::BlobError;
use crate::data::DataError;
use crate::domain::job::{Progress, Reason};
use crate::domain::run::{MetricPoint, Number};
use crate::error::{Error, Kind};
use crate::ml::FitError;
use crate::train::{self, Outputs, Report, Wish};

use halt::{Cause, Halt};

/// Reports that may wait for the database before the fit waits too.
const PENDING_REPORTS: usize = 64;
/// Points that are written together at most.
const BATCH: usize = 1000;
/// Points wait this long for others at most.
const LINGER: Duration = Duration::from_millis(500);
/// Rest between two tries to reach the database.
const RETRY: Duration = Duration::from_millis(500);

/// Use cases of workers.
pub struct Training<'a>(pub(super) &'a App);

/// Why an attempt ends without success.
#[derive(Debug)]
struct Failure {
    reason: Reason,
    message: String,
}

impl Failure {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl Training<'_> {
    /// Works on a claimed job to the end of the attempt, and reports how it ended. A stop of the process ends it early, after a
    /// checkpoint.
    pub async fn execute(&self, claim: Claim, stop: tokio::sync::watch::Receiver<bool>) {
        let app = self.0;
        let halt = Arc::new(Halt::default());
        // the watcher ends with this set, also when the attempt panics: beats must not outlive it
        let mut watcher = JoinSet::new();
        watcher.spawn(watch::watch(app.clone(), claim.clone(), halt.clone(), stop));
        let outcome = self.attempt(&claim, &halt).await;
        drop(watcher);
        let failure = match (halt.cause(), outcome) {
            (_, Ok(())) => return,
            (Some(Cause::Fenced), Err(_)) => {
                tracing::warn!(job.id = claim.job_id, attempt = claim.attempt_no, "another attempt took over; this one wrote nothing more");
                return;
            }
            (Some(cause), Err(_)) => Failure::new(cause.reason(), cause.message()),
            (None, Err(failure)) => failure,
        };
        tracing::info!(
            job.id = claim.job_id,
            attempt = claim.attempt_no,
            reason = failure.reason.as_str(),
            failure.message,
            "attempt ended"
        );
        if let Err(e) = app.jobs().fail(&claim, failure.reason, &failure.message).await {
            tracing::warn!(job.id = claim.job_id, error = %e, "the end of an attempt was not recorded; the reaper will find it");
        }
    }

    async fn attempt(&self, claim: &Claim, halt: &Arc<Halt>) -> Result<(), Failure> {
        self.progress(claim, halt, "staging", 0).await?;
        let inputs = self.stage(claim).await?;
        self.started(claim, halt).await?;
        let outputs = self.fit(claim, halt, inputs).await?;
        self.progress(claim, halt, "publishing", claim.spec.network.epochs as u64).await?;
        self.publish(claim, halt, outputs).await
    }

    /// Runs the fit on a thread of its own and records what it reports.
    async fn fit(&self, claim: &Claim, halt: &Arc<Halt>, inputs: stage::Inputs) -> Result<Outputs, Failure> {
        let (tell, mut reports) = mpsc::channel(PENDING_REPORTS);
        let spec = claim.spec.clone();
        let watched = halt.clone();
        let every = Duration::from_millis(self.0.config().checkpoint_interval_ms);
        let resumed = inputs.checkpoint.is_some();
        let thread = tokio::task::spawn_blocking(move || {
            let mut last = Instant::now();
            let stage::Inputs { table, validation, checkpoint } = inputs;
            train::fit(&spec, &table, validation.as_ref(), checkpoint.as_deref(), &mut |report| {
                let saved = matches!(report, Report::Checkpoint { .. });
                if tell.blocking_send(report).is_err() {
                    return Wish::Stop;
                }
                match watched.cause() {
                    Some(Cause::Shutdown) if !saved => Wish::CheckpointAndStop,
                    Some(_) => Wish::Stop,
                    None if !saved && last.elapsed() >= every => {
                        last = Instant::now();
                        Wish::Checkpoint
                    }
                    None => Wish::GoOn,
                }
            })
        });
        let recorded = self.record(claim, halt, &mut reports).await;
        // a fit whose reports nobody takes stops at the next one
        drop(reports);
        let fitted = thread.await.map_err(|_| Failure::new(Reason::ServerError, "the trainer panicked"))?;
        recorded?;
        match fitted {
            Ok(Some(outputs)) => Ok(outputs),
            Ok(None) => Err(Failure::new(Reason::ServerError, "the fit was stopped")),
            Err(e) => {
                if resumed && is_checkpoint_error(&e) {
                    self.forget_checkpoint(claim).await?;
                }
                Err(e.into())
            }
        }
    }

    async fn record(&self, claim: &Claim, halt: &Halt, reports: &mut mpsc::Receiver<Report>) -> Result<(), Failure> {
        let mut points = Vec::new();
        let mut epochs = 0;
        let mut since = Instant::now();
        loop {
            let wait = if points.is_empty() { Duration::from_secs(3600) } else { LINGER.saturating_sub(since.elapsed()) };
            match tokio::time::timeout(wait, reports.recv()).await {
                Ok(None) => return self.flush(claim, halt, &mut points, epochs).await,
                Ok(Some(Report::Alive)) => {}
                Ok(Some(Report::Metrics { step, epochs: done, values })) => {
                    if points.is_empty() {
                        since = Instant::now();
                    }
                    epochs = done;
                    points.extend(values.into_iter().map(|(key, value)| self.point(key, value, step)));
                    if points.len() >= BATCH {
                        self.flush(claim, halt, &mut points, epochs).await?;
                    }
                }
                Ok(Some(Report::Checkpoint { step, bytes })) => {
                    self.flush(claim, halt, &mut points, epochs).await?;
                    self.save_checkpoint(claim, halt, step, bytes).await?;
                }
                Err(_) => self.flush(claim, halt, &mut points, epochs).await?,
            }
        }
    }

    fn point(&self, key: &str, value: f64, step: u64) -> MetricPoint {
        MetricPoint { key: key.to_owned(), value: Number(value), timestamp: self.0.now().0, step: step.cast_signed() }
    }

    async fn flush(&self, claim: &Claim, halt: &Halt, points: &mut Vec<MetricPoint>, epochs: u64) -> Result<(), Failure> {
        if points.is_empty() {
            return Ok(());
        }
        self.log(claim, halt, points, &progress(claim, "training", epochs)).await?;
        points.clear();
        Ok(())
    }

    async fn progress(&self, claim: &Claim, halt: &Halt, phase: &str, epochs: u64) -> Result<(), Failure> {
        self.log(claim, halt, &[], &progress(claim, phase, epochs)).await
    }

    async fn started(&self, claim: &Claim, halt: &Halt) -> Result<(), Failure> {
        loop {
            match self.0.jobs().started(claim).await {
                Ok(kept) => return fenced(halt, kept),
                Err(e) => rest(halt, e).await?,
            }
        }
    }

    async fn log(&self, claim: &Claim, halt: &Halt, points: &[MetricPoint], progress: &Progress) -> Result<(), Failure> {
        loop {
            match self.0.jobs().record(claim, points, Some(progress)).await {
                Ok(kept) => return fenced(halt, kept),
                Err(e) => rest(halt, e).await?,
            }
        }
    }
}

fn progress(claim: &Claim, phase: &str, completed: u64) -> Progress {
    Progress { phase: phase.to_owned(), completed, total: claim.spec.network.epochs as u64, unit: "epoch".to_owned() }
}

fn fenced(halt: &Halt, kept: bool) -> Result<(), Failure> {
    if kept {
        return Ok(());
    }
    halt.set(Cause::Fenced);
    Err(Failure::new(Reason::ServerError, "another attempt took over"))
}

/// Rests before what failed is done again: only when the database or the object store was out of reach, and only while
/// nobody wants the attempt to end.
async fn rest(halt: &Halt, error: Error) -> Result<(), Failure> {
    if error.kind != Kind::Unavailable || halt.cause().is_some() {
        return Err(error.into());
    }
    tracing::warn!(error = %error, "a worker waits for the database or the object store");
    tokio::time::sleep(RETRY).await;
    Ok(())
}

fn is_checkpoint_error(error: &FitError) -> bool {
    matches!(error, FitError::CheckpointDamaged { .. } | FitError::CheckpointVersion { .. } | FitError::CheckpointMismatch)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let reason = match error.kind {
            Kind::Unavailable | Kind::Internal | Kind::ResourceExhausted => Reason::ServerError,
            Kind::Conflict | Kind::NotFound => Reason::ArtifactError,
            _ => Reason::InvalidSpec,
        };
        Self::new(reason, error.message)
    }
}

impl From<BlobError> for Failure {
    fn from(error: BlobError) -> Self {
        Self::new(Reason::ArtifactError, error.to_string())
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Self::new(Reason::ArtifactError, error.to_string())
    }
}

impl From<FitError> for Failure {
    fn from(error: FitError) -> Self {
        let reason = match &error {
            FitError::Diverged { .. } => Reason::UserCodeError,
            e if is_checkpoint_error(e) => Reason::ArtifactError,
            _ => Reason::InvalidSpec,
        };
        Self::new(reason, error.to_string())
    }
}
