//! Events: what happened, in the order it was committed. Names follow MLflow's webhooks where they exist.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::Timestamp;

/// An event as it is written: the store adds the sequence number.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// For instance `model_version_alias.created`.
    pub kind: &'static str,
    /// The noun, for instance `model`.
    pub entity: &'static str,
    /// Its id or name, as the API addresses it.
    pub entity_id: String,
    /// Facts worth knowing without a further request.
    pub payload: serde_json::Value,
}

/// An event as it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Position in the workspace's stream: without gaps, in order of commit.
    pub seq: i64,
    /// For instance `job.succeeded`.
    pub kind: String,
    /// The noun.
    pub entity: String,
    /// Its id or name.
    pub entity_id: String,
    /// Who did it.
    pub actor: String,
    /// Facts about it.
    pub payload: serde_json::Value,
    /// When.
    pub at: Timestamp,
}
