//! Models as runs log them, in MLflow's words. A registered version is another thing: see `domain::model`.

use super::run::MetricPoint;
use super::time::Timestamp;
use super::tracking::{Pair, Stage};

/// What the ids of logged models begin with.
pub const ID_PREFIX: &str = "m-";

/// How far a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoggedModelStatus {
    /// Its files are on their way.
    Pending,
    /// It can be used.
    Ready,
    /// Its files did not arrive.
    Failed,
}

impl LoggedModelStatus {
    const ALL: [Self; 3] = [Self::Pending, Self::Ready, Self::Failed];

    /// Returns the name as stored and as filters know it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Ready => "READY",
            Self::Failed => "FAILED",
        }
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// A model that was logged.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedModel {
    /// `m-` and 32 hex digits.
    pub model_id: String,
    /// Its experiment.
    pub experiment_id: String,
    /// Its name, which others may have too.
    pub name: String,
    /// Where its files are.
    pub artifact_uri: String,
    /// How far it is.
    pub status: LoggedModelStatus,
    /// What kind of model it is, in the client's words; may be empty.
    pub model_type: String,
    /// The run that made it; empty when none did.
    pub source_run_id: String,
    /// Whether it is deleted.
    pub stage: Stage,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its status last changed, or it was deleted.
    pub updated_at: Timestamp,
    /// Params by key.
    pub params: Vec<Pair>,
    /// Tags by key.
    pub tags: Vec<Pair>,
    /// Points by key, step and timestamp: the latest ones where there are very many.
    pub metrics: Vec<ModelPoint>,
}

/// A point that was measured on a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelPoint {
    /// The model.
    pub model_id: String,
    /// The run that measured it.
    pub run_id: String,
    /// Name of the data set that it was measured with; empty when nobody said.
    pub dataset_name: String,
    /// Digest of that data set.
    pub dataset_digest: String,
    /// What was measured.
    pub point: MetricPoint,
}

/// A model that a run made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelOutput {
    /// The model.
    pub model_id: String,
    /// The step of training at which it was made.
    pub step: i64,
}
