//! Uploads in parts that go to the object store directly.

use crate::domain::time::Timestamp;
use crate::store::{Error, Result, Tx, done, on};

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// Parts may still come.
    Open,
    /// The file is there.
    Complete,
    /// Given up.
    Aborted,
}

impl UploadState {
    const ALL: [Self; 3] = [Self::Open, Self::Complete, Self::Aborted];

    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Complete => "COMPLETE",
            Self::Aborted => "ABORTED",
        }
    }
}

/// An upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its id.
    pub id: String,
    /// Its workspace.
    pub workspace: String,
    /// What kind of thing the file will belong to.
    pub owner: String,
    /// The id of that thing.
    pub owner_id: String,
    /// The path of the file.
    pub path: String,
    /// How many parts there are.
    pub parts: u32,
    /// How far it is.
    pub state: UploadState,
}

/// Inserts an upload.
pub async fn insert(tx: &mut Tx, upload: &Upload, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into multipart_uploads (id, workspace, owner, owner_id, path, parts, state, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8)")
        .bind(&upload.id).bind(&upload.workspace).bind(&upload.owner).bind(&upload.owner_id).bind(&upload.path)
        .bind(i64::from(upload.parts)).bind(upload.state.as_str()).bind(at.0).execute(conn).await?));
    Ok(())
}

type Row = (String, String, String, String, String, i64, String);

fn upload((id, workspace, owner, owner_id, path, parts, state): Row) -> Result<Upload> {
    let parts = u32::try_from(parts).map_err(|e| Error::decode("multipart_uploads", "parts", &id, e))?;
    let known = UploadState::ALL.into_iter().find(|known| known.as_str() == state);
    let state = known.ok_or_else(|| Error::decode("multipart_uploads", "state", &id, state))?;
    Ok(Upload { id, workspace, owner, owner_id, path, parts, state })
}

/// Finds an upload.
pub async fn find(tx: &mut Tx, workspace: &str, id: &str) -> Result<Option<Upload>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(
        "select id, workspace, owner, owner_id, path, parts, state from multipart_uploads where workspace = $1 and id = $2")
        .bind(workspace).bind(id).fetch_optional(conn).await?);
    row.map(upload).transpose()
}

/// Counts the open uploads of a workspace.
pub async fn count_open(tx: &mut Tx, workspace: &str) -> Result<i64> {
    Ok(on!(tx, conn => sqlx::query_scalar("select count(*) from multipart_uploads where workspace = $1 and state = 'OPEN'")
        .bind(workspace).fetch_one(conn).await?))
}

/// Moves an open upload to another state; false when it is not open.
pub async fn close(tx: &mut Tx, workspace: &str, id: &str, to: UploadState, at: Timestamp) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query(
        "update multipart_uploads set state = $3, updated_at = $4 where workspace = $1 and id = $2 and state = 'OPEN'")
        .bind(workspace).bind(id).bind(to.as_str()).bind(at.0).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Lists uploads of all workspaces that nothing happened to since a time, the oldest first.
pub async fn list_old(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<Vec<Upload>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "select id, workspace, owner, owner_id, path, parts, state from multipart_uploads where updated_at < $1
         order by updated_at, id limit $2")
        .bind(before.0).bind(limit).fetch_all(conn).await?);
    rows.into_iter().map(upload).collect()
}

/// Forgets an upload.
pub async fn delete(tx: &mut Tx, workspace: &str, id: &str) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from multipart_uploads where workspace = $1 and id = $2")
        .bind(workspace).bind(id).execute(conn).await?));
    Ok(())
}
