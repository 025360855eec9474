//! Bytes that go between a client and the store directly, past this server. What a client sends so is no object yet: it lies in
//! parts below `.parts/<workspace>/<upload>`, where nothing looks for objects, until it was read back, hashed and stored under its
//! digest. Only S3 knows how.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{Stream, StreamExt as _, TryStreamExt as _, iter};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use reqwest::Method;

use super::error::{BlobError, BlobErrorKind};
use super::key::{BlobKey, check_workspace};
use super::root::BlobStore;

/// Not a workspace id, so it cannot meet an object.
const PARTS: &str = ".parts";

/// The parts of an upload.
#[derive(Clone, Debug)]
pub struct Parts {
    workspace: String,
    upload: String,
    count: u32,
}

impl Parts {
    /// Names the parts 1 to `count` of an upload.
    ///
    /// # Errors
    /// `invalid_key` unless the workspace is one, and the upload's id is made of hex digits.
    pub fn new(workspace: &str, upload: &str, count: u32) -> Result<Self, BlobError> {
        check_workspace(workspace)?;
        if upload.is_empty() || !upload.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BlobError::new(BlobErrorKind::InvalidKey, "the id of an upload is made of hex digits"));
        }
        Ok(Self { workspace: workspace.to_owned(), upload: upload.to_owned(), count })
    }
}

impl BlobStore {
    /// Tells whether clients can be sent to the store itself.
    pub fn is_direct(&self) -> bool {
        self.signer.is_some()
    }

    /// Returns an address at which anybody can read an object for a while; none where clients can't be sent to the store. What is
    /// read there is not verified.
    ///
    /// # Errors
    /// `unavailable` without credentials to sign with.
    pub async fn sign_read(&self, key: &BlobKey, lasting: Duration) -> Result<Option<String>, BlobError> {
        self.sign(Method::GET, &self.location(key), lasting).await
    }

    /// Returns addresses at which anybody can put the parts of an upload for a while; none where clients can't be sent to the store.
    ///
    /// # Errors
    /// `unavailable` without credentials to sign with.
    pub async fn sign_parts(&self, parts: &Parts, lasting: Duration) -> Result<Option<Vec<String>>, BlobError> {
        let mut addresses = Vec::new();
        for number in 1..=parts.count {
            let Some(address) = self.sign(Method::PUT, &self.part(parts, number), lasting).await? else { return Ok(None) };
            addresses.push(address);
        }
        Ok(Some(addresses))
    }

    async fn sign(&self, method: Method, location: &Path, lasting: Duration) -> Result<Option<String>, BlobError> {
        let Some(signer) = &self.signer else { return Ok(None) };
        let url = signer.signed_url(method, location, lasting).await;
        Ok(Some(url.map_err(BlobError::store("sign an address of the store"))?.into()))
    }

    /// Reads the parts of an upload in their sequence, as one stream. One that did not arrive is an error.
    pub fn read_parts(&self, parts: &Parts) -> impl Stream<Item = Result<Bytes, BlobError>> + Send + 'static {
        let (store, locations) = (self.store.clone(), (1..=parts.count).map(|number| self.part(parts, number)).collect::<Vec<_>>());
        let opened = iter(locations).then(move |location| {
            let store = store.clone();
            async move {
                let part = store.get(&location).await.map_err(BlobError::store("read a part of an upload"))?;
                let bytes = part.into_stream().map_err(|e| BlobError::store("read a part of an upload")(e));
                Ok::<_, BlobError>(bytes.boxed())
            }
        });
        Box::pin(opened.try_flatten())
    }

    /// Deletes the parts of an upload that are there.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn delete_parts(&self, parts: &Parts) -> Result<(), BlobError> {
        let folder = self.prefix.clone().join(PARTS).join(parts.workspace.as_str()).join(parts.upload.as_str());
        let there = self.store.list(Some(&folder)).map_ok(|meta| meta.location).boxed();
        let deleted = self.store.delete_stream(there).try_for_each(|_| async { Ok(()) }).await;
        match deleted {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(BlobError::store("delete the parts of an upload")(error)),
        }
    }

    fn part(&self, parts: &Parts, number: u32) -> Path {
        let folder = self.prefix.clone().join(PARTS).join(parts.workspace.as_str()).join(parts.upload.as_str());
        folder.join(format!("{number:05}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_can_not_leave_its_folder() {
        assert!(Parts::new("default", "0a1F", 3).is_ok());
        for (workspace, upload) in [("default", ""), ("default", ".."), ("default", "a/b"), ("..", "a"), ("", "a")] {
            assert_eq!(Parts::new(workspace, upload, 1).unwrap_err().code(), "invalid_key", "{workspace} {upload}");
        }
    }
}
