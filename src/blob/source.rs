//! Where the bytes of a put come from. A file is hashed again while it is sent and must turn out to be what was announced: it
//! may have been changed between its hashing and its sending.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::error::BlobError;
use super::key::Digest;

/// Hashing follows reading in steps of this size, while the bytes are still in the processor's cache.
const STEP: usize = 256 << 10;

/// Announced bytes, taken piece by piece. All methods may block.
#[derive(Debug)]
pub(super) enum Source {
    Bytes(Bytes),
    File(CheckedFile),
}

impl Source {
    /// Takes the next `len` bytes, which must not be more than what is left of the announced size.
    pub(super) fn next(&mut self, len: usize) -> Result<Bytes, BlobError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.split_to(len)),
            Self::File(file) => file.next(len),
        }
    }

    /// Checks, after everything was taken, that it was what was announced.
    pub(super) fn finish(self) -> Result<(), BlobError> {
        match self {
            Self::Bytes(_) => Ok(()),
            Self::File(file) => file.finish(),
        }
    }
}

/// A file with the digest and size that it is said to have.
#[derive(Debug)]
pub(super) struct CheckedFile {
    file: File,
    hasher: Sha256,
    taken: u64,
    digest: Digest,
    size: u64,
    buffers: Arc<Buffers>,
}

impl CheckedFile {
    pub(super) fn open(path: &Path, digest: Digest, size: u64, buffers: Arc<Buffers>) -> Result<Self, BlobError> {
        let file = File::open(path).map_err(BlobError::io("open the file to store"))?;
        Ok(Self { file, hasher: Sha256::new(), taken: 0, digest, size, buffers })
    }

    fn next(&mut self, len: usize) -> Result<Bytes, BlobError> {
        let mut buffer = self.buffers.take(len);
        for step in buffer.bytes.chunks_mut(STEP) {
            self.file.read_exact(step).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    let found = self.file.metadata().map_or(self.taken, |m| m.len());
                    BlobError::size("the file to store", self.size, found)
                }
                _ => BlobError::io("read the file to store")(error),
            })?;
            self.hasher.update(&*step);
            self.taken += step.len() as u64;
        }
        Ok(Bytes::from_owner(buffer))
    }

    fn finish(mut self) -> Result<(), BlobError> {
        let more = self.file.read(&mut [0]).map_err(BlobError::io("read the file to store"))?;
        if more > 0 {
            let found = self.file.metadata().map_or(self.size + 1, |m| m.len());
            return Err(BlobError::size("the file to store", self.size, found));
        }
        match Digest::from_hasher(self.hasher) == self.digest {
            true => Ok(()),
            false => Err(BlobError::digest("the file to store")),
        }
    }
}

/// Buffers that are used again: an allocator keeps freed memory of this size per thread, and parts are read on many threads.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    fn take(self: &Arc<Self>, len: usize) -> Buffer {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        bytes.resize(len, 0);
        Buffer { bytes, home: Arc::clone(self) }
    }
}

/// A buffer that goes back when it is dropped.
struct Buffer {
    bytes: Vec<u8>,
    home: Arc<Buffers>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.home.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }
}

/// Hashes the file at `path`, which may be read only as far as it is long now.
pub(super) fn hash_file(path: &Path) -> Result<(Digest, u64), BlobError> {
    let mut file = File::open(path).map_err(BlobError::io("open the file to store"))?;
    let size = file.metadata().map_err(BlobError::io("open the file to store"))?.len();
    let (mut hasher, mut seen, mut buffer) = (Sha256::new(), 0, vec![0; STEP]);
    while seen < size {
        let step = usize::try_from(size - seen).map_or(STEP, |left| left.min(STEP));
        let read = file.read(&mut buffer[..step]).map_err(BlobError::io("read the file to store"))?;
        if read == 0 {
            return Err(BlobError::size("the file to store", size, seen));
        }
        hasher.update(&buffer[..read]);
        seen += read as u64;
    }
    Ok((Digest::from_hasher(hasher), size))
}
