//! Data sets and their immutable, numbered versions.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schema::Format;
use super::time::Timestamp;

/// Where a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum VersionState {
    /// Announced.
    Pending,
    /// Bytes arrive.
    Uploading,
    /// Bytes are read and profiled.
    Validating,
    /// Complete and immutable.
    Ready,
    /// Broken.
    Failed,
    /// Its bytes do not match its digest.
    Quarantined,
    /// Put aside.
    Archived,
    /// Gone.
    Deleted,
}

impl VersionState {
    const ALL: [Self; 8] =
        [Self::Pending, Self::Uploading, Self::Validating, Self::Ready, Self::Failed, Self::Quarantined, Self::Archived, Self::Deleted];

    /// Returns the name as stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Uploading => "UPLOADING",
            Self::Validating => "VALIDATING",
            Self::Ready => "READY",
            Self::Failed => "FAILED",
            Self::Quarantined => "QUARANTINED",
            Self::Archived => "ARCHIVED",
            Self::Deleted => "DELETED",
        }
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Tells whether a version may go from here to `to`.
    pub fn allows(self, to: Self) -> bool {
        matches!(
            (self, to),
            (Self::Pending, Self::Uploading)
                | (Self::Uploading, Self::Validating | Self::Failed)
                | (Self::Validating, Self::Ready | Self::Failed)
                | (Self::Failed, Self::Uploading | Self::Deleted)
                | (Self::Ready, Self::Quarantined | Self::Archived)
                | (Self::Quarantined | Self::Archived, Self::Ready)
                | (Self::Archived, Self::Deleted)
        )
    }
}

/// A data set.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Number of the newest version, 0 before the first.
    pub last_version: i64,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

/// A version of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DatasetVersion {
    /// Its id.
    pub id: String,
    /// The data set.
    pub dataset: String,
    /// Its number from 1; none until the content has passed validation.
    pub version: Option<i64>,
    /// Where it stands.
    pub state: VersionState,
    /// What a person should know about that.
    pub message: String,
    /// How the table is written.
    pub format: Format,
    /// `sha256:` of the bytes.
    pub digest: Option<String>,
    /// Size in bytes.
    pub size_bytes: i64,
    /// Number of rows.
    pub num_rows: Option<i64>,
    /// Who uploaded it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}
