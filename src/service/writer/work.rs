//! What can be written through the group commit, and what comes of it.

use crate::domain::identity::Caller;
use crate::domain::job::Progress;
use crate::domain::run::MetricPoint;
use crate::domain::tracking::{Pair, Stage, TrackedRun};
use crate::service::jobs::Claim;

/// What one request logs.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Points; one that is there already changes nothing.
    pub metrics: Vec<MetricPoint>,
    /// Params.
    pub params: Vec<Pair>,
    /// Tags; the last value stays.
    pub tags: Vec<Pair>,
}

/// What happens to a param that is there with another value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnParam {
    /// The batch is refused.
    Refuse,
    /// It is replaced.
    Replace,
}

/// A batch for a run.
#[derive(Debug)]
pub(crate) struct Log {
    /// The workspace of the caller.
    pub workspace: String,
    /// The run.
    pub run_id: String,
    /// What is logged: checked, and without NUL.
    pub batch: Batch,
    /// What becomes of its params.
    pub on_param: OnParam,
}

/// A run to be started.
#[derive(Debug)]
pub(crate) struct Start {
    /// Who starts it.
    pub caller: Caller,
    /// Its id.
    pub id: String,
    /// Its experiment.
    pub experiment_id: String,
    /// Its name.
    pub name: String,
    /// The user that it names.
    pub user: String,
    /// When it starts by the client's clock.
    pub start_time: i64,
    /// Its tags by key, each once.
    pub tags: Vec<Pair>,
}

/// What an attempt of a job reports.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// The attempt.
    pub claim: Claim,
    /// Points of its run.
    pub points: Vec<MetricPoint>,
    /// How far it is.
    pub progress: Option<Progress>,
}

/// One request.
#[derive(Debug)]
pub(crate) enum Work {
    /// A client logs to a run.
    Log(Log),
    /// A client starts a run.
    Start(Box<Start>),
    /// A worker reports.
    Attempt(Box<Attempt>),
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Done {
    /// It is durable.
    Logged,
    /// The run does not take it.
    Refused(Refusal),
    /// The run was made.
    Started(Box<TrackedRun>),
    /// Whether the attempt was still the active one; if not, nothing was written.
    Reported(bool),
}

/// Why a run does not take a batch.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is none in the workspace.
    NoRun,
    /// It is deleted.
    Stage(Stage),
    /// This job writes it.
    OfJob(String),
    /// Params are there with other values: key, value there, value given.
    ParamsAreSet(Vec<(String, String, String)>),
}

impl Work {
    /// What it takes of the memory that may wait, about.
    pub(super) fn bytes(&self) -> usize {
        let points = |points: &[MetricPoint]| points.iter().map(|point| 64 + point.key.len()).sum::<usize>();
        let pairs = |pairs: &[Pair]| pairs.iter().map(|pair| 64 + pair.key.len() + pair.value.len()).sum::<usize>();
        512 + match self {
            Self::Log(log) => points(&log.batch.metrics) + pairs(&log.batch.params) + pairs(&log.batch.tags),
            Self::Start(start) => pairs(&start.tags),
            Self::Attempt(attempt) => points(&attempt.points),
        }
    }
}
