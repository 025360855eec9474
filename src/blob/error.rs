//! What can go wrong with bytes: a kind with a stable code, a sentence for people, and the cause kept.

use std::error::Error as StdError;
use std::{fmt, io};

/// Why an operation on bytes failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobErrorKind {
    /// The store holds no object of that key.
    NotFound,
    /// Bytes do not hash to the digest they are named by: damaged at rest, or changed while they were sent.
    DigestMismatch,
    /// There are fewer or more bytes than there should be.
    SizeMismatch,
    /// More bytes than the caller accepts.
    TooLarge,
    /// The local disk, or a quota on it, is full.
    StorageFull,
    /// The store did not answer in time, or refuses to work for us (credentials, missing bucket).
    Unavailable,
    /// The root of the store cannot be used as it is written.
    InvalidRoot,
    /// A digest, workspace or range that no object can have.
    InvalidKey,
    /// Whoever sent the bytes stopped before their end.
    Interrupted,
    /// The local file system failed in another way.
    Io,
}

impl BlobErrorKind {
    /// Returns the stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::DigestMismatch => "digest_mismatch",
            Self::SizeMismatch => "size_mismatch",
            Self::TooLarge => "too_large",
            Self::StorageFull => "storage_full",
            Self::Unavailable => "unavailable",
            Self::InvalidRoot => "invalid_root",
            Self::InvalidKey => "invalid_key",
            Self::Interrupted => "interrupted",
            Self::Io => "io",
        }
    }
}

/// A failed operation on bytes.
#[derive(Debug)]
pub struct BlobError {
    /// Why, for programs.
    pub kind: BlobErrorKind,
    /// Why, for people: lower case, no full stop.
    pub message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl BlobError {
    /// Makes an error of a kind.
    pub fn new(kind: BlobErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Returns the stable code of the kind.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// Tells whether the store, not the request, is to blame, so that the same call may succeed later.
    pub fn is_unavailable(&self) -> bool {
        self.kind == BlobErrorKind::Unavailable
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Makes a function for `map_err` that says what was being done to the local file system.
    pub(crate) fn io(doing: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |error| {
            let kind = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BlobErrorKind::StorageFull,
                io::ErrorKind::NotFound => BlobErrorKind::NotFound,
                _ => BlobErrorKind::Io,
            };
            Self::new(kind, format!("could not {doing}")).caused_by(error)
        }
    }

    /// Makes a function for `map_err` that says what was being asked of the object store.
    pub(crate) fn store(doing: impl fmt::Display) -> impl FnOnce(object_store::Error) -> Self {
        move |error| {
            let kind = match &error {
                object_store::Error::NotFound { .. } => BlobErrorKind::NotFound,
                _ => io_cause(&error).map_or(BlobErrorKind::Unavailable, |io| Self::io("")(io.kind().into()).kind),
            };
            Self::new(kind, format!("could not {doing}")).caused_by(error)
        }
    }

    pub(crate) fn digest(what: impl fmt::Display) -> Self {
        Self::new(BlobErrorKind::DigestMismatch, format!("the bytes of {what} do not hash to its digest"))
    }

    pub(crate) fn size(what: impl fmt::Display, expected: u64, found: u64) -> Self {
        Self::new(BlobErrorKind::SizeMismatch, format!("{what} should have {expected} bytes and has {found}"))
    }

    pub(crate) fn too_large(what: impl fmt::Display, limit: u64) -> Self {
        Self::new(BlobErrorKind::TooLarge, format!("{what} has more than the {limit} bytes that are accepted"))
    }

    /// A blocking task was cancelled because the runtime shuts down, or it panicked.
    pub(crate) fn join(error: tokio::task::JoinError) -> Self {
        Self::new(BlobErrorKind::Unavailable, "the work on a file was cut short").caused_by(error)
    }
}

/// Finds the failure of the local file system inside an error of `object_store`. Remote stores hide I/O errors deeper, inside
/// errors of the HTTP client, and those mean that the store cannot be reached.
fn io_cause(error: &object_store::Error) -> Option<&io::Error> {
    let object_store::Error::Generic { store: "LocalFileSystem", source } = error else { return None };
    let mut cause: Option<&(dyn StdError + 'static)> = Some(source.as_ref());
    while let Some(e) = cause {
        if let Some(io) = e.downcast_ref::<io::Error>() {
            return Some(io);
        }
        cause = e.source();
    }
    None
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for BlobError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_full_quota_have_a_code_of_their_own() {
        const ENOSPC: i32 = 28;
        const EDQUOT: i32 = 122;
        const EACCES: i32 = 13;
        for (errno, code) in [(ENOSPC, "storage_full"), (EDQUOT, "storage_full"), (EACCES, "io")] {
            let error = BlobError::io("write")(io::Error::from_raw_os_error(errno));
            assert_eq!((error.code(), error.is_unavailable()), (code, false));
            let source = Box::new(io::Error::from_raw_os_error(errno));
            let local = object_store::Error::Generic { store: "LocalFileSystem", source };
            assert_eq!(BlobError::store("write")(local).code(), code);
            let source = Box::new(io::Error::from_raw_os_error(errno));
            let remote = object_store::Error::Generic { store: "S3", source };
            assert!(BlobError::store("write")(remote).is_unavailable());
        }
    }
}
