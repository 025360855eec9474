//! Files of runs and logged models by the path that follows `mlflow-artifacts:/`. A path names one of these and a file below it,
//! nothing else: it is looked up in rows and never joined to a folder, so there is nothing to climb out of.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::Stream;

use super::{Tracking, check_path::relative, no_run, not_of_a_job, run};
use crate::blob::{BlobKey, BlobStream, Digest, Spool};
use crate::domain::artifact::Artifact;
use crate::domain::identity::Caller;
use crate::domain::logged_model::ID_PREFIX;
use crate::domain::tracking::RunInfo;
use crate::error::{Error, Kind, Result};
use crate::service::artifacts::{keep, received};
use crate::service::models::is_damage;
use crate::store::{self, Tx};

/// A file or a folder, by its path in its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path.
    pub path: String,
    /// Its size in bytes; none for a folder.
    pub size_bytes: Option<i64>,
}

/// What files belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holder {
    Run(RunInfo),
    /// A logged model, by its id and where it keeps its files.
    Model(String, String),
}

impl Holder {
    /// Returns what its rows are filed under.
    fn key(&self) -> (&'static str, &str) {
        match self {
            Self::Run(run) => ("run", &run.run_id),
            Self::Model(id, _) => ("logged_model", id),
        }
    }

    fn uri(&self) -> &str {
        match self {
            Self::Run(run) => &run.artifact_uri,
            Self::Model(_, uri) => uri,
        }
    }

    /// Refuses what only the job of a run may do.
    fn takes_files(&self) -> Result<()> {
        match self {
            Self::Run(run) => not_of_a_job(run),
            Self::Model(..) => Ok(()),
        }
    }
}

/// A file of a run or a logged model.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileAt {
    holder: Holder,
    /// Empty for all of its files.
    path: String,
}

impl Tracking<'_> {
    /// Takes a file in. The answer means that it is durable; a file that was there is replaced.
    pub async fn upload_file<S, E>(&self, caller: &Caller, uri_path: &str, media_type: &str, bytes: S) -> Result<()>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let at = self.file_at(caller, uri_path).await?;
        self.take_in(caller, at, media_type, bytes).await?;
        Ok(())
    }

    /// Takes a file of a run in by its path in the run, and returns what was stored.
    pub async fn upload_run_file<S, E>(&self, caller: &Caller, run_id: &str, path: &str, media_type: &str, bytes: S) -> Result<Artifact>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let at = self.run_file(caller, run_id, path).await?;
        self.take_in(caller, at, media_type, bytes).await
    }

    /// Takes a file of a logged model in by its path in the model, and returns what was stored.
    pub async fn upload_model_file<S, E>(&self, caller: &Caller, model_id: &str, path: &str, media_type: &str, bytes: S) -> Result<Artifact>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let at = self.model_file(caller, model_id, path).await?;
        self.take_in(caller, at, media_type, bytes).await
    }

    async fn take_in<S, E>(&self, caller: &Caller, at: FileAt, media_type: &str, bytes: S) -> Result<Artifact>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let app = self.0;
        let ws = &caller.workspace;
        at.holder.takes_files()?;
        if at.path.is_empty() {
            return Err(Error::invalid("invalid_path", "Invalid path"));
        }
        let limit = Some(app.config().upload_limit).filter(|limit| *limit > 0);
        let spool = Spool::receive(&app.config().spool_dir(), bytes, limit).await.map_err(received)?;
        let digest = spool.digest().to_string();
        let generation = keep(app, ws, &digest, |generation| app.blobs().put_spool(ws, generation, &spool)).await?;
        let size_bytes = i64::try_from(spool.size()).unwrap_or(i64::MAX);
        let mut tx = app.db().begin().await?;
        refuse_clash(&mut tx, ws, &at).await?;
        store::artifact::record_blob(&mut tx, ws, &digest, generation, size_bytes, app.now()).await?;
        let file = Artifact { path: at.path.clone(), digest, size_bytes, media_type: media_type.to_owned() };
        let (owner, owner_id) = at.holder.key();
        store::artifact::add_artifact(&mut tx, ws, owner, owner_id, &file, app.now()).await?;
        tx.commit().await?;
        Ok(file)
    }

    /// Opens a file. Its bytes are verified while they are read: the stream ends with an error where they differ.
    pub async fn open_file(&self, caller: &Caller, uri_path: &str) -> Result<(Artifact, BlobStream)> {
        let at = self.file_at(caller, uri_path).await?;
        self.open_file_at(caller, &at, uri_path).await
    }

    /// Opens a file of a run by its path in the run.
    pub async fn open_run_file(&self, caller: &Caller, run_id: &str, path: &str) -> Result<(Artifact, BlobStream)> {
        let at = self.run_file(caller, run_id, path).await?;
        self.open_file_at(caller, &at, path).await
    }

    /// Opens a file of a logged model by its path in the model.
    pub async fn open_model_file(&self, caller: &Caller, model_id: &str, path: &str) -> Result<(Artifact, BlobStream)> {
        let at = self.model_file(caller, model_id, path).await?;
        self.open_file_at(caller, &at, path).await
    }

    async fn open_file_at(&self, caller: &Caller, at: &FileAt, shown: &str) -> Result<(Artifact, BlobStream)> {
        let ws = &caller.workspace;
        let mut tx = self.0.db().read().await?;
        let file = store::tracking::file::find(&mut tx, ws, at.holder.key(), &at.path).await?.ok_or_else(|| no_file(shown))?;
        let generation = store::artifact::find_generation(&mut tx, ws, &file.digest).await?;
        drop(tx);
        let key = BlobKey::new(ws, file.digest.parse::<Digest>()?, generation)?;
        match self.0.blobs().get(&key).await {
            Ok(stream) => Ok((file, stream)),
            Err(e) if is_damage(&e) => Err(Error::conflict("digest_mismatch", "the stored bytes of the file are damaged").caused_by(e)),
            Err(e) => Err(e.into()),
        }
    }

    /// Lists what lies directly in a folder, by path in the run.
    pub async fn list_files(&self, caller: &Caller, uri_path: &str) -> Result<Vec<Entry>> {
        match self.file_at(caller, uri_path).await {
            Ok(at) => self.list_at(caller, &at).await,
            // folders above runs, and runs that do not exist, have nothing to show
            Err(e) if e.kind == Kind::NotFound => Ok(Vec::new()),
            Err(e) => Err(e),
        }
    }

    /// Lists what lies directly in a folder of a run, and where the run keeps its files.
    pub async fn list_run_files(&self, caller: &Caller, run_id: &str, path: &str) -> Result<(String, Vec<Entry>)> {
        let at = self.run_file(caller, run_id, path).await?;
        let entries = self.list_at(caller, &at).await?;
        Ok((at.holder.uri().to_owned(), entries))
    }

    /// Lists what lies directly in a folder of a logged model, and where the model keeps its files.
    pub async fn list_model_files(&self, caller: &Caller, model_id: &str, path: &str) -> Result<(String, Vec<Entry>)> {
        let at = self.model_file(caller, model_id, path).await?;
        let entries = self.list_at(caller, &at).await?;
        Ok((at.holder.uri().to_owned(), entries))
    }

    async fn list_at(&self, caller: &Caller, at: &FileAt) -> Result<Vec<Entry>> {
        let mut tx = self.0.db().read().await?;
        let (owner, owner_id) = at.holder.key();
        let files = store::artifact::list_artifacts(&mut tx, &caller.workspace, owner, owner_id).await?;
        Ok(entries(&files, &at.path))
    }

    /// Deletes a file, or a folder with all that is in it.
    pub async fn delete_files(&self, caller: &Caller, uri_path: &str) -> Result<()> {
        let at = self.file_at(caller, uri_path).await?;
        at.holder.takes_files()?;
        let mut tx = self.0.db().begin().await?;
        if store::tracking::file::delete(&mut tx, &caller.workspace, at.holder.key(), &at.path).await? == 0 {
            return Err(no_file(uri_path));
        }
        tx.commit().await?;
        Ok(())
    }

    async fn run_file(&self, caller: &Caller, run_id: &str, path: &str) -> Result<FileAt> {
        let path = relative(path)?;
        if run_id.contains('\0') {
            return Err(no_run(run_id));
        }
        let mut tx = self.0.db().read().await?;
        let (_, run) = run(&mut tx, &caller.workspace, run_id).await?;
        Ok(FileAt { holder: Holder::Run(run), path })
    }

    async fn model_file(&self, caller: &Caller, model_id: &str, path: &str) -> Result<FileAt> {
        let path = relative(path)?;
        let model = self.get_logged_model(caller, model_id, false).await?;
        Ok(FileAt { holder: Holder::Model(model.model_id, model.artifact_uri), path })
    }

    /// Finds the run or model and the file that `…/<id>/artifacts/<path>` names. What stands before must be what the run or model
    /// says.
    async fn file_at(&self, caller: &Caller, uri_path: &str) -> Result<FileAt> {
        let text = relative(uri_path)?;
        let parts: Vec<&str> = text.split('/').collect();
        let mut tx = self.0.db().read().await?;
        for (i, pair) in parts.windows(2).enumerate() {
            let &[id, "artifacts"] = pair else { continue };
            let Some(holder) = holder(&mut tx, &caller.workspace, id).await? else { continue };
            let root = parts.iter().take(i + 2).copied().collect::<Vec<_>>().join("/");
            let said = holder.uri().strip_prefix("mlflow-artifacts:").unwrap_or_default();
            // an authority, which is this server's, may stand before the path
            let said = said.strip_prefix("//").map_or(said, |rest| rest.split_once('/').map_or("", |(_, path)| path));
            if said.trim_start_matches('/') == root {
                let path = relative(&parts.iter().skip(i + 2).copied().collect::<Vec<_>>().join("/"))?;
                return Ok(FileAt { holder, path });
            }
        }
        Err(no_file(uri_path))
    }
}

/// Finds what has an id.
async fn holder(tx: &mut Tx, workspace: &str, id: &str) -> Result<Option<Holder>> {
    if id.starts_with(ID_PREFIX) {
        let found = store::tracking::logged_model::find_uri(tx, workspace, id).await?;
        return Ok(found.map(|uri| Holder::Model(id.to_owned(), uri)));
    }
    Ok(store::tracking::run::find_info(tx, workspace, id).await?.map(|(_, run)| Holder::Run(run)))
}

/// Refuses a file where a folder is, and a folder where a file is.
async fn refuse_clash(tx: &mut Tx, workspace: &str, at: &FileAt) -> Result<()> {
    let id = at.holder.key();
    let mut clash = store::tracking::file::is_folder(tx, workspace, id, &at.path).await?;
    for (end, _) in at.path.match_indices('/') {
        clash = clash || store::tracking::file::find(tx, workspace, id, &at.path[..end]).await?.is_some();
    }
    match clash {
        true => Err(Error::invalid("invalid_path", format!("Invalid path: {:?} is a file and a folder at once", at.path))),
        false => Ok(()),
    }
}

/// Cuts files to what lies directly in `folder`.
pub(in crate::service) fn entries(files: &[Artifact], folder: &str) -> Vec<Entry> {
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let mut found: BTreeMap<String, Option<i64>> = BTreeMap::new();
    for file in files {
        let Some(rest) = file.path.strip_prefix(&prefix) else { continue };
        match rest.split_once('/') {
            Some((first, _)) => found.insert(format!("{prefix}{first}"), None),
            None => found.insert(file.path.clone(), Some(file.size_bytes)),
        };
    }
    found.into_iter().map(|(path, size_bytes)| Entry { path, size_bytes }).collect()
}

fn no_file(path: &str) -> Error {
    Error::not_found("artifact_not_found", format!("No such artifact: '{path}'"))
}
