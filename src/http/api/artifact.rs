//! Files of runs and of model versions.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Problem, ProblemSchema};
use crate::domain::artifact::Artifact;
use crate::domain::identity::Caller;
use crate::http::download::hand_out;
use crate::http::extract::{Path, Query};
use crate::service::{App, Owner};

/// Files by path.
#[derive(Serialize, ToSchema)]
pub(super) struct Artifacts {
    /// The files.
    items: Vec<Artifact>,
}

/// Which file.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct FileQuery {
    /// Its path as listed, for instance `model/model.onnx`.
    path: String,
}

/// Lists the files of a run.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/artifacts", tag = "runs", operation_id = "artifacts",
    params(("run_id" = String, Path)), responses(
    (status = 200, body = Artifacts), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn of_run(State(app): State<App>, caller: Caller, Path(run_id): Path<String>) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(Artifacts { items: app.artifacts().list(&caller, Owner::Run(&run_id)).await? }))
}

/// Downloads a file of a run, or a `Range` of it. Its bytes are verified on the way: where they are damaged the transfer breaks off.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/artifacts/content", tag = "runs", operation_id = "artifact_content",
    params(("run_id" = String, Path), FileQuery), responses(
    (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 206, body = Vec<u8>, content_type = "application/octet-stream"),
    (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn content_of_run(
    State(app): State<App>,
    caller: Caller,
    Path(run_id): Path<String>,
    Query(query): Query<FileQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    download(&app, &caller, Owner::Run(&run_id), &query.path, &headers).await
}

/// Lists the files of a version of a model.
#[utoipa::path(get, path = "/api/v1/models/{name}/versions/{version}/artifacts", tag = "models", operation_id = "version_artifacts",
    params(("name" = String, Path), ("version" = i64, Path)), responses(
    (status = 200, body = Artifacts), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn of_version(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(String, i64)>,
) -> Result<impl IntoResponse, Problem> {
    let owner = Owner::ModelVersion { model: &name, version };
    Ok(axum::Json(Artifacts { items: app.artifacts().list(&caller, owner).await? }))
}

/// Downloads a file of a version of a model, verified as those of a run are.
#[utoipa::path(get, path = "/api/v1/models/{name}/versions/{version}/artifacts/content", tag = "models",
    operation_id = "version_artifact_content", params(("name" = String, Path), ("version" = i64, Path), FileQuery), responses(
    (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 206, body = Vec<u8>, content_type = "application/octet-stream"),
    (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn content_of_version(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(String, i64)>,
    Query(query): Query<FileQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    download(&app, &caller, Owner::ModelVersion { model: &name, version }, &query.path, &headers).await
}

async fn download(app: &App, caller: &Caller, owner: Owner<'_>, path: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let stored = app.artifacts().find(caller, owner, path).await?;
    let refuse = |why: String| Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", why).into_response();
    Ok(hand_out(app, &stored, headers, refuse).await?)
}
