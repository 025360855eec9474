//! Reading: whole objects are checked against their digest, ranges cannot be.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use object_store::ObjectStoreExt as _;

use super::error::{BlobError, BlobErrorKind};
use super::key::BlobKey;
use super::root::BlobStore;
use super::spool::{Spool, SpoolWriter, blocking};
use super::stream::{self, BlobStream};

impl BlobStore {
    /// Opens an object. The stream hashes as it goes and ends with `digest_mismatch` in place of the last chunk if the bytes
    /// are not what the key says.
    ///
    /// # Errors
    /// `not_found`, `unavailable`, `io`; the stream yields the same and `digest_mismatch`.
    pub async fn get(&self, key: &BlobKey) -> Result<BlobStream, BlobError> {
        Ok(stream::verified(self.read(key, None).await?, key.clone()))
    }

    /// Reads a whole object and checks it.
    ///
    /// # Errors
    /// As [`Self::get`] and its stream.
    pub async fn verify(&self, key: &BlobKey) -> Result<(), BlobError> {
        let mut stream = self.get(key).await?;
        while let Some(chunk) = stream.next().await {
            chunk?;
        }
        Ok(())
    }

    /// Reads a whole object of at most `limit` bytes into memory and checks it.
    ///
    /// # Errors
    /// `too_large` before anything is read; otherwise as [`Self::get`] and its stream.
    pub async fn get_bytes(&self, key: &BlobKey, limit: u64) -> Result<Bytes, BlobError> {
        let mut stream = self.get(key).await?;
        let capacity = usize::try_from(stream.size()).ok().filter(|_| stream.size() <= limit);
        let capacity = capacity.ok_or_else(|| BlobError::too_large(key, limit))?;
        let mut bytes = BytesMut::with_capacity(capacity);
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        Ok(bytes.freeze())
    }

    /// Opens the bytes `range` of an object, as far as it has them. **They are not checked**: the digest speaks of the whole
    /// object only, so a damaged object gives damaged bytes here.
    ///
    /// # Errors
    /// `invalid_key` if the range is empty or starts at or after the end of the object; otherwise as [`Self::get`].
    pub async fn get_range(&self, key: &BlobKey, range: Range<u64>) -> Result<BlobStream, BlobError> {
        let size = self.head(key).await?;
        if range.is_empty() || range.start >= size {
            let Range { start, end } = range;
            let message = format!("bytes {start} to {end} are not in {key}, which has {size}");
            return Err(BlobError::new(BlobErrorKind::InvalidKey, message));
        }
        self.read(key, Some(range.start..range.end.min(size))).await
    }

    /// Downloads an object to `path`, which is replaced if it exists. The file appears there complete, checked and durable, or
    /// not at all; until then it is a temporary file in the same folder, which is created if it does not exist.
    ///
    /// # Errors
    /// As [`Self::get`] and its stream; `storage_full`.
    pub async fn fetch_to(&self, key: &BlobKey, path: &Path) -> Result<u64, BlobError> {
        let folder = match path.parent() {
            Some(parent) if parent == Path::new("") => Path::new("."),
            Some(parent) => parent,
            None => return Err(BlobError::new(BlobErrorKind::Io, format!("{} is not the path of a file", path.display()))),
        };
        let spool = self.fetch(key, folder).await?;
        let (size, path) = (spool.size(), path.to_owned());
        blocking(move || spool.persist(&path)).await?;
        Ok(size)
    }

    /// Downloads an object into a spool in `folder`: complete and checked, and gone with its owner.
    ///
    /// # Errors
    /// As [`Self::get`] and its stream; `storage_full`.
    pub async fn fetch(&self, key: &BlobKey, folder: &Path) -> Result<Spool, BlobError> {
        // The spool hashes too, on other threads than this one: no need for the checked stream.
        let mut stream = self.read(key, None).await?;
        let expected = stream.size();
        let mut writer = SpoolWriter::create(folder, None).await?;
        while let Some(chunk) = stream.next().await {
            writer.write(chunk?).await?;
        }
        let spool = writer.finish().await?;
        if spool.digest() != key.digest() || spool.size() != expected {
            return Err(BlobError::digest(key));
        }
        Ok(spool)
    }

    /// Returns the size of an object.
    ///
    /// # Errors
    /// `not_found`, `unavailable`, `io`.
    pub async fn head(&self, key: &BlobKey) -> Result<u64, BlobError> {
        let meta = self.store.head(&self.location(key)).await;
        Ok(meta.map_err(BlobError::store(format!("look for {key}")))?.size)
    }

    /// Tells whether an object exists, whatever its bytes.
    ///
    /// # Errors
    /// `unavailable`, `io`.
    pub async fn exists(&self, key: &BlobKey) -> Result<bool, BlobError> {
        match self.head(key).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == BlobErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object. One that does not exist counts as deleted.
    ///
    /// # Errors
    /// `unavailable`, `io`.
    pub async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        match self.store.delete(&self.location(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(BlobError::store(format!("delete {key}"))(error)),
        }
    }

    async fn read(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<BlobStream, BlobError> {
        stream::open(Arc::clone(&self.store), self.location(key), key, range).await
    }
}
