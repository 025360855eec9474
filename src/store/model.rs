//! Registered models, versions, tags.

use std::collections::BTreeMap;

use super::{Error, Result, Tx, done, json, on, to_json};
use crate::domain::artifact::{Artifact, manifest_digest};
use crate::domain::model::{ModelVersion, ModelVersionState, RegisteredModel};
use crate::domain::promotion::{Gate, Metrics};
use crate::domain::registry::{ModelStage, PROMPT_TAG};
use crate::domain::time::Timestamp;

/// A model to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewModel<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name, unique in the workspace.
    pub name: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// What a version has to pass before it is promoted.
    pub gates: &'a [Gate],
    /// Who makes it.
    pub by: &'a str,
}

/// Makes a model; false when there is one of that name.
pub async fn insert(tx: &mut Tx, workspace: &str, new: NewModel<'_>, at: Timestamp) -> Result<bool> {
    let NewModel { id, name, description, gates, by } = new;
    let rows = on!(tx, conn => sqlx::query(
        "insert into registered_models (id, workspace, name, description, gates_json, last_version, created_by, created_at, updated_at, row_version)
         values ($1, $2, $3, $4, $5, 0, $6, $7, $7, 1) on conflict (workspace, name) do nothing")
        .bind(id).bind(workspace).bind(name).bind(description).bind(to_json(&gates)).bind(by).bind(at.0).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Changes description and gates.
pub async fn update(tx: &mut Tx, workspace: &str, name: &str, description: &str, gates: &[Gate], at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "update registered_models set description = $3, gates_json = $4, updated_at = $5, row_version = row_version + 1
         where workspace = $1 and name = $2")
        .bind(workspace).bind(name).bind(description).bind(to_json(&gates)).bind(at.0).execute(conn).await?));
    Ok(())
}

/// Finds the id of a model.
pub async fn find_id(tx: &mut Tx, workspace: &str, name: &str) -> Result<Option<String>> {
    Ok(on!(tx, conn => sqlx::query_scalar("select id from registered_models where workspace = $1 and name = $2 and deleted_at is null")
        .bind(workspace).bind(name).fetch_optional(conn).await?))
}

/// Notes that a model changed, and keeps everybody else from changing it until the end of the transaction; returns its id.
pub async fn touch(tx: &mut Tx, workspace: &str, name: &str, at: Timestamp) -> Result<Option<String>> {
    Ok(on!(tx, conn => sqlx::query_scalar(
        "update registered_models set updated_at = $3, row_version = row_version + 1
         where workspace = $1 and name = $2 and deleted_at is null returning id")
        .bind(workspace).bind(name).bind(at.0).fetch_optional(conn).await?))
}

/// Gives a model another name; false when one of that name is there.
pub async fn rename(tx: &mut Tx, workspace: &str, id: &str, name: &str, at: Timestamp) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query(
        "update registered_models set name = $3, updated_at = $4, row_version = row_version + 1 where workspace = $1 and id = $2
         and not exists (select 1 from registered_models o where o.workspace = $1 and o.name = $3 and o.id <> $2)")
        .bind(workspace).bind(id).bind(name).bind(at.0).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Deletes a model: its name is free again, its versions are deleted, its aliases point at nothing. The rows stay, under a name that
/// no door takes, for the history of the aliases and the reports about the traffic.
pub async fn delete(tx: &mut Tx, workspace: &str, id: &str, by: &str, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into state_transitions (workspace, entity, entity_id, from_state, to_state, actor, reason, fence, at)
         select workspace, 'model_version', id, state, 'DELETED', $3, 'the model was deleted', null, $4 from model_versions
         where workspace = $1 and model_id = $2 and state <> 'DELETED'")
        .bind(workspace).bind(id).bind(by).bind(at.0).execute(conn).await?));
    on!(tx, conn => done(sqlx::query(
        "update model_versions set state = 'DELETED', updated_at = $3, row_version = row_version + 1
         where workspace = $1 and model_id = $2 and state <> 'DELETED'")
        .bind(workspace).bind(id).bind(at.0).execute(conn).await?));
    on!(tx, conn => done(sqlx::query(
        "insert into alias_events (workspace, model_id, alias, revision, kind, from_version, to_version, reverts_revision, manifest_digest,
            gates_json, actor, reason, at)
         select workspace, model_id, alias, revision + 1, 'DELETE', version, null, null, null, '[]', $3, 'the model was deleted', $4
         from aliases where workspace = $1 and model_id = $2 and version is not null")
        .bind(workspace).bind(id).bind(by).bind(at.0).execute(conn).await?));
    on!(tx, conn => done(sqlx::query(
        "update aliases set version = null, revision = revision + 1, updated_at = $3
         where workspace = $1 and model_id = $2 and version is not null")
        .bind(workspace).bind(id).bind(at.0).execute(conn).await?));
    on!(tx, conn => done(sqlx::query(
        "update registered_models set name = '/' || id, deleted_at = $3, updated_at = $3, row_version = row_version + 1
         where workspace = $1 and id = $2")
        .bind(workspace).bind(id).bind(at.0).execute(conn).await?));
    Ok(())
}

/// Tells whether a model is a prompt.
pub async fn is_prompt(tx: &mut Tx, model_id: &str) -> Result<bool> {
    let found: Option<String> = on!(tx, conn => sqlx::query_scalar(
        "select value from model_tags where model_id = $1 and key = $2").bind(model_id).bind(PROMPT_TAG).fetch_optional(conn).await?);
    Ok(found.is_some_and(|value| value.eq_ignore_ascii_case("true")))
}

/// Lists models by name after `after`, without prompts; `only` restricts to one name, whatever it is.
pub async fn list(tx: &mut Tx, workspace: &str, only: Option<&str>, after: &str, limit: i64) -> Result<Vec<RegisteredModel>> {
    type Row = (String, String, String, String, i64, String, i64, i64);
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "select id, name, description, gates_json, last_version, created_by, created_at, updated_at from registered_models m
         where workspace = $1 and name = coalesce($2, name) and name > $3 and deleted_at is null
            and ($2 is not null or not exists (select 1 from model_tags t where t.model_id = m.id and t.key = $5 and t.value = 'true'))
         order by name limit $4")
        .bind(workspace).bind(only).bind(after).bind(limit).bind(PROMPT_TAG).fetch_all(conn).await?);
    let mut models = Vec::with_capacity(rows.len());
    for (id, name, description, gates, last_version, created_by, created_at, updated_at) in rows {
        let aliases: Vec<(String, i64)> = on!(tx, conn => sqlx::query_as(
            "select alias, version from aliases where workspace = $1 and model_id = $2 and version is not null")
            .bind(workspace).bind(&id).fetch_all(conn).await?);
        let tags: Vec<(String, String)> = on!(tx, conn => sqlx::query_as("select key, value from model_tags where model_id = $1")
            .bind(&id).fetch_all(conn).await?);
        models.push(RegisteredModel {
            gates: json("registered_models", "gates_json", &id, &gates)?,
            name,
            description,
            last_version,
            aliases: aliases.into_iter().collect(),
            tags: tags.into_iter().collect(),
            created_by,
            created_at: Timestamp(created_at),
            updated_at: Timestamp(updated_at),
        });
    }
    Ok(models)
}

/// A version to be inserted.
#[derive(Clone, Debug)]
pub struct NewVersion<'a> {
    /// Its id.
    pub id: &'a str,
    /// The model.
    pub model_id: &'a str,
    /// What it is.
    pub description: &'a str,
    /// The run that made it.
    pub run_id: Option<&'a str>,
    /// Its files.
    pub artifacts: &'a [Artifact],
    /// Digest of the model file; empty when there is none.
    pub model_digest: &'a str,
    /// How the model file is written.
    pub flavor: &'a str,
    /// Why it can't be served.
    pub unservable: Option<&'a str>,
    /// Where it came from.
    pub source: &'a str,
    /// Where its files are when they are not kept here.
    pub location: &'a str,
    /// A page about the run that made it.
    pub run_link: &'a str,
    /// The logged model that it was made from.
    pub logged_model_id: Option<&'a str>,
    /// Inputs and outputs.
    pub signature: &'a serde_json::Value,
    /// What its traffic is compared with.
    pub reference: Option<&'a serde_json::Value>,
    /// Digests of the data that it was made from.
    pub dataset_digests: &'a [String],
    /// Figures of its run.
    pub metrics: &'a Metrics,
    /// Who registered it.
    pub created_by: &'a str,
}

/// Inserts a ready version and its files; returns its number.
pub async fn insert_version(tx: &mut Tx, workspace: &str, new: &NewVersion<'_>, at: Timestamp) -> Result<i64> {
    let number: i64 = on!(tx, conn => sqlx::query_scalar(
        "update registered_models set last_version = last_version + 1, updated_at = $3, row_version = row_version + 1
         where workspace = $1 and id = $2 returning last_version")
        .bind(workspace).bind(new.model_id).bind(at.0).fetch_one(conn).await?);
    let size: i64 = new.artifacts.iter().map(|file| file.size_bytes).sum();
    on!(tx, conn => done(sqlx::query(
        "insert into model_versions (id, workspace, model_id, version, state, state_message, description, run_id, manifest_digest,
            model_digest, size_bytes, flavor, signature_json, reference_json, dataset_digests_json, metrics_json, created_by, created_at,
            updated_at, row_version, unservable, source, location, run_link, logged_model_id)
         values ($1, $2, $3, $4, 'READY', '', $5, $6, $7, $8, $9, $16, $10, $11, $12, $13, $14, $15, $15, 1, $17, $18, $19, $20, $21)")
        .bind(new.id).bind(workspace).bind(new.model_id).bind(number).bind(new.description).bind(new.run_id)
        .bind(manifest_digest(new.artifacts)).bind(new.model_digest).bind(size).bind(new.signature.to_string())
        .bind(new.reference.map(ToString::to_string)).bind(to_json(&new.dataset_digests)).bind(to_json(new.metrics))
        .bind(new.created_by).bind(at.0).bind(new.flavor).bind(new.unservable.unwrap_or_default()).bind(new.source).bind(new.location)
        .bind(new.run_link).bind(new.logged_model_id).execute(conn).await?));
    for file in new.artifacts {
        super::artifact::add_artifact(tx, workspace, "model_version", new.id, file, at).await?;
    }
    Ok(number)
}

/// What is read of a version; `v` is the version, `m` its model.
pub(super) const VERSION_COLUMNS: &str =
    "select v.id, m.id as model_id, m.name as model, v.version, v.state, v.state_message, v.description, v.run_id, v.manifest_digest,
        v.model_digest, v.size_bytes, v.flavor, v.unservable, v.source, v.location, v.run_link, v.logged_model_id, v.stage,
        v.signature_json, v.dataset_digests_json, v.metrics_json, v.created_by, v.created_at, v.updated_at";

/// A version without its aliases and tags.
#[derive(sqlx::FromRow)]
pub(super) struct VersionRow {
    pub(super) id: String,
    pub(super) model_id: String,
    model: String,
    pub(super) version: i64,
    state: String,
    state_message: String,
    description: String,
    run_id: Option<String>,
    manifest_digest: String,
    model_digest: String,
    size_bytes: i64,
    flavor: String,
    unservable: String,
    source: String,
    location: String,
    run_link: String,
    logged_model_id: Option<String>,
    stage: String,
    signature_json: String,
    dataset_digests_json: String,
    metrics_json: String,
    created_by: String,
    created_at: i64,
    updated_at: i64,
}

impl VersionRow {
    /// Completes the row.
    pub(super) fn with(self, aliases: Vec<String>, tags: BTreeMap<String, String>) -> Result<ModelVersion> {
        let bad = |column, text: &str| Error::decode("model_versions", column, &self.id, text);
        Ok(ModelVersion {
            status: ModelVersionState::parse(&self.state).ok_or_else(|| bad("state", &self.state))?,
            stage: ModelStage::parse(&self.stage).ok_or_else(|| bad("stage", &self.stage))?,
            signature: json("model_versions", "signature_json", &self.id, &self.signature_json)?,
            dataset_digests: json("model_versions", "dataset_digests_json", &self.id, &self.dataset_digests_json)?,
            metrics: json("model_versions", "metrics_json", &self.id, &self.metrics_json)?,
            unservable: Some(self.unservable).filter(|why| !why.is_empty()),
            id: self.id,
            name: self.model,
            version: self.version,
            status_message: self.state_message,
            description: self.description,
            run_id: self.run_id,
            manifest_digest: self.manifest_digest,
            model_digest: self.model_digest,
            size_bytes: self.size_bytes,
            flavor: self.flavor,
            source: self.source,
            location: self.location,
            run_link: self.run_link,
            logged_model_id: self.logged_model_id,
            aliases,
            tags,
            created_by: self.created_by,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}

/// Finds a version by number.
pub async fn find_version(tx: &mut Tx, workspace: &str, model: &str, version: i64) -> Result<Option<ModelVersion>> {
    Ok(select(tx, workspace, model, Some(version), i64::MAX, 1).await?.pop())
}

/// Finds a version by the id of its model.
pub async fn find_version_of(tx: &mut Tx, workspace: &str, model_id: &str, version: i64) -> Result<Option<ModelVersion>> {
    let row: Option<VersionRow> = on!(tx, conn => sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{VERSION_COLUMNS} from model_versions v join registered_models m on m.id = v.model_id
         where v.workspace = $1 and v.model_id = $2 and v.version = $3 and v.state <> 'DELETED'")))
        .bind(workspace).bind(model_id).bind(version).fetch_optional(conn).await?);
    match row {
        Some(row) => fill(tx, workspace, row).await.map(Some),
        None => Ok(None),
    }
}

/// Finds the model and the number of a version by its id.
pub async fn find_name_of(tx: &mut Tx, workspace: &str, id: &str) -> Result<Option<(String, i64)>> {
    Ok(on!(tx, conn => sqlx::query_as(
        "select m.name, v.version from model_versions v join registered_models m on m.id = v.model_id
         where v.workspace = $1 and v.id = $2 and v.state <> 'DELETED'")
        .bind(workspace).bind(id).fetch_optional(conn).await?))
}

/// Lists versions before a number, newest first.
pub async fn list_versions(tx: &mut Tx, workspace: &str, model: &str, before: i64, limit: i64) -> Result<Vec<ModelVersion>> {
    select(tx, workspace, model, None, before, limit).await
}

async fn select(tx: &mut Tx, workspace: &str, model: &str, only: Option<i64>, before: i64, limit: i64) -> Result<Vec<ModelVersion>> {
    let rows: Vec<VersionRow> = on!(tx, conn => sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{VERSION_COLUMNS} from model_versions v join registered_models m on m.id = v.model_id
         where m.workspace = $1 and m.name = $2 and v.version = coalesce($3, v.version) and v.version < $4 and v.state <> 'DELETED'
         order by v.version desc limit $5")))
        .bind(workspace).bind(model).bind(only).bind(before).bind(limit).fetch_all(conn).await?);
    let mut versions = Vec::with_capacity(rows.len());
    for row in rows {
        versions.push(fill(tx, workspace, row).await?);
    }
    Ok(versions)
}

async fn fill(tx: &mut Tx, workspace: &str, row: VersionRow) -> Result<ModelVersion> {
    let aliases: Vec<String> = on!(tx, conn => sqlx::query_scalar(
        "select alias from aliases where workspace = $1 and model_id = $2 and version = $3 order by alias")
        .bind(workspace).bind(&row.model_id).bind(row.version).fetch_all(conn).await?);
    let tags: Vec<(String, String)> = on!(tx, conn => sqlx::query_as("select key, value from model_version_tags where model_version_id = $1")
        .bind(&row.id).fetch_all(conn).await?);
    row.with(aliases, tags.into_iter().collect())
}

/// Reads what the traffic of a version is compared with.
pub async fn find_reference(tx: &mut Tx, workspace: &str, version_id: &str) -> Result<Option<String>> {
    let found: Option<Option<String>> = on!(tx, conn => sqlx::query_scalar(
        "select reference_json from model_versions where workspace = $1 and id = $2").bind(workspace).bind(version_id).fetch_optional(conn).await?);
    Ok(found.flatten())
}

/// Moves a version from one state to another; false when it was not in the first.
pub async fn set_state(
    tx: &mut Tx,
    workspace: &str,
    id: &str,
    (from, to): (ModelVersionState, ModelVersionState),
    message: &str,
    at: Timestamp,
) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query(
        "update model_versions set state = $4, state_message = $5, updated_at = $6, row_version = row_version + 1
         where workspace = $1 and id = $2 and state = $3")
        .bind(workspace).bind(id).bind(from.as_str()).bind(to.as_str()).bind(message).bind(at.0).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Changes what a version says about itself.
pub async fn describe_version(tx: &mut Tx, workspace: &str, id: &str, description: &str, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "update model_versions set description = $3, updated_at = $4, row_version = row_version + 1 where workspace = $1 and id = $2")
        .bind(workspace).bind(id).bind(description).bind(at.0).execute(conn).await?));
    Ok(())
}

/// Sets a tag of a model.
pub async fn set_tag(tx: &mut Tx, model_id: &str, key: &str, value: &str) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into model_tags (model_id, key, value) values ($1, $2, $3) on conflict (model_id, key) do update set value = excluded.value")
        .bind(model_id).bind(key).bind(value).execute(conn).await?));
    Ok(())
}

/// Removes a tag of a model; false when there is none.
pub async fn delete_tag(tx: &mut Tx, model_id: &str, key: &str) -> Result<bool> {
    Ok(on!(tx, conn => sqlx::query("delete from model_tags where model_id = $1 and key = $2")
        .bind(model_id).bind(key).execute(conn).await?.rows_affected())
        == 1)
}

/// Sets a tag of a version.
pub async fn set_version_tag(tx: &mut Tx, version_id: &str, key: &str, value: &str) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into model_version_tags (model_version_id, key, value) values ($1, $2, $3)
         on conflict (model_version_id, key) do update set value = excluded.value")
        .bind(version_id).bind(key).bind(value).execute(conn).await?));
    Ok(())
}

/// Removes a tag of a version; false when there is none.
pub async fn delete_version_tag(tx: &mut Tx, version_id: &str, key: &str) -> Result<bool> {
    Ok(on!(tx, conn => sqlx::query("delete from model_version_tags where model_version_id = $1 and key = $2")
        .bind(version_id).bind(key).execute(conn).await?.rows_affected())
        == 1)
}
