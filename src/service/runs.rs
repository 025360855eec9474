//! Runs: making them by hand, logging to them, reading them.

use std::collections::BTreeMap;

use super::App;
use crate::domain::event::NewEvent;
use crate::domain::identity::Caller;
use crate::domain::page::{Page, PageRequest};
use crate::domain::run::{Experiment, MetricPoint, Number, Run, RunStatus, check_metric_key};
use crate::domain::{Invalid, check_name};
use crate::error::{Error, Result};
use crate::store;

/// Points that one batch may hold.
const MAX_BATCH: usize = 10_000;
/// Position before every point.
const START: (i64, i64, i64) = (i64::MIN, i64::MIN, i64::MIN);

/// Use cases of runs.
pub struct Runs<'a>(pub(super) &'a App);

impl Runs<'_> {
    /// Starts a run that no job works on.
    pub async fn create(&self, caller: &Caller, experiment: &str, name: Option<&str>) -> Result<Run> {
        check_name("experiment", experiment)?;
        let app = self.0;
        let (id, now) = (app.ids().next(), app.now());
        let name = name.map_or_else(|| format!("run-{}", &id[id.len() - 8..]), str::to_owned);
        check_name("run", &name)?;
        let mut tx = app.db().begin().await?;
        let experiment = store::run::ensure_experiment(&mut tx, &caller.workspace, experiment, &app.ids().next(), now).await?;
        let new = store::run::NewRun {
            id: &id,
            experiment_id: &experiment.experiment_id,
            name: &name,
            status: RunStatus::Running,
            user: &caller.principal,
            job_id: None,
        };
        store::run::insert(&mut tx, &caller.workspace, &new, now).await?;
        let payload = serde_json::json!({ "experiment": experiment.name, "run_name": name });
        let event = NewEvent { kind: "run.created", entity: "run", entity_id: id.clone(), payload };
        store::event::append(&mut tx, caller, &event, now).await?;
        tx.commit().await?;
        app.nudge();
        self.get(caller, &id).await
    }

    /// Returns a run with its params and latest metrics.
    pub async fn get(&self, caller: &Caller, id: &str) -> Result<Run> {
        let mut tx = self.0.db().read().await?;
        store::run::find(&mut tx, &caller.workspace, id).await?.ok_or_else(no_run)
    }

    /// Lists runs, newest first.
    pub async fn list(&self, caller: &Caller, experiment_id: Option<&str>, page: &PageRequest) -> Result<Page<Run>> {
        let mut tx = self.0.db().read().await?;
        let rows = store::run::list(&mut tx, &caller.workspace, experiment_id, page.after.as_deref(), page.limit()).await?;
        Ok(Page::cut(rows, page, |run| run.run_id.clone()))
    }

    /// Lists experiments by name.
    pub async fn list_experiments(&self, caller: &Caller, page: &PageRequest) -> Result<Page<Experiment>> {
        let mut tx = self.0.db().read().await?;
        let after = page.after.as_deref().unwrap_or("");
        let rows = store::run::list_experiments(&mut tx, &caller.workspace, after, page.limit()).await?;
        Ok(Page::cut(rows, page, |experiment| experiment.name.clone()))
    }

    /// Logs params and points of a run that no job owns. The answer means that they are durable; a repeated batch adds nothing.
    pub async fn log_batch(&self, caller: &Caller, id: &str, params: &BTreeMap<String, String>, points: &[MetricPoint]) -> Result<()> {
        check_batch(params, points)?;
        let mut tx = self.0.db().begin().await?;
        let run = store::run::find(&mut tx, &caller.workspace, id).await?.ok_or_else(no_run)?;
        if run.job_id.is_some() {
            return Err(Error::conflict("run_owned_by_job", "this run is written by its job"));
        }
        let seq = store::run::find_seq(&mut tx, &caller.workspace, id).await?.ok_or_else(no_run)?;
        store::run::set_params(&mut tx, seq, params).await?;
        store::run::append_metrics(&mut tx, seq, 0, points).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends a run that no job owns.
    pub async fn finish(&self, caller: &Caller, id: &str, status: RunStatus) -> Result<Run> {
        let app = self.0;
        if !matches!(status, RunStatus::Finished | RunStatus::Failed | RunStatus::Killed) {
            return Err(Error::invalid("invalid_status", "a run can be set to FINISHED, FAILED or KILLED"));
        }
        let now = app.now();
        let mut tx = app.db().begin().await?;
        let run = store::run::find(&mut tx, &caller.workspace, id).await?.ok_or_else(no_run)?;
        if run.job_id.is_some() {
            return Err(Error::conflict("run_owned_by_job", "this run takes its status from its job"));
        }
        if run.status != RunStatus::Running {
            return Err(Error::conflict("invalid_state", "the run has ended").with("state", run.status.as_str()));
        }
        store::run::set_status(&mut tx, &caller.workspace, id, status, Some(now)).await?;
        let payload = serde_json::json!({ "status": status });
        let event = NewEvent { kind: "run.finished", entity: "run", entity_id: id.to_owned(), payload };
        store::event::append(&mut tx, caller, &event, now).await?;
        tx.commit().await?;
        app.nudge();
        self.get(caller, id).await
    }

    /// Lists the points of a metric by step.
    pub async fn history(&self, caller: &Caller, id: &str, key: &str, page: &PageRequest) -> Result<Page<MetricPoint>> {
        let after = match &page.after {
            None => START,
            Some(text) => position(text).ok_or_else(|| Invalid::new("invalid_page_token", "page_token is not one of this list"))?,
        };
        let mut tx = self.0.db().read().await?;
        let seq = store::run::find_seq(&mut tx, &caller.workspace, id).await?.ok_or_else(no_run)?;
        let rows = store::run::history(&mut tx, seq, key, after, page.limit()).await?;
        let page = Page::cut(rows, page, |(step, timestamp, bits)| format!("{step},{timestamp},{bits}"));
        Ok(page.map(|(step, timestamp, bits)| MetricPoint {
            key: key.to_owned(),
            value: Number(store::run::from_bits(bits)),
            timestamp,
            step,
        }))
    }
}

fn position(text: &str) -> Option<(i64, i64, i64)> {
    let mut parts = text.split(',').map(str::parse);
    let (a, b, c) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    parts.next().is_none().then_some((a, b, c))
}

fn check_batch(params: &BTreeMap<String, String>, points: &[MetricPoint]) -> Result<(), Invalid> {
    if points.len() > MAX_BATCH || params.len() > MAX_BATCH {
        return Err(Invalid::new("batch_too_large", format!("a batch holds at most {MAX_BATCH} points and params")));
    }
    points.iter().map(|point| &point.key).chain(params.keys()).try_for_each(|key| check_metric_key(key))?;
    match params.values().any(|v| v.len() > 6000 || v.contains('\0')) {
        true => Err(Invalid::new("invalid_param_value", "the value of a param must have at most 6000 bytes and no NUL")),
        false => Ok(()),
    }
}

fn no_run() -> Error {
    Error::not_found("run_not_found", "there is no such run")
}
