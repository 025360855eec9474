//! Files of runs and of model versions: which there are, and their verified bytes.

use std::ops::Range;

use super::App;
use super::models::is_damage;
use crate::blob::{BlobError, BlobErrorKind, BlobKey, BlobStream, Digest, Stored};
use crate::domain::artifact::Artifact;
use crate::domain::identity::Caller;
use crate::error::{Error, Kind, Result};
use crate::store::{self, Tx};

/// Damaged objects that are passed over in one put.
const REPAIRS: u32 = 3;

/// Whose files.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// A run, by its id.
    Run(&'a str),
    /// A version of a model.
    ModelVersion {
        /// The model's name.
        model: &'a str,
        /// The version.
        version: i64,
    },
}

/// Stores bytes that have a digest, and returns the generation under which they are. Where the object that is there already turns
/// out to be damaged, the next generation takes its place, and with its row in that of every owner.
pub(super) async fn keep<F>(app: &App, workspace: &str, digest: &str, put: impl Fn(u32) -> F) -> Result<u32>
where
    F: Future<Output = Result<Stored, BlobError>>,
{
    let mut tx = app.db().read().await?;
    let first = store::artifact::find_generation(&mut tx, workspace, digest).await?;
    drop(tx);
    keep_from(first, put).await
}

/// As [`keep`], from a generation on.
pub(super) async fn keep_from<F>(first: u32, put: impl Fn(u32) -> F) -> Result<u32>
where
    F: Future<Output = Result<Stored, BlobError>>,
{
    let mut generation = first;
    loop {
        match put(generation).await {
            Ok(_) => return Ok(generation),
            Err(e) if is_damage(&e) && generation < first + REPAIRS => {
                tracing::error!(error = %e, "a stored object is damaged; its bytes are stored again");
                generation += 1;
            }
            Err(e) => return Err(e.into()),
        }
    }
}

/// A file and where its bytes are.
#[derive(Clone, Debug)]
pub struct StoredFile {
    /// What it is.
    pub file: Artifact,
    key: BlobKey,
}

impl StoredFile {
    pub(super) fn key(&self) -> &BlobKey {
        &self.key
    }
}

/// Finds where the bytes of a file are.
pub(super) async fn stored(tx: &mut Tx, workspace: &str, file: Artifact) -> Result<StoredFile> {
    let generation = store::artifact::find_generation(tx, workspace, &file.digest).await?;
    let key = BlobKey::new(workspace, file.digest.parse::<Digest>()?, generation)?;
    Ok(StoredFile { file, key })
}

/// Use cases of files.
pub struct Artifacts<'a>(pub(super) &'a App);

impl Artifacts<'_> {
    /// Lists the files of an owner by path.
    pub async fn list(&self, caller: &Caller, owner: Owner<'_>) -> Result<Vec<Artifact>> {
        let (kind, id) = self.locate(caller, owner).await?;
        let mut tx = self.0.db().read().await?;
        Ok(store::artifact::list_artifacts(&mut tx, &caller.workspace, kind, &id).await?)
    }

    /// Finds a file.
    pub async fn find(&self, caller: &Caller, owner: Owner<'_>, path: &str) -> Result<StoredFile> {
        let files = self.list(caller, owner).await?;
        let no_file = || Error::not_found("artifact_not_found", "there is no file at this path");
        let file = files.into_iter().find(|file| file.path == path).ok_or_else(no_file)?;
        let mut tx = self.0.db().read().await?;
        stored(&mut tx, &caller.workspace, file).await
    }

    /// Opens a file, or a range of it that is within. The bytes of the whole are verified while they are read: the stream ends with
    /// an error where they differ. For a range the whole is verified before, once in this process.
    pub async fn read(&self, stored: &StoredFile, range: Option<Range<u64>>) -> Result<BlobStream> {
        let blobs = self.0.blobs();
        let whole = range.as_ref().is_none_or(|range| range.start == 0 && i64::try_from(range.end) == Ok(stored.file.size_bytes));
        let opened = match range {
            Some(range) if !whole => blobs.get_checked_range(&stored.key, range).await,
            _ => blobs.get(&stored.key).await,
        };
        match opened {
            Ok(stream) => Ok(stream),
            Err(e) if is_damage(&e) => Err(Error::conflict("digest_mismatch", "the stored bytes of the file are damaged").caused_by(e)),
            Err(e) => Err(e.into()),
        }
    }

    /// Finds what the rows of an owner's files are filed under.
    async fn locate(&self, caller: &Caller, owner: Owner<'_>) -> Result<(&'static str, String)> {
        match owner {
            Owner::Run(id) => Ok(("run", self.0.runs().get(caller, id).await?.run_id)),
            Owner::ModelVersion { model, version } => Ok(("model_version", self.0.models().get_version(caller, model, version).await?.id)),
        }
    }
}

/// Says what was wrong with bytes on their way in.
pub(super) fn received(error: BlobError) -> Error {
    match error.kind {
        BlobErrorKind::TooLarge => Error::new(Kind::TooLarge, "upload_too_large", error.message.clone()),
        BlobErrorKind::Interrupted => Error::invalid("upload_interrupted", error.message.clone()),
        _ => return error.into(),
    }
    .caused_by(error)
}
