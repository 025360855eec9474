//! Temporary files that vanish with their owner. A file is private (0600), is removed on drop, and is locked while its owner
//! lives, so that [`sweep`] can tell the leftovers of a killed process from the files of a living one, in this process or
//! another, without trusting process ids.

use std::collections::hash_map::RandomState;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

const PREFIX: &str = "slipway-";
const SUFFIX: &str = ".tmp";

/// A locked file that is removed on drop unless it was renamed.
#[derive(Debug)]
pub(super) struct TempFile {
    path: PathBuf,
    file: File,
    gone: bool,
}

impl TempFile {
    /// Creates an empty file in `folder`, which must exist.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        loop {
            let path = folder.join(next_name());
            let file = match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            match file.try_lock() {
                // A sweep that came between creation and lock has taken the file away.
                Ok(()) if file.metadata()?.nlink() == 0 => {}
                Err(TryLockError::WouldBlock) => {}
                // A file system without locks keeps its leftovers: `sweep` cannot lock them either.
                Ok(()) | Err(TryLockError::Error(_)) => return Ok(Self { path, file, gone: false }),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Moves the file to `to`, durably: content first, then the folder that names it.
    pub(super) fn persist(mut self, to: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, to)?;
        self.gone = true;
        sync_parent(to)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.gone
            && let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "a temporary file could not be removed");
        }
    }
}

/// Removes the temporary files in `folder` whose owner is gone and returns their number.
pub(super) fn sweep(folder: &Path) -> io::Result<usize> {
    let mut swept = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        if !ours || !entry.file_type()?.is_file() {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        if file.try_lock().is_ok() && fs::remove_file(entry.path()).is_ok() {
            swept += 1;
        }
    }
    Ok(swept)
}

/// Creates `folder` and what lacks above it, for the eyes of its owner only (0700), durably. A folder that exists is left as
/// it is.
pub(super) fn create_private_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    match folder.parent() {
        Some(parent) if parent != Path::new("") => create_private_folder(parent)?,
        _ => {}
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !folder.is_dir() => return Err(error),
        _ => {}
    }
    sync_parent(folder)
}

/// Makes the entry of `path` in its folder durable.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent == Path::new("") => File::open(".")?.sync_all(),
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// The process id is for people who look into the folder; the random part keeps restarted containers (always pid 1) apart.
fn next_name() -> String {
    static NONCE: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}-{:08x}-{count}{SUFFIX}", std::process::id(), *NONCE & 0xffff_ffff)
}
