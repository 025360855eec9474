//! Moving in and out. In: `import` carries what an MLflow server or database holds into this one, `files` its files, `source` reads there,
//! `report` says what came of it, `progress` how far it is. What is written here goes through `service`.
//! Out and back: `copy` writes a whole database and its files into a folder and makes one of such a folder.

pub mod copy;
mod files;
mod import;
mod models;
mod progress;
mod reading;
mod report;
mod source;
mod writer;

pub use import::{Options, import};
pub use progress::Progress;
pub use report::Report;

/// Why something could not be moved.
#[derive(Debug)]
pub enum Trouble {
    /// One thing: the others go on.
    Thing(String),
    /// Everything: nothing more can be done now. Another try goes on from here.
    Everything(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Thing(message) | Self::Everything(message)) = self;
        f.write_str(message)
    }
}

impl From<crate::error::Error> for Trouble {
    fn from(error: crate::error::Error) -> Self {
        use crate::error::Kind;
        match error.kind {
            Kind::Unavailable | Kind::Internal => Self::Everything(error.to_string()),
            _ => Self::Thing(error.message),
        }
    }
}

impl From<crate::store::Error> for Trouble {
    fn from(error: crate::store::Error) -> Self {
        match error {
            crate::store::Error::Decode { .. } => Self::Thing(error.to_string()),
            error => Self::Everything(error.to_string()),
        }
    }
}

impl From<crate::blob::BlobError> for Trouble {
    fn from(error: crate::blob::BlobError) -> Self {
        use crate::blob::BlobErrorKind as B;
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(e) = cause {
            message = format!("{message}: {e}");
            cause = e.source();
        }
        match error.kind {
            B::StorageFull | B::InvalidRoot => Self::Everything(message),
            _ => Self::Thing(message),
        }
    }
}

type Result<T, E = Trouble> = std::result::Result<T, E>;
