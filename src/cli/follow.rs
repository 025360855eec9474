//! Following a job to its end: a bar on a terminal, a line a change elsewhere.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::failure::{Done, FAILED, Failure, UNAVAILABLE};
use super::jobs::JOB;
use super::progress;
use super::session::Session;
use super::text;

/// How often a job is looked at.
const LOOK: Duration = Duration::from_millis(300);
/// How long a server may be away while a job is followed: the job goes on elsewhere, or after its return.
const PATIENCE: Duration = Duration::from_secs(120);

/// Shows how far a job is until it has ended, then prints it. Unless it succeeded, that is a failure.
pub(super) async fn follow(session: &Session, job_id: &str) -> Done {
    let job = watch(session, job_id).await?;
    session.out.one(&job, &JOB)?;
    match job["state"].as_str() {
        Some("SUCCEEDED") => Ok(()),
        state => {
            let (state, message) = (state.unwrap_or("gone"), text::scalar(&job["message"]));
            let failure =
                Failure::new(FAILED, format!("job {job_id} ended as {state}{}{message}", if message.is_empty() { "" } else { ": " }));
            Err(failure.next(format!("`slipway jobs attempts {job_id}` shows its attempts")))
        }
    }
}

/// Says, when following ends before the job does, that the job does not.
struct GoesOn<'a>(Option<(&'a Session, &'a str)>);

impl Drop for GoesOn<'_> {
    fn drop(&mut self) {
        if let Some((session, job_id)) = self.0.take() {
            session.out.note(&format!("job {job_id} goes on; `slipway jobs get {job_id} --watch` follows it again"));
        }
    }
}

async fn watch(session: &Session, job_id: &str) -> Result<Value, Failure> {
    let url = session.client.v1(&["jobs", job_id])?;
    let bar = progress::steps(&session.out, job_id);
    let mut goes_on = GoesOn(Some((session, job_id)));
    let (mut told, mut away_since) = (String::new(), None::<Instant>);
    loop {
        let job = match session.client.get(url.clone()).await {
            Ok(job) => job,
            Err(e) if e.code() == UNAVAILABLE && away_since.is_none_or(|since| since.elapsed() < PATIENCE) => {
                if away_since.is_none() {
                    away_since = Some(Instant::now());
                    bar.suspend(|| session.out.note("the server is away; the job is followed when it is back"));
                }
                tokio::time::sleep(LOOK).await;
                continue;
            }
            Err(e) => {
                bar.finish_and_clear();
                goes_on.0 = goes_on.0.filter(|_| e.code() == UNAVAILABLE);
                return Err(e);
            }
        };
        away_since = None;
        let (done, total) = (job["progress"]["completed"].as_u64(), job["progress"]["total"].as_u64());
        bar.set_length(total.unwrap_or(0));
        bar.set_position(done.unwrap_or(0));
        let now = format!("{} {}", text::scalar(&job["state"]), steps(&job));
        if now != told {
            let metrics = metrics(session, &job).await;
            bar.set_message(format!("{} {metrics}", text::scalar(&job["state"])));
            if bar.is_hidden() {
                session.out.note(format!("{now}  {metrics}").trim_end());
            }
            told = now;
        }
        if !matches!(job["state"].as_str(), Some("PENDING" | "RUNNING")) {
            bar.finish_and_clear();
            goes_on.0 = None;
            return Ok(job);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn steps(job: &Value) -> String {
    let progress = &job["progress"];
    if progress.is_null() {
        return String::new();
    }
    format!("{} {}/{}", text::scalar(&progress["unit"]), progress["completed"], progress["total"])
}

/// The figures of the last step, as far as they can be had: nothing depends on them.
async fn metrics(session: &Session, job: &Value) -> String {
    let Ok(url) = session.client.v1(&["runs", job["run_id"].as_str().unwrap_or_default()]) else { return String::new() };
    let Ok(run) = session.client.get(url).await else { return String::new() };
    let known = ["loss", "val_loss", "accuracy", "val_accuracy"].iter().filter_map(|key| Some((key, run["metrics"].get(key)?)));
    known.map(|(key, value)| format!("{key} {}", text::metric(value))).collect::<Vec<_>>().join("  ")
}
