//! Files of runs and of model versions: which there are, and their verified bytes.

use super::App;
use super::models::is_damage;
use crate::blob::{BlobError, BlobErrorKind, BlobKey, BlobStream, Digest, Stored};
use crate::domain::artifact::Artifact;
use crate::domain::identity::Caller;
use crate::error::{Error, Kind, Result};
use crate::store;

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

/// Use cases of files.
pub struct Artifacts<'a>(pub(super) &'a App);

impl Artifacts<'_> {
    /// Lists the files of an owner by path.
    pub async fn list(&self, caller: &Caller, owner: Owner<'_>) -> Result<Vec<Artifact>> {
        let (kind, id) = self.locate(caller, owner).await?;
        let mut tx = self.0.db().read().await?;
        Ok(store::artifact::list_artifacts(&mut tx, &caller.workspace, kind, &id).await?)
    }

    /// Opens a file. Its bytes are verified while they are read: the stream ends with an error where they differ.
    pub async fn open(&self, caller: &Caller, owner: Owner<'_>, path: &str) -> Result<(Artifact, BlobStream)> {
        let files = self.list(caller, owner).await?;
        let no_file = || Error::not_found("artifact_not_found", "there is no file at this path");
        let file = files.into_iter().find(|file| file.path == path).ok_or_else(no_file)?;
        let mut tx = self.0.db().read().await?;
        let generation = store::artifact::find_generation(&mut tx, &caller.workspace, &file.digest).await?;
        drop(tx);
        let key = BlobKey::new(&caller.workspace, file.digest.parse::<Digest>()?, generation)?;
        match self.0.blobs().get(&key).await {
            Ok(stream) => Ok((file, stream)),
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
