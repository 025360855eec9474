//! The life of an experiment.

use super::{Tracking, check};
use crate::domain::event::NewEvent;
use crate::domain::identity::Caller;
use crate::domain::tracking::{Pair, Stage, TrackedExperiment, default_location};
use crate::error::{Error, Kind, Result};
use crate::store::{self, Tx};

impl Tracking<'_> {
    /// Makes an experiment and returns its id. Its files go behind this server unless `location` says otherwise.
    pub async fn create_experiment(&self, caller: &Caller, name: &str, location: &str, tags: &[Pair]) -> Result<String> {
        check::experiment_name(name)?;
        check::location(location)?;
        tags.iter().try_for_each(check::experiment_tag)?;
        let (app, id, now) = (self.0, self.0.new_id(), self.0.now());
        let location = if location.is_empty() { default_location(&id) } else { location.to_owned() };
        let mut tx = app.db().begin().await?;
        if !store::tracking::experiment::insert(&mut tx, &caller.workspace, &id, name, &location, now).await? {
            return Err(taken(name));
        }
        for tag in tags {
            store::tracking::experiment::set_tag(&mut tx, &id, &tag.key, &tag.value).await?;
        }
        self.tell(&mut tx, caller, "experiment.created", &id, name).await?;
        tx.commit().await?;
        app.nudge();
        Ok(id)
    }

    /// Returns an experiment, deleted or not.
    pub async fn get_experiment(&self, caller: &Caller, id: &str) -> Result<TrackedExperiment> {
        let mut tx = self.0.db().read().await?;
        find(&mut tx, caller, id).await
    }

    /// Returns the active experiment of a name, or else the one of that name that was deleted last.
    pub async fn get_experiment_by_name(&self, caller: &Caller, name: &str) -> Result<TrackedExperiment> {
        let missing = || Error::not_found("experiment_not_found", format!("Could not find experiment with name '{name}'"));
        if name.contains('\0') {
            return Err(missing());
        }
        let mut tx = self.0.db().read().await?;
        store::tracking::experiment::find_by_name(&mut tx, &caller.workspace, name).await?.ok_or_else(missing)
    }

    /// Renames an active experiment.
    pub async fn rename_experiment(&self, caller: &Caller, id: &str, name: &str) -> Result<()> {
        check::experiment_name(name)?;
        let app = self.0;
        let mut tx = app.db().begin().await?;
        if find(&mut tx, caller, id).await?.stage != Stage::Active {
            return Err(Error::conflict("experiment_deleted", "Cannot rename a non-active experiment."));
        }
        let renamed = store::tracking::experiment::rename(&mut tx, &caller.workspace, id, name, app.now()).await;
        if !renamed.map_err(|e| if e.is_unique_violation() { taken(name) } else { e.into() })? {
            return Err(no_experiment(id));
        }
        self.tell(&mut tx, caller, "experiment.renamed", id, name).await?;
        tx.commit().await?;
        app.nudge();
        Ok(())
    }

    /// Deletes an active experiment and its runs; `restore_experiment` brings them back.
    pub async fn delete_experiment(&self, caller: &Caller, id: &str) -> Result<()> {
        self.move_experiment(caller, id, (Stage::Active, Stage::Deleted), "experiment.deleted").await
    }

    /// Brings a deleted experiment and its runs back.
    pub async fn restore_experiment(&self, caller: &Caller, id: &str) -> Result<()> {
        self.move_experiment(caller, id, (Stage::Deleted, Stage::Active), "experiment.restored").await
    }

    async fn move_experiment(&self, caller: &Caller, id: &str, stages: (Stage, Stage), event: &'static str) -> Result<()> {
        let app = self.0;
        let mut tx = app.db().begin().await?;
        let experiment = find(&mut tx, caller, id).await?;
        let moved = store::tracking::experiment::set_stage(&mut tx, &caller.workspace, id, stages, app.now()).await;
        if !moved.map_err(|e| if e.is_unique_violation() { taken(&experiment.name) } else { e.into() })? {
            return Err(no_experiment(id));
        }
        self.tell(&mut tx, caller, event, id, &experiment.name).await?;
        tx.commit().await?;
        app.nudge();
        Ok(())
    }

    /// Sets a tag of an active experiment.
    pub async fn set_experiment_tag(&self, caller: &Caller, id: &str, tag: &Pair) -> Result<()> {
        check::experiment_tag(tag)?;
        let mut tx = self.0.db().begin().await?;
        active(&mut tx, caller, id).await?;
        store::tracking::experiment::set_tag(&mut tx, id, &tag.key, &tag.value).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Deletes a tag of an active experiment.
    pub async fn delete_experiment_tag(&self, caller: &Caller, id: &str, key: &str) -> Result<()> {
        let mut tx = self.0.db().begin().await?;
        active(&mut tx, caller, id).await?;
        let there = !key.contains('\0') && store::tracking::experiment::delete_tag(&mut tx, id, key).await?;
        if !there {
            return Err(Error::not_found("tag_not_found", format!("No tag with name: {key} in experiment with id {id}")));
        }
        tx.commit().await?;
        Ok(())
    }

    async fn tell(&self, tx: &mut Tx, caller: &Caller, kind: &'static str, id: &str, name: &str) -> Result<()> {
        let payload = serde_json::json!({ "name": name });
        let event = NewEvent { kind, entity: "experiment", entity_id: id.to_owned(), payload };
        store::event::append(tx, caller, &event, self.0.now()).await?;
        Ok(())
    }
}

pub(super) async fn find(tx: &mut Tx, caller: &Caller, id: &str) -> Result<TrackedExperiment> {
    if id.contains('\0') {
        return Err(no_experiment(id));
    }
    store::tracking::experiment::find(tx, &caller.workspace, id).await?.ok_or_else(|| no_experiment(id))
}

/// Finds an experiment that is not deleted.
pub(in crate::service) async fn active(tx: &mut Tx, caller: &Caller, id: &str) -> Result<TrackedExperiment> {
    let experiment = find(tx, caller, id).await?;
    if experiment.stage != Stage::Active {
        let message = format!("The experiment {id} must be in the 'active' state. Current state is {}.", experiment.stage.as_str());
        return Err(Error::invalid("experiment_not_active", message));
    }
    Ok(experiment)
}

fn no_experiment(id: &str) -> Error {
    Error::not_found("experiment_not_found", format!("No Experiment with id={id} exists"))
}

fn taken(name: &str) -> Error {
    Error::new(Kind::AlreadyExists, "experiment_exists", format!("Experiment(name={name}) already exists."))
}
