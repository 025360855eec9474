//! Stored objects and the names that owners give them.

use super::{Error, Result, Tx, done, on};
use crate::domain::artifact::Artifact;
use crate::domain::time::Timestamp;

/// Notes that an object was written and verified. It has to come before any row that names the digest.
pub async fn record_blob(tx: &mut Tx, workspace: &str, digest: &str, generation: u32, size: i64, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into blobs (workspace, digest, generation, size_bytes, state, created_at, touched_at) values ($1, $2, $3, $4, 'live', $5, $5)
         on conflict (workspace, digest) do update set state = 'live',
            generation = case when excluded.generation > blobs.generation then excluded.generation else blobs.generation end, touched_at = excluded.touched_at")
        .bind(workspace).bind(digest).bind(i64::from(generation)).bind(size).bind(at.0).execute(conn).await?));
    Ok(())
}

/// Returns the generation under which a digest is stored, or is to be stored when it is not yet.
pub async fn find_generation(tx: &mut Tx, workspace: &str, digest: &str) -> Result<u32> {
    let found: Option<i64> = on!(tx, conn => sqlx::query_scalar("select generation from blobs where workspace = $1 and digest = $2")
        .bind(workspace).bind(digest).fetch_optional(conn).await?);
    let generation = found.unwrap_or(0);
    u32::try_from(generation).map_err(|_| Error::decode("blobs", "generation", digest, generation))
}

/// Gives a stored object a name.
pub async fn add_artifact(tx: &mut Tx, workspace: &str, owner: &str, owner_id: &str, file: &Artifact, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into artifacts (workspace, owner, owner_id, path, digest, size_bytes, media_type, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (workspace, owner, owner_id, path) do update set digest = excluded.digest, size_bytes = excluded.size_bytes,
            media_type = excluded.media_type, created_at = excluded.created_at")
        .bind(workspace).bind(owner).bind(owner_id).bind(&file.path).bind(&file.digest).bind(file.size_bytes)
        .bind(&file.media_type).bind(at.0).execute(conn).await?));
    Ok(())
}

/// Lists the files of an owner by path.
pub async fn list_artifacts(tx: &mut Tx, workspace: &str, owner: &str, owner_id: &str) -> Result<Vec<Artifact>> {
    let rows: Vec<(String, String, i64, String)> = on!(tx, conn => sqlx::query_as(
        "select path, digest, size_bytes, media_type from artifacts where workspace = $1 and owner = $2 and owner_id = $3 order by path")
        .bind(workspace).bind(owner).bind(owner_id).fetch_all(conn).await?);
    Ok(rows.into_iter().map(|(path, digest, size_bytes, media_type)| Artifact { path, digest, size_bytes, media_type }).collect())
}

/// A stored object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Whose it is.
    pub workspace: String,
    /// `sha256:` of its bytes.
    pub digest: String,
    /// Under which generation it is stored.
    pub generation: u32,
    /// Size in bytes.
    pub size_bytes: i64,
}

/// Tells whether the bytes of an object in a state are to be there.
pub fn is_kept(state: &str) -> bool {
    matches!(state, "live" | "condemned")
}

/// Lists the objects of all workspaces whose bytes are to be there, by workspace and digest after a position.
pub async fn list_blobs(tx: &mut Tx, after: (&str, &str), limit: i64) -> Result<Vec<Blob>> {
    let rows: Vec<(String, String, i64, i64)> = on!(tx, conn => sqlx::query_as(
        "select workspace, digest, generation, size_bytes from blobs
         where (workspace, digest) > ($1, $2) and state in ('live', 'condemned') order by workspace, digest limit $3")
        .bind(after.0).bind(after.1).bind(limit).fetch_all(conn).await?);
    let blob = |(workspace, digest, generation, size_bytes): (String, String, i64, i64)| {
        let generation = u32::try_from(generation).map_err(|_| Error::decode("blobs", "generation", &digest, generation))?;
        Ok(Blob { workspace, digest, generation, size_bytes })
    };
    rows.into_iter().map(blob).collect()
}
