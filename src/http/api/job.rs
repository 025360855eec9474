//! Jobs.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Problem, ProblemSchema, page_of};
use crate::domain::identity::Caller;
use crate::domain::job::{AttemptView, Job, JobState};
use crate::domain::page::Page;
use crate::domain::training::TrainSpec;
use crate::http::extract::{Json, Path, Query};
use crate::service::App;

/// Which jobs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct JobQuery {
    /// Only jobs in this state.
    state: Option<JobState>,
    /// 1 to 1000, 100 when absent.
    page_size: Option<u32>,
    /// `next_page_token` of the page before.
    page_token: Option<String>,
}

/// The attempts of a job, first to last.
#[derive(Serialize, ToSchema)]
pub(super) struct Attempts {
    /// The attempts.
    items: Vec<AttemptView>,
}

/// Submits a training job: run and job are made together.
#[utoipa::path(post, path = "/api/v1/jobs", tag = "jobs", request_body = TrainSpec, responses(
    (status = 201, body = Job), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn submit(State(app): State<App>, caller: Caller, Json(spec): Json<TrainSpec>) -> Result<impl IntoResponse, Problem> {
    Ok((StatusCode::CREATED, axum::Json(app.jobs().submit(&caller, spec).await?)))
}

/// Lists jobs, newest first.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(JobQuery), responses(
    (status = 200, body = Page<Job>), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn list(State(app): State<App>, caller: Caller, Query(query): Query<JobQuery>) -> Result<impl IntoResponse, Problem> {
    let page = page_of(query.page_size, query.page_token.as_deref())?;
    Ok(axum::Json(app.jobs().list(&caller, query.state, &page).await?))
}

/// Returns a job.
#[utoipa::path(get, path = "/api/v1/jobs/{job_id}", tag = "jobs", params(("job_id" = String, Path)), responses(
    (status = 200, body = Job), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn get(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.jobs().get(&caller, &id).await?))
}

/// Lists the attempts of a job.
#[utoipa::path(get, path = "/api/v1/jobs/{job_id}/attempts", tag = "jobs", params(("job_id" = String, Path)), responses(
    (status = 200, body = Attempts), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn attempts(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(Attempts { items: app.jobs().attempts(&caller, &id).await? }))
}

/// Asks a job to stop. The answer means that it will not succeed any more.
#[utoipa::path(post, path = "/api/v1/jobs/{job_id}/cancel", tag = "jobs", params(("job_id" = String, Path)), responses(
    (status = 200, body = Job), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn cancel(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.jobs().cancel(&caller, &id).await?))
}
