//! The registry: models, versions, tags. Moving aliases is in `promote`.

mod promote;
mod register;
mod snapshot;
mod stage;
mod verify;

use super::App;
use crate::domain::check_name;
use crate::domain::event::NewEvent;
use crate::domain::identity::Caller;
use crate::domain::model::{ModelVersion, ModelVersionState, RegisteredModel, check_tag};
use crate::domain::page::{Page, PageRequest};
use crate::domain::promotion::Gate;
use crate::domain::time::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::store::event::{Transition, log_transition};
use crate::store::model::NewModel;
use crate::store::{self, Tx};

pub use promote::{Promotion, Rollback, Target};
pub(crate) use promote::{Step, contended, tell_moves, told, write_move};
pub(crate) use register::{Registration, register_in};
pub(crate) use snapshot::Snapshot;
pub(crate) use stage::settle;
pub(crate) use verify::is_damage;

/// Gates that a model may have.
const MAX_GATES: usize = 50;

/// Use cases of the registry.
pub struct Models<'a>(pub(super) &'a App);

impl Models<'_> {
    /// Makes a model.
    pub async fn create(&self, caller: &Caller, name: &str, description: &str, gates: &[Gate]) -> Result<RegisteredModel> {
        check_name("model", name)?;
        check_gates(gates)?;
        let (app, now) = (self.0, self.0.now());
        let mut tx = app.db().begin().await?;
        let new = NewModel { id: &app.new_id(), name, description, gates, by: &caller.principal };
        if !store::model::insert(&mut tx, &caller.workspace, new, now).await? {
            return Err(Error::new(Kind::AlreadyExists, "model_exists", format!("there is a model {name:?} already")));
        }
        let payload = serde_json::json!({ "description": description, "tags": {} });
        append(&mut tx, caller, "registered_model.created", name, payload, now).await?;
        tx.commit().await?;
        app.nudge();
        self.get(caller, name).await
    }

    /// Changes description or gates.
    pub async fn update(&self, caller: &Caller, name: &str, description: Option<&str>, gates: Option<&[Gate]>) -> Result<RegisteredModel> {
        check_gates(gates.unwrap_or_default())?;
        let (app, now) = (self.0, self.0.now());
        let mut tx = app.db().begin().await?;
        let model = find(&mut tx, caller, name).await?;
        let (description, gates) = (description.unwrap_or(&model.description), gates.unwrap_or(&model.gates));
        store::model::update(&mut tx, &caller.workspace, name, description, gates, now).await?;
        append(&mut tx, caller, "registered_model.updated", name, serde_json::json!({}), now).await?;
        tx.commit().await?;
        app.nudge();
        self.get(caller, name).await
    }

    /// Returns a model.
    pub async fn get(&self, caller: &Caller, name: &str) -> Result<RegisteredModel> {
        let mut tx = self.0.db().read().await?;
        find(&mut tx, caller, name).await
    }

    /// Lists models by name.
    pub async fn list(&self, caller: &Caller, page: &PageRequest) -> Result<Page<RegisteredModel>> {
        let mut tx = self.0.db().read().await?;
        let rows = store::model::list(&mut tx, &caller.workspace, None, page.after.as_deref().unwrap_or(""), page.limit()).await?;
        Ok(Page::cut(rows, page, |model| model.name.clone()))
    }

    /// Returns a version.
    pub async fn get_version(&self, caller: &Caller, name: &str, version: i64) -> Result<ModelVersion> {
        let mut tx = self.0.db().read().await?;
        find_version(&mut tx, caller, name, version).await
    }

    /// Lists versions, newest first.
    pub async fn list_versions(&self, caller: &Caller, name: &str, page: &PageRequest) -> Result<Page<ModelVersion>> {
        self.get(caller, name).await?;
        let before = page.after_number(i64::MAX)?;
        let mut tx = self.0.db().read().await?;
        let rows = store::model::list_versions(&mut tx, &caller.workspace, name, before, page.limit()).await?;
        Ok(Page::cut(rows, page, |version| version.version.to_string()))
    }

    /// Moves a version to a state that people choose. Deleting is refused while an alias points to it; a version becomes
    /// ready only after its bytes were read and found right.
    pub async fn set_state(&self, caller: &Caller, name: &str, version: i64, to: ModelVersionState) -> Result<ModelVersion> {
        let found = self.get_version(caller, name, version).await?;
        if to == ModelVersionState::Quarantined || !found.status.allows(to) {
            let message = format!("a version that is {} can't become {}", found.status.as_str(), to.as_str());
            return Err(Error::conflict("invalid_state", message).with("state", found.status.as_str()));
        }
        if to != ModelVersionState::Ready && !found.aliases.is_empty() {
            return Err(Error::conflict("version_in_use", "an alias points to the version").with("aliases", found.aliases.clone()));
        }
        if to == ModelVersionState::Ready {
            self.verify(caller, &found).await?;
        }
        if !self.change(caller, &found, to, "").await? {
            return Err(Error::conflict("invalid_state", "the version was changed by somebody else"));
        }
        if to == ModelVersionState::Deleted {
            return Ok(ModelVersion { status: to, ..found });
        }
        self.get_version(caller, name, version).await
    }

    /// Writes a change of state; false when somebody else was faster.
    pub(super) async fn change(&self, caller: &Caller, version: &ModelVersion, to: ModelVersionState, message: &str) -> Result<bool> {
        let (app, now, from) = (self.0, self.0.now(), version.status);
        let mut tx = app.db().begin().await?;
        if !store::model::set_state(&mut tx, &caller.workspace, &version.id, (from, to), message, now).await? {
            return Ok(false);
        }
        let (from, state) = (from.as_str(), to.as_str());
        let change = Transition { entity: "model_version", id: &version.id, from, to: state, reason: message, fence: None };
        log_transition(&mut tx, caller, change, now).await?;
        store::alias::bump_routing(&mut tx).await?;
        let payload = serde_json::json!({ "version": version.version, "from": from, "to": state, "message": message });
        append(&mut tx, caller, "model_version.state_changed", &version.name, payload, now).await?;
        tx.commit().await?;
        app.nudge();
        Ok(true)
    }

    /// Sets or removes a tag of a model, or of a version when one is given.
    pub async fn set_tag(&self, caller: &Caller, name: &str, version: Option<i64>, key: &str, value: Option<&str>) -> Result<()> {
        check_tag(key, value.unwrap_or_default())?;
        let (app, now) = (self.0, self.0.now());
        let mut tx = app.db().begin().await?;
        let model_id = find_id(&mut tx, caller, name).await?;
        let found = match (version, value) {
            (None, Some(value)) => store::model::set_tag(&mut tx, &model_id, key, value).await.map(|()| true)?,
            (None, None) => store::model::delete_tag(&mut tx, &model_id, key).await?,
            (Some(version), value) => {
                let id = find_version(&mut tx, caller, name, version).await?.id;
                match value {
                    Some(value) => store::model::set_version_tag(&mut tx, &id, key, value).await.map(|()| true)?,
                    None => store::model::delete_version_tag(&mut tx, &id, key).await?,
                }
            }
        };
        if !found {
            return Err(Error::not_found("tag_not_found", "there is no such tag"));
        }
        let prompt = store::model::is_prompt(&mut tx, &model_id).await?;
        let kind = tag_event(prompt, version.is_some(), value.is_some());
        append(&mut tx, caller, kind, name, serde_json::json!({ "version": version, "key": key, "value": value }), now).await?;
        tx.commit().await?;
        app.nudge();
        Ok(())
    }
}

/// Names what happened to a tag, by MLflow's names where it has one.
pub(crate) fn tag_event(prompt: bool, of_version: bool, set: bool) -> &'static str {
    match (prompt, of_version, set) {
        (false, false, true) => "registered_model_tag.set",
        (false, false, false) => "registered_model_tag.deleted",
        (false, true, true) => "model_version_tag.set",
        (false, true, false) => "model_version_tag.deleted",
        (true, false, true) => "prompt_tag.set",
        (true, false, false) => "prompt_tag.deleted",
        (true, true, true) => "prompt_version_tag.set",
        (true, true, false) => "prompt_version_tag.deleted",
    }
}

fn check_gates(gates: &[Gate]) -> Result<()> {
    if gates.len() > MAX_GATES {
        return Err(Error::invalid("too_many_gates", format!("a model has at most {MAX_GATES} gates")));
    }
    Ok(gates.iter().try_for_each(Gate::check)?)
}

async fn find(tx: &mut Tx, caller: &Caller, name: &str) -> Result<RegisteredModel> {
    store::model::list(tx, &caller.workspace, Some(name), "", 1).await?.pop().ok_or_else(no_model)
}

async fn find_id(tx: &mut Tx, caller: &Caller, name: &str) -> Result<String> {
    store::model::find_id(tx, &caller.workspace, name).await?.ok_or_else(no_model)
}

async fn find_version(tx: &mut Tx, caller: &Caller, name: &str, version: i64) -> Result<ModelVersion> {
    let found = store::model::find_version(tx, &caller.workspace, name, version).await?;
    found.ok_or_else(|| Error::not_found("model_version_not_found", format!("model {name:?} has no version {version}")))
}

fn no_model() -> Error {
    Error::not_found("model_not_found", "there is no such model")
}

pub(crate) async fn append(
    tx: &mut Tx,
    caller: &Caller,
    kind: &'static str,
    name: &str,
    payload: serde_json::Value,
    now: Timestamp,
) -> Result<()> {
    let event = NewEvent { kind, entity: "model", entity_id: name.to_owned(), payload };
    store::event::append(tx, caller, &event, now).await?;
    Ok(())
}
