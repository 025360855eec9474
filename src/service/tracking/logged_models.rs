//! The life of a logged model, and which runs used and made it.

use serde_json::{Map, Value};

use super::{Tracking, active_run, check, experiments, no_run};
use crate::domain::event::NewEvent;
use crate::domain::identity::Caller;
use crate::domain::logged_model::{ID_PREFIX, LoggedModel, LoggedModelStatus, ModelOutput};
use crate::domain::tracking::{Pair, Stage};
use crate::error::{Error, Result};
use crate::store::{self, Tx};

/// The tag of a run that lists the models which clients before MLflow 3 logged.
const HISTORY_TAG: &str = "mlflow.log-model.history";

/// A model to be logged.
#[derive(Clone, Debug, Default)]
pub struct NewLoggedModel {
    /// Its experiment.
    pub experiment_id: String,
    /// Its name; made up when absent.
    pub name: Option<String>,
    /// Its kind, in the client's words.
    pub model_type: String,
    /// The run that makes it, or nothing.
    pub source_run_id: String,
    /// Its params.
    pub params: Vec<Pair>,
    /// Its tags.
    pub tags: Vec<Pair>,
}

impl Tracking<'_> {
    /// Makes a model whose files are to follow.
    pub async fn create_logged_model(&self, caller: &Caller, new: &NewLoggedModel) -> Result<LoggedModel> {
        check::logged_model(new)?;
        let (app, now) = (self.0, self.0.now());
        let id = format!("{ID_PREFIX}{}", app.new_id());
        let name = new.name.clone().unwrap_or_else(|| format!("model-{}", id.get(26..).unwrap_or(&id)));
        let mut tx = app.db().begin().await?;
        let experiment = experiments::active(&mut tx, caller, &new.experiment_id).await?;
        let row = store::tracking::logged_model::NewLoggedModel {
            id: &id,
            experiment_id: &experiment.id,
            name: &name,
            model_type: &new.model_type,
            source_run_id: &new.source_run_id,
        };
        let seq = store::tracking::logged_model::insert(&mut tx, &caller.workspace, row, now).await?;
        add_params(&mut tx, seq, &id, &new.params).await?;
        store::tracking::logged_model::set_tags(&mut tx, seq, &new.tags).await?;
        let (_, made) = find(&mut tx, caller, &id).await?;
        self.tell_of(&mut tx, caller, "logged_model.created", &made).await?;
        tx.commit().await?;
        app.nudge();
        Ok(made)
    }

    /// Returns a model; a deleted one only to those who ask for it.
    pub async fn get_logged_model(&self, caller: &Caller, id: &str, deleted_too: bool) -> Result<LoggedModel> {
        let mut tx = self.0.db().read().await?;
        let (_, model) = find(&mut tx, caller, id).await?;
        match model.stage == Stage::Deleted && !deleted_too {
            true => Err(no_model(id)),
            false => Ok(model),
        }
    }

    /// Says how the upload of a model's files ended.
    pub async fn finalise_logged_model(&self, caller: &Caller, id: &str, status: LoggedModelStatus) -> Result<LoggedModel> {
        let app = self.0;
        let mut tx = app.db().begin().await?;
        let (seq, _) = find(&mut tx, caller, id).await?;
        store::tracking::logged_model::set_status(&mut tx, seq, status, app.now()).await?;
        let (_, after) = find(&mut tx, caller, id).await?;
        self.tell_of(&mut tx, caller, "logged_model.finalized", &after).await?;
        tx.commit().await?;
        app.nudge();
        Ok(after)
    }

    /// Deletes a model for now. Deleting it again changes nothing.
    pub async fn delete_logged_model(&self, caller: &Caller, id: &str) -> Result<()> {
        let app = self.0;
        let mut tx = app.db().begin().await?;
        let (seq, model) = find(&mut tx, caller, id).await?;
        if store::tracking::logged_model::delete(&mut tx, seq, app.now()).await? {
            self.tell_of(&mut tx, caller, "logged_model.deleted", &model).await?;
            tx.commit().await?;
            app.nudge();
        }
        Ok(())
    }

    /// Adds params to a model; one that is there keeps its value.
    pub async fn log_logged_model_params(&self, caller: &Caller, id: &str, params: &[Pair]) -> Result<()> {
        check::model_params(params)?;
        let mut tx = self.0.db().begin().await?;
        let (seq, _) = find(&mut tx, caller, id).await?;
        add_params(&mut tx, seq, id, params).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Sets tags of a model and returns it.
    pub async fn set_logged_model_tags(&self, caller: &Caller, id: &str, tags: &[Pair]) -> Result<LoggedModel> {
        check::model_tags(tags)?;
        let mut tx = self.0.db().begin().await?;
        let (seq, _) = find(&mut tx, caller, id).await?;
        store::tracking::logged_model::set_tags(&mut tx, seq, tags).await?;
        let (_, after) = find(&mut tx, caller, id).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Deletes a tag of a model.
    pub async fn delete_logged_model_tag(&self, caller: &Caller, id: &str, key: &str) -> Result<()> {
        let mut tx = self.0.db().begin().await?;
        let (seq, _) = find(&mut tx, caller, id).await?;
        if key.contains('\0') || !store::tracking::logged_model::delete_tag(&mut tx, seq, key).await? {
            return Err(Error::not_found("tag_not_found", format!("No tag with key '{key}' found for model with ID '{id}'.")));
        }
        tx.commit().await?;
        Ok(())
    }

    /// Notes which models a run made; one that is noted already stays as it is.
    pub async fn log_outputs(&self, caller: &Caller, run_id: &str, outputs: &[ModelOutput]) -> Result<()> {
        check::model_ids(outputs.iter().map(|output| output.model_id.as_str()))?;
        if run_id.contains('\0') {
            return Err(no_run(run_id));
        }
        let mut tx = self.0.db().begin().await?;
        let (seq, _) = active_run(&mut tx, &caller.workspace, run_id).await?;
        store::tracking::link::add_outputs(&mut tx, seq, outputs).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Appends a model to the list that a run keeps for clients before MLflow 3.
    pub async fn record_model(&self, caller: &Caller, run_id: &str, model: &Map<String, Value>) -> Result<()> {
        if run_id.contains('\0') {
            return Err(no_run(run_id));
        }
        let mut tx = self.0.db().begin().await?;
        let (seq, _) = active_run(&mut tx, &caller.workspace, run_id).await?;
        // two at once must both be in the list
        let before = store::tracking::run::lock_tag(&mut tx, seq, HISTORY_TAG).await?;
        let mut list: Vec<Value> = before.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        list.push(Value::Object(summary(model)));
        let value = Value::Array(list).to_string();
        if value.chars().count() > check::MAX_TAG {
            return Err(Error::invalid("invalid_parameter_value", "the run has too many logged models to list them in its tag"));
        }
        let tag = Pair { key: HISTORY_TAG.to_owned(), value };
        store::tracking::run::set_tags(&mut tx, seq, std::slice::from_ref(&tag)).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn tell_of(&self, tx: &mut Tx, caller: &Caller, kind: &'static str, model: &LoggedModel) -> Result<()> {
        let payload = serde_json::json!({ "name": model.name, "status": model.status.as_str() });
        let event = NewEvent { kind, entity: "logged_model", entity_id: model.model_id.clone(), payload };
        store::event::append(tx, caller, &event, self.0.now()).await?;
        Ok(())
    }
}

/// Keeps what the list of a run shows of a model: not the settings of its flavors.
fn summary(model: &Map<String, Value>) -> Map<String, Value> {
    let mut kept = Map::new();
    for key in ["run_id", "artifact_path", "utc_time_created", "model_uuid"] {
        let value = model.get(key).cloned();
        if value.is_some() || key == "model_uuid" {
            kept.insert(key.to_owned(), value.unwrap_or_default());
        }
    }
    let mut flavors = model.get("flavors").cloned().unwrap_or_default();
    for flavor in flavors.as_object_mut().into_iter().flat_map(Map::values_mut) {
        flavor.as_object_mut().map(|config| config.remove("config"));
    }
    kept.insert("flavors".to_owned(), flavors);
    kept
}

async fn add_params(tx: &mut Tx, seq: i64, id: &str, params: &[Pair]) -> Result<()> {
    match store::tracking::logged_model::add_params(tx, seq, params).await? {
        None => Ok(()),
        Some((key, old, new)) => Err(Error::invalid(
            "param_is_set",
            format!(
                "Changing param values is not allowed. Param with key='{key}' was already logged with value='{old}' for model \
                 ID='{id}'. Attempted logging new value '{new}'."
            ),
        )),
    }
}

/// Finds a model, deleted or not, with its surrogate.
pub(super) async fn find(tx: &mut Tx, caller: &Caller, id: &str) -> Result<(i64, LoggedModel)> {
    if id.contains('\0') {
        return Err(no_model(id));
    }
    store::tracking::logged_model::find(tx, &caller.workspace, id).await?.ok_or_else(|| no_model(id))
}

pub(super) fn no_model(id: &str) -> Error {
    Error::not_found("logged_model_not_found", format!("Logged model with ID '{id}' not found."))
}
