//! Jobs, attempts and checkpoints. Every change of a job is written by [`save`], a compare-and-set on the row that the decision
//! was made from.

use super::{Error, Result, Tx, done, json, on, to_json};
use crate::domain::job::{Attempt, AttemptState, AttemptView, Control, Job, JobState, Reason};
use crate::domain::time::Timestamp;
use crate::domain::training::TrainSpec;

/// A job to be inserted.
#[derive(Clone, Debug)]
pub struct NewJob<'a> {
    /// Its id.
    pub id: &'a str,
    /// The run that records it.
    pub run_id: &'a str,
    /// What to do.
    pub spec: &'a TrainSpec,
    /// Who submitted it.
    pub created_by: &'a str,
}

/// Inserts a waiting job.
pub async fn insert(tx: &mut Tx, workspace: &str, job: &NewJob<'_>, at: Timestamp) -> Result<()> {
    let duration = job.spec.max_duration_seconds.and_then(|s| i64::try_from(s.saturating_mul(1000)).ok());
    on!(tx, conn => done(sqlx::query(
        "insert into job_records (id, workspace, kind, queue, priority, state, state_message, spec_json, run_id, attempt_no, failures, lost,
            max_failures, max_duration_ms, cancel_requested, retry_at, nudged_at, created_by, created_at, updated_at, row_version)
         values ($1, $2, 'TRAIN', 'train', 0, 'PENDING', '', $3, $4, 0, 0, 0, $5, $6, false, $7, $7, $8, $7, $7, 1)")
        .bind(job.id).bind(workspace).bind(to_json(job.spec)).bind(job.run_id).bind(i64::from(job.spec.max_failures))
        .bind(duration).bind(at.0).bind(job.created_by).execute(conn).await?));
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    workspace: String,
    state: String,
    state_message: String,
    termination_reason: Option<String>,
    spec_json: String,
    result_json: Option<String>,
    progress_json: Option<String>,
    run_id: String,
    attempt_no: i64,
    failures: i64,
    lost: i64,
    max_failures: i64,
    cancel_requested: bool,
    retry_at: i64,
    created_by: String,
    created_at: i64,
    updated_at: i64,
    ended_at: Option<i64>,
    row_version: i64,
}

macro_rules! columns {
    () => {
        "select id, workspace, state, state_message, termination_reason, spec_json, result_json, progress_json, run_id, attempt_no, failures,
            lost, max_failures, cancel_requested, retry_at, created_by, created_at, updated_at, ended_at, row_version from job_records "
    };
}

impl Row {
    fn state(&self) -> Result<JobState> {
        JobState::parse(&self.state).ok_or_else(|| Error::decode("job_records", "state", &self.id, &self.state))
    }

    fn reason(&self) -> Result<Option<Reason>> {
        reason("job_records", &self.id, self.termination_reason.as_deref())
    }

    fn job(self) -> Result<Job> {
        Ok(Job {
            kind: "TRAIN".to_owned(),
            state: self.state()?,
            termination_reason: self.reason()?,
            spec: json("job_records", "spec_json", &self.id, &self.spec_json)?,
            progress: self.progress_json.as_deref().map(|text| json("job_records", "progress_json", &self.id, text)).transpose()?,
            result: self.result_json.as_deref().map(|text| json("job_records", "result_json", &self.id, text)).transpose()?,
            job_id: self.id,
            message: self.state_message,
            run_id: self.run_id,
            attempt_no: self.attempt_no,
            failures: self.failures,
            lost: self.lost,
            cancel_requested: self.cancel_requested,
            retry_at: Timestamp(self.retry_at),
            created_by: self.created_by,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
            ended_at: self.ended_at.map(Timestamp),
        })
    }
}

fn reason(table: &'static str, id: &str, text: Option<&str>) -> Result<Option<Reason>> {
    text.map(|text| Reason::parse(text).ok_or_else(|| Error::decode(table, "termination_reason", id, text))).transpose()
}

/// Finds a job.
pub async fn find(tx: &mut Tx, workspace: &str, id: &str) -> Result<Option<Job>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(concat!(columns!(), "where workspace = $1 and id = $2"))
        .bind(workspace).bind(id).fetch_optional(conn).await?);
    row.map(Row::job).transpose()
}

/// Lists jobs, newest first, in one state or in all.
pub async fn list(tx: &mut Tx, workspace: &str, state: Option<JobState>, before: Option<&str>, limit: i64) -> Result<Vec<Job>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(concat!(columns!(),
        "where workspace = $1 and ($2 = '' or state = $2) and ($3 = '' or id < $3) order by id desc limit $4"))
        .bind(workspace).bind(state.map_or("", JobState::as_str)).bind(before.unwrap_or("")).bind(limit).fetch_all(conn).await?);
    rows.into_iter().map(Row::job).collect()
}

/// Lists the attempts of a job, first to last.
pub async fn list_attempts(tx: &mut Tx, workspace: &str, job_id: &str) -> Result<Vec<AttemptView>> {
    type Line = (i64, String, String, Option<i64>, Option<String>, String, i64, Option<i64>);
    let rows: Vec<Line> = on!(tx, conn => sqlx::query_as(
        "select attempt_no, state, worker_id, resume_step, termination_reason, message, leased_at, ended_at from job_attempts
         where workspace = $1 and job_id = $2 order by attempt_no")
        .bind(workspace).bind(job_id).fetch_all(conn).await?);
    rows.into_iter()
        .map(|(attempt_no, state, worker_id, resume_step, why, message, leased_at, ended_at)| {
            Ok(AttemptView {
                attempt_no,
                state: AttemptState::parse(&state).ok_or_else(|| Error::decode("job_attempts", "state", job_id, state))?,
                worker_id,
                resume_step,
                termination_reason: reason("job_attempts", job_id, why.as_deref())?,
                message,
                leased_at: Timestamp(leased_at),
                ended_at: ended_at.map(Timestamp),
            })
        })
        .collect()
}

/// What decisions need, and the row version that they are bound to.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The workspace.
    pub workspace: String,
    /// The job's run.
    pub run_id: String,
    /// What it is to do.
    pub spec: TrainSpec,
    /// The state to decide on.
    pub control: Control,
    row_version: i64,
}

/// Loads a job for a decision, whatever its workspace: the callers are workers, and the API after it checked the workspace.
pub async fn load(tx: &mut Tx, id: &str) -> Result<Option<Loaded>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(concat!(columns!(), "where id = $1")).bind(id).fetch_optional(conn).await?);
    let Some(row) = row else { return Ok(None) };
    let attempt: Option<(i64, String, String, i64)> = on!(tx, conn => sqlx::query_as(
        "select epoch, worker_id, state, lease_expires_at from job_attempts where job_id = $1 and attempt_no = $2")
        .bind(id).bind(row.attempt_no).fetch_optional(conn).await?);
    let attempt = attempt
        .map(|(epoch, worker, state, lease)| {
            let state = AttemptState::parse(&state).ok_or_else(|| Error::decode("job_attempts", "state", id, state))?;
            Ok::<_, Error>(Attempt { epoch, worker, state, lease_expires_at: Timestamp(lease) })
        })
        .transpose()?;
    Ok(Some(Loaded {
        control: Control {
            state: row.state()?,
            attempt_no: row.attempt_no,
            attempt,
            failures: row.failures,
            lost: row.lost,
            max_failures: row.max_failures,
            cancel_requested: row.cancel_requested,
            retry_at: Timestamp(row.retry_at),
            reason: row.reason()?,
        },
        spec: json("job_records", "spec_json", id, &row.spec_json)?,
        workspace: row.workspace,
        run_id: row.run_id,
        row_version: row.row_version,
    }))
}

/// How an attempt ended, for people and programs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ending<'a> {
    /// Why.
    pub reason: Option<Reason>,
    /// What a person should know about it.
    pub message: &'a str,
}

/// Writes a decision; false when somebody else changed the job since it was loaded, and then nothing is written.
pub async fn save(tx: &mut Tx, id: &str, from: &Loaded, to: &Control, ending: Ending<'_>, at: Timestamp) -> Result<bool> {
    let changed = on!(tx, conn => sqlx::query(
        "update job_records set state = $3, state_message = $4, termination_reason = $5, attempt_no = $6, failures = $7, lost = $8,
            cancel_requested = $9, retry_at = $10, updated_at = $11, ended_at = $12, row_version = row_version + 1
         where id = $1 and row_version = $2")
        .bind(id).bind(from.row_version)
        .bind(to.state.as_str()).bind(ending.message).bind(to.reason.map(Reason::as_str))
        .bind(to.attempt_no).bind(to.failures).bind(to.lost).bind(to.cancel_requested).bind(to.retry_at.0).bind(at.0)
        .bind(to.state.is_final().then_some(at.0)).execute(conn).await?.rows_affected());
    if changed == 0 {
        return Ok(false);
    }
    let Some(attempt) = &to.attempt else { return Ok(true) };
    if to.attempt_no > from.control.attempt_no {
        on!(tx, conn => done(sqlx::query(
            "insert into job_attempts (workspace, job_id, attempt_no, epoch, worker_id, state, lease_expires_at, message, leased_at)
             values ($1, $2, $3, $4, $5, $6, $7, '', $8)")
            .bind(&from.workspace).bind(id).bind(to.attempt_no).bind(attempt.epoch).bind(&attempt.worker).bind(attempt.state.as_str())
            .bind(attempt.lease_expires_at.0).bind(at.0).execute(conn).await?));
    } else {
        let ended = !attempt.state.is_active();
        on!(tx, conn => done(sqlx::query(
            "update job_attempts set state = $3, lease_expires_at = $4,
                started_at = case when $3 = 'running' then coalesce(started_at, $7) else started_at end, message = case when $5 then $6 else message end,
                ended_at = case when $5 then $7 else ended_at end, termination_reason = case when $5 then $8 else termination_reason end
             where job_id = $1 and attempt_no = $2")
            .bind(id).bind(to.attempt_no).bind(attempt.state.as_str()).bind(attempt.lease_expires_at.0).bind(ended).bind(ending.message)
            .bind(at.0).bind(ending.reason.map(Reason::as_str)).execute(conn).await?));
    }
    Ok(true)
}

/// Draws a fresh epoch.
pub async fn next_epoch(tx: &mut Tx) -> Result<i64> {
    Ok(on!(tx, conn => sqlx::query_scalar(
        "insert into counters (name, value) values ('job_epoch', 1) on conflict (name) do update set value = counters.value + 1 returning value")
        .fetch_one(conn).await?))
}

/// Forgets a checkpoint that can't be used, so that the next attempt takes an older one.
pub async fn delete_checkpoint(tx: &mut Tx, job_id: &str, step: i64) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from checkpoints where job_id = $1 and step = $2").bind(job_id).bind(step).execute(conn).await?));
    Ok(())
}

/// Keeps what the job made.
pub async fn set_result(tx: &mut Tx, id: &str, result: &serde_json::Value) -> Result<()> {
    on!(tx, conn => done(sqlx::query("update job_records set result_json = $2 where id = $1").bind(id).bind(result.to_string()).execute(conn).await?));
    Ok(())
}

/// Lists waiting jobs that are due, most urgent first.
pub async fn list_runnable(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<String>> {
    Ok(on!(tx, conn => sqlx::query_scalar(
        "select id from job_records where state = 'PENDING' and retry_at <= $1 order by priority desc, retry_at, id limit $2")
        .bind(now.0).bind(limit).fetch_all(conn).await?))
}

/// Lists jobs whose active attempt's lease ran out before `before`.
pub async fn list_expired(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<Vec<String>> {
    Ok(on!(tx, conn => sqlx::query_scalar(
        "select job_id from job_attempts where state in ('leased', 'starting', 'running', 'stopping') and lease_expires_at < $1
         order by lease_expires_at limit $2")
        .bind(before.0).bind(limit).fetch_all(conn).await?))
}

/// Records how far a job is. The caller holds the job's row.
pub async fn set_progress(tx: &mut Tx, id: &str, progress: &crate::domain::job::Progress) -> Result<()> {
    on!(tx, conn => done(sqlx::query("update job_records set progress_json = $2 where id = $1").bind(id).bind(to_json(progress)).execute(conn).await?));
    Ok(())
}

/// The newest checkpoint of a job: step, digest, size.
pub async fn latest_checkpoint(tx: &mut Tx, job_id: &str) -> Result<Option<(i64, String, i64)>> {
    Ok(on!(tx, conn => sqlx::query_as("select step, digest, size_bytes from checkpoints where job_id = $1 order by step desc limit 1")
        .bind(job_id).fetch_optional(conn).await?))
}

/// Forgets the checkpoints of a job that has ended.
pub async fn delete_checkpoints(tx: &mut Tx, job_id: &str) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from checkpoints where job_id = $1").bind(job_id).execute(conn).await?));
    Ok(())
}

/// Records a checkpoint whose object was written.
pub async fn insert_checkpoint(
    tx: &mut Tx,
    workspace: &str,
    job_id: &str,
    (step, attempt_no): (i64, i64),
    (digest, size): (&str, i64),
    at: Timestamp,
) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into checkpoints (workspace, job_id, step, attempt_no, digest, size_bytes, created_at) values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (job_id, step) do nothing")
        .bind(workspace).bind(job_id).bind(step).bind(attempt_no).bind(digest).bind(size).bind(at.0).execute(conn).await?));
    Ok(())
}

/// Notes from which step an attempt resumed.
pub async fn set_resume_step(tx: &mut Tx, job_id: &str, attempt_no: i64, step: i64) -> Result<()> {
    on!(tx, conn => done(sqlx::query("update job_attempts set resume_step = $3 where job_id = $1 and attempt_no = $2")
        .bind(job_id).bind(attempt_no).bind(step).execute(conn).await?));
    Ok(())
}

/// Locks the job's row for this transaction if the attempt is still the active one. The update changes nothing that anybody
/// reads; it is the portable form of `select … for update`.
pub async fn hold(tx: &mut Tx, id: &str, attempt_no: i64, epoch: i64) -> Result<bool> {
    let held = on!(tx, conn => sqlx::query(
        "update job_records set nudged_at = nudged_at where id = $1 and attempt_no = $2 and state = 'RUNNING' and exists (
            select 1 from job_attempts a where a.job_id = $1 and a.attempt_no = $2 and a.epoch = $3
            and a.state in ('leased', 'starting', 'running', 'stopping'))")
        .bind(id).bind(attempt_no).bind(epoch).execute(conn).await?.rows_affected());
    Ok(held == 1)
}
