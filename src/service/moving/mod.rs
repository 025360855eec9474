//! Taking in what was tracked elsewhere. Things are remembered by the names that they have at their source, so that every step may
//! be repeated: what is there already stays, what is new at the source is added. `models` takes logged models in, `registry`
//! registered ones.

mod models;
mod registry;

pub use registry::{Settled, is_prompt};

use std::collections::{BTreeMap, HashMap};

use super::App;
use crate::domain::artifact::Artifact;
use crate::domain::event::NewEvent;
use crate::domain::identity::Caller;
use crate::domain::moving::{Home, MovedExperiment, MovedRun, Tally};
use crate::domain::run::{MetricPoint, Number};
use crate::domain::tracking::{DEFAULT_EXPERIMENT_ID, Stage, TrackedRun};
use crate::error::{Error, Kind, Result};
use crate::store::moving::{Import, Imported};
use crate::store::{self, Tx};

/// Points that are read in one go.
const PAGE: i64 = 10_000;

/// A part of a run on its way in.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The run's id.
    pub run_id: String,
    /// The experiment here.
    pub experiment_id: String,
    /// Whether it is here already as it is at its source, which is only to be noted.
    pub unchanged: bool,
    /// What it is: comes with the first part.
    pub run: Option<MovedRun>,
    /// Some of its points.
    pub points: Vec<MetricPoint>,
    /// All of it at its source: comes with the last part.
    pub whole: Option<Tally>,
}

/// Use cases of imports.
pub struct Moving<'a>(pub(super) &'a App);

impl Moving<'_> {
    /// Begins an import from a source, or goes on with one that was cut off.
    pub async fn begin(&self, caller: &Caller, source: &str) -> Result<Import> {
        let mut tx = self.0.db().begin().await?;
        let import = store::moving::begin(&mut tx, &caller.workspace, source, &self.0.new_id(), self.0.now()).await?;
        tx.commit().await?;
        Ok(import)
    }

    /// Ends an import: the next one from there begins anew.
    pub async fn end(&self, caller: &Caller, import: &Import, counts: &BTreeMap<&'static str, i64>) -> Result<()> {
        let mut tx = self.0.db().begin().await?;
        store::moving::end(&mut tx, import, self.0.now()).await?;
        let payload = serde_json::json!(counts);
        let event = NewEvent { kind: "import.finished", entity: "import", entity_id: import.id.clone(), payload };
        store::event::append(&mut tx, caller, &event, self.0.now()).await?;
        tx.commit().await?;
        self.0.nudge();
        Ok(())
    }

    /// Finds things that were brought in before, by their ids at the source.
    pub async fn known(&self, import: &Import, kind: &str, source_ids: &[&str]) -> Result<HashMap<String, Imported>> {
        let mut tx = self.0.db().read().await?;
        let found = store::moving::find(&mut tx, import, kind, source_ids).await?;
        Ok(found.into_iter().map(|thing| (thing.source_id.clone(), thing)).collect())
    }

    /// Lists what this import has seen of a kind, by the ids at the source after `after`.
    pub async fn seen(&self, import: &Import, kind: &str, after: &str) -> Result<Vec<Imported>> {
        let mut tx = self.0.db().read().await?;
        Ok(store::moving::list(&mut tx, import, kind, after, 500).await?)
    }

    /// Takes an experiment in and returns its id here. The one of id 0 is our own; another whose name an active one has joins that.
    pub async fn put_experiment(&self, caller: &Caller, import: &Import, experiment: &MovedExperiment, location: &str) -> Result<String> {
        let (app, ws) = (self.0, &caller.workspace);
        refuse_nul(&[&experiment.name, location])?;
        experiment.tags.iter().try_for_each(|tag| refuse_nul(&[&tag.key, &tag.value]))?;
        let mut tx = app.db().begin().await?;
        let before = store::moving::find(&mut tx, import, "experiment", &[&experiment.source_id]).await?.pop();
        let id = match &before {
            Some(before) => before.target_id.clone(),
            None if experiment.source_id == DEFAULT_EXPERIMENT_ID => DEFAULT_EXPERIMENT_ID.to_owned(),
            None => match store::tracking::experiment::find_by_name(&mut tx, ws, &experiment.name).await? {
                Some(there) if there.stage == Stage::Active && experiment.stage == Stage::Active => there.id,
                _ => {
                    let id = app.new_id();
                    store::moving::insert_experiment(&mut tx, ws, &id, experiment, location).await?;
                    store::moving::note(&mut tx, import, "own experiment", (&experiment.source_id, &id), &Tally::default()).await?;
                    id
                }
            },
        };
        // one that was made for the import follows its source; one that was here before keeps its name and its times
        if before.is_some() && !store::moving::find(&mut tx, import, "own experiment", &[&experiment.source_id]).await?.is_empty() {
            store::moving::update_experiment(&mut tx, ws, &id, experiment).await?;
        }
        for tag in &experiment.tags {
            store::tracking::experiment::set_tag(&mut tx, &id, &tag.key, &tag.value).await?;
        }
        store::moving::note(&mut tx, import, "experiment", (&experiment.source_id, &id), &Tally::default()).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Takes parts of runs in, all of them or none.
    pub async fn put_runs(&self, caller: &Caller, import: &Import, parcels: &[Parcel]) -> Result<()> {
        let mut tx = self.0.db().begin().await?;
        for parcel in parcels {
            put_parcel(&mut tx, caller, import, parcel).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Returns what a run consists of here; none when there is no such run.
    pub async fn tally(&self, caller: &Caller, run_id: &str) -> Result<Option<Tally>> {
        let mut tx = self.0.db().read().await?;
        let Some((seq, _)) = store::tracking::run::find_info(&mut tx, &caller.workspace, run_id).await? else { return Ok(None) };
        let Some(run) = store::tracking::run::find(&mut tx, &caller.workspace, run_id).await? else { return Ok(None) };
        let mut tally = Tally::default();
        tally.add_run(&moved(run));
        for key in store::moving::metric_keys(&mut tx, seq).await? {
            let mut after = (i64::MIN, i64::MIN, i64::MIN);
            loop {
                let page = store::run::history(&mut tx, seq, &key, after, PAGE).await?;
                let last = page.last().copied();
                for (step, timestamp, bits) in &page {
                    let value = Number(store::run::from_bits(*bits));
                    tally.add_point(&MetricPoint { key: key.clone(), value, timestamp: *timestamp, step: *step });
                }
                match last {
                    Some(last) if i64::try_from(page.len()).is_ok_and(|len| len == PAGE) => after = last,
                    _ => break,
                }
            }
        }
        Ok(Some(tally))
    }

    /// Lists the files of a run or of a logged model.
    pub async fn files(&self, caller: &Caller, home: &Home) -> Result<Vec<Artifact>> {
        let mut tx = self.0.db().read().await?;
        Ok(store::artifact::list_artifacts(&mut tx, &caller.workspace, home.kind.owner(), &home.id).await?)
    }

    /// Notes that a thing is here, and what it consists of.
    pub async fn note(&self, import: &Import, kind: &str, source_id: &str, tally: &Tally) -> Result<()> {
        let mut tx = self.0.db().begin().await?;
        store::moving::note(&mut tx, import, kind, (source_id, source_id), tally).await?;
        tx.commit().await?;
        Ok(())
    }
}

async fn put_parcel(tx: &mut Tx, caller: &Caller, import: &Import, parcel: &Parcel) -> Result<()> {
    let seq = match &parcel.run {
        Some(run) => {
            let taken = || {
                let message = format!("the run {} is here already and does not come from an import", run.run_id);
                Error::new(Kind::AlreadyExists, "run_exists", message)
            };
            let is_here = store::run::find_seq(tx, &caller.workspace, &run.run_id).await?.is_some();
            if is_here && !is_ours(tx, caller, &["run", "begun run"], &run.run_id).await? {
                return Err(taken());
            }
            let seq = store::moving::put_run(tx, &caller.workspace, &parcel.experiment_id, run).await?.ok_or_else(taken)?;
            store::moving::clear_pairs(tx, seq).await?;
            store::tracking::run::add_params(tx, seq, &run.params).await?;
            store::tracking::run::set_tags(tx, seq, &run.tags).await?;
            let mut inputs: Vec<_> = run.inputs.iter().collect();
            inputs.sort_by(|a, b| (&a.dataset.name, &a.dataset.digest).cmp(&(&b.dataset.name, &b.dataset.digest)));
            for input in inputs {
                store::tracking::input::add(tx, seq, &parcel.experiment_id, input).await?;
            }
            store::tracking::link::add_inputs(tx, seq, &run.model_inputs).await?;
            store::tracking::link::add_outputs(tx, seq, &run.model_outputs).await?;
            seq
        }
        None => store::run::find_seq(tx, &caller.workspace, &parcel.run_id)
            .await?
            .ok_or_else(|| Error::not_found("run_not_found", format!("the run {} went away during the import", parcel.run_id)))?,
    };
    if !parcel.points.is_empty() {
        store::tracking::run::append_metrics(tx, seq, &parcel.points).await?;
    }
    match &parcel.whole {
        Some(whole) => store::moving::note(tx, import, "run", (&parcel.run_id, &parcel.run_id), whole).await?,
        None if parcel.run.is_some() => {
            store::moving::note(tx, import, "begun run", (&parcel.run_id, &parcel.run_id), &Tally::default()).await?;
        }
        None => {}
    }
    Ok(())
}

/// Tells whether a thing that is here came with an import.
async fn is_ours(tx: &mut Tx, caller: &Caller, kinds: &[&str], source_id: &str) -> Result<bool> {
    for kind in kinds {
        if store::moving::is_imported(tx, &caller.workspace, kind, source_id).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses what a database can't store.
fn refuse_nul(texts: &[&str]) -> Result<()> {
    match texts.iter().any(|text| text.contains('\0')) {
        true => Err(Error::invalid("invalid_parameter_value", "it contains a NUL character")),
        false => Ok(()),
    }
}

/// Checks that everything a run consists of can be stored as it is.
pub fn check_run(run: &MovedRun) -> Result<()> {
    refuse_nul(&[&run.run_id, &run.name, &run.user])?;
    run.params.iter().chain(&run.tags).try_for_each(|pair| refuse_nul(&[&pair.key, &pair.value]))?;
    run.metrics.iter().try_for_each(|key| refuse_nul(&[key]))?;
    for input in &run.inputs {
        let d = &input.dataset;
        let texts = [&d.name, &d.digest, &d.source_type, &d.source].map(String::as_str);
        refuse_nul(&texts)?;
        refuse_nul(&[d.schema.as_deref().unwrap_or(""), d.profile.as_deref().unwrap_or("")])?;
        input.tags.iter().try_for_each(|tag| refuse_nul(&[&tag.key, &tag.value]))?;
    }
    run.model_inputs.iter().chain(run.model_outputs.iter().map(|made| &made.model_id)).try_for_each(|id| refuse_nul(&[id]))
}

fn moved(run: TrackedRun) -> MovedRun {
    let info = run.info;
    MovedRun {
        run_id: info.run_id,
        name: info.run_name,
        status: info.status,
        user: info.user_id,
        start_time: info.start_time,
        end_time: info.end_time,
        stage: info.stage,
        artifact_uri: info.artifact_uri,
        params: run.params,
        tags: run.tags,
        inputs: run.inputs,
        metrics: Vec::new(),
        model_inputs: run.model_inputs,
        model_outputs: run.model_outputs,
    }
}
