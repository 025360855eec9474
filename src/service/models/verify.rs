//! Whether the stored bytes of a version are still those that were registered.

use super::Models;
use crate::blob::{BlobError, BlobErrorKind, BlobKey, Digest};
use crate::domain::artifact::{Artifact, manifest_digest};
use crate::domain::identity::Caller;
use crate::domain::model::{ModelVersion, ModelVersionState};
use crate::error::{Error, Result};
use crate::store;

impl Models<'_> {
    /// Reads every file of a version and compares it with its digest. A version that fails is quarantined, and the error is 409.
    pub(crate) async fn verify(&self, caller: &Caller, version: &ModelVersion) -> Result<()> {
        let app = self.0;
        let mut tx = app.db().read().await?;
        let files = store::artifact::list_artifacts(&mut tx, &caller.workspace, "model_version", &version.id).await?;
        let mut keys = Vec::with_capacity(files.len());
        for file in &files {
            let generation = store::artifact::find_generation(&mut tx, &caller.workspace, &file.digest).await?;
            keys.push(BlobKey::new(&caller.workspace, file.digest.parse::<Digest>()?, generation)?);
        }
        drop(tx);
        if manifest_digest(&files) != version.manifest_digest {
            return Err(self.quarantine(caller, version, "its files are not those of its manifest").await?);
        }
        for (file, key) in files.iter().zip(keys) {
            if let Err(e) = app.blobs().verify(&key).await {
                return Err(self.judge(caller, version, file, e).await?);
            }
        }
        Ok(())
    }

    /// Tells damage, which quarantines the version, from a store that is out of reach.
    async fn judge(&self, caller: &Caller, version: &ModelVersion, file: &Artifact, error: BlobError) -> Result<Error> {
        if is_damage(&error) {
            return self.quarantine(caller, version, &format!("{}: {error}", file.path)).await;
        }
        Ok(error.into())
    }

    /// Puts a version aside whose bytes are damaged; returns the error to answer with.
    pub(crate) async fn quarantine(&self, caller: &Caller, version: &ModelVersion, message: &str) -> Result<Error> {
        tracing::error!(model = version.name, version = version.version, message, "a model version is damaged and quarantined");
        if version.status != ModelVersionState::Quarantined {
            self.change(caller, version, ModelVersionState::Quarantined, message).await?;
        }
        Ok(Error::conflict("version_quarantined", format!("the stored bytes of version {} are damaged: {message}", version.version)))
    }
}

/// Tells whether the bytes are gone or wrong, as opposed to out of reach.
pub(crate) fn is_damage(error: &BlobError) -> bool {
    matches!(error.kind, BlobErrorKind::NotFound | BlobErrorKind::DigestMismatch | BlobErrorKind::SizeMismatch)
}
