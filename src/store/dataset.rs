//! Data sets, their versions and the objects they name.

use super::{Error, Result, Tx, done, json, on, to_json};
use crate::domain::dataset::{Dataset, DatasetVersion, VersionState};
use crate::domain::schema::{Format, Schema};
use crate::domain::time::Timestamp;

/// Finds a data set, or makes it under `id`; returns its id.
pub async fn ensure(tx: &mut Tx, workspace: &str, name: &str, id: &str, by: &str, at: Timestamp) -> Result<String> {
    on!(tx, conn => done(sqlx::query(
        "insert into datasets (id, workspace, name, description, last_version, created_by, created_at, updated_at, row_version)
         values ($1, $2, $3, '', 0, $4, $5, $5, 1) on conflict (workspace, name) do nothing")
        .bind(id).bind(workspace).bind(name).bind(by).bind(at.0).execute(conn).await?));
    Ok(on!(tx, conn => sqlx::query_scalar("select id from datasets where workspace = $1 and name = $2")
        .bind(workspace).bind(name).fetch_one(conn).await?))
}

/// Lists data sets by name after `after`; `only` restricts to one name.
pub async fn list(tx: &mut Tx, workspace: &str, only: Option<&str>, after: &str, limit: i64) -> Result<Vec<Dataset>> {
    let rows: Vec<(String, String, i64, String, i64)> = on!(tx, conn => sqlx::query_as(
        "select name, description, last_version, created_by, created_at from datasets
         where workspace = $1 and name = coalesce($2, name) and name > $3 order by name limit $4")
        .bind(workspace).bind(only).bind(after).bind(limit).fetch_all(conn).await?);
    Ok(rows
        .into_iter()
        .map(|(name, description, last_version, created_by, at)| Dataset {
            name,
            description,
            last_version,
            created_by,
            created_at: Timestamp(at),
        })
        .collect())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    dataset: String,
    version: Option<i64>,
    state: String,
    state_message: String,
    format: String,
    digest: Option<String>,
    size_bytes: i64,
    num_rows: Option<i64>,
    created_by: String,
    created_at: i64,
}

impl Row {
    fn version(self) -> Result<DatasetVersion> {
        let state = VersionState::parse(&self.state).ok_or_else(|| Error::decode("dataset_versions", "state", &self.id, &self.state))?;
        let format = Format::parse(&self.format).ok_or_else(|| Error::decode("dataset_versions", "format", &self.id, &self.format))?;
        Ok(DatasetVersion {
            id: self.id,
            dataset: self.dataset,
            version: self.version,
            state,
            message: self.state_message,
            format,
            digest: self.digest,
            size_bytes: self.size_bytes,
            num_rows: self.num_rows,
            created_by: self.created_by,
            created_at: Timestamp(self.created_at),
        })
    }
}

macro_rules! columns {
    () => {
        "select v.id, d.name as dataset, v.version, v.state, v.state_message, v.format, v.digest, v.size_bytes, v.num_rows,
            v.created_by, v.created_at
         from dataset_versions v join datasets d on d.id = v.dataset_id where d.workspace = $1 and d.name = $2 "
    };
}

/// Finds a version by number.
pub async fn find_version(tx: &mut Tx, workspace: &str, name: &str, version: i64) -> Result<Option<DatasetVersion>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(concat!(columns!(), "and v.version = $3"))
        .bind(workspace).bind(name).bind(version).fetch_optional(conn).await?);
    row.map(Row::version).transpose()
}

/// Finds a ready version: the given one, or the newest.
pub async fn find_ready(tx: &mut Tx, workspace: &str, name: &str, version: Option<i64>) -> Result<Option<DatasetVersion>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(concat!(columns!(),
        "and v.state = 'READY' and v.version = coalesce($3, v.version) order by v.version desc limit 1"))
        .bind(workspace).bind(name).bind(version).fetch_optional(conn).await?);
    row.map(Row::version).transpose()
}

/// Lists versions, newest first; unfinished uploads have no number and are left out.
pub async fn list_versions(tx: &mut Tx, workspace: &str, name: &str, before: i64, limit: i64) -> Result<Vec<DatasetVersion>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(concat!(columns!(),
        "and v.version < $3 and v.state <> 'DELETED' order by v.version desc limit $4"))
        .bind(workspace).bind(name).bind(before).bind(limit).fetch_all(conn).await?);
    rows.into_iter().map(Row::version).collect()
}

/// Finds the version of the same bytes, format and schema.
pub async fn find_same(tx: &mut Tx, workspace: &str, name: &str, manifest_digest: &str) -> Result<Option<DatasetVersion>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(concat!(columns!(),
        "and v.manifest_digest = $3 and v.state in ('READY', 'QUARANTINED', 'ARCHIVED')"))
        .bind(workspace).bind(name).bind(manifest_digest).fetch_optional(conn).await?);
    row.map(Row::version).transpose()
}

/// A version whose content has passed validation.
#[derive(Clone, Debug)]
pub struct NewVersion<'a> {
    /// Its id.
    pub id: &'a str,
    /// The data set.
    pub dataset_id: &'a str,
    /// How the table is written.
    pub format: Format,
    /// `sha256:` of the bytes.
    pub digest: &'a str,
    /// `sha256:` of bytes, format and schema together.
    pub manifest_digest: &'a str,
    /// Size in bytes.
    pub size_bytes: i64,
    /// Number of rows.
    pub num_rows: i64,
    /// Its columns.
    pub schema: &'a Schema,
    /// A profile per column, as JSON.
    pub profile_json: &'a str,
    /// The first rows, as JSON.
    pub preview_json: &'a str,
    /// Who uploaded it.
    pub created_by: &'a str,
}

/// Draws the next number of a data set, whose row stays locked until the transaction ends.
pub async fn next_number(tx: &mut Tx, dataset_id: &str, at: Timestamp) -> Result<i64> {
    Ok(on!(tx, conn => sqlx::query_scalar(
        "update datasets set last_version = last_version + 1, updated_at = $2, row_version = row_version + 1 where id = $1 returning last_version")
        .bind(dataset_id).bind(at.0).fetch_one(conn).await?))
}

/// Inserts a ready version.
pub async fn insert_version(tx: &mut Tx, workspace: &str, number: i64, new: &NewVersion<'_>, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into dataset_versions (id, workspace, dataset_id, version, state, state_message, format, digest, manifest_digest, size_bytes,
            num_rows, schema_json, profile_json, preview_json, created_by, created_at, updated_at, row_version)
         values ($1, $2, $3, $4, 'READY', '', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, 1)")
        .bind(new.id).bind(workspace).bind(new.dataset_id).bind(number).bind(new.format.as_str()).bind(new.digest)
        .bind(new.manifest_digest).bind(new.size_bytes).bind(new.num_rows).bind(to_json(new.schema)).bind(new.profile_json)
        .bind(new.preview_json).bind(new.created_by).bind(at.0).execute(conn).await?));
    Ok(())
}

/// Moves a version from one state to another; false when it was not in the first.
pub async fn set_state(
    tx: &mut Tx,
    workspace: &str,
    id: &str,
    from: VersionState,
    to: VersionState,
    message: &str,
    at: Timestamp,
) -> Result<bool> {
    let changed = on!(tx, conn => sqlx::query(
        "update dataset_versions set state = $4, state_message = $5, updated_at = $6, row_version = row_version + 1
         where workspace = $1 and id = $2 and state = $3")
        .bind(workspace).bind(id).bind(from.as_str()).bind(to.as_str()).bind(message).bind(at.0).execute(conn).await?.rows_affected());
    Ok(changed == 1)
}

/// Reads the schema of a version.
pub async fn find_schema(tx: &mut Tx, workspace: &str, id: &str) -> Result<Schema> {
    json("dataset_versions", "schema_json", id, &find_text(tx, workspace, id, Text::Schema).await?)
}

/// Reads the profiles of a version's columns, as JSON.
pub async fn find_profile(tx: &mut Tx, workspace: &str, id: &str) -> Result<serde_json::Value> {
    json("dataset_versions", "profile_json", id, &find_text(tx, workspace, id, Text::Profile).await?)
}

/// Reads the first rows of a version, as JSON.
pub async fn find_preview(tx: &mut Tx, workspace: &str, id: &str) -> Result<serde_json::Value> {
    json("dataset_versions", "preview_json", id, &find_text(tx, workspace, id, Text::Preview).await?)
}

#[derive(Clone, Copy)]
enum Text {
    Schema,
    Profile,
    Preview,
}

async fn find_text(tx: &mut Tx, workspace: &str, id: &str, which: Text) -> Result<String> {
    let sql = match which {
        Text::Schema => "select schema_json from dataset_versions where workspace = $1 and id = $2",
        Text::Profile => "select profile_json from dataset_versions where workspace = $1 and id = $2",
        Text::Preview => "select preview_json from dataset_versions where workspace = $1 and id = $2",
    };
    Ok(on!(tx, conn => sqlx::query_scalar(sql).bind(workspace).bind(id).fetch_one(conn).await?))
}
