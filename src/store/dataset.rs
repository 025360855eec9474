//! Data sets, their versions and the objects they name.

use super::{Error, Result, Tx, done, on};
use crate::domain::dataset::{Dataset, DatasetVersion, VersionState};
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
         where workspace = $1 and ($2 = '' or name = $2) and name > $3 order by name limit $4")
        .bind(workspace).bind(only.unwrap_or("")).bind(after).bind(limit).fetch_all(conn).await?);
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
        Ok(DatasetVersion {
            id: self.id,
            dataset: self.dataset,
            version: self.version,
            state,
            message: self.state_message,
            format: self.format,
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
        "and v.state = 'READY' and ($3 = 0 or v.version = $3) order by v.version desc limit 1"))
        .bind(workspace).bind(name).bind(version.unwrap_or(0)).fetch_optional(conn).await?);
    row.map(Row::version).transpose()
}

/// Lists versions, newest first; unfinished uploads have no number and are left out.
pub async fn list_versions(tx: &mut Tx, workspace: &str, name: &str, before: i64, limit: i64) -> Result<Vec<DatasetVersion>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(concat!(columns!(),
        "and v.version < $3 and v.state <> 'DELETED' order by v.version desc limit $4"))
        .bind(workspace).bind(name).bind(before).bind(limit).fetch_all(conn).await?);
    rows.into_iter().map(Row::version).collect()
}
