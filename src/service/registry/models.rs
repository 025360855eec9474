//! The life of registered models.

use serde_json::json;

use super::{Registry, check, invalid, lock, model, no_model};
use crate::domain::identity::Caller;
use crate::domain::registry::{PROMPT_TAG, TrackedModel};
use crate::domain::tracking::Pair;
use crate::error::{Error, Kind, Result};
use crate::service::models::{append, tag_event};
use crate::store::model::NewModel;
use crate::store::{self, Tx};

impl Registry<'_> {
    /// Makes a model, or a prompt when its tags say so.
    pub async fn create_model(&self, caller: &Caller, name: &str, description: &str, tags: &[Pair]) -> Result<TrackedModel> {
        check::name(name)?;
        check::description(description)?;
        let tags = check::tags(tags)?;
        let (app, now) = (self.0, self.0.now());
        let prompt = tags.contains_key(PROMPT_TAG);
        let mut tx = app.db().begin().await?;
        let new = NewModel { id: &app.new_id(), name, description, gates: &[], by: &caller.principal };
        if !store::model::insert(&mut tx, &caller.workspace, new, now).await? {
            return Err(taken(&mut tx, caller, name, prompt).await?);
        }
        for (key, value) in &tags {
            store::model::set_tag(&mut tx, new.id, key, value).await?;
        }
        let made = model(&mut tx, caller, name).await?;
        let kind = if store::model::is_prompt(&mut tx, &made.id).await? { "prompt.created" } else { "registered_model.created" };
        append(&mut tx, caller, kind, name, json!({ "description": description, "tags": tags }), now).await?;
        tx.commit().await?;
        app.nudge();
        Ok(made)
    }

    /// Returns a model with its newest versions.
    pub async fn get_model(&self, caller: &Caller, name: &str) -> Result<TrackedModel> {
        check::name(name)?;
        let mut tx = self.0.db().read().await?;
        model(&mut tx, caller, name).await
    }

    /// Changes the description of a model.
    pub async fn describe_model(&self, caller: &Caller, name: &str, description: &str) -> Result<TrackedModel> {
        check::name(name)?;
        check::description(description)?;
        let (app, now) = (self.0, self.0.now());
        let mut tx = app.db().begin().await?;
        lock(&mut tx, caller, name, now).await?;
        let gates = model(&mut tx, caller, name).await?.model.gates;
        store::model::update(&mut tx, &caller.workspace, name, description, &gates, now).await?;
        let changed = model(&mut tx, caller, name).await?;
        append(&mut tx, caller, "registered_model.updated", name, json!({ "description": description }), now).await?;
        tx.commit().await?;
        app.nudge();
        Ok(changed)
    }

    /// Gives a model another name. Servers answer under it as soon as they have taken notice.
    pub async fn rename_model(&self, caller: &Caller, name: &str, new_name: &str) -> Result<TrackedModel> {
        check::named(new_name, "new_name")?;
        check::name(name)?;
        let (app, now) = (self.0, self.0.now());
        let mut tx = app.db().begin().await?;
        let id = lock(&mut tx, caller, name, now).await?;
        let exists = || Error::new(Kind::AlreadyExists, "model_exists", format!("Registered Model (name={new_name}) already exists."));
        match store::model::rename(&mut tx, &caller.workspace, &id, new_name, now).await {
            Ok(true) => {}
            Ok(false) => return Err(exists()),
            // made or renamed at the same moment by somebody else
            Err(e) if e.is_unique_violation() => return Err(exists()),
            Err(e) => return Err(e.into()),
        }
        store::alias::bump_routing(&mut tx).await?;
        let renamed = model(&mut tx, caller, new_name).await?;
        append(&mut tx, caller, "registered_model.renamed", new_name, json!({ "from": name, "to": new_name }), now).await?;
        tx.commit().await?;
        app.nudge();
        Ok(renamed)
    }

    /// Deletes a model with its versions and aliases; servers stop answering for it as soon as they have taken notice. What happened
    /// to it stays on record.
    pub async fn delete_model(&self, caller: &Caller, name: &str) -> Result<()> {
        check::name(name)?;
        let (app, now) = (self.0, self.0.now());
        let mut tx = app.db().begin().await?;
        let id = lock(&mut tx, caller, name, now).await?;
        let kind = if store::model::is_prompt(&mut tx, &id).await? { "prompt.deleted" } else { "registered_model.deleted" };
        store::model::delete(&mut tx, &caller.workspace, &id, &caller.principal, now).await?;
        store::alias::bump_routing(&mut tx).await?;
        append(&mut tx, caller, kind, name, json!({}), now).await?;
        tx.commit().await?;
        app.nudge();
        Ok(())
    }

    /// Sets a tag of a model, or of a version when one is given.
    pub async fn set_tag(&self, caller: &Caller, name: &str, version: Option<&str>, tag: &Pair) -> Result<()> {
        check::tag(tag)?;
        self.change_tag(caller, name, version, &tag.key, Some(&tag.value)).await
    }

    /// Removes a tag; one that is not there is removed already.
    pub async fn delete_tag(&self, caller: &Caller, name: &str, version: Option<&str>, key: &str) -> Result<()> {
        check::tag_key(key)?;
        self.change_tag(caller, name, version, key, None).await
    }

    async fn change_tag(&self, caller: &Caller, name: &str, version: Option<&str>, key: &str, value: Option<&str>) -> Result<()> {
        check::name(name)?;
        let number = version.map(check::number).transpose()?;
        let (app, now) = (self.0, self.0.now());
        let mut tx = app.db().begin().await?;
        let changed = match number {
            None => {
                let id = store::model::find_id(&mut tx, &caller.workspace, name).await?.ok_or_else(|| no_model(name))?;
                match value {
                    Some(value) => store::model::set_tag(&mut tx, &id, key, value).await.map(|()| true)?,
                    None => store::model::delete_tag(&mut tx, &id, key).await?,
                }
            }
            Some(number) => {
                let id = super::version(&mut tx, caller, name, number).await?.id;
                match value {
                    Some(value) => store::model::set_version_tag(&mut tx, &id, key, value).await.map(|()| true)?,
                    None => store::model::delete_version_tag(&mut tx, &id, key).await?,
                }
            }
        };
        if !changed {
            return Ok(());
        }
        let model_id = store::model::find_id(&mut tx, &caller.workspace, name).await?.ok_or_else(|| no_model(name))?;
        let prompt = store::model::is_prompt(&mut tx, &model_id).await?;
        let payload = json!({ "version": number, "key": key, "value": value });
        append(&mut tx, caller, tag_event(prompt, number.is_some(), value.is_some()), name, payload, now).await?;
        tx.commit().await?;
        app.nudge();
        Ok(())
    }
}

/// Says by whom a name is taken.
async fn taken(tx: &mut Tx, caller: &Caller, name: &str, new_is_prompt: bool) -> Result<Error> {
    let old = store::tracking::registry::find_model(tx, &caller.workspace, name).await?;
    let Some(old) = old else { return Ok(invalid(format!("Registered Model (name={name}) is being changed; try again"))) };
    let word = |prompt: bool| if prompt { "Prompt" } else { "Registered Model" };
    let (old, new) = (word(old.model.tags.contains_key(PROMPT_TAG)), word(new_is_prompt));
    let message = if old == new {
        format!("{new} (name={name}) already exists.")
    } else {
        format!(
            "Tried to create a {} with name '{name}', but the name is already taken by a {}. MLflow does not allow creating a model \
             and a prompt with the same name.",
            new.to_lowercase(),
            old.to_lowercase()
        )
    };
    Ok(Error::new(Kind::AlreadyExists, "model_exists", message))
}
