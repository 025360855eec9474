//! Uploads in parts that clients send to the object store themselves. A part is no object: completing an upload reads all parts
//! back, hashes them, stores the whole under its digest, and only then names it.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;

use super::Tracking;
use super::files::FileAt;
use crate::blob::Parts;
use crate::domain::identity::Caller;
use crate::error::{Error, Kind, Result};
use crate::service::App;
use crate::store;
use crate::store::tracking::upload::{Upload, UploadState};

/// Parts of one upload.
const MAX_PARTS: i64 = 10_000;
/// Uploads that may be open in a workspace.
const MAX_OPEN: i64 = 1000;
/// How long a client may send its parts.
const SENDING: Duration = Duration::from_secs(6 * 3600);
/// How long a client may read a file.
const READING: Duration = Duration::from_secs(900);
/// When the parts of an upload that nothing happens to are deleted: long after the last of them can arrive.
const FORGET_MS: i64 = 24 * 3600 * 1000;
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Where a client sends its parts.
#[derive(Clone, Debug)]
pub struct PartAddresses {
    /// Id of the upload.
    pub upload_id: String,
    /// Address of each part, in their sequence.
    pub addresses: Vec<String>,
}

/// Where a client reads a file.
#[derive(Clone, Debug)]
pub struct ReadAddress {
    /// The address.
    pub address: String,
    /// Size of the file in bytes.
    pub size_bytes: i64,
}

impl Tracking<'_> {
    /// Begins an upload in parts of a file; none where the object store is out of clients' reach.
    pub async fn begin_upload(&self, caller: &Caller, uri_path: &str, parts: i64) -> Result<Option<PartAddresses>> {
        let app = self.0;
        let at = self.file_to_write(caller, uri_path).await?;
        let Some(count) = u32::try_from(parts).ok().filter(|_| (1..=MAX_PARTS).contains(&parts)) else {
            let message = format!("Invalid value {parts} for parameter 'num_parts' supplied. It must be 1 to {MAX_PARTS}");
            return Err(Error::invalid("invalid_parameter_value", message));
        };
        let id = app.new_id();
        let Some(addresses) = app.blobs().sign_parts(&Parts::new(&caller.workspace, &id, count)?, SENDING).await? else { return Ok(None) };
        let (owner, owner_id) = at.holder.key();
        let upload = Upload {
            id: id.clone(),
            workspace: caller.workspace.clone(),
            owner: owner.to_owned(),
            owner_id: owner_id.to_owned(),
            path: at.path.clone(),
            parts: count,
            state: UploadState::Open,
        };
        let mut tx = app.db().begin().await?;
        if store::tracking::upload::count_open(&mut tx, &caller.workspace).await? >= MAX_OPEN {
            let message = format!("{MAX_OPEN} uploads are open already; complete or abort some");
            return Err(Error::new(Kind::ResourceExhausted, "too_many_uploads", message));
        }
        store::tracking::upload::insert(&mut tx, &upload, app.now()).await?;
        tx.commit().await?;
        Ok(Some(PartAddresses { upload_id: id, addresses }))
    }

    /// Makes the parts of an upload a file. The answer means that it is durable; completing it again changes nothing.
    pub async fn complete_upload(&self, caller: &Caller, uri_path: &str, upload_id: &str, numbers: &[i64]) -> Result<()> {
        let app = self.0;
        let at = self.file_to_write(caller, uri_path).await?;
        let upload = self.upload(caller, &at, upload_id).await?;
        let given: BTreeSet<i64> = numbers.iter().copied().collect();
        if numbers.len() != given.len() || !given.into_iter().eq(1..=i64::from(upload.parts)) {
            let message = format!("Invalid parts: the upload has the parts 1 to {}, each once", upload.parts);
            return Err(Error::invalid("invalid_parameter_value", message));
        }
        match upload.state {
            UploadState::Complete => return Ok(()),
            UploadState::Aborted => return Err(no_upload(upload_id)),
            UploadState::Open => {}
        }
        let parts = Parts::new(&caller.workspace, upload_id, upload.parts)?;
        let file = self.take_in(caller, &at, UNKNOWN_TYPE, app.blobs().read_parts(&parts).boxed()).await?;
        let mut tx = app.db().begin().await?;
        if !store::tracking::upload::close(&mut tx, &caller.workspace, upload_id, UploadState::Complete, app.now()).await? {
            // somebody was faster: what they did stands
            return match store::tracking::upload::find(&mut tx, &caller.workspace, upload_id).await? {
                Some(upload) if upload.state == UploadState::Complete => Ok(()),
                _ => Err(no_upload(upload_id)),
            };
        }
        self.name(&mut tx, caller, &at, &file).await?;
        tx.commit().await?;
        forget(app, &parts).await;
        Ok(())
    }

    /// Gives an upload up. Giving it up again changes nothing.
    pub async fn abort_upload(&self, caller: &Caller, uri_path: &str, upload_id: &str) -> Result<()> {
        let app = self.0;
        let at = self.file_to_write(caller, uri_path).await?;
        let upload = self.upload(caller, &at, upload_id).await?;
        let mut tx = app.db().begin().await?;
        if store::tracking::upload::close(&mut tx, &caller.workspace, upload_id, UploadState::Aborted, app.now()).await? {
            tx.commit().await?;
        }
        forget(app, &Parts::new(&caller.workspace, upload_id, upload.parts)?).await;
        Ok(())
    }

    /// Returns where a client can read a file by itself; none where the object store is out of clients' reach.
    pub async fn sign_download(&self, caller: &Caller, uri_path: &str) -> Result<Option<ReadAddress>> {
        let stored = self.find_file(caller, uri_path).await?;
        let size_bytes = stored.file.size_bytes;
        let address = self.0.blobs().sign_read(stored.key(), READING).await?;
        Ok(address.map(|address| ReadAddress { address, size_bytes }))
    }

    /// Finds an upload of just this file.
    async fn upload(&self, caller: &Caller, at: &FileAt, id: &str) -> Result<Upload> {
        if id.contains('\0') {
            return Err(no_upload(id));
        }
        let mut tx = self.0.db().read().await?;
        let found = store::tracking::upload::find(&mut tx, &caller.workspace, id).await?;
        let same = |upload: &Upload| (upload.owner.as_str(), upload.owner_id.as_str()) == at.holder.key() && upload.path == at.path;
        found.filter(same).ok_or_else(|| no_upload(id))
    }

    async fn file_to_write(&self, caller: &Caller, uri_path: &str) -> Result<FileAt> {
        let at = self.file_at(caller, uri_path).await?;
        at.holder.takes_files()?;
        if at.path.is_empty() {
            return Err(Error::invalid("invalid_path", "Invalid path"));
        }
        Ok(at)
    }
}

/// Deletes the parts of uploads that nothing happened to for a day, and then the uploads.
pub(crate) async fn prune(app: &App) -> Result<()> {
    let mut tx = app.db().read().await?;
    let before = crate::domain::time::Timestamp(app.now().0 - FORGET_MS);
    let old = store::tracking::upload::list_old(&mut tx, before, 1000).await?;
    drop(tx);
    for upload in old {
        let mut tx = app.db().begin().await?;
        if store::tracking::upload::close(&mut tx, &upload.workspace, &upload.id, UploadState::Aborted, app.now()).await? {
            // whoever completes it just now will find it closed; the parts go the next time
            tx.commit().await?;
            continue;
        }
        drop(tx);
        app.blobs().delete_parts(&Parts::new(&upload.workspace, &upload.id, upload.parts)?).await?;
        let mut tx = app.db().begin().await?;
        store::tracking::upload::delete(&mut tx, &upload.workspace, &upload.id).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Deletes parts that nobody needs any more. What is left behind goes with the row of the upload.
async fn forget(app: &App, parts: &Parts) {
    if let Err(error) = app.blobs().delete_parts(parts).await {
        tracing::info!(%error, "the parts of an upload stay until it is tidied up");
    }
}

fn no_upload(id: &str) -> Error {
    Error::not_found("upload_not_found", format!("No upload with ID '{id}' of this file is open"))
}
