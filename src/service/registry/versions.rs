//! Versions that clients register, describe and delete.

use serde_json::{Value, json};

use super::{Registry, check, lock, version};
use crate::domain::identity::Caller;
use crate::domain::model::{AliasEventKind, ModelVersion, ModelVersionState};
use crate::domain::registry::{ModelStage, PROMPT_FLAVOR, PROMPT_TAG};
use crate::domain::tracking::Pair;
use crate::error::Result;
use crate::service::models::{Snapshot, Step, append, contended, settle, tell_moves, write_move};
use crate::store::event::{Transition, log_transition};
use crate::store::{self, Tx};

/// The tag of a logged model that lists the versions made from it.
const VERSIONS_TAG: &str = "mlflow.modelVersions";

/// A version to be registered.
#[derive(Clone, Debug, Default)]
pub struct NewTrackedVersion {
    /// The model.
    pub model: String,
    /// Where its files are.
    pub source: String,
    /// The run that made them.
    pub run_id: Option<String>,
    /// The logged model that they are.
    pub logged_model_id: Option<String>,
    /// A page about the run.
    pub run_link: String,
    /// What the version is.
    pub description: String,
    /// Its tags.
    pub tags: Vec<Pair>,
}

impl Registry<'_> {
    /// Registers a version. Files that are kept here are those of this moment for good.
    pub async fn create_version(&self, caller: &Caller, new: &NewTrackedVersion) -> Result<ModelVersion> {
        let name = new.model.as_str();
        check::name(name)?;
        check::description(&new.description)?;
        check::source("source", &new.source)?;
        check::source("run_link", &new.run_link)?;
        for id in [&new.run_id, &new.logged_model_id].into_iter().flatten() {
            check::source("run_id", id)?;
        }
        let tags = check::tags(&new.tags)?;
        let prompt = tags.get(PROMPT_TAG).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let origin = self.trace(caller, new, prompt).await?;
        let snapshot = match prompt {
            true => Snapshot {
                flavor: PROMPT_FLAVOR.to_owned(),
                unservable: Some("it is a prompt".to_owned()),
                signature: json!({ "inputs": [], "outputs": [] }),
                ..Snapshot::default()
            },
            false => self.0.models().inspect(caller, origin.artifacts).await?,
        };
        let (app, now, id) = (self.0, self.0.now(), self.0.new_id());
        let mut tx = app.db().begin().await?;
        let model_id = lock(&mut tx, caller, name, now).await?;
        let row = store::model::NewVersion {
            id: &id,
            model_id: &model_id,
            description: &new.description,
            run_id: origin.run_id.as_deref().filter(|id| !id.is_empty()),
            artifacts: &snapshot.artifacts,
            model_digest: &snapshot.model_digest,
            flavor: &snapshot.flavor,
            unservable: snapshot.unservable.as_deref(),
            source: &origin.source,
            location: &origin.location,
            run_link: &new.run_link,
            logged_model_id: origin.logged_model_id.as_deref().filter(|id| !id.is_empty()),
            signature: &snapshot.signature,
            reference: snapshot.reference.as_ref(),
            dataset_digests: &origin.dataset_digests,
            metrics: &origin.metrics,
            created_by: &caller.principal,
        };
        let number = store::model::insert_version(&mut tx, &caller.workspace, &row, now).await?;
        for (key, value) in &tags {
            store::model::set_version_tag(&mut tx, &id, key, value).await?;
        }
        if let Some(id) = row.logged_model_id {
            note(&mut tx, caller, id, name, number).await?;
        }
        let made = version(&mut tx, caller, name, number).await?;
        let kind = if prompt { "prompt_version.created" } else { "model_version.created" };
        let payload = json!({
            "version": number, "run_id": made.run_id, "source": made.source, "description": made.description, "tags": tags,
        });
        append(&mut tx, caller, kind, name, payload, now).await?;
        tx.commit().await?;
        app.nudge();
        Ok(made)
    }

    /// Changes the description of a version.
    pub async fn describe_version(&self, caller: &Caller, name: &str, number: &str, description: &str) -> Result<ModelVersion> {
        check::name(name)?;
        check::description(description)?;
        let number = check::number(number)?;
        let (app, now) = (self.0, self.0.now());
        let mut tx = app.db().begin().await?;
        let found = version(&mut tx, caller, name, number).await?;
        store::model::describe_version(&mut tx, &caller.workspace, &found.id, description, now).await?;
        let changed = version(&mut tx, caller, name, number).await?;
        let payload = json!({ "version": number, "description": description });
        append(&mut tx, caller, "model_version.updated", name, payload, now).await?;
        tx.commit().await?;
        app.nudge();
        Ok(changed)
    }

    /// Deletes a version, and with it the aliases that point at it; the alias of a stage goes back to the version before it there.
    pub async fn delete_version(&self, caller: &Caller, name: &str, number: &str) -> Result<()> {
        check::name(name)?;
        let number = check::number(number)?;
        let (app, ws, now) = (self.0, &caller.workspace, self.0.now());
        let reason = "the version was deleted";
        let mut tx = app.db().begin().await?;
        let model_id = match lock(&mut tx, caller, name, now).await {
            Err(e) if e.code == "model_not_found" => return Err(super::no_version(name, number)),
            other => other?,
        };
        let found = version(&mut tx, caller, name, number).await?;
        let (from, to) = (found.status, ModelVersionState::Deleted);
        if !store::model::set_state(&mut tx, ws, &found.id, (from, to), reason, now).await? {
            return Err(contended());
        }
        let change = Transition { entity: "model_version", id: &found.id, from: from.as_str(), to: to.as_str(), reason, fence: None };
        log_transition(&mut tx, caller, change, now).await?;
        let mut moves = Vec::new();
        for alias in found.aliases.iter().filter(|alias| ModelStage::of_alias(alias).is_none()) {
            let at = store::alias::find(&mut tx, ws, &model_id, alias).await?;
            let step = Step { kind: AliasEventKind::Delete, to: None, reverts: None, gates: &[], reason };
            moves.push(write_move(&mut tx, caller, &model_id, alias, at, &step, now).await?.ok_or_else(contended)?);
        }
        moves.extend(settle(&mut tx, caller, &model_id, None, reason, now).await?);
        store::alias::bump_routing(&mut tx).await?;
        tell_moves(&mut tx, caller, name, &model_id, moves, now).await?;
        append(&mut tx, caller, "model_version.deleted", name, json!({ "version": number, "from": from }), now).await?;
        tx.commit().await?;
        app.nudge();
        Ok(())
    }
}

/// Notes a version in the tag of the logged model that it was made from, where MLflow's clients look for it.
async fn note(tx: &mut Tx, caller: &Caller, id: &str, name: &str, number: i64) -> Result<()> {
    // two at once must both be in the list
    store::tracking::logged_model::lock(tx, &caller.workspace, id).await?;
    let Some((seq, model)) = store::tracking::logged_model::find(tx, &caller.workspace, id).await? else { return Ok(()) };
    let known = model.tags.iter().find(|tag| tag.key == VERSIONS_TAG).and_then(|tag| serde_json::from_str::<Vec<Value>>(&tag.value).ok());
    let mut versions = known.unwrap_or_default();
    versions.push(json!({ "name": name, "version": number }));
    let tag = Pair { key: VERSIONS_TAG.to_owned(), value: Value::from(versions).to_string() };
    Ok(store::tracking::logged_model::set_tags(tx, seq, std::slice::from_ref(&tag)).await?)
}
