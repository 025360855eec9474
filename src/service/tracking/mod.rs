//! Tracking as MLflow's clients know it: what the native API has no use case for, and the searches. `experiments` and `runs`
//! hold their life, `logged_models` that of models that runs log, `log` what is written to a run, `history` and `search` what is read, `files` artifacts by URI.
//!
//! Messages follow MLflow's, because its clients and their users' programs look into them.

pub(super) mod check;
mod check_path;
mod experiments;
mod files;
mod history;
mod log;
mod logged_model_search;
mod logged_models;
mod runs;
mod search;
mod trace;

pub use files::Entry;
pub(super) use files::entries;
pub use log::Batch;
pub use logged_model_search::LoggedModelSearch;
pub use logged_models::NewLoggedModel;
pub use runs::{NewTrackedRun, RunChange};
pub use search::SearchRequest;
pub use trace::{Correlation, Ingested, MAX_SPANS, TraceSearch};

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
        let message = format!("The run {id} must be in the 'active' state. Current state is {}.", info.stage.as_str());
        return Err(Error::invalid("run_deleted", message));
    }
    Ok((seq, info))
}

/// Refuses what only the job of a run may do.
fn not_of_a_job(info: &RunInfo) -> Result<()> {
    match &info.job_id {
        None => Ok(()),
        Some(job) => Err(Error::conflict("run_owned_by_job", format!("the run {} is written by its job {job}", info.run_id))),
    }
}

fn no_run(id: &str) -> Error {
    Error::not_found("run_not_found", format!("Run with id={id} not found"))
}
