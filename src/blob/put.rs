//! Writing: every put ends with an object of the right size under the hash of its content, or with an error and nothing visible.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use object_store::{Error as StoreError, MultipartUpload, ObjectStoreExt as _, PutMode, PutPayload};
use tokio::task::JoinSet;

use super::error::{BlobError, BlobErrorKind};
use super::key::{BlobKey, Digest};
use super::root::BlobStore;
use super::source::{CheckedFile, Source, hash_file};
use super::spool::{Spool, blocking};

/// What S3 allows.
const MAX_PARTS: u64 = 10_000;
/// Objects up to this size do not wait for the parts of large ones.
const SMALL_BYTES: u64 = 1 << 20;
/// How often a small object is sent on the condition that it does not exist, before the condition is dropped.
const CREATE_ATTEMPTS: usize = 3;
/// How long telling the store to forget a failed upload may take, with the parts under way.
const ABORT_TIMEOUT: Duration = Duration::from_secs(60);

/// An object that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Under which it can be read.
    pub key: BlobKey,
    /// Of its content.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// False if an object of that key was found to exist. Of several puts at once more than one may believe to be the first.
    pub fresh: bool,
}

impl BlobStore {
    /// Stores what a spool has received.
    ///
    /// # Errors
    /// `invalid_key` for an impossible workspace; `size_mismatch` or `digest_mismatch` if the file was changed since, or if the
    /// object exists with another size; `storage_full`, `unavailable` or `io`.
    pub async fn put_spool(&self, workspace: &str, generation: u32, spool: &Spool) -> Result<Stored, BlobError> {
        let key = BlobKey::new(workspace, spool.digest(), generation)?;
        if let Some(fresh) = self.adopt(&key, spool).await? {
            return self.stored(key, spool.size(), fresh).await;
        }
        self.put_known_file(key, spool.path().to_owned(), spool.size()).await
    }

    /// Makes a spool an object where it lies, if the store is a folder beside it. The spool was hashed when it was filled and is
    /// nobody else's, so that it is read again only if it was touched since.
    async fn adopt(&self, key: &BlobKey, spool: &Spool) -> Result<Option<bool>, BlobError> {
        let Some(local) = self.local.clone() else { return Ok(None) };
        let Some(file) = spool.untouched()? else { return Ok(None) };
        let (key, path, size) = (key.clone(), spool.path().to_owned(), spool.size());
        blocking(move || local.adopt(&key, &file, &path, size)).await
    }

    /// Stores the file at `path`, reading it twice: its hash, which names the object, must be known before it is sent.
    ///
    /// # Errors
    /// As [`Self::put_spool`]; `not_found` if there is no such file.
    pub async fn put_file(&self, workspace: &str, generation: u32, path: &Path) -> Result<Stored, BlobError> {
        let path = path.to_owned();
        let (path, digest, size) = blocking(move || hash_file(&path).map(|(digest, size)| (path, digest, size))).await?;
        self.put_known_file(BlobKey::new(workspace, digest, generation)?, path, size).await
    }

    /// Stores bytes from memory.
    ///
    /// # Errors
    /// As [`Self::put_spool`].
    pub async fn put_bytes(&self, workspace: &str, generation: u32, bytes: Bytes) -> Result<Stored, BlobError> {
        let size = bytes.len() as u64;
        let content = bytes.clone();
        let digest = blocking(move || Ok(Digest::of(&content))).await?;
        self.put(BlobKey::new(workspace, digest, generation)?, size, Source::Bytes(bytes)).await
    }

    async fn put_known_file(&self, key: BlobKey, path: PathBuf, size: u64) -> Result<Stored, BlobError> {
        let (digest, buffers) = (key.digest(), self.buffers());
        let file = blocking(move || CheckedFile::open(&path, digest, size, buffers)).await?;
        self.put(key, size, Source::File(file)).await
    }

    async fn put(&self, key: BlobKey, size: u64, source: Source) -> Result<Stored, BlobError> {
        let fresh = match self.local.clone() {
            Some(local) => {
                let (key, cancel) = (key.clone(), CancelOnDrop::default());
                let cancelled = Arc::clone(&cancel.0);
                blocking(move || local.put(&key, size, source, &cancelled)).await?
            }
            None => self.put_remote(&key, size, source).await?,
        };
        self.stored(key, size, fresh).await
    }

    async fn stored(&self, key: BlobKey, size: u64, fresh: bool) -> Result<Stored, BlobError> {
        if !fresh {
            // what lies there may have rotted since it was written
            self.verify(&key).await?;
        }
        Ok(Stored { digest: key.digest(), key, size, fresh })
    }

    async fn put_remote(&self, key: &BlobKey, size: u64, source: Source) -> Result<bool, BlobError> {
        if self.is_stored(key, size).await? {
            return Ok(false);
        }
        let fresh = match size <= self.part_bytes as u64 {
            true => self.put_whole(key, size, source).await?,
            false => self.put_in_parts(key, size, source).await.map(|()| true)?,
        };
        match self.is_stored(key, size).await? {
            true => Ok(fresh),
            false => Err(BlobError::new(BlobErrorKind::Unavailable, format!("the store lost {key} after taking it"))),
        }
    }

    /// Tells whether the object exists; if it does, it must have the right size.
    async fn is_stored(&self, key: &BlobKey, size: u64) -> Result<bool, BlobError> {
        match self.head(key).await {
            Ok(found) if found == size => Ok(true),
            Ok(found) => Err(BlobError::size(key, size, found)),
            Err(error) if error.kind == BlobErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends a small object in one request that fails if the object has come into being meanwhile.
    async fn put_whole(&self, key: &BlobKey, size: u64, mut source: Source) -> Result<bool, BlobError> {
        let _permit = match size > SMALL_BYTES {
            true => Some(self.parts.acquire().await.map_err(|_| shut_down())?),
            false => None,
        };
        let bytes = blocking(move || {
            let bytes = source.next(usize::try_from(size).unwrap_or(usize::MAX))?;
            source.finish().map(|()| bytes)
        })
        .await?;
        let (location, payload) = (self.location(key), PutPayload::from(bytes));
        for _ in 0..CREATE_ATTEMPTS {
            return match self.store.put_opts(&location, payload.clone(), PutMode::Create.into()).await {
                Ok(_) => Ok(true),
                // Either another put was first, or a retry of this one met what its lost answer had acknowledged, or (a 409
                // from S3) another put is under way, which may yet fail.
                Err(StoreError::AlreadyExists { .. }) if !self.is_stored(key, size).await? => continue,
                Err(StoreError::AlreadyExists { .. }) => Ok(false),
                // A store without conditional writes: whatever is replaced had the same bytes.
                Err(StoreError::NotImplemented { .. }) => break,
                Err(error) => Err(refused(key)(error)),
            };
        }
        self.store.put(&location, payload).await.map(|_| true).map_err(refused(key))
    }

    /// Sends a large object in parts, of which only a few are in memory. It becomes visible when all have arrived and the
    /// whole has turned out to be what was announced. A concurrent put of the same key is replaced by the same bytes.
    async fn put_in_parts(&self, key: &BlobKey, size: u64, source: Source) -> Result<(), BlobError> {
        let (store, location) = (Arc::clone(&self.store), self.location(key));
        // On its own, so that an upload whose put is dropped just now is known and can be forgotten.
        let begun = tokio::spawn(async move {
            store.put_multipart(&location).await.map(|upload| Upload { upload: Some(upload), sending: JoinSet::new() })
        });
        let mut upload = begun.await.map_err(BlobError::join)?.map_err(refused(key))?;
        let sent = self.send_parts(key, size, source, &mut upload).await;
        match sent {
            // Not to be cut off either: nobody could say what became of it.
            Ok(()) => tokio::spawn(upload.complete()).await.map_err(BlobError::join)?.map_err(refused(key)),
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }

    async fn send_parts(&self, key: &BlobKey, size: u64, mut source: Source, upload: &mut Upload) -> Result<(), BlobError> {
        let Upload { upload: Some(upload), sending } = upload else { return Err(shut_down()) };
        let part_bytes = part_bytes(size, self.part_bytes);
        let mut left = size;
        while left > 0 {
            let permit = Arc::clone(&self.parts).acquire_owned().await.map_err(|_| shut_down())?;
            let len = usize::try_from(left).map_or(part_bytes, |left| left.min(part_bytes));
            let (back, bytes) = blocking(move || source.next(len).map(|bytes| (source, bytes))).await?;
            source = back;
            left -= len as u64;
            let part = upload.put_part(bytes.into());
            sending.spawn(async move {
                let sent = part.await;
                drop(permit);
                sent
            });
            while let Some(sent) = sending.try_join_next() {
                sent.map_err(BlobError::join)?.map_err(refused(key))?;
            }
        }
        while let Some(sent) = sending.join_next().await {
            sent.map_err(BlobError::join)?.map_err(refused(key))?;
        }
        blocking(move || source.finish()).await
    }
}

/// Returns the size of a part so that there are not too many of them: a power of two times `usual`.
fn part_bytes(size: u64, usual: usize) -> usize {
    let mut part = usual;
    while size.div_ceil(part as u64) > MAX_PARTS {
        part *= 2;
    }
    part
}

/// A put cannot miss its own object, so what was not found is the bucket.
fn refused(key: &BlobKey) -> impl FnOnce(StoreError) -> BlobError {
    let doing = format!("store {key}");
    move |error| {
        let mut error = BlobError::store(doing)(error);
        if error.kind == BlobErrorKind::NotFound {
            error.kind = BlobErrorKind::Unavailable;
        }
        error
    }
}

fn shut_down() -> BlobError {
    BlobError::new(BlobErrorKind::Unavailable, "the store is closed")
}

/// An upload in parts that the store is told to forget unless it was completed, also when its put is dropped.
struct Upload {
    upload: Option<Box<dyn MultipartUpload>>,
    sending: JoinSet<object_store::Result<()>>,
}

impl Upload {
    async fn complete(mut self) -> object_store::Result<()> {
        let completed = match &mut self.upload {
            Some(upload) => upload.complete().await.map(drop),
            None => Ok(()),
        };
        match completed {
            Ok(()) => self.upload = None,
            Err(_) => self.abort().await,
        }
        completed
    }

    /// Waits for the parts under way first: one that arrives after the upload was forgotten stays for ever.
    async fn abort(&mut self) {
        let Some(mut upload) = self.upload.take() else { return };
        let forget = async {
            while self.sending.join_next().await.is_some() {}
            upload.abort().await
        };
        match tokio::time::timeout(ABORT_TIMEOUT, forget).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the parts of a failed upload could not be removed from the store"),
            Err(_) => tracing::warn!("the store did not answer when told to forget a failed upload"),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(upload), Ok(runtime)) = (self.upload.take(), tokio::runtime::Handle::try_current()) {
            let sending = std::mem::take(&mut self.sending);
            runtime.spawn(async move { Self { upload: Some(upload), sending }.abort().await });
        }
    }
}

#[derive(Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_when_there_would_be_too_many() {
        const MIB: usize = 1 << 20;
        assert_eq!(part_bytes(1, 8 * MIB), 8 * MIB);
        assert_eq!(part_bytes(80_000 << 20, 8 * MIB), 8 * MIB);
        assert_eq!(part_bytes((80_000 << 20) + 1, 8 * MIB), 16 * MIB);
        assert_eq!(part_bytes(5 << 40, 8 * MIB), 1024 * MIB);
    }
}
