//! Registered models, versions, tags.

use std::collections::BTreeMap;

use super::{Error, Result, Tx, done, json, on, to_json};
use crate::domain::artifact::{Artifact, manifest_digest};
use crate::domain::model::{ModelVersion, ModelVersionState, RegisteredModel};
use crate::domain::promotion::{Gate, Metrics};
use crate::domain::time::Timestamp;

/// Makes a model; false when there is one of that name.
#[expect(clippy::too_many_arguments, reason = "the columns of one row")]
pub async fn insert(
    tx: &mut Tx,
    workspace: &str,
    id: &str,
    name: &str,
    description: &str,
    gates: &[Gate],
    by: &str,
    at: Timestamp,
) -> Result<bool> {
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
    Ok(on!(tx, conn => sqlx::query_scalar("select id from registered_models where workspace = $1 and name = $2")
        .bind(workspace).bind(name).fetch_optional(conn).await?))
}

/// Lists models by name after `after`; `only` restricts to one name.
pub async fn list(tx: &mut Tx, workspace: &str, only: Option<&str>, after: &str, limit: i64) -> Result<Vec<RegisteredModel>> {
    type Row = (String, String, String, String, i64, String, i64, i64);
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "select id, name, description, gates_json, last_version, created_by, created_at, updated_at from registered_models
         where workspace = $1 and name = coalesce($2, name) and name > $3 order by name limit $4")
        .bind(workspace).bind(only).bind(after).bind(limit).fetch_all(conn).await?);
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
    /// Its files, `model.onnx` among them.
    pub artifacts: &'a [Artifact],
    /// Digest of the model file.
    pub model_digest: &'a str,
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
            updated_at, row_version)
         values ($1, $2, $3, $4, 'READY', '', $5, $6, $7, $8, $9, 'onnx', $10, $11, $12, $13, $14, $15, $15, 1)")
        .bind(new.id).bind(workspace).bind(new.model_id).bind(number).bind(new.description).bind(new.run_id)
        .bind(manifest_digest(new.artifacts)).bind(new.model_digest).bind(size).bind(new.signature.to_string())
        .bind(new.reference.map(ToString::to_string)).bind(to_json(&new.dataset_digests)).bind(to_json(new.metrics))
        .bind(new.created_by).bind(at.0).execute(conn).await?));
    for file in new.artifacts {
        super::artifact::add_artifact(tx, workspace, "model_version", new.id, file, at).await?;
    }
    Ok(number)
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    model: String,
    version: i64,
    state: String,
    state_message: String,
    description: String,
    run_id: Option<String>,
    manifest_digest: String,
    model_digest: String,
    size_bytes: i64,
    flavor: String,
    signature_json: String,
    dataset_digests_json: String,
    metrics_json: String,
    created_by: String,
    created_at: i64,
    updated_at: i64,
}

/// Finds a version by number.
pub async fn find_version(tx: &mut Tx, workspace: &str, model: &str, version: i64) -> Result<Option<ModelVersion>> {
    Ok(select(tx, workspace, model, Some(version), i64::MAX, 1).await?.pop())
}

/// Lists versions before a number, newest first.
pub async fn list_versions(tx: &mut Tx, workspace: &str, model: &str, before: i64, limit: i64) -> Result<Vec<ModelVersion>> {
    select(tx, workspace, model, None, before, limit).await
}

async fn select(tx: &mut Tx, workspace: &str, model: &str, only: Option<i64>, before: i64, limit: i64) -> Result<Vec<ModelVersion>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "select v.id, m.name as model, v.version, v.state, v.state_message, v.description, v.run_id, v.manifest_digest, v.model_digest,
            v.size_bytes, v.flavor, v.signature_json, v.dataset_digests_json, v.metrics_json, v.created_by, v.created_at, v.updated_at
         from model_versions v join registered_models m on m.id = v.model_id
         where m.workspace = $1 and m.name = $2 and v.version = coalesce($3, v.version) and v.version < $4 and v.state <> 'DELETED'
         order by v.version desc limit $5")
        .bind(workspace).bind(model).bind(only).bind(before).bind(limit).fetch_all(conn).await?);
    let mut versions = Vec::with_capacity(rows.len());
    for row in rows {
        versions.push(fill(tx, workspace, row).await?);
    }
    Ok(versions)
}

async fn fill(tx: &mut Tx, workspace: &str, row: Row) -> Result<ModelVersion> {
    let aliases: Vec<String> = on!(tx, conn => sqlx::query_scalar(
        "select a.alias from aliases a join registered_models m on m.id = a.model_id
         where a.workspace = $1 and m.name = $2 and a.version = $3 order by a.alias")
        .bind(workspace).bind(&row.model).bind(row.version).fetch_all(conn).await?);
    let tags: Vec<(String, String)> = on!(tx, conn => sqlx::query_as("select key, value from model_version_tags where model_version_id = $1")
        .bind(&row.id).fetch_all(conn).await?);
    let read = |column, text: &str| json("model_versions", column, &row.id, text);
    Ok(ModelVersion {
        status: ModelVersionState::parse(&row.state).ok_or_else(|| Error::decode("model_versions", "state", &row.id, &row.state))?,
        signature: read("signature_json", &row.signature_json)?,
        dataset_digests: json("model_versions", "dataset_digests_json", &row.id, &row.dataset_digests_json)?,
        metrics: json("model_versions", "metrics_json", &row.id, &row.metrics_json)?,
        id: row.id,
        name: row.model,
        version: row.version,
        status_message: row.state_message,
        description: row.description,
        run_id: row.run_id,
        manifest_digest: row.manifest_digest,
        model_digest: row.model_digest,
        size_bytes: row.size_bytes,
        flavor: row.flavor,
        aliases,
        tags: tags.into_iter().collect::<BTreeMap<_, _>>(),
        created_by: row.created_by,
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    })
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
