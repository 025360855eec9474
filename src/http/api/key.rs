//! API keys.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{PageQuery, Problem, ProblemSchema};
use crate::domain::identity::{ApiKey, Caller, Role};
use crate::domain::page::Page;
use crate::domain::time::Timestamp;
use crate::http::extract::{Json, Path, Query};
use crate::service::App;

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    /// What people call it.
    name: String,
    /// What it may do.
    role: Role,
    /// When it stops working by itself.
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeKey {
    /// The whole key. It is shown this once.
    key: String,
    /// What is kept of it.
    #[serde(flatten)]
    about: ApiKey,
}

/// Makes an API key.
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", request_body = NewKey, responses(
    (status = 201, body = MadeKey), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn create(State(app): State<App>, caller: Caller, Json(new): Json<NewKey>) -> Result<impl IntoResponse, Problem> {
    let (about, key) = app.keys().create(&caller, &new.name, new.role, new.expires_at).await?;
    Ok((StatusCode::CREATED, axum::Json(MadeKey { key, about })))
}

/// Lists API keys by id, revoked ones included.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", params(PageQuery), responses(
    (status = 200, body = Page<ApiKey>), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn list(State(app): State<App>, caller: Caller, Query(page): Query<PageQuery>) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.keys().list(&caller, &page.parse()?).await?))
}

/// Revokes an API key.
#[utoipa::path(delete, path = "/api/v1/keys/{key_id}", tag = "keys", params(("key_id" = String, Path)), responses(
    (status = 204), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn revoke(State(app): State<App>, caller: Caller, Path(key_id): Path<String>) -> Result<impl IntoResponse, Problem> {
    app.keys().revoke(&caller, &key_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
