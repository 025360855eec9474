//! Logged models on their way in.

use std::collections::BTreeMap;

use super::{Moving, is_ours, refuse_nul};
use crate::domain::identity::Caller;
use crate::domain::logged_model::{LoggedModel, ModelPoint};
use crate::domain::moving::Tally;
use crate::error::{Error, Kind, Result};
use crate::store;
use crate::store::moving::Import;

impl Moving<'_> {
    /// Takes a logged model in, with all that was measured on it.
    pub async fn put_model(&self, caller: &Caller, import: &Import, experiment_id: &str, model: &LoggedModel, whole: &Tally) -> Result<()> {
        let ws = &caller.workspace;
        refuse_nul(&[&model.model_id, &model.name, &model.model_type, &model.source_run_id])?;
        model.params.iter().chain(&model.tags).try_for_each(|pair| refuse_nul(&[&pair.key, &pair.value]))?;
        model.metrics.iter().try_for_each(|of| refuse_nul(&[&of.point.key, &of.run_id, &of.dataset_name, &of.dataset_digest]))?;
        let mut tx = self.0.db().begin().await?;
        let taken = || Error::new(Kind::AlreadyExists, "run_exists", "it is here already and does not come from an import");
        let is_here = store::tracking::logged_model::find(&mut tx, ws, &model.model_id).await?.is_some();
        if is_here && !is_ours(&mut tx, caller, &["model"], &model.model_id).await? {
            return Err(taken());
        }
        let seq = store::moving::put_model(&mut tx, ws, experiment_id, model).await?.ok_or_else(taken)?;
        store::moving::clear_model_pairs(&mut tx, seq).await?;
        store::tracking::logged_model::add_params(&mut tx, seq, &model.params).await?;
        store::tracking::logged_model::set_tags(&mut tx, seq, &model.tags).await?;
        let mut by_run: BTreeMap<&str, Vec<(i64, &ModelPoint)>> = BTreeMap::new();
        for of in &model.metrics {
            by_run.entry(&of.run_id).or_default().push((seq, of));
        }
        for (run_id, points) in by_run {
            let missing = || Error::not_found("run_not_found", format!("points were measured by the run {run_id}, which is not here"));
            let run_seq = store::run::find_seq(&mut tx, ws, run_id).await?.ok_or_else(missing)?;
            store::tracking::logged_model::append_metrics(&mut tx, run_seq, &points).await?;
        }
        store::moving::note(&mut tx, import, "model", (&model.model_id, &model.model_id), whole).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Returns what a logged model consists of here; none when there is no such model.
    pub async fn model_tally(&self, caller: &Caller, model_id: &str) -> Result<Option<Tally>> {
        let mut tx = self.0.db().read().await?;
        let found = store::tracking::logged_model::find(&mut tx, &caller.workspace, model_id).await?;
        let Some((seq, mut model)) = found else { return Ok(None) };
        model.metrics = store::moving::model_points(&mut tx, model_id, seq).await?;
        let mut tally = Tally::default();
        tally.add_model(&model);
        Ok(Some(tally))
    }
}
