//! Durable writing into a local folder. `object_store` can sync what it writes, but a put of its own that finds the object, or
//! the folder above it, just made by another writer returns before that writer has synced it, and the staging files of a
//! killed process stay beside the objects for ever. So writing is done here: staged in `.staging`, synced, linked into place
//! (which fails if the object exists), and every folder entry on the way synced before the put returns.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::{BlobError, BlobErrorKind};
use super::key::BlobKey;
use super::source::Source;
use super::temp::{self, TempFile};

/// Not a workspace id, so it cannot meet an object.
const STAGING: &str = ".staging";
const CHUNK: u64 = 1 << 20;

/// The folder of a local store.
#[derive(Clone, Debug)]
pub(super) struct LocalRoot {
    root: PathBuf,
    /// Folders whose entry in their parent this process has synced.
    synced: Arc<Mutex<HashSet<PathBuf>>>,
}

impl LocalRoot {
    /// Creates the folder if it does not exist and clears away what killed processes left in its staging area.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        temp::create_private_folder(root)?;
        let root = root.canonicalize()?;
        let staging = root.join(STAGING);
        temp::create_private_folder(&staging)?;
        let swept = temp::sweep(&staging)?;
        if swept > 0 {
            tracing::info!(swept, "removed {swept} unfinished objects of a former process");
        }
        Ok(Self { root, synced: Arc::default() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.root
    }

    /// Stores `size` bytes of `source` under `key` and tells whether the object is new. Blocks; gives up between two chunks
    /// once `cancelled` is set.
    pub(super) fn put(&self, key: &BlobKey, size: u64, mut source: Source, cancelled: &AtomicBool) -> Result<bool, BlobError> {
        let staged = TempFile::create(&self.root.join(STAGING)).map_err(BlobError::io("create an object"))?;
        let mut left = size;
        while left > 0 {
            let bytes = source.next(usize::try_from(left.min(CHUNK)).unwrap_or(usize::MAX))?;
            staged.file().write_all(&bytes).map_err(BlobError::io("write an object"))?;
            left -= bytes.len() as u64;
            if cancelled.load(Ordering::Relaxed) {
                return Err(BlobError::new(BlobErrorKind::Interrupted, "the put was given up"));
            }
        }
        source.finish()?;
        staged.file().sync_all().map_err(BlobError::io("sync an object"))?;
        let place = self.place(key).map_err(BlobError::io("create the folder of an object"))?;
        match self.publish(key, staged.path(), &place, size)? {
            Some(fresh) => Ok(fresh),
            // A file system without hard links. Replacing an object by its equal harms nobody.
            None => staged.persist(&place).map_err(BlobError::io("move an object into place")).map(|()| true),
        }
    }

    /// Stores a file under `key` that this process has written and hashed, without copying it, and tells whether the object is new.
    /// Nothing is done, and nothing told, where that can't be: across file systems, or where there are no hard links. Blocks.
    pub(super) fn adopt(&self, key: &BlobKey, file: &File, path: &Path, size: u64) -> Result<Option<bool>, BlobError> {
        file.sync_all().map_err(BlobError::io("sync an object"))?;
        let place = self.place(key).map_err(BlobError::io("create the folder of an object"))?;
        self.publish(key, path, &place, size)
    }

    /// Links a synced file into place, if links can be made there.
    fn publish(&self, key: &BlobKey, file: &Path, place: &Path, size: u64) -> Result<Option<bool>, BlobError> {
        use io::ErrorKind::{AlreadyExists, CrossesDevices, PermissionDenied, Unsupported};
        let fresh = match fs::hard_link(file, place) {
            Ok(()) => true,
            Err(error) if error.kind() == AlreadyExists => false,
            Err(error) if matches!(error.kind(), CrossesDevices | Unsupported | PermissionDenied) => return Ok(None),
            Err(error) => return Err(BlobError::io("link an object into place")(error)),
        };
        // Also when the object exists: its writer may not have come to this line yet.
        temp::sync_parent(place).map_err(BlobError::io("sync the folder of an object"))?;
        let found = fs::metadata(place).map_err(BlobError::io("look at an object"))?.len();
        match found == size {
            true => Ok(Some(fresh)),
            false => Err(BlobError::size(key, size, found)),
        }
    }

    /// Returns the path of an object after making its folders, with durable entries.
    fn place(&self, key: &BlobKey) -> io::Result<PathBuf> {
        let [workspace, blobs, fan, name] = key.parts();
        let mut folder = self.root.clone();
        for part in [workspace, blobs, fan] {
            folder.push(part);
            let known = self.synced.lock().unwrap_or_else(PoisonError::into_inner).contains(&folder);
            if known && folder.is_dir() {
                continue;
            }
            temp::create_private_folder(&folder)?;
            // Once per process for a folder that exists: whoever made it may have died before this.
            temp::sync_parent(&folder)?;
            self.synced.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.clone());
        }
        Ok(folder.join(name))
    }

    /// Makes and removes a file, to see that the folder is there and takes writes.
    pub(super) fn probe(&self) -> io::Result<()> {
        TempFile::create(&self.root.join(STAGING)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Digest;

    fn root(name: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("slipway-local-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        root
    }

    #[test]
    fn a_put_that_is_given_up_leaves_nothing() {
        let path = root("cancel");
        let local = LocalRoot::open(&path).unwrap();
        let bytes = bytes::Bytes::from(vec![7; 3 << 20]);
        let key = BlobKey::new("default", Digest::of(&bytes), 0).unwrap();
        let error = local.put(&key, 3 << 20, Source::Bytes(bytes), &AtomicBool::new(true)).unwrap_err();
        assert_eq!(error.code(), "interrupted");
        assert_eq!(fs::read_dir(path.join(STAGING)).unwrap().count(), 0);
        assert!(!path.join("default").exists());
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn opening_removes_the_leftovers_of_the_dead_and_nothing_of_the_living() {
        let path = root("sweep");
        LocalRoot::open(&path).unwrap();
        let staging = path.join(STAGING);
        fs::write(staging.join("slipway-1-00000000-0.tmp"), "left").unwrap();
        fs::write(staging.join("note.txt"), "not ours").unwrap();
        let living = TempFile::create(&staging).unwrap();
        LocalRoot::open(&path).unwrap();
        assert!(living.path().exists());
        assert!(staging.join("note.txt").exists());
        assert!(!staging.join("slipway-1-00000000-0.tmp").exists());
        drop(living);
        fs::remove_dir_all(path).unwrap();
    }
}
