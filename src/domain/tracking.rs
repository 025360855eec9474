//! Experiments and runs with everything that MLflow's clients know about them.

use super::logged_model::ModelOutput;
use super::run::{MetricPoint, RunStatus};
use super::time::Timestamp;

/// Id of the experiment that is there from the start, as MLflow's clients expect it.
pub const DEFAULT_EXPERIMENT_ID: &str = "0";
/// Its name.
pub const DEFAULT_EXPERIMENT: &str = "Default";
/// The tag that repeats the name of a run.
pub const RUN_NAME_TAG: &str = "mlflow.runName";
/// The tag of an input that says what the data was used for.
pub const CONTEXT_TAG: &str = "mlflow.data.context";

/// Whether a thing is there, or deleted and can be brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// There.
    Active,
    /// Deleted, for now.
    Deleted,
}

impl Stage {
    /// Returns the name as stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deleted => "deleted",
        }
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Deleted].into_iter().find(|stage| stage.as_str() == text)
    }
}

/// Which stages a search looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Active ones.
    Active,
    /// Deleted ones.
    Deleted,
    /// Both.
    All,
}

impl View {
    /// Lists the stages.
    pub fn stages(self) -> &'static [Stage] {
        match self {
            Self::Active => &[Stage::Active],
            Self::Deleted => &[Stage::Deleted],
            Self::All => &[Stage::Active, Stage::Deleted],
        }
    }
}

/// A word and its value: a tag or a param.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The word.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// An experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedExperiment {
    /// Its id.
    pub id: String,
    /// Its name, unique among the active ones.
    pub name: String,
    /// Where its runs put their files.
    pub artifact_location: String,
    /// Whether it is deleted.
    pub stage: Stage,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last renamed, deleted or restored.
    pub updated_at: Timestamp,
    /// Tags by key.
    pub tags: Vec<Pair>,
}

/// Returns where the files of an experiment are when nobody said otherwise: behind this server.
pub fn default_location(experiment_id: &str) -> String {
    format!("mlflow-artifacts:/{experiment_id}")
}

/// A data set that a run names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedDataset {
    /// Its name.
    pub name: String,
    /// What tells its contents apart, as the client worked it out.
    pub digest: String,
    /// What `source` is.
    pub source_type: String,
    /// Where it came from.
    pub source: String,
    /// Its columns, in the client's words.
    pub schema: Option<String>,
    /// Statistics, in the client's words.
    pub profile: Option<String>,
}

/// A data set as the input of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetInput {
    /// The data set.
    pub dataset: LoggedDataset,
    /// Tags by key.
    pub tags: Vec<Pair>,
}

/// A run without what it logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunInfo {
    /// Its id.
    pub run_id: String,
    /// Its name.
    pub run_name: String,
    /// Its experiment.
    pub experiment_id: String,
    /// Where it stands.
    pub status: RunStatus,
    /// Who started it.
    pub user_id: String,
    /// The job that works on it.
    pub job_id: Option<String>,
    /// When it started.
    pub start_time: i64,
    /// When it ended.
    pub end_time: Option<i64>,
    /// Whether it is deleted.
    pub stage: Stage,
    /// Where its files are.
    pub artifact_uri: String,
}

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackedRun {
    /// What it is.
    pub info: RunInfo,
    /// Latest point of each metric, by key.
    pub metrics: Vec<MetricPoint>,
    /// Settings by key.
    pub params: Vec<Pair>,
    /// Tags by key.
    pub tags: Vec<Pair>,
    /// Data sets it read.
    pub inputs: Vec<DatasetInput>,
    /// Ids of the logged models that it used.
    pub model_inputs: Vec<String>,
    /// Logged models that it made.
    pub model_outputs: Vec<ModelOutput>,
}

/// A point of the history of a metric, with its run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunPoint {
    /// The run.
    pub run_id: String,
    /// The point.
    pub point: MetricPoint,
}
