//! Sign-ins of browsers.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Problem, ProblemSchema};
use crate::domain::identity::{Caller, Role};
use crate::http::extract::Json;
use crate::http::session;
use crate::service::App;

/// Who wants to sign in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSession {
    /// An API key.
    key: String,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub(super) struct Session {
    /// Whose things they see.
    workspace: String,
    /// Who they are in histories: `key:` and the id of the key, or `local` for the owner of the machine.
    principal: String,
    /// What they may do.
    role: Role,
    /// Version of the server.
    server_version: &'static str,
}

impl From<Caller> for Session {
    fn from(caller: Caller) -> Self {
        let Caller { workspace, principal, role } = caller;
        Self { workspace, principal, role, server_version: env!("CARGO_PKG_VERSION") }
    }
}

/// Signs a browser in with a key. The answer sets a cookie that no script can read; it stands for the key until it is signed out, the
/// key ends, or `session_ms` have passed. With a cookie, what changes something is let in from pages of this server only.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", request_body = NewSession, responses(
    (status = 201, body = Session), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn open(State(app): State<App>, Json(new): Json<NewSession>) -> Result<impl IntoResponse, Problem> {
    let opened = app.sessions().open(new.key.trim()).await?;
    let cookie = session::cookie(&opened.secret, opened.lasts_ms, &app.config().url());
    let headers = AppendHeaders(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok((StatusCode::CREATED, headers, axum::Json(Session::from(opened.caller))))
}

/// Tells who is calling, whether with a cookie, a key or neither.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", responses(
    (status = 200, body = Session), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn get(caller: Caller) -> impl IntoResponse {
    axum::Json(Session::from(caller))
}

/// Signs a browser out.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session", responses(
    (status = 204), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn close(State(app): State<App>, headers: HeaderMap) -> Result<impl IntoResponse, Problem> {
    if let Some(secret) = session::secret_of(&headers) {
        app.sessions().close(secret).await?;
    }
    let cookie = session::cookie("", 0, &app.config().url());
    Ok((StatusCode::NO_CONTENT, AppendHeaders(cookie.map(|cookie| (header::SET_COOKIE, cookie)))))
}
