//! The error of every use case: a kind that decides how a client is told, one stable code per cause, and a sentence for people.
//! Lower layers have exact errors of their own; `From` impls here are the only place where they become this one.

use std::error::Error as StdError;
use std::fmt;

/// How a failure is to be treated, whatever the dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is malformed or breaks a rule that does not depend on stored state.
    InvalidArgument,
    /// No credentials, or none that are valid.
    Unauthenticated,
    /// The caller is known and may not do this.
    PermissionDenied,
    /// The named thing does not exist in the caller's workspace.
    NotFound,
    /// A thing of that name exists already.
    AlreadyExists,
    /// The state of a resource does not allow this now, or a compare-and-set lost.
    Conflict,
    /// A body or value is larger than what is accepted.
    TooLarge,
    /// A bounded resource is full for the moment; the same request may succeed later.
    ResourceExhausted,
    /// A dependency (database, object store) did not answer.
    Unavailable,
    /// A bug or a broken invariant.
    Internal,
}

/// A failed use case.
#[derive(Debug)]
pub struct Error {
    /// How the client is told.
    pub kind: Kind,
    /// Stable, snake_case, one per cause.
    pub code: &'static str,
    /// For people: lower case, no full stop.
    pub message: String,
    /// Facts for programs (line, column, current state …), in the order they were added.
    pub details: Vec<(&'static str, serde_json::Value)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of a use case.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Makes an error of a kind.
    pub fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, code, message: message.into(), details: Vec::new(), source: None }
    }

    /// The request breaks a rule.
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidArgument, code, message)
    }

    /// The named thing is not there.
    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, code, message)
    }

    /// The state of things does not allow it.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, code, message)
    }

    /// A bug or a broken invariant.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, "internal", message)
    }

    /// Adds a fact for programs.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// Tells whether the cause is a row that exists already.
    pub fn is_duplicate(&self) -> bool {
        let cause = self.source.as_deref().and_then(|e| e.downcast_ref::<crate::store::Error>());
        cause.is_some_and(crate::store::Error::is_unique_violation)
    }

    /// Keeps the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        let mut cause = self.source.as_deref().map(|e| e as &dyn StdError);
        while let Some(e) = cause {
            write!(f, ": {e}")?;
            cause = e.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn StdError + 'static))
    }
}

impl From<crate::store::Error> for Error {
    fn from(error: crate::store::Error) -> Self {
        match error.is_unavailable() {
            true => Self::new(Kind::Unavailable, "database_unavailable", "the database did not answer"),
            false => Self::internal("the database refused a statement"),
        }
        .caused_by(error)
    }
}

impl From<crate::blob::BlobError> for Error {
    fn from(error: crate::blob::BlobError) -> Self {
        use crate::blob::BlobErrorKind as B;
        let (kind, code) = match error.kind {
            B::Unavailable => (Kind::Unavailable, "unavailable"),
            B::StorageFull => (Kind::Unavailable, "storage_full"),
            B::DigestMismatch | B::SizeMismatch | B::NotFound => (Kind::Conflict, "digest_mismatch"),
            B::TooLarge | B::InvalidRoot | B::InvalidKey | B::Interrupted | B::Io => (Kind::Internal, "internal"),
        };
        Self::new(kind, code, error.to_string()).caused_by(error)
    }
}

impl From<crate::data::DataError> for Error {
    fn from(error: crate::data::DataError) -> Self {
        // a spool file that can't be read is no fault of what is in it
        let kind = if error.code == "unreadable_file" { Kind::Internal } else { Kind::InvalidArgument };
        let mut told = Self::new(kind, error.code, error.to_string());
        if let Some(line) = error.line {
            told = told.with("line", line);
        }
        if let Some(column) = error.column {
            told = told.with("column", column);
        }
        told
    }
}

impl From<crate::domain::Invalid> for Error {
    fn from(invalid: crate::domain::Invalid) -> Self {
        Self::invalid(invalid.code, invalid.message)
    }
}
