//! Data sets: taking files in, showing what is in them, handing them out verified.

use bytes::Bytes;
use futures::Stream;
use serde_json::Value;

use super::App;
use super::artifacts::{keep_from, received};
use crate::blob::{BlobErrorKind, BlobKey, BlobStream, Digest, Spool};
use crate::data::{self, Inspection, Overrides};
use crate::domain::check_name;
use crate::domain::dataset::{Dataset, DatasetVersion, VersionState};
use crate::domain::event::NewEvent;
use crate::domain::identity::Caller;
use crate::domain::page::{Page, PageRequest};
use crate::domain::schema::{Format, Schema};
use crate::domain::time::Timestamp;
use crate::error::{Error, Result};
use crate::stats::profile::ColumnProfile;
use crate::store::event::{Transition, log_transition};
use crate::store::{self, Tx};

/// Rows that are kept for a preview.
const PREVIEW_ROWS: usize = 100;

/// Use cases of data sets.
pub struct Datasets<'a>(pub(super) &'a App);

/// A version in a local file.
#[derive(Debug)]
pub struct Staged {
    /// Its bytes; the file goes away with this value.
    pub file: Spool,
    /// How the table is written.
    pub format: Format,
    /// Its columns.
    pub schema: Schema,
}

impl Datasets<'_> {
    /// Takes a file in. Nothing is stored unless all of it is a table; the same bytes, format and schema give the version that is
    /// there already. The second value tells whether the version is new.
    pub async fn upload<S, E>(
        &self,
        caller: &Caller,
        name: &str,
        format: Format,
        types: Overrides,
        bytes: S,
    ) -> Result<(DatasetVersion, bool)>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        check_name("dataset", name)?;
        let app = self.0;
        let limit = Some(app.config().upload_limit).filter(|limit| *limit > 0);
        let spool = Spool::receive(&app.config().spool_dir(), bytes, limit).await.map_err(received)?;
        let (spool, inspection, preview) = inspect(spool, format, types).await?;
        let manifest = manifest_digest(&spool, format, &inspection.schema);
        let mut tx = app.db().read().await?;
        let same = store::dataset::find_same(&mut tx, &caller.workspace, name, &manifest).await?;
        let digest = spool.digest().to_string();
        let mut generation = store::artifact::find_generation(&mut tx, &caller.workspace, &digest).await?;
        drop(tx);
        if let Some(version) = &same {
            if version.state != VersionState::Quarantined {
                return Ok((version.clone(), false));
            }
            // the stored object is damaged: what was sent takes its place under a new name
            generation += 1;
        }
        let generation = keep_from(generation, |generation| app.blobs().put_spool(&caller.workspace, generation, &spool)).await?;
        let (now, id, dataset_id) = (app.now(), app.new_id(), app.new_id());
        let mut tx = app.db().begin().await?;
        let ws = &caller.workspace;
        let dataset_id = store::dataset::ensure(&mut tx, ws, name, &dataset_id, &caller.principal, now).await?;
        let number = store::dataset::next_number(&mut tx, &dataset_id, now).await?;
        let size = i64::try_from(spool.size()).unwrap_or(i64::MAX);
        store::artifact::record_blob(&mut tx, ws, &digest, generation, size, now).await?;
        let found = store::dataset::find_same(&mut tx, ws, name, &manifest).await?;
        if let Some(version) = found {
            // the number that was drawn is given back
            drop(tx);
            return self.settle_same(caller, name, version, &digest, generation).await;
        }
        let new = store::dataset::NewVersion {
            id: &id,
            dataset_id: &dataset_id,
            format,
            digest: &digest,
            manifest_digest: &manifest,
            size_bytes: size,
            num_rows: i64::try_from(inspection.rows).unwrap_or(i64::MAX),
            schema: &inspection.schema,
            profile_json: &to_text(&inspection.profiles)?,
            preview_json: &to_text(&preview)?,
            created_by: &caller.principal,
        };
        store::dataset::insert_version(&mut tx, ws, number, &new, now).await?;
        for (from, to) in [("PENDING", "UPLOADING"), ("UPLOADING", "VALIDATING"), ("VALIDATING", "READY")] {
            log(&mut tx, caller, &id, from, to, "", now).await?;
        }
        let payload = serde_json::json!({ "version": number, "digest": digest, "num_rows": inspection.rows });
        append(&mut tx, caller, "dataset_version.created", name, payload, now).await?;
        tx.commit().await?;
        app.nudge();
        Ok((self.get_version(caller, name, number).await?, true))
    }

    /// Ends an upload whose version exists: as it is, or repaired by the bytes that came.
    async fn settle_same(
        &self,
        caller: &Caller,
        name: &str,
        version: DatasetVersion,
        digest: &str,
        generation: u32,
    ) -> Result<(DatasetVersion, bool)> {
        let (app, ws, number) = (self.0, &caller.workspace, version.version.unwrap_or(0));
        let (from, to, why) = (VersionState::Quarantined, VersionState::Ready, "repaired by an upload");
        if version.state == from {
            let now = app.now();
            let mut tx = app.db().begin().await?;
            store::artifact::record_blob(&mut tx, ws, digest, generation, version.size_bytes, now).await?;
            if store::dataset::set_state(&mut tx, ws, &version.id, from, to, why, now).await? {
                log(&mut tx, caller, &version.id, from.as_str(), to.as_str(), why, now).await?;
                append(&mut tx, caller, "dataset_version.restored", name, serde_json::json!({ "version": number }), now).await?;
                tx.commit().await?;
                app.nudge();
            }
        }
        Ok((self.get_version(caller, name, number).await?, false))
    }

    /// Lists data sets by name.
    pub async fn list(&self, caller: &Caller, page: &PageRequest) -> Result<Page<Dataset>> {
        let mut tx = self.0.db().read().await?;
        let rows = store::dataset::list(&mut tx, &caller.workspace, None, page.after.as_deref().unwrap_or(""), page.limit()).await?;
        Ok(Page::cut(rows, page, |dataset| dataset.name.clone()))
    }

    /// Returns a data set.
    pub async fn get(&self, caller: &Caller, name: &str) -> Result<Dataset> {
        let mut tx = self.0.db().read().await?;
        let mut rows = store::dataset::list(&mut tx, &caller.workspace, Some(name), "", 1).await?;
        rows.pop().ok_or_else(|| Error::not_found("dataset_not_found", "there is no such data set"))
    }

    /// Lists versions, newest first.
    pub async fn list_versions(&self, caller: &Caller, name: &str, page: &PageRequest) -> Result<Page<DatasetVersion>> {
        self.get(caller, name).await?;
        let before = page.after_number(i64::MAX)?;
        let mut tx = self.0.db().read().await?;
        let rows = store::dataset::list_versions(&mut tx, &caller.workspace, name, before, page.limit()).await?;
        Ok(Page::cut(rows, page, |version| version.version.unwrap_or(0).to_string()))
    }

    /// Returns a version.
    pub async fn get_version(&self, caller: &Caller, name: &str, version: i64) -> Result<DatasetVersion> {
        let mut tx = self.0.db().read().await?;
        find(&mut tx, caller, name, version).await
    }

    /// Returns the columns of a version.
    pub async fn schema(&self, caller: &Caller, name: &str, version: i64) -> Result<Schema> {
        let mut tx = self.0.db().read().await?;
        let version = find(&mut tx, caller, name, version).await?;
        Ok(store::dataset::find_schema(&mut tx, &caller.workspace, &version.id).await?)
    }

    /// Returns a profile per column.
    pub async fn profile(&self, caller: &Caller, name: &str, version: i64) -> Result<Vec<ColumnProfile>> {
        let mut tx = self.0.db().read().await?;
        let version = find(&mut tx, caller, name, version).await?;
        let profile = store::dataset::find_profile(&mut tx, &caller.workspace, &version.id).await?;
        serde_json::from_value(profile).map_err(|e| Error::internal("a stored profile can't be read").caused_by(e))
    }

    /// Returns the columns and up to `limit` of the first rows, of which 100 are kept.
    pub async fn preview(&self, caller: &Caller, name: &str, version: i64, limit: usize) -> Result<(Schema, Vec<Value>)> {
        let mut tx = self.0.db().read().await?;
        let version = find(&mut tx, caller, name, version).await?;
        let schema = store::dataset::find_schema(&mut tx, &caller.workspace, &version.id).await?;
        let rows = store::dataset::find_preview(&mut tx, &caller.workspace, &version.id).await?;
        let Value::Array(mut rows) = rows else { return Err(Error::internal("a stored preview can't be read")) };
        rows.truncate(limit);
        Ok((schema, rows))
    }

    /// Opens the bytes of a version. They are verified while they are read: the stream ends with an error where they differ.
    pub async fn content(&self, caller: &Caller, name: &str, version: i64) -> Result<(DatasetVersion, BlobStream)> {
        let (version, key) = self.locate(caller, name, version).await?;
        match self.0.blobs().get(&key).await {
            Ok(stream) => Ok((version, stream)),
            Err(e) => Err(self.judged(caller, name, &version, e).await),
        }
    }

    /// Brings the verified bytes of a version into a local file.
    pub async fn fetch(&self, caller: &Caller, name: &str, version: i64) -> Result<Staged> {
        let (version, key) = self.locate(caller, name, version).await?;
        let file = match self.0.blobs().fetch(&key, &self.0.config().spool_dir()).await {
            Ok(file) => file,
            Err(e) => return Err(self.judged(caller, name, &version, e).await),
        };
        let mut tx = self.0.db().read().await?;
        let schema = store::dataset::find_schema(&mut tx, &caller.workspace, &version.id).await?;
        Ok(Staged { file, format: version.format, schema })
    }

    async fn locate(&self, caller: &Caller, name: &str, version: i64) -> Result<(DatasetVersion, BlobKey)> {
        let mut tx = self.0.db().read().await?;
        let version = find(&mut tx, caller, name, version).await?;
        if version.state != VersionState::Ready {
            let message = format!("the version is {}", version.state.as_str());
            return Err(Error::conflict("version_not_ready", message).with("state", version.state.as_str()));
        }
        let digest = version.digest.as_deref().unwrap_or_default();
        let generation = store::artifact::find_generation(&mut tx, &caller.workspace, digest).await?;
        let key = BlobKey::new(&caller.workspace, digest.parse::<Digest>()?, generation)?;
        Ok((version, key))
    }

    /// Turns a failed read into an error, and puts a version aside whose bytes are not what they were.
    async fn judged(&self, caller: &Caller, name: &str, version: &DatasetVersion, error: crate::blob::BlobError) -> Error {
        if !matches!(error.kind, BlobErrorKind::DigestMismatch | BlobErrorKind::SizeMismatch | BlobErrorKind::NotFound) {
            return error.into();
        }
        tracing::error!(dataset = name, version = version.version, error = %error, "the bytes of a data set version are damaged");
        match self.change(caller, name, version, VersionState::Quarantined, "its bytes do not match its digest").await {
            Ok(_) => Error::conflict("digest_mismatch", "the stored bytes of the version are damaged; it is quarantined").caused_by(error),
            Err(e) => e,
        }
    }

    /// Puts a version aside: it can't be used until it is restored.
    pub async fn archive(&self, caller: &Caller, name: &str, version: i64) -> Result<DatasetVersion> {
        let version = self.get_version(caller, name, version).await?;
        self.change(caller, name, &version, VersionState::Archived, "").await
    }

    /// Makes an archived version usable again; a quarantined one after its bytes were read and found right.
    pub async fn restore(&self, caller: &Caller, name: &str, version: i64) -> Result<DatasetVersion> {
        let version = self.get_version(caller, name, version).await?;
        if version.state == VersionState::Quarantined {
            let digest = version.digest.as_deref().unwrap_or_default();
            let mut tx = self.0.db().read().await?;
            let generation = store::artifact::find_generation(&mut tx, &caller.workspace, digest).await?;
            drop(tx);
            let key = BlobKey::new(&caller.workspace, digest.parse::<Digest>()?, generation)?;
            let read = self.0.blobs().fetch(&key, &self.0.config().spool_dir()).await;
            read.map_err(|e| Error::conflict("digest_mismatch", "the stored bytes are still damaged; upload them again").caused_by(e))?;
        }
        self.change(caller, name, &version, VersionState::Ready, "").await
    }

    async fn change(
        &self,
        caller: &Caller,
        name: &str,
        version: &DatasetVersion,
        to: VersionState,
        message: &str,
    ) -> Result<DatasetVersion> {
        let (app, from, number) = (self.0, version.state, version.version.unwrap_or(0));
        if !from.allows(to) {
            let text = format!("a version that is {} can't become {}", from.as_str(), to.as_str());
            return Err(Error::conflict("invalid_state", text).with("state", from.as_str()));
        }
        let now = app.now();
        let mut tx = app.db().begin().await?;
        if !store::dataset::set_state(&mut tx, &caller.workspace, &version.id, from, to, message, now).await? {
            return Err(Error::conflict("invalid_state", "the version was changed by somebody else"));
        }
        log(&mut tx, caller, &version.id, from.as_str(), to.as_str(), message, now).await?;
        let kind = match to {
            VersionState::Archived => "dataset_version.archived",
            VersionState::Quarantined => "dataset_version.quarantined",
            _ => "dataset_version.restored",
        };
        append(&mut tx, caller, kind, name, serde_json::json!({ "version": number }), now).await?;
        tx.commit().await?;
        app.nudge();
        self.get_version(caller, name, number).await
    }
}

async fn inspect(spool: Spool, format: Format, types: Overrides) -> Result<(Spool, Inspection, Vec<Vec<Value>>)> {
    let work = tokio::task::spawn_blocking(move || {
        let inspection = data::inspect(spool.path(), format, &types)?;
        let preview = data::preview(spool.path(), format, &inspection.schema, PREVIEW_ROWS)?;
        Ok::<_, data::DataError>((spool, inspection, preview))
    });
    Ok(work.await.map_err(|e| Error::internal("the reader of a file failed").caused_by(e))??)
}

fn manifest_digest(spool: &Spool, format: Format, schema: &Schema) -> String {
    let text = format!("{}\n{}\n{}", spool.digest(), format.as_str(), serde_json::json!(schema));
    Digest::of(text.as_bytes()).to_string()
}

fn to_text<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::internal("a profile can't be written").caused_by(e))
}

async fn find(tx: &mut Tx, caller: &Caller, name: &str, version: i64) -> Result<DatasetVersion> {
    let found = store::dataset::find_version(tx, &caller.workspace, name, version).await?;
    found.ok_or_else(|| Error::not_found("dataset_version_not_found", format!("there is no version {version} of data set {name:?}")))
}

async fn log(tx: &mut Tx, caller: &Caller, id: &str, from: &str, to: &str, reason: &str, now: Timestamp) -> Result<()> {
    Ok(log_transition(tx, caller, Transition { entity: "dataset_version", id, from, to, reason, fence: None }, now).await?)
}

async fn append(tx: &mut Tx, caller: &Caller, kind: &'static str, name: &str, payload: Value, now: Timestamp) -> Result<()> {
    let event = NewEvent { kind, entity: "dataset", entity_id: name.to_owned(), payload };
    store::event::append(tx, caller, &event, now).await?;
    Ok(())
}
