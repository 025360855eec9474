//! What is written to a run.

use super::logged_models::no_model;
use super::{Tracking, active_run, check, no_run, not_of_a_job};
use crate::domain::identity::Caller;
use crate::domain::logged_model::ModelPoint;
use crate::domain::run::MetricPoint;
use crate::domain::tracking::{DatasetInput, Pair, RUN_NAME_TAG};
use crate::error::{Error, Result};
use crate::store::{self, Tx};

/// What one request logs.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Points; one that is there already changes nothing.
    pub metrics: Vec<MetricPoint>,
    /// Those of the points that were measured on a logged model, once more.
    pub of_models: Vec<ModelPoint>,
    /// Params; one that is there already must have the same value.
    pub params: Vec<Pair>,
    /// Tags; the last value stays.
    pub tags: Vec<Pair>,
}

/// The points of a request.
#[derive(Clone, Copy, Default)]
struct Points<'a> {
    of_run: &'a [MetricPoint],
    of_models: &'a [ModelPoint],
}

impl Tracking<'_> {
    /// Logs all of a batch or nothing of it. The answer means that it is durable; a repeated batch adds nothing.
    pub async fn log_batch(&self, caller: &Caller, run_id: &str, batch: &Batch) -> Result<()> {
        for (i, point) in batch.metrics.iter().enumerate() {
            check::point(point, &format!("metrics[{i}]"))?;
        }
        let params = batch.params.iter().enumerate().map(|(i, p)| check::param(p, &format!("params[{i}]"))).collect::<Result<Vec<_>>>()?;
        let tags = batch.tags.iter().enumerate().map(|(i, p)| check::tag(p, &format!("tags[{i}]"))).collect::<Result<Vec<_>>>()?;
        check::sizes(&batch.metrics, &params, &tags)?;
        batch.of_models.iter().try_for_each(check::model_point)?;
        let conflicts = self.write(caller, run_id, Points { of_run: &batch.metrics, of_models: &batch.of_models }, &params, &tags).await?;
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

    /// Logs a point, which may have been measured on a logged model.
    pub async fn log_metric(&self, caller: &Caller, run_id: &str, point: &MetricPoint, of_model: Option<&ModelPoint>) -> Result<()> {
        check::point(point, "")?;
        of_model.iter().try_for_each(|point| check::model_point(point))?;
        let of_models = of_model.map(std::slice::from_ref).unwrap_or_default();
        self.write(caller, run_id, Points { of_run: std::slice::from_ref(point), of_models }, &[], &[]).await?;
        Ok(())
    }

    /// Logs a param, whose value can't be changed.
    pub async fn log_param(&self, caller: &Caller, run_id: &str, param: &Pair) -> Result<()> {
        let param = check::param(param, "")?;
        match self.write(caller, run_id, Points::default(), std::slice::from_ref(&param), &[]).await?.first() {
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
        self.write(caller, run_id, Points::default(), &[], std::slice::from_ref(&tag)).await?;
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

    /// Names data sets and logged models as inputs of a run; one that it has already stays as it is.
    pub async fn log_inputs(&self, caller: &Caller, run_id: &str, inputs: &[DatasetInput], models: &[String]) -> Result<()> {
        inputs.iter().try_for_each(check::input)?;
        check::model_ids(models.iter().map(String::as_str))?;
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
        store::tracking::link::add_inputs(&mut tx, seq, models).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Writes what was checked, and commits unless a param is there with another value: these are returned.
    async fn write(
        &self,
        caller: &Caller,
        run_id: &str,
        points: Points<'_>,
        params: &[Pair],
        tags: &[Pair],
    ) -> Result<Vec<(String, String, String)>> {
        if run_id.contains('\0') {
            return Err(no_run(run_id));
        }
        let mut tx = self.0.db().begin().await?;
        let (seq, info) = active_run(&mut tx, &caller.workspace, run_id).await?;
        if !(points.of_run.is_empty() && params.is_empty()) {
            not_of_a_job(&info)?;
        }
        let conflicts = store::tracking::run::add_params(&mut tx, seq, params).await?;
        if !conflicts.is_empty() {
            return Ok(conflicts);
        }
        store::tracking::run::append_metrics(&mut tx, seq, points.of_run).await?;
        append_to_models(&mut tx, caller, seq, points.of_models).await?;
        write_tags(&mut tx, seq, tags).await?;
        tx.commit().await?;
        Ok(Vec::new())
    }
}

/// Appends points to the models that they were measured on, all of which must be there.
async fn append_to_models(tx: &mut Tx, caller: &Caller, run_seq: i64, points: &[ModelPoint]) -> Result<()> {
    if points.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<&str> = points.iter().map(|point| point.model_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let seqs = store::tracking::logged_model::find_seqs(tx, &caller.workspace, &ids).await?;
    let rows = points.iter().map(|point| match seqs.get(&point.model_id) {
        Some(seq) => Ok((*seq, point)),
        None => Err(no_model(&point.model_id)),
    });
    store::tracking::logged_model::append_metrics(tx, run_seq, &rows.collect::<Result<Vec<_>>>()?).await?;
    Ok(())
}

/// Sets tags; the one that repeats the name of the run names it.
async fn write_tags(tx: &mut Tx, run_seq: i64, tags: &[Pair]) -> Result<()> {
    store::tracking::run::set_tags(tx, run_seq, tags).await?;
    if let Some(name) = tags.iter().rev().find(|pair| pair.key == RUN_NAME_TAG && !pair.value.is_empty()) {
        store::tracking::run::update(tx, run_seq, None, None, Some(&name.value)).await?;
    }
    Ok(())
}
