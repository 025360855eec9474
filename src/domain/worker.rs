//! Processes that run jobs.

use serde::Serialize;
use utoipa::ToSchema;

use super::time::Timestamp;

/// A process that picks jobs up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorkerProcess {
    /// Its id, new at every start.
    pub worker_id: String,
    /// The machine it runs on.
    pub host: String,
    /// Its process id there.
    pub pid: i64,
    /// Jobs that it runs at once.
    pub slots: i64,
    /// Attempts that it is at work on.
    pub running: i64,
    /// When it started.
    pub started_at: Timestamp,
    /// When it was last heard of.
    pub heartbeat_at: Timestamp,
}
