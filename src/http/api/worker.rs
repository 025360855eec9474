//! Processes that run jobs.

use axum::extract::State;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Problem, ProblemSchema};
use crate::domain::worker::WorkerProcess;
use crate::service::App;

/// Processes that run jobs.
#[derive(Serialize, ToSchema)]
pub(super) struct Workers {
    /// Those that were heard of within the last minute, oldest first.
    items: Vec<WorkerProcess>,
}

/// Lists the processes that run jobs, with their heartbeats.
#[utoipa::path(get, path = "/api/v1/workers", tag = "jobs", responses(
    (status = 200, body = Workers), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn list(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(Workers { items: app.workers().list().await? }))
}
