//! What is written to a run.

use super::{Tracking, active_run, check, no_run, not_active, of_a_job};
use crate::domain::identity::Caller;
use crate::domain::run::MetricPoint;
use crate::domain::tracking::{DatasetInput, Pair};
use crate::error::{Error, Result};
use crate::service::writer::{Batch, Done, Log, OnParam, Refusal, Work};
use crate::store;

impl Tracking<'_> {
    /// Logs all of a batch or nothing of it. The answer means that it is durable; a repeated batch adds nothing.
    pub async fn log_batch(&self, caller: &Caller, run_id: &str, batch: Batch) -> Result<()> {
        for (i, point) in batch.metrics.iter().enumerate() {
            check::point(point, &format!("metrics[{i}]"))?;
        }
        let params = batch.params.iter().enumerate().map(|(i, p)| check::param(p, &format!("params[{i}]"))).collect::<Result<Vec<_>>>()?;
        let tags = batch.tags.iter().enumerate().map(|(i, p)| check::tag(p, &format!("tags[{i}]"))).collect::<Result<Vec<_>>>()?;
        check::sizes(&batch.metrics, &params, &tags)?;
        let conflicts = self.write(caller, run_id, Batch { metrics: batch.metrics, params, tags }).await?;
        if conflicts.is_empty() {
            return Ok(());
        }
        let shown: Vec<String> =
            conflicts.iter().map(|(key, old, new)| format!("{{'key': '{key}', 'old_value': '{old}', 'new_value': '{new}'}}")).collect();
        Err(Error::invalid(
            "param_is_set",
            format!("Changing param values is not allowed. Params were already logged='[{}]' for run ID='{run_id}'.", shown.join(", ")),
        ))
    }

    /// Logs a point.
    pub async fn log_metric(&self, caller: &Caller, run_id: &str, point: MetricPoint) -> Result<()> {
        check::point(&point, "")?;
        self.write(caller, run_id, Batch { metrics: vec![point], ..Batch::default() }).await?;
        Ok(())
    }

    /// Logs a param, whose value can't be changed.
    pub async fn log_param(&self, caller: &Caller, run_id: &str, param: &Pair) -> Result<()> {
        let param = check::param(param, "")?;
        match self.write(caller, run_id, Batch { params: vec![param], ..Batch::default() }).await?.first() {
            None => Ok(()),
            Some((key, old, new)) => Err(Error::invalid(
                "param_is_set",
                format!(
                    "Changing param values is not allowed. Param with key='{key}' was already logged with value='{old}' for run \
                     ID='{run_id}'. Attempted logging new value '{new}'."
                ),
            )),
        }
    }

    /// Sets a tag.
    pub async fn set_tag(&self, caller: &Caller, run_id: &str, tag: &Pair) -> Result<()> {
        let tag = check::tag(tag, "")?;
        self.write(caller, run_id, Batch { tags: vec![tag], ..Batch::default() }).await?;
        Ok(())
    }

    /// Deletes a tag.
    pub async fn delete_tag(&self, caller: &Caller, run_id: &str, key: &str) -> Result<()> {
        if run_id.contains('\0') {
            return Err(no_run(run_id));
        }
        let mut tx = self.0.db().begin().await?;
        let (seq, _) = active_run(&mut tx, &caller.workspace, run_id).await?;
        if key.contains('\0') || !store::tracking::run::delete_tag(&mut tx, seq, key).await? {
            return Err(Error::not_found("tag_not_found", format!("No tag with name: {key} in run with id {run_id}")));
        }
        tx.commit().await?;
        Ok(())
    }

    /// Names data sets as inputs of a run; one that it has already stays as it is.
    pub async fn log_inputs(&self, caller: &Caller, run_id: &str, inputs: &[DatasetInput]) -> Result<()> {
        inputs.iter().try_for_each(check::input)?;
        if run_id.contains('\0') {
            return Err(no_run(run_id));
        }
        // locked in one sequence by all, so that two requests can't wait for each other
        let mut sorted: Vec<&DatasetInput> = inputs.iter().collect();
        sorted.sort_by(|a, b| (&a.dataset.name, &a.dataset.digest).cmp(&(&b.dataset.name, &b.dataset.digest)));
        let mut tx = self.0.db().begin().await?;
        let (seq, info) = active_run(&mut tx, &caller.workspace, run_id).await?;
        for input in sorted {
            store::tracking::input::add(&mut tx, seq, &info.experiment_id, input).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Writes what was checked, unless params are there with other values: these are returned.
    async fn write(&self, caller: &Caller, run_id: &str, batch: Batch) -> Result<Vec<(String, String, String)>> {
        if run_id.contains('\0') {
            return Err(no_run(run_id));
        }
        let log = Log { workspace: caller.workspace.clone(), run_id: run_id.to_owned(), batch, on_param: OnParam::Refuse };
        match self.0.write(Work::Log(log)).await? {
            Done::Refused(Refusal::NoRun) => Err(no_run(run_id)),
            Done::Refused(Refusal::Stage(stage)) => Err(not_active(run_id, stage)),
            Done::Refused(Refusal::OfJob(job)) => Err(of_a_job(run_id, &job)),
            Done::Refused(Refusal::ParamsAreSet(conflicts)) => Ok(conflicts),
            _ => Ok(Vec::new()),
        }
    }
}
