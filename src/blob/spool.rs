//! Takes a stream of bytes of unknown length into a private local file, counting and hashing on the way. Nothing is promised
//! about durability here: a spool is a stop on the way to the store and ends with the request that filled it.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

use super::error::{BlobError, BlobErrorKind};
use super::key::Digest;
use super::temp::{self, TempFile};

/// What is written and hashed in one go, off the async threads.
const BATCH: usize = 4 << 20;
/// From this size on a batch is hashed by one thread while another writes it.
const LARGE: usize = 256 << 10;
/// After this much, what was written is sent to the disk, so that little is left to wait for when the file must be durable.
const SYNC_AFTER: usize = 64 << 20;

/// Bytes that have arrived. The file is removed when the spool is dropped.
#[derive(Debug)]
pub struct Spool {
    file: TempFile,
    digest: Digest,
    size: u64,
    /// When the file was written last.
    written: Option<SystemTime>,
}

impl Spool {
    /// Receives a whole stream into `folder` (see [`SpoolWriter::create`]).
    ///
    /// # Errors
    /// `too_large` as soon as there are more than `limit` bytes, `interrupted` if the stream yields an error, `storage_full`
    /// or `io`. Nothing is left behind.
    pub async fn receive<S, E>(folder: &Path, stream: S, limit: Option<u64>) -> Result<Self, BlobError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut writer = SpoolWriter::create(folder, limit).await?;
        let mut stream = std::pin::pin!(stream);
        while let Some(bytes) = stream.next().await {
            match bytes {
                Ok(bytes) => writer.write(bytes).await?,
                Err(error) => {
                    writer.give_up().await;
                    let message = "the bytes stopped before their end";
                    return Err(BlobError::new(BlobErrorKind::Interrupted, message).caused_by(error));
                }
            }
        }
        writer.finish().await
    }

    /// Removes the spools in `folder` that killed processes left behind and returns their number. Those of living ones stay.
    ///
    /// # Errors
    /// `io` if the folder cannot be read; one that does not exist has no leftovers.
    pub fn sweep(folder: &Path) -> Result<usize, BlobError> {
        match temp::sweep(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            swept => swept.map_err(BlobError::io("clean the spool folder")),
        }
    }

    /// Returns where the bytes are, as long as this value lives.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Returns the hash of what was received.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns how many bytes were received.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the open file, unless its size or the time of its last change is not what it was when it had been filled.
    pub(super) fn untouched(&self) -> Result<Option<File>, BlobError> {
        let looked = || -> std::io::Result<Option<File>> {
            let file = self.file.file().try_clone()?;
            let now = file.metadata()?;
            let same = now.len() == self.size && self.written.is_some() && now.modified().ok() == self.written;
            Ok(same.then_some(file))
        };
        looked().map_err(BlobError::io("look at a temporary file"))
    }

    /// Moves the file to `to` on the same file system, durably.
    pub(super) fn persist(self, to: &Path) -> Result<(), BlobError> {
        self.file.persist(to).map_err(BlobError::io("move a file into place"))
    }
}

/// A spool that is being filled. While one batch is hashed and written the next one is gathered, so two batches of memory are in use
/// however much is received.
#[derive(Debug)]
pub struct SpoolWriter {
    batch: Vec<u8>,
    state: State,
    size: u64,
    limit: u64,
    unsynced: usize,
    syncing: Option<JoinHandle<std::io::Result<()>>>,
}

#[derive(Debug)]
enum State {
    Idle(Box<Work>),
    Busy(JoinHandle<Result<Box<Work>, BlobError>>),
    Failed,
}

#[derive(Debug)]
struct Work {
    file: TempFile,
    hasher: Sha256,
    spare: Vec<u8>,
}

impl Work {
    fn take(&mut self, batch: &[u8]) -> Result<(), BlobError> {
        let Self { file, hasher, .. } = self;
        let write = || file.file().write_all(batch).map_err(BlobError::io("write a temporary file"));
        if batch.len() < LARGE {
            hasher.update(batch);
            return write();
        }
        std::thread::scope(|scope| {
            scope.spawn(|| hasher.update(batch));
            write()
        })
    }
}

impl SpoolWriter {
    /// Starts a spool in `folder`, which is created (0700) if it does not exist.
    ///
    /// # Errors
    /// `storage_full` or `io`.
    pub async fn create(folder: &Path, limit: Option<u64>) -> Result<Self, BlobError> {
        let folder: PathBuf = folder.to_owned();
        let file = blocking(move || {
            temp::create_private_folder(&folder).and_then(|()| TempFile::create(&folder)).map_err(BlobError::io("create a temporary file"))
        })
        .await?;
        let work = Work { file, hasher: Sha256::new(), spare: Vec::new() };
        let state = State::Idle(Box::new(work));
        Ok(Self { batch: Vec::new(), state, size: 0, limit: limit.unwrap_or(u64::MAX), unsynced: 0, syncing: None })
    }

    /// Returns how many bytes were received so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds bytes. After an error the spool is gone and every further call fails.
    ///
    /// # Errors
    /// `too_large`, `storage_full` or `io`, the last two also for bytes of a former call.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        self.size += bytes.len() as u64;
        if self.size > self.limit {
            self.give_up().await;
            return Err(BlobError::too_large("the upload", self.limit));
        }
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(BATCH - self.batch.len()));
            self.batch.extend_from_slice(&piece);
            if self.batch.len() == BATCH {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Ends the spool.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn finish(mut self) -> Result<Spool, BlobError> {
        self.flush().await?;
        let work = self.idle().await?;
        self.synced().await?;
        let written = work.file.file().metadata().and_then(|metadata| metadata.modified()).ok();
        Ok(Spool { file: work.file, digest: Digest::from_hasher(work.hasher), size: self.size, written })
    }

    /// Removes the file, after the batch in flight.
    async fn give_up(&mut self) {
        let _removed = self.idle().await;
        self.state = State::Failed;
    }

    async fn flush(&mut self) -> Result<(), BlobError> {
        let mut work = self.idle().await?;
        if self.unsynced >= SYNC_AFTER && self.syncing.as_ref().is_none_or(JoinHandle::is_finished) {
            self.synced().await?;
            let file = work.file.file().try_clone().map_err(BlobError::io("sync a temporary file"))?;
            self.syncing = Some(spawn_blocking(move || file.sync_data()));
            self.unsynced = 0;
        }
        let batch = std::mem::replace(&mut self.batch, std::mem::take(&mut work.spare));
        self.unsynced += batch.len();
        self.state = State::Busy(spawn_blocking(move || {
            work.take(&batch)?;
            work.spare = batch;
            work.spare.clear();
            Ok(work)
        }));
        Ok(())
    }

    /// Waits for the sync in flight. What it reports is reported once, so that it must not be lost.
    async fn synced(&mut self) -> Result<(), BlobError> {
        match self.syncing.take() {
            Some(task) => task.await.map_err(BlobError::join)?.map_err(BlobError::io("sync a temporary file")),
            None => Ok(()),
        }
    }

    /// Waits for the batch in flight. Cancelled while it waits, it leaves the state as it was.
    async fn idle(&mut self) -> Result<Box<Work>, BlobError> {
        if let State::Busy(task) = &mut self.state {
            let done = task.await.map_err(BlobError::join);
            self.state = State::Failed;
            return done?;
        }
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Idle(work) => Ok(work),
            _ => Err(BlobError::new(BlobErrorKind::Io, "the temporary file failed before")),
        }
    }
}

/// Runs `work` where it may block.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, BlobError> + Send + 'static) -> Result<T, BlobError> {
    spawn_blocking(work).await.map_err(BlobError::join)?
}
