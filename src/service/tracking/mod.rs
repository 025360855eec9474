//! Tracking as MLflow's clients know it: what the native API has no use case for, and the searches. `experiments` and `runs`
//! hold their life, `log` what is written to a run, `history` and `search` what is read, `files` artifacts by URI.
//!
//! Messages follow MLflow's, because its clients and their users' programs look into them.

mod check;
mod check_path;
mod experiments;
mod files;
mod history;
mod log;
mod runs;
mod search;

pub(super) use experiments::active as active_experiment;
pub use files::Entry;
pub use runs::{NewTrackedRun, RunChange};
pub use search::SearchRequest;

use super::App;
use crate::domain::tracking::{RunInfo, Stage};
use crate::error::{Error, Result};
use crate::store::{self, Tx};

/// Use cases of tracking.
pub struct Tracking<'a>(pub(super) &'a App);

/// Finds a run with its surrogate.
async fn run(tx: &mut Tx, workspace: &str, id: &str) -> Result<(i64, RunInfo)> {
    store::tracking::run::find_info(tx, workspace, id).await?.ok_or_else(|| no_run(id))
}

/// Finds a run that is not deleted.
async fn active_run(tx: &mut Tx, workspace: &str, id: &str) -> Result<(i64, RunInfo)> {
    let (seq, info) = run(tx, workspace, id).await?;
    if info.stage != Stage::Active {
        return Err(not_active(id, info.stage));
    }
    Ok((seq, info))
}

fn not_active(id: &str, stage: Stage) -> Error {
    Error::invalid("run_deleted", format!("The run {id} must be in the 'active' state. Current state is {}.", stage.as_str()))
}

/// Refuses what only the job of a run may do.
fn not_of_a_job(info: &RunInfo) -> Result<()> {
    match &info.job_id {
        None => Ok(()),
        Some(job) => Err(of_a_job(&info.run_id, job)),
    }
}

fn of_a_job(run_id: &str, job: &str) -> Error {
    Error::conflict("run_owned_by_job", format!("the run {run_id} is written by its job {job}"))
}

fn no_run(id: &str) -> Error {
    Error::not_found("run_not_found", format!("Run with id={id} not found"))
}
