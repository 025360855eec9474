//! Experiments, runs and metrics.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{PageQuery, Problem, ProblemSchema, page_of};
use crate::domain::identity::Caller;
use crate::domain::page::Page;
use crate::domain::run::{Experiment, MetricPoint, Run, RunStatus};
use crate::http::extract::{Json, Path, Query};
use crate::service::App;

/// A run to be started.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRun {
    /// Experiment it belongs to; made when there is none of that name. `Default` when absent.
    #[serde(default)]
    experiment: Option<String>,
    /// Its name; made up when absent.
    #[serde(default)]
    run_name: Option<String>,
}

/// What a batch logs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// Points; one that is there already changes nothing.
    #[serde(default)]
    metrics: Vec<MetricPoint>,
    /// Settings; the last value stays.
    #[serde(default)]
    params: BTreeMap<String, String>,
}

/// How a run ended.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    /// `FINISHED`, `FAILED` or `KILLED`.
    status: RunStatus,
}

/// Which runs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct RunQuery {
    /// Only runs of this experiment.
    experiment_id: Option<String>,
    /// 1 to 1000, 100 when absent.
    page_size: Option<u32>,
    /// `next_page_token` of the page before.
    page_token: Option<String>,
}

/// Lists experiments by name.
#[utoipa::path(get, path = "/api/v1/experiments", tag = "runs", params(PageQuery), responses(
    (status = 200, body = Page<Experiment>), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn list_experiments(
    State(app): State<App>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.runs().list_experiments(&caller, &page.parse()?).await?))
}

/// Starts a run.
#[utoipa::path(post, path = "/api/v1/runs", tag = "runs", request_body = NewRun, responses(
    (status = 201, body = Run), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn create(State(app): State<App>, caller: Caller, Json(new): Json<NewRun>) -> Result<impl IntoResponse, Problem> {
    let experiment = new.experiment.as_deref().unwrap_or("Default");
    let run = app.runs().create(&caller, experiment, new.run_name.as_deref()).await?;
    Ok((StatusCode::CREATED, axum::Json(run)))
}

/// Lists runs, newest first.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs", params(RunQuery), responses(
    (status = 200, body = Page<Run>), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn list(State(app): State<App>, caller: Caller, Query(query): Query<RunQuery>) -> Result<impl IntoResponse, Problem> {
    let page = page_of(query.page_size, query.page_token.as_deref())?;
    Ok(axum::Json(app.runs().list(&caller, query.experiment_id.as_deref(), &page).await?))
}

/// Returns a run with its params and latest metrics.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}", tag = "runs", params(("run_id" = String, Path)), responses(
    (status = 200, body = Run), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn get(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.runs().get(&caller, &id).await?))
}

/// Logs points and params. The answer means that they are durable.
#[utoipa::path(post, path = "/api/v1/runs/{run_id}/metrics", tag = "runs", params(("run_id" = String, Path)), request_body = Batch,
    responses((status = 204), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn log(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(batch): Json<Batch>,
) -> Result<impl IntoResponse, Problem> {
    app.runs().log_batch(&caller, &id, &batch.params, &batch.metrics).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the points of a metric by step.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/metrics/{key}", tag = "runs",
    params(("run_id" = String, Path), ("key" = String, Path), PageQuery), responses(
    (status = 200, body = Page<MetricPoint>), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn history(
    State(app): State<App>,
    caller: Caller,
    Path((id, key)): Path<(String, String)>,
    Query(page): Query<PageQuery>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.runs().history(&caller, &id, &key, &page.parse()?).await?))
}

/// Ends a run that no job works on.
#[utoipa::path(post, path = "/api/v1/runs/{run_id}/end", tag = "runs", params(("run_id" = String, Path)), request_body = End,
    responses((status = 200, body = Run), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn end(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(end): Json<End>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.runs().finish(&caller, &id, end.status).await?))
}
