//! Registered models on their way in. Versions keep their numbers; their files are those of the run or the logged model that they name,
//! which came before. Stages and aliases are moved as clients move them, so that what is served is verified and follows the rules.

use super::{Moving, is_ours, refuse_nul};
use crate::domain::artifact::Artifact;
use crate::domain::identity::Caller;
use crate::domain::model::ModelVersion;
use crate::domain::moving::{HomeKind, MovedRegistered, MovedVersion, Tally, home_of};
use crate::domain::registry::{ModelStage, PROMPT_FLAVOR, PROMPT_TAG};
use crate::domain::time::Timestamp;
use crate::domain::tracking::Pair;
use crate::error::{Error, Kind, Result};
use crate::service::models::Snapshot;
use crate::store::moving::Import;
use crate::store::{self, Tx};

/// Versions that are read in one go.
const PAGE: i64 = 200;

/// What is settled about a version after all are here.
#[derive(Clone, Copy, Debug)]
pub struct Settled {
    /// Its number.
    pub version: i64,
    /// The stage that it is in at its source.
    pub stage: ModelStage,
    /// When it was registered, and when it last changed.
    pub times: (Timestamp, Timestamp),
}

impl Moving<'_> {
    /// Makes a registered model, unless a former import did.
    pub async fn put_registered(&self, caller: &Caller, import: &Import, model: &MovedRegistered) -> Result<()> {
        refuse_nul(&[&model.name, &model.description])?;
        model.tags.iter().try_for_each(|pair| refuse_nul(&[&pair.key, &pair.value]))?;
        let mut tx = self.0.db().read().await?;
        let is_here = store::model::find_id(&mut tx, &caller.workspace, &model.name).await?.is_some();
        let ours = is_ours(&mut tx, caller, &["registered model", "begun registered model"], &model.name).await?;
        drop(tx);
        if is_here && !ours {
            return Err(Error::new(Kind::AlreadyExists, "model_exists", "it is here already and does not come from an import"));
        }
        if !is_here {
            self.note(import, "begun registered model", &model.name, &Tally::default()).await?;
            self.0.registry().create_model(caller, &model.name, &model.description, &model.tags).await?;
        }
        Ok(())
    }

    /// Takes a version in under its number, or renews what a client may change of one that is here.
    pub async fn put_version(&self, caller: &Caller, model: &str, new: &MovedVersion, is_prompt: bool) -> Result<()> {
        refuse_nul(&[&new.description, &new.user, &new.source, &new.run_id, &new.run_link, &new.state_message])?;
        new.tags.iter().try_for_each(|pair| refuse_nul(&[&pair.key, &pair.value]))?;
        let (app, ws) = (self.0, &caller.workspace);
        let mut tx = app.db().read().await?;
        let there = store::model::find_version(&mut tx, ws, model, new.version).await?;
        let files = if there.is_none() && !is_prompt { files_of(&mut tx, ws, &new.source).await? } else { Vec::new() };
        drop(tx);
        let snapshot = match is_prompt {
            true => Snapshot {
                flavor: PROMPT_FLAVOR.to_owned(),
                unservable: Some("it is a prompt".to_owned()),
                signature: serde_json::json!({ "inputs": [], "outputs": [] }),
                ..Snapshot::default()
            },
            false => app.models().inspect(caller, files).await?,
        };
        let mut tx = app.db().begin().await?;
        let missing = || Error::not_found("model_not_found", format!("the model {model} went away during the import"));
        let model_id = store::model::touch(&mut tx, ws, model, app.now()).await?.ok_or_else(missing)?;
        let id = match there {
            Some(there) => there.id,
            None => {
                let id = app.new_id();
                insert(&mut tx, ws, (&id, &model_id), new, &snapshot).await?;
                id
            }
        };
        store::moving::update_version(&mut tx, ws, &id, new).await?;
        store::moving::clear_version_tags(&mut tx, &id).await?;
        for tag in &new.tags {
            store::model::set_version_tag(&mut tx, &id, &tag.key, &tag.value).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Puts versions into their stages, points aliases where they point at the source, and gives everything its times back.
    pub async fn settle_registered(
        &self,
        caller: &Caller,
        import: &Import,
        model: &MovedRegistered,
        versions: &[Settled],
        whole: &Tally,
    ) -> Result<()> {
        let (app, ws, name) = (self.0, &caller.workspace, model.name.as_str());
        let before = app.registry().get_model(caller, name).await?;
        for settled in versions {
            let there = app.models().get_version(caller, name, settled.version).await?;
            if there.stage != settled.stage {
                app.registry().transition(caller, name, &settled.version.to_string(), settled.stage.as_str(), false).await?;
            }
        }
        for (alias, version) in model.aliases.iter().filter(|(alias, _)| ModelStage::of_alias(alias).is_none()) {
            if before.model.aliases.get(alias) != Some(version) {
                app.registry().set_alias(caller, name, alias, &version.to_string()).await?;
            }
        }
        let kept = |alias: &str| ModelStage::of_alias(alias).is_some() || model.aliases.iter().any(|(there, _)| there == alias);
        for alias in before.model.aliases.keys().filter(|alias| !kept(alias)) {
            app.registry().delete_alias(caller, name, alias).await?;
        }
        let mut tx = app.db().begin().await?;
        let missing = || Error::not_found("model_not_found", format!("the model {name} went away during the import"));
        let id = store::model::touch(&mut tx, ws, name, app.now()).await?.ok_or_else(missing)?;
        store::moving::clear_registered_tags(&mut tx, &id).await?;
        for tag in &model.tags {
            store::model::set_tag(&mut tx, &id, &tag.key, &tag.value).await?;
        }
        for settled in versions {
            store::moving::date_version(&mut tx, ws, &id, settled.version, settled.times).await?;
        }
        store::moving::update_registered(&mut tx, ws, &id, model).await?;
        store::moving::note(&mut tx, import, "registered model", (name, &id), whole).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Returns what a registered model consists of here, and how many versions it has; none when there is no such model.
    pub async fn registered_tally(&self, caller: &Caller, name: &str) -> Result<Option<(Tally, i64)>> {
        let mut tx = self.0.db().read().await?;
        let Some(found) = store::tracking::registry::find_model(&mut tx, &caller.workspace, name).await? else { return Ok(None) };
        let model = found.model;
        let pairs = |map: std::collections::BTreeMap<String, String>| map.into_iter().map(|(key, value)| Pair { key, value }).collect();
        let mut tally = Tally::default();
        tally.add_registered(&MovedRegistered {
            name: model.name,
            description: model.description,
            created_at: model.created_at,
            updated_at: model.updated_at,
            tags: pairs(model.tags),
            aliases: model.aliases.into_iter().collect(),
        });
        let (mut before, mut count) = (i64::MAX, 0);
        loop {
            let page = store::model::list_versions(&mut tx, &caller.workspace, name, before, PAGE).await?;
            let Some(last) = page.last() else { return Ok(Some((tally, count))) };
            before = last.version;
            for version in page {
                count += 1;
                tally.add_version(&moved(version));
            }
        }
    }
}

fn moved(version: ModelVersion) -> MovedVersion {
    MovedVersion {
        version: version.version,
        description: version.description,
        user: version.created_by,
        stage: version.stage,
        source: version.source,
        run_id: version.run_id.unwrap_or_default(),
        run_link: version.run_link,
        state: version.status,
        state_message: version.status_message,
        created_at: version.created_at,
        updated_at: version.updated_at,
        tags: version.tags.into_iter().map(|(key, value)| Pair { key, value }).collect(),
    }
}

/// Tells whether tags make a registered model a prompt.
pub fn is_prompt(tags: &[Pair]) -> bool {
    tags.iter().any(|tag| tag.key == PROMPT_TAG && tag.value.eq_ignore_ascii_case("true"))
}

/// Lists the files of the run or logged model that a source names, by their paths in its folder.
async fn files_of(tx: &mut Tx, workspace: &str, source: &str) -> Result<Vec<Artifact>> {
    let Some((kind, id, path)) = home_of(source) else { return Ok(Vec::new()) };
    let files = store::artifact::list_artifacts(tx, workspace, kind.owner(), id).await?;
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    let inside = |file: Artifact| Some(Artifact { path: file.path.strip_prefix(&prefix)?.to_owned(), ..file });
    Ok(files.into_iter().filter_map(inside).collect())
}

async fn insert(tx: &mut Tx, workspace: &str, (id, model_id): (&str, &str), new: &MovedVersion, snapshot: &Snapshot) -> Result<()> {
    let (mut dataset_digests, mut metrics) = (Vec::new(), Default::default());
    if let Some(run) = store::run::find(tx, workspace, &new.run_id).await? {
        let seq = store::run::find_seq(tx, workspace, &new.run_id).await?.unwrap_or_default();
        dataset_digests = store::run::input_digests(tx, seq).await?;
        metrics = run.metrics;
    }
    let logged = home_of(&new.source).filter(|(kind, ..)| *kind == HomeKind::Model).map(|(_, id, _)| id.to_owned());
    let row = store::model::NewVersion {
        id,
        model_id,
        description: &new.description,
        run_id: Some(new.run_id.as_str()).filter(|id| !id.is_empty()),
        artifacts: &snapshot.artifacts,
        model_digest: &snapshot.model_digest,
        flavor: &snapshot.flavor,
        unservable: snapshot.unservable.as_deref(),
        source: &new.source,
        location: if snapshot.artifacts.is_empty() { &new.source } else { "" },
        run_link: &new.run_link,
        logged_model_id: logged.as_deref(),
        signature: &snapshot.signature,
        reference: snapshot.reference.as_ref(),
        dataset_digests: &dataset_digests,
        metrics: &metrics,
        created_by: &new.user,
    };
    store::moving::skip_versions(tx, workspace, model_id, new.version - 1).await?;
    let number = store::model::insert_version(tx, workspace, &row, new.created_at).await?;
    match number == new.version {
        true => Ok(()),
        false => Err(Error::conflict("revision_conflict", format!("there is a later version than {} here already", new.version))),
    }
}
