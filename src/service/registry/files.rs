//! Files of versions, which are those of the moment in which the version was registered, whatever happens to the run since.

use super::{Registry, check, no_version};
use crate::blob::BlobStream;
use crate::domain::artifact::Artifact;
use crate::domain::identity::Caller;
use crate::error::{Error, Result};
use crate::service::Owner;
use crate::service::tracking::{Entry, entries};
use crate::store;

/// Where versions are behind the artifact proxy.
const ROOT: &str = "model-versions";

impl Registry<'_> {
    /// Returns where the files of a version can be fetched.
    pub async fn download_uri(&self, caller: &Caller, name: &str, number: &str) -> Result<String> {
        let version = self.get_version(caller, name, number).await?;
        match version.location.is_empty() {
            true => Ok(format!("mlflow-artifacts:/{ROOT}/{}", version.id)),
            false => Ok(version.location),
        }
    }

    /// Opens a file of a version.
    pub async fn open_version_file(&self, caller: &Caller, name: &str, number: &str, path: &str) -> Result<(Artifact, BlobStream)> {
        check::name(name)?;
        let version = check::number(number)?;
        self.get_version(caller, name, number).await?;
        self.0.artifacts().open(caller, Owner::ModelVersion { model: name, version }, path).await
    }

    /// Opens a file by its path behind the artifact proxy; none when the path is not that of a version.
    pub async fn open_at(&self, caller: &Caller, path: &str) -> Result<Option<(Artifact, BlobStream)>> {
        let Some((id, path)) = split(path) else { return Ok(None) };
        let (name, number) = self.name_of(caller, id).await?;
        let owner = Owner::ModelVersion { model: &name, version: number };
        self.0.artifacts().open(caller, owner, path).await.map(Some)
    }

    /// Lists a folder by its path behind the artifact proxy; none when the path is not that of a version.
    pub async fn list_at(&self, caller: &Caller, path: &str) -> Result<Option<Vec<Entry>>> {
        let Some((id, folder)) = split(path) else { return Ok(None) };
        self.name_of(caller, id).await?;
        let mut tx = self.0.db().read().await?;
        let files = store::artifact::list_artifacts(&mut tx, &caller.workspace, "model_version", id).await?;
        Ok(Some(entries(&files, folder)))
    }

    async fn name_of(&self, caller: &Caller, id: &str) -> Result<(String, i64)> {
        let missing = || Error::not_found("artifact_not_found", format!("No such artifact: '{ROOT}/{id}'"));
        if id.contains('\0') {
            return Err(missing());
        }
        let mut tx = self.0.db().read().await?;
        store::model::find_name_of(&mut tx, &caller.workspace, id).await?.ok_or_else(missing)
    }

    /// Returns a version.
    pub async fn get_version(&self, caller: &Caller, name: &str, number: &str) -> Result<crate::domain::model::ModelVersion> {
        check::name(name)?;
        let number = check::number(number)?;
        let mut tx = self.0.db().read().await?;
        store::model::find_version(&mut tx, &caller.workspace, name, number).await?.ok_or_else(|| no_version(name, number))
    }
}

fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.trim_matches('/').strip_prefix(ROOT)?.strip_prefix('/')?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}
